"""Faults on demand and by schedule, and the file that tells what was really wrong."""
