"""The ledger of gaps and covered hours, computed anew from what happened.

Belongs here: renewing ``ops.gaps`` and ``ops.zone_hour_coverage``, noting what was collected afterwards.
Does not belong here: the heart (``ingest.heartbeat``), asking the provider again (``backfill``), Dagster.

Nothing here is counted up: the latest days are computed from heart-beats, rule periods, outages and budgets each time,
so that a beat that was normalised late closes the gap that its absence seemed to be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import psycopg

from database import named_sql

LOOK_BACK = timedelta(days=3)
"""How much is computed anew. The normaliser may be this far behind before a gap that was none is kept."""

_SQL = named_sql.statements(Path(__file__).parent / "sql" / "coverage.sql")


@dataclass(frozen=True)
class Gap:
    """A span in which something was missing. ``ends_at`` is ``None`` while it lasts."""

    kind: str
    subject: str
    starts_at: datetime
    ends_at: datetime | None
    stops_collection: bool
    detail: str


@dataclass(frozen=True)
class Covered:
    """How many of a zone's hours were covered."""

    zone: str
    hours: int
    covered_hours: int


@dataclass(frozen=True)
class Renewed:
    """What a renewal changed."""

    since: datetime
    gap_changes: int
    hour_changes: int


def renew(connection: psycopg.Connection[Any], now: datetime, *, since: datetime | None = None) -> Renewed | None:
    """Compute gaps and covered hours anew, of the latest days or ``since`` a moment, in one transaction.

    Idempotent. Hours whose row changes are marked for the marts. ``None`` before the first heart-beat of all, since
    then nothing can be told. ``since`` must not lie before the raw deliveries that are kept.
    """
    with connection.transaction():
        first_beat = _value(connection, "first_beat", {})
        if first_beat is None or first_beat >= now:
            return None
        window = {"since": max(first_beat, since or now - LOOK_BACK)}
        begin = max(first_beat, _value(connection, "begin_of_window", window))
        bounds = {"since": begin, "until": now}
        gaps = connection.execute(_SQL["renew_gaps"], bounds).rowcount
        hours = connection.execute(_SQL["renew_coverage"], bounds).rowcount
    return Renewed(begin, gaps, hours)


def cover(
    connection: psycopg.Connection[Any],
    zone_id: UUID,
    starts_at: datetime,
    ends_at: datetime,
    origin: Literal["replay", "backfill"],
) -> None:
    """Note that a span was collected afterwards, whole; its hours count as covered from now on."""
    span = {"zone_id": zone_id, "starts_at": starts_at, "ends_at": ends_at}
    with connection.transaction():
        connection.execute(_SQL["add_span"], span | {"origin": origin})
        connection.execute(_SQL["cover_collected_hours"], span)


def cover_replay(connection: psycopg.Connection[Any], zone: str, delivery_ids: Sequence[int]) -> int:
    """Note the hours that a replay brought tweets for, and return how many spans they are.

    Called once everything is normalised. A replay of what was there already brings nothing and covers nothing new.
    """
    zone_id = _value(connection, "zone_id", {"name": zone})
    if zone_id is None or not delivery_ids:
        return 0
    received = connection.execute(_SQL["received_span"], {"delivery_ids": list(delivery_ids)}).fetchone() or (None,) * 2
    bounds = {"zone_id": zone_id, "received_from": received[0], "received_to": received[1]}
    spans = connection.execute(_SQL["hours_of_replay"], bounds).fetchall()
    for starts_at, ends_at in spans:
        cover(connection, zone_id, starts_at, ends_at, "replay")
    return len(spans)


def gaps_since(connection: psycopg.Connection[Any], since: datetime) -> list[Gap]:
    """Return the gaps that reach into the time since a moment, oldest first."""
    return [Gap(*row) for row in connection.execute(_SQL["open_gaps"], {"since": since})]


def covered_since(connection: psycopg.Connection[Any], since: datetime) -> list[Covered]:
    """Return, for each zone, how many of its hours since a moment were covered."""
    return [Covered(*row) for row in connection.execute(_SQL["covered_share"], {"since": since})]


def _value(connection: psycopg.Connection[Any], statement: str, parameters: dict[str, Any]) -> Any:
    row = connection.execute(_SQL[statement], parameters).fetchone()
    return None if row is None else row[0]
