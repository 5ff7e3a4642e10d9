"""Engagement snapshots: which tweets are due, asking for them, writing what was observed."""
