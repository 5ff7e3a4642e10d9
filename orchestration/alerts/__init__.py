"""Alerts: one message when something goes wrong, one when it is well again."""
