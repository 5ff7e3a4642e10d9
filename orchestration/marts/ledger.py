"""The ledger as runs see it: which moment they are for, what waits, what was built, and marking by hand.

Belongs here: the few statements about the ledger that a run needs outside dbt.
Does not belong here: claiming and releasing (dbt's macros), Dagster.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import psycopg

from database import named_sql

MODELS = (
    "int_zone_counted_tweets",
    "int_zone_author_hourly",
    "int_zone_hourly",
    "int_zone_tag_author_window",
    "int_zone_tag_author_hourly",
    "twitter_zone_stats_hourly",
    "twitter_top_profiles_by_zone",
    "twitter_trending_hashtags",
    "int_zone_top_tweets_hourly",
    "twitter_top_engaged_tweets",
    "twitter_zone_stats_daily",
    "twitter_top_profiles_by_zone_window",
    "int_zone_entity_author_hourly",
    "twitter_trending_entities",
)
"""The models that the ledger drives, each before those that are built from it."""

UNLESS_HELD = "now, unless held"
"""The moment of a scheduled build."""

MARKS_PER_BUILD = 50_000
"""As ``ledger_marks_per_build`` in dbt_project.yml."""

_SQL = named_sql.statements(Path(__file__).parent / "ledger.sql")


class LedgerInputError(ValueError):
    """What a person asked of the ledger cannot be done; the message says why and what to do."""


@dataclass(frozen=True)
class Build:
    """What the latest build of a model did."""

    as_of: datetime
    claimed_bucket_count: int
    row_count: int


def moment(text: str) -> datetime | None:
    """Return the time that ``text`` names; None for the present, which the database knows best."""
    if text.strip().lower() in ("", "now", UNLESS_HELD):
        return None
    try:
        parsed = datetime.fromisoformat(text.strip())
    except ValueError:
        raise LedgerInputError(f'as_of is {text!r}: give "now" or a time like 2026-11-22T18:00:00Z') from None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def set_as_of(connection: psycopg.Connection[Any], as_of: datetime | None, *, unless_held: bool = False) -> datetime:
    """Write the moment that the next builds are for, and return it. Without one: the present.

    A moment that is given is held for an hour: builds ``unless_held`` are for it too, so that a schedule does not take
    an archive away from whoever asked to look at it. The present ends the hold.
    """
    row = connection.execute(_SQL["set_as_of"], {"as_of": as_of, "unless_held": unless_held}).fetchone()
    if row is None:
        raise LedgerInputError("ops.as_of has no row: run `make migrate`")
    written: datetime = row[0]
    return written


def waiting(connection: psycopg.Connection[Any], models: Sequence[str] = MODELS) -> dict[str, int]:
    """Return how many marks wait for each of ``models``."""
    return dict(connection.execute(_SQL["waiting"], {"models": list(models)}).fetchall())


def builds(connection: psycopg.Connection[Any]) -> Mapping[str, Build]:
    """Return what the latest build of each model did."""
    rows = connection.execute(_SQL["builds"]).fetchall()
    return {model: Build(as_of, claimed, row_count) for model, as_of, claimed, row_count in rows}


def mark_days(
    connection: psycopg.Connection[Any], *, first: date, last: date, zones: Iterable[str] = (), dry_run: bool
) -> int:
    """Mark every bucket of the UTC days from ``first`` to ``last``, of ``zones`` (by name) or of all; return how many.

    Marks are keys: marking twice does no harm. A dry run only counts.
    """
    names = list(zones)
    unknown = [name for (name,) in connection.execute(_SQL["unknown_zones"], {"zones": names}).fetchall()]
    if unknown:
        raise LedgerInputError(f"no such zone: {', '.join(unknown)}. `python -m ingest zones list` shows them.")
    if last < first:
        raise LedgerInputError(f"the last day, {last}, is before the first, {first}")
    start = datetime.combine(first, time(), UTC)
    end = datetime.combine(last, time(), UTC) + timedelta(days=1)
    row = connection.execute(
        _SQL["mark_buckets"], {"zones": names, "start": start, "end": end, "dry_run": dry_run}
    ).fetchone()
    return int(row[0]) if row else 0
