"""Timings of what the project promises, printed beside the promise."""
