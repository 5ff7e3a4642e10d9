"""The front door, the normaliser, and what talks to the provider."""
