"""Dagster: assets, checks, jobs, sensors and schedules, and the processes that run them."""
