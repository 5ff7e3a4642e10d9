"""What this package raises at its callers: a sentence that says what was wrong and what to do.

Belongs here: errors that a caller can act on.
Does not belong here: errors of the database (psycopg's own types say those best).
"""

from __future__ import annotations


class DataLayerError(ValueError):
    """Something about the question was wrong."""


class NotFoundError(DataLayerError):
    """What was asked for does not exist."""


class InvalidCursorError(DataLayerError):
    """A cursor that this list did not give out."""


class InvalidQueryError(DataLayerError):
    """A value that a question cannot take."""


class ConflictError(DataLayerError):
    """A write that contradicts what is there already."""
