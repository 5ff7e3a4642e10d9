"""The front door, the normaliser, the provider's stand-in, and replaying."""
