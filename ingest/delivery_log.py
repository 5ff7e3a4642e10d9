"""The log of deliveries that were committed: when each came, from whom, and what became of it.

Belongs here: searching it.
Does not belong here: what was refused, which is in the service's log lines and metrics; printing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psycopg
from psycopg.rows import class_row

from database import snowflake
from database.named_sql import statements

_SQL = statements(Path(__file__).parent / "sql" / "delivery_log.sql")

OUTCOMES = ("waiting", "normalised", "duplicate", "control", "dead", "unaccounted")
"""What can become of a delivery; ``dead`` if any of its items is a dead letter."""


@dataclass(frozen=True)
class LoggedDelivery:
    """A delivery. The counts are ``None`` while it waits; ``open_letters`` names the reasons of its dead letters."""

    delivery_id: int
    received_at: datetime
    source: str
    zone: str | None
    item_count: int
    body_bytes: int
    normalised_at: datetime | None
    normalised_count: int | None
    duplicate_count: int | None
    control_count: int | None
    dead_count: int | None
    outcome: str
    open_letters: str | None


def find(
    connection: psycopg.Connection,
    *,
    since: datetime,
    until: datetime,
    source: str | None = None,
    outcome: str | None = None,
    limit: int = 50,
) -> Sequence[LoggedDelivery]:
    """Return the deliveries received in a span of time, newest first."""
    parameters = {
        "from_id": snowflake.floor(since),
        "to_id": snowflake.floor(until),
        "source": source,
        "outcome": outcome,
        "limit": limit,
    }
    with connection.cursor(row_factory=class_row(LoggedDelivery)) as cursor:
        return cursor.execute(_SQL["find"], parameters).fetchall()


def of_ids(connection: psycopg.Connection, delivery_ids: Sequence[int]) -> Sequence[LoggedDelivery]:
    """Return the deliveries with these ids, newest first."""
    with connection.cursor(row_factory=class_row(LoggedDelivery)) as cursor:
        return cursor.execute(_SQL["of_ids"], {"delivery_ids": list(delivery_ids)}).fetchall()
