"""Compare a mart with a recount of core, and put what differs back on the ledger.

Belongs here: the order of the statements of ``verify_<mart>.sql``, and what they found.
Does not belong here: Dagster (``checks.py``), the SQL of the recounts.

Both sides are read within one snapshot. Buckets that wait on the ledger are left out: nobody says they are right.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg.rows import tuple_row

from database.named_sql import statements

CLAIMED_LIMIT = 5_000
"""Buckets of the latest build that are recounted after it: all of an ordinary one, a sample after a backfill."""


@dataclass(frozen=True)
class Mart:
    """A mart that has a recount. ``slices``: in how many runs the whole of it is gone through once.

    At the cadence of the marts (60, 15 and 10 minutes) that is four days, three days and four hours.
    """

    name: str
    slices: int

    @property
    def recount(self) -> Path:
        """Return the file with the mart's recount."""
        return Path(__file__).parent / f"verify_{self.name}.sql"


ZONE_STATS = Mart("twitter_zone_stats_hourly", slices=96)
TOP_PROFILES = Mart("twitter_top_profiles_by_zone", slices=288)
TRENDING = Mart("twitter_trending_hashtags", slices=24)
MARTS = (ZONE_STATS, TOP_PROFILES, TRENDING)


@dataclass(frozen=True)
class Verification:
    """What a verification compared and what it found."""

    mart: str
    checked_bucket_count: int
    drifted_bucket_count: int
    slice_number: int
    slice_count: int
    examples: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Tell whether every bucket equals its recount."""
        return self.drifted_bucket_count == 0


def verify(
    connection: psycopg.Connection[object],
    mart: Mart,
    *,
    slice_number: int | None = None,
    slice_count: int | None = None,
    claimed_limit: int = CLAIMED_LIMIT,
) -> Verification:
    """Recount the buckets of the latest build and one slice of all others, and mark those that differ.

    The slice is the next one of the mart's cycle, unless it is given: ``slice_number=0, slice_count=1`` compares
    everything. ``connection`` must be in autocommit mode.
    """
    queries = statements(mart.recount)
    slices = slice_count or mart.slices
    with (
        _alone(connection, mart),
        connection.transaction(),
        connection.cursor(row_factory=tuple_row) as cursor,
    ):
        cursor.execute("set transaction isolation level repeatable read")
        part = _next_slice(cursor, mart, slices) if slice_number is None else slice_number
        cursor.execute(queries["choose"], {"claimed_limit": claimed_limit, "slices": slices, "slice": part})
        cursor.execute("analyze checked_buckets")
        cursor.execute(queries["recount"])
        cursor.execute(queries["compare"])
        cursor.execute(queries["mark"])
        checked = _count(cursor, "select count(*) from checked_buckets")
        drifted = _count(cursor, "select count(*) from drifted_buckets")
        cursor.execute("select array(select bucket::text from drifted_buckets as bucket order by 1 limit 10)")
        examples = cursor.fetchone()
        _note(cursor, mart, drifted, part + 1 if slice_number is None else None, slices)
    return Verification(mart.name, checked, drifted, part, slices, tuple(examples[0] if examples else ()))


@contextmanager
def _alone(connection: psycopg.Connection[object], mart: Mart) -> Iterator[None]:
    """Let a second verification of the mart wait, before its snapshot is taken."""
    key = f"verify.{mart.name}"
    connection.execute("select pg_advisory_lock(hashtextextended(%s, 0))", (key,))
    try:
        yield
    finally:
        if not connection.broken:
            connection.execute("select pg_advisory_unlock(hashtextextended(%s, 0))", (key,))


def _next_slice(cursor: psycopg.Cursor[tuple[object, ...]], mart: Mart, slices: int) -> int:
    cursor.execute("insert into ops.mart_verification (model) values (%s) on conflict do nothing", (mart.name,))
    return _count(cursor, "select mod(next_slice, %s) from ops.mart_verification where model = %s", (slices, mart.name))


def _note(
    cursor: psycopg.Cursor[tuple[object, ...]], mart: Mart, drifted: int, next_slice: int | None, slices: int
) -> None:
    """Write down what was found; a cycle ends with its last slice, a comparison of everything is a cycle."""
    cursor.execute(
        """
        insert into ops.mart_verification as state (model, cycle_started_at, verified_at, drifted_bucket_count)
        values (%(model)s, now(), now(), %(drifted)s)
        on conflict (model) do update set
            verified_at = now(),
            drifted_bucket_count = excluded.drifted_bucket_count,
            next_slice = mod(coalesce(%(next_slice)s, state.next_slice), %(slices)s),
            cycle_started_at = case when %(next_slice)s = 1 then now() else state.cycle_started_at end,
            cycle_completed_at = case
                when coalesce(%(next_slice)s, 1) = %(slices)s then now()
                else state.cycle_completed_at
            end
        """,
        {"model": mart.name, "drifted": drifted, "next_slice": next_slice, "slices": slices},
    )


def _count(cursor: psycopg.Cursor[tuple[object, ...]], query: str, parameters: tuple[object, ...] = ()) -> int:
    row = cursor.execute(query.encode(), parameters).fetchone()
    if row is None or not isinstance(row[0], int):
        raise RuntimeError(f"expected one number from: {query}")
    return row[0]
