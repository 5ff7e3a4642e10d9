"""Monthly partitions of tables that are keyed by a snowflake id.

Belongs here: which partitions there must be and which there are, creating the ones that are missing, attaching.
Does not belong here: retention (``retention``), archiving (``archive``).

Tweets older than the first monthly partition share the partition ``history``. There is no default partition: an id
outside every partition is refused by the normaliser before it comes this far.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import psycopg
from psycopg import sql

from database import named_sql, snowflake

MONTHS_AHEAD = 3
"""Partitions are made this far ahead: three months of failed maintenance still refuse nobody's tweet."""

LOCK_TIMEOUT_MS = 500
LOCK_ATTEMPTS = 40
"""Attaching waits at most half a second at a time, so that it never queues writers behind itself (T28)."""


HISTORY = "history"

WRITERS_OF_FACTS = 7_203_005
"""Advisory lock that batches of the normaliser share while they write: sealing a month waits for them, so that none of
them writes into one that was not yet sealed when it began."""

_BOUNDS = re.compile(r"FROM \('?(\d+)'?\) TO \('?(\d+)'?\)")

Result = TypeVar("Result")

_SQL = named_sql.statements(Path(__file__).parent / "sql" / "partitions.sql")

_COPIED_FROM_PARENT = sql.SQL("including defaults including generated including constraints including storage")
"""Indexes and keys are not copied: attaching makes those of the parent."""


@dataclass(frozen=True)
class PartitionedTable:
    """A partitioned table. ``has_history``: whether rows older than the first month can arrive."""

    schema: str
    name: str
    has_history: bool
    storage: str = ""

    @property
    def full_name(self) -> str:
        """Return the name as people write it."""
        return f"{self.schema}.{self.name}"

    @property
    def identifier(self) -> sql.Identifier:
        """Return the table's name for a statement."""
        return sql.Identifier(self.schema, self.name)

    def partition_name(self, suffix: str) -> str:
        """Return the name of a partition as people write it."""
        return f"{self.full_name}_{suffix}"

    def partition(self, suffix: str) -> sql.Identifier:
        """Return the name of a partition for a statement."""
        return sql.Identifier(self.schema, f"{self.name}_{suffix}")


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


@dataclass(frozen=True)
class Existing:
    """An attached partition. ``is_pending``: its detaching was begun and not finished."""

    table: PartitionedTable
    partition: Partition
    is_pending: bool


@dataclass(frozen=True)
class Extension:
    """An installed extension that also knows about partitions."""

    name: str
    version: str
    schema: str


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
    autocommit mode: each partition is a transaction of its own. Tables that pg_partman looks after are left to it.
    """
    elsewhere = managed_by_partman(connection)
    created = []
    for table in TABLES:
        if table.full_name in elsewhere:
            continue
        for partition in _missing(connection, table, now, first_month):
            _create(connection, table, partition)
            created.append(table.partition_name(partition.suffix))
    return created


def existing(connection: psycopg.Connection[Any], table: PartitionedTable) -> list[Existing]:
    """Return the attached partitions of a table, oldest first. The connection must be in autocommit mode."""
    found = []
    # To read the bounds of a partition is to lock it, if only against those who lock it against everybody.
    rows = patiently(connection, lambda: connection.execute(_SQL["attached"], {"table": table.full_name}).fetchall())
    for name, bounds, is_pending in rows:
        match = _BOUNDS.search(bounds or "")
        if match:
            partition = Partition(name.removeprefix(f"{table.name}_"), int(match[1]), int(match[2]))
            found.append(Existing(table, partition, is_pending))
    return sorted(found, key=lambda each: each.partition.lower)


def sizes(connection: psycopg.Connection[Any], table: PartitionedTable) -> dict[str, tuple[int, int]]:
    """Return the estimated rows and the bytes of each partition, by suffix. Waits for whoever locks one."""
    rows = connection.execute(_SQL["sizes"], {"table": table.full_name})
    return {name.removeprefix(f"{table.name}_"): (row_count, total) for name, row_count, total in rows}


def extensions(connection: psycopg.Connection[Any]) -> list[Extension]:
    """Return which of pg_partman and TimescaleDB are installed. Neither is needed."""
    return [Extension(*row) for row in connection.execute(_SQL["extensions"])]


def managed_by_partman(connection: psycopg.Connection[Any]) -> set[str]:
    """Return which of our tables are in pg_partman's configuration, if it is installed."""
    partman = next((each for each in extensions(connection) if each.name == "pg_partman"), None)
    if partman is None:
        return set()
    configuration = sql.Identifier(partman.schema, "part_config")
    parents = connection.execute(sql.SQL("select parent_table from {}").format(configuration)).fetchall()
    return {name for (name,) in parents} & {table.full_name for table in TABLES}


def _missing(
    connection: psycopg.Connection[Any], table: PartitionedTable, now: datetime, first_month: datetime | None
) -> Iterator[Partition]:
    months = [each.partition for each in existing(connection, table) if each.partition.suffix != HISTORY]
    start = month_start(first_month or months_after(month_start(now), -1))
    if months:
        start = snowflake.at(months[-1].upper)
    elif table.has_history:
        yield Partition(HISTORY, 0, snowflake.floor(start))
    yield from monthly(start, months_after(month_start(now), MONTHS_AHEAD))


def _create(connection: psycopg.Connection[Any], table: PartitionedTable, partition: Partition) -> None:
    """Create a partition aside, then attach it: writers of the other partitions are not blocked (T28)."""

    def create() -> None:
        with connection.transaction():
            make_aside(connection, table, partition.suffix)
            attach(connection, table, partition)

    patiently(connection, create)


def make_aside(connection: psycopg.Connection[Any], table: PartitionedTable, suffix: str) -> None:
    """Create a table like ``table`` that is not a part of it yet."""
    storage = sql.SQL(f" with ({table.storage})") if table.storage else sql.SQL("")
    connection.execute(
        sql.SQL("create table {} (like {} {}){}").format(
            table.partition(suffix), table.identifier, _COPIED_FROM_PARENT, storage
        )
    )


def attach(connection: psycopg.Connection[Any], table: PartitionedTable, partition: Partition) -> None:
    """Make a table that was made aside a partition."""
    connection.execute(
        sql.SQL("alter table {} attach partition {} for values from ({}) to ({})").format(
            table.identifier,
            table.partition(partition.suffix),
            sql.Literal(partition.lower),
            sql.Literal(partition.upper),
        )
    )


def patiently(connection: psycopg.Connection[Any], act: Callable[[], Result]) -> Result:
    """Do something that needs locks and return its result, waiting only shortly for each lock.

    Whoever waits long makes others wait (T28). ``act`` is tried again where a lock was not to be had; a last refusal
    is raised. The connection must be in autocommit mode.
    """
    connection.execute("select set_config('lock_timeout', %s, false)", (f"{LOCK_TIMEOUT_MS}ms",))
    try:
        for attempt in range(1, LOCK_ATTEMPTS):
            try:
                return act()
            except psycopg.errors.LockNotAvailable:
                time.sleep(0.05 * attempt)
        return act()
    finally:
        if not connection.broken:
            connection.execute("select set_config('lock_timeout', '0', false)")
