"""A stand-in for the tweet provider: a seeded, living, synthetic world behind the provider's own HTTP API."""
