"""Clients of the tweet providers: look-ups, rules, search, and the budgets they spend."""
