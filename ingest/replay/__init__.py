"""Replaying archived tweets through the running webhook, resumable, without losing a line."""
