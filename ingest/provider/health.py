"""Whether a provider answers: since when it does not, and what it said last.

Belongs here: writing ``ops.provider_health``, which the gap ledger and the alerts read.
Does not belong here: deciding what to do about it.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg

from database import named_sql
from ingest.provider.protocol import ProviderFailed

OUT_OF_CREDITS = "HTTP 402"
"""The provider's word for a spent account, in a failure's detail; the trigger on ``ops.provider_health`` knows it."""

_SQL = named_sql.statements(Path(__file__).parent / "sql" / "budget.sql")


def note_success(connection: psycopg.Connection[Any], source: str, now: datetime) -> None:
    """Say that a provider answered."""
    connection.execute(_SQL["note_success"], {"source": source, "now": now})


def note_failure(connection: psycopg.Connection[Any], failed: ProviderFailed, now: datetime) -> None:
    """Say that a provider failed; the time of the first failure since its last answer stays.

    A second failure in a row opens a gap in ``ops.gaps``, which the next answer closes.
    """
    parameters = {
        "source": failed.source,
        "now": now,
        "detail": failed.detail,
        # A key that is refused says nothing about deliveries; without credits there are none.
        "stops_collection": failed.is_retryable or OUT_OF_CREDITS in failed.detail,
    }
    connection.execute(_SQL["note_failure"], parameters)


def failing(connection: psycopg.Connection[Any]) -> str | None:
    """Return a sentence about the provider that has been failing for longest, if one is."""
    row = connection.execute(_SQL["failing"]).fetchone()
    return None if row is None else f"{row[0]} has been failing since {row[1]:%Y-%m-%d %H:%M}Z: {row[2]}"
