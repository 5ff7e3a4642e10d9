"""What this package raises when a person asked for something that cannot be done.

Belongs here: error types whose message a person reads.
Does not belong here: what is refused over HTTP (``outcomes.py``).
"""

from __future__ import annotations


class InvalidRequestError(ValueError):
    """What was asked for cannot be done; the message says why and what to do."""


class ConfigurationError(RuntimeError):
    """The environment is not as it must be; the message names the variable, never its value."""
