"""What stands between the truth and the message: instruments, clocks, batteries, radio."""
