"""Compare a mart with a recount of core, and put what differs back on the ledger.

Belongs here: the order of the statements of ``verify_<mart>.sql``, and what they found.
Does not belong here: Dagster (``checks.py``), the SQL of the recounts.

Both sides are read within one snapshot. Buckets that wait on the ledger are left out: nobody says they are right.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import psycopg
from psycopg.rows import tuple_row

from database.named_sql import statements

CLAIMED_LIMIT = 5_000
"""Buckets that are recounted because they were built or changed of late: all of ordinary ones, a sample after a
backfill."""


RECOUNTED_WHOLE = 100_000
"""Up to so many tweets in zones, every verification goes through everything."""


LONGEST_WINDOW = timedelta(days=31)
"""No mart's window reaches further back than this from its moment."""


@dataclass(frozen=True)
class Mart:
    """A mart that has a recount. ``slices``: in how many runs the whole of a long history is gone through once.

    At the cadence of the marts (60, 15 and 10 minutes) that is four days, three days and four hours.
    ``claimed_limit``: how many buckets that were built or changed of late are recounted. ``is_of_all_time``: its
    recount adds what the sealed hours hold.
    """

    name: str
    slices: int
    claimed_limit: int = CLAIMED_LIMIT
    is_of_all_time: bool = False

    @property
    def recount(self) -> Path:
        """Return the file with the mart's recount."""
        return Path(__file__).parent / f"verify_{self.name}.sql"


ZONE_STATS = Mart("twitter_zone_stats_hourly", slices=96)
TOP_PROFILES = Mart("twitter_top_profiles_by_zone", slices=288, is_of_all_time=True)
TRENDING = Mart("twitter_trending_hashtags", slices=24)
# The buckets of days hold all tweets of a zone and day.
TOP_TWEETS = Mart("twitter_top_engaged_tweets", slices=96, claimed_limit=10)
ZONE_DAYS = Mart("twitter_zone_stats_daily", slices=96, claimed_limit=10)
PROFILE_WINDOWS = Mart("twitter_top_profiles_by_zone_window", slices=288)
TRENDS = Mart("twitter_trending_entities", slices=144, claimed_limit=500)
MARTS = (ZONE_STATS, TOP_PROFILES, TRENDING, TOP_TWEETS, ZONE_DAYS, PROFILE_WINDOWS, TRENDS)


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
    claimed_limit: int | None = None,
) -> Verification:
    """Recount the buckets of the latest build, or changed since, and one slice of all others; mark those that differ.

    The slice is the next one of the mart's cycle, unless it is given: ``slice_number=0, slice_count=1`` compares
    everything. ``connection`` must be in autocommit mode.
    """
    queries = statements(mart.recount)
    connection.execute("select ops.analyze_grown_tables()")
    with (
        _alone(connection, mart),
        connection.transaction(),
        connection.cursor(row_factory=tuple_row) as cursor,
    ):
        cursor.execute("set transaction isolation level repeatable read")
        slices = slice_count or (1 if _is_short(cursor) else mart.slices)
        part = _next_slice(cursor, mart, slices) if slice_number is None else slice_number
        limit = mart.claimed_limit if claimed_limit is None else claimed_limit
        cursor.execute(queries["choose"], {"claimed_limit": limit, "slices": slices, "slice": part})
        _leave_sealed_out(cursor, mart)
        cursor.execute("analyze checked_buckets")
        if mart.is_of_all_time:
            cursor.execute(queries["sealed"])
        cursor.execute(queries["recount"])
        cursor.execute(queries["compare"])
        checked = _count(cursor, "select count(*) from checked_buckets")
        drifted = _count(cursor, "select count(*) from drifted_buckets")
        if drifted:
            cursor.execute(queries["mark"])
        if "forget" in queries:
            cursor.execute(queries["forget"])
        cursor.execute("select array(select bucket::text from drifted_buckets as bucket order by 1 limit 10)")
        examples = cursor.fetchone()
        _note(cursor, mart, drifted, part + 1 if slice_number is None else None, slices)
    return Verification(mart.name, checked, drifted, part, slices, tuple(examples[0] if examples else ()))


def _leave_sealed_out(cursor: psycopg.Cursor[tuple[object, ...]], mart: Mart) -> None:
    """Leave out the buckets that cannot be recounted, since retention has taken their tweets (T31).

    A mart of a window is left out as a whole where the window may reach into what is sealed: for a moment long ago.
    """
    if mart.is_of_all_time:
        return
    cursor.execute(
        "select attname::text from pg_attribute where attrelid = to_regclass('pg_temp.checked_buckets') and attnum > 0"
    )
    columns = {name for (name,) in cursor.fetchall()}
    if "hour" in columns:
        cursor.execute("delete from checked_buckets where ops.is_sealed(hour)")
    elif "day" in columns:
        cursor.execute("delete from checked_buckets where ops.is_sealed_day(day)")
    else:
        cursor.execute(
            """
            delete from checked_buckets
            where exists (
                select from ops.mart_state as state
                inner join ops.sealed_ranges as sealed
                    on state.as_of >= sealed.starts_at and state.as_of - %s < sealed.ends_at
                where state.model = %s
            )
            """,
            (LONGEST_WINDOW, mart.name),
        )


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


def _is_short(cursor: psycopg.Cursor[tuple[object, ...]]) -> bool:
    """Tell whether the history is short enough to be recounted whole; looks at no more rows than that."""
    query = "select count(*) from (select from core.twitter_tweet_zones limit %s) as links"
    return _count(cursor, query, (RECOUNTED_WHOLE + 1,)) <= RECOUNTED_WHOLE


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
