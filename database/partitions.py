"""Monthly partitions of tables that are keyed by a snowflake id.

Belongs here: which partitions there must be, and creating the ones that are missing.
Does not belong here: retention and archiving.

Tweets older than the first monthly partition share the partition ``history``. There is no default partition: an id
outside every partition is refused by the normaliser before it comes this far.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg import sql

from database import snowflake

MONTHS_AHEAD = 3
"""Partitions are made this far ahead: three months of failed maintenance still refuse nobody's tweet."""

LOCK_TIMEOUT_MS = 500
LOCK_ATTEMPTS = 40
"""Attaching waits at most half a second at a time, so that it never queues writers behind itself (T28)."""


_COPIED_FROM_PARENT = sql.SQL("including defaults including generated including constraints including storage")
"""Indexes and keys are not copied: attaching makes those of the parent."""


@dataclass(frozen=True)
class PartitionedTable:
    """A partitioned table. ``has_history``: whether rows older than the first month can arrive."""

    schema: str
    name: str
    has_history: bool
    storage: str = ""


TABLES = (
    PartitionedTable("core", "twitter_tweets", has_history=True),
    PartitionedTable("core", "twitter_tweet_zones", has_history=True),
    # Counters are updated in place all the time: the free space keeps the updates within their page (HOT).
    PartitionedTable("core", "twitter_tweet_metrics", has_history=True, storage="fillfactor = 70"),
    PartitionedTable("core", "twitter_engagement_history", has_history=True),
    PartitionedTable("core", "twitter_entities", has_history=True),
    PartitionedTable("core", "twitter_tweet_raw", has_history=True),
    PartitionedTable("raw", "deliveries", has_history=False),
    PartitionedTable("ops", "delivery_accounting", has_history=False),
)


@dataclass(frozen=True)
class Partition:
    """A partition's name suffix and its bounds, as ids: ``lower <= id < upper``."""

    suffix: str
    lower: int
    upper: int


def month_start(moment: datetime) -> datetime:
    """Return the first instant of the UTC month that holds ``moment``."""
    return moment.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def months_after(month: datetime, count: int) -> datetime:
    """Return the start of the month ``count`` months after ``month`` (before it, if negative)."""
    index = month.year * 12 + month.month - 1 + count
    return month.replace(year=index // 12, month=index % 12 + 1)


def monthly(first: datetime, last: datetime) -> Iterator[Partition]:
    """Yield the partition of each month from ``first`` to ``last``, both included."""
    month = month_start(first)
    while month <= month_start(last):
        following = months_after(month, 1)
        yield Partition(f"{month:%Y_%m}", snowflake.floor(month), snowflake.floor(following))
        month = following


def ensure(connection: psycopg.Connection[Any], *, now: datetime, first_month: datetime | None = None) -> list[str]:
    """Create the partitions that ``now`` calls for and return the names of the new ones.

    Every month from the one before ``now`` to ``MONTHS_AHEAD`` after it has a partition, and no gap is left since
    the newest one that exists. ``first_month`` begins the months of an empty table. The connection must be in
    autocommit mode: each partition is a transaction of its own.
    """
    created = []
    for table in TABLES:
        for partition in _missing(connection, table, now, first_month):
            _create(connection, table, partition)
            created.append(f"{table.schema}.{table.name}_{partition.suffix}")
    return created


def _missing(
    connection: psycopg.Connection[Any], table: PartitionedTable, now: datetime, first_month: datetime | None
) -> Iterator[Partition]:
    upper_bounds = _suffixes(connection, table)
    months = sorted(suffix for suffix in upper_bounds if suffix != "history")
    start = month_start(first_month or months_after(month_start(now), -1))
    if months:
        start = months_after(datetime.strptime(f"{months[-1]} +0000", "%Y_%m %z"), 1)
    elif table.has_history:
        yield Partition("history", 0, snowflake.floor(start))
    yield from monthly(start, months_after(month_start(now), MONTHS_AHEAD))


def _suffixes(connection: psycopg.Connection[Any], table: PartitionedTable) -> set[str]:
    rows = connection.execute(
        """
        select children.relname::text
        from pg_inherits
        inner join pg_class as children on pg_inherits.inhrelid = children.oid
        where pg_inherits.inhparent = to_regclass(%s)
        """,
        (f"{table.schema}.{table.name}",),
    )
    return {name.removeprefix(f"{table.name}_") for (name,) in rows}


def _create(connection: psycopg.Connection[Any], table: PartitionedTable, partition: Partition) -> None:
    """Create a partition aside, then attach it: writers of the other partitions are not blocked (T28)."""
    parent = sql.Identifier(table.schema, table.name)
    child = sql.Identifier(table.schema, f"{table.name}_{partition.suffix}")
    storage = sql.SQL(f" with ({table.storage})") if table.storage else sql.SQL("")
    for attempt in range(1, LOCK_ATTEMPTS + 1):
        try:
            with connection.transaction():
                connection.execute(sql.SQL("set local lock_timeout = {}").format(sql.Literal(LOCK_TIMEOUT_MS)))
                connection.execute(
                    sql.SQL("create table {} (like {} {}){}").format(child, parent, _COPIED_FROM_PARENT, storage)
                )
                connection.execute(
                    sql.SQL("alter table {} attach partition {} for values from ({}) to ({})").format(
                        parent, child, sql.Literal(partition.lower), sql.Literal(partition.upper)
                    )
                )
        except psycopg.errors.LockNotAvailable:
            if attempt == LOCK_ATTEMPTS:
                raise
            time.sleep(0.05 * attempt)
        else:
            return
