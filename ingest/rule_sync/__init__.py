"""Keeping the provider's rules equal to ``core.twitter_rules``."""
