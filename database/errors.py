"""What this package raises when a database cannot be had: a sentence for a person, with what to do about it.

Belongs here: the error types that cross the package's border.
Does not belong here: errors of a statement (psycopg's own types say those best).
"""

from __future__ import annotations


class DatabaseUnavailableError(RuntimeError):
    """No database can be reached or started; the message says why and what to do."""
