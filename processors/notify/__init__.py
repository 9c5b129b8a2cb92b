"""Who is told of which alert, how, and once. Pure; what reaches people is processors/io/notify.py."""
