"""Engagement snapshots, P7: writing observations, and finding what is due.

Belongs here: filling a core, timing the project's own statements on it, the table that is printed.
Does not belong here: the provider's latency, which bounds a real run (a hundred tweets a call).

``python -m bench.engagement [--scale 1] [--url URL]``; ``--scale 1`` is five million tweets. With ``--url`` an empty,
migrated database of one's own is used; otherwise a durable server is started for the time of the run.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import psycopg

from database import embedded, named_sql, snowflake
from database.connections import ROLES, connect, with_database
from database.migrate import migrate
from database.roles import ensure_roles
from ingest.engagement import observe, snapshot
from ingest.engagement.snapshot import Snapshots
from ingest.provider.budget import Budget, Limits

TWEETS = 5_000_000
ROWS = 100_000
REPEATS = 3

_SQL = named_sql.statements(Path(__file__).parent / "engagement.sql")


@dataclass(frozen=True)
class Figure:
    """One measured figure beside its goal."""

    name: str
    value: float
    unit: str
    goal: str = ""
    is_met: bool | None = None


def measure(connection: psycopg.Connection[Any], *, scale: float) -> list[Figure]:
    """Fill the database, if it is empty, and return the figures."""
    now = datetime.now(UTC)
    _fill(connection, max(50_000, int(TWEETS * scale)), now)
    observe.prepare(connection)
    return [*_writing(connection), *_choosing(connection, now)]


def _fill(connection: psycopg.Connection[Any], count: int, now: datetime) -> None:
    row = connection.execute("select exists (select from core.zones)").fetchone()
    if row and row[0]:
        return
    connection.execute("set ledger.marks = 'explicit'")
    for name in ("profiles", "zone", "ids", "tweets", "links", "metrics", "history"):
        connection.execute(_SQL[name], {"end": now, "count": count} if name == "ids" else None)
    connection.execute("drop table ids")
    connection.execute("vacuum analyze")


def _writing(connection: psycopg.Connection[Any]) -> Iterator[Figure]:
    """Time observations of tweets that lie beside one another, as those do that are due, in the order of a run.

    The second time is what an hourly snapshot meets: the pages hold dead versions of the first.
    """
    ids = _some_ids(connection, ROWS * REPEATS)
    rows = len(ids) // REPEATS
    for name in ("first", "second"):
        speeds, wal = [], []
        for repeat in range(REPEATS):
            before = _wal_position(connection)
            speeds.append(_write(connection, ids[repeat * rows : (repeat + 1) * rows]))
            wal.append((_wal_position(connection) - before) / rows)
        speed, size = max(speeds), min(wal)
        yield Figure(f"{name} observation of {rows:,} tweets", speed, "rows/s", "≥ 50,000", speed >= 50_000)
        yield Figure(f"WAL of a {name} observation", size, "B", "≤ 600", size <= 600)
    connection.execute("select pg_stat_force_next_flush()")
    updated, hot = connection.execute(_SQL["hot_updates"]).fetchone() or (0, 0)
    yield Figure("counter updates that were HOT", 100 * float(hot) / float(updated or 1), "%")


def _write(connection: psycopg.Connection[Any], ids: Sequence[int]) -> float:
    """Write one observation of each tweet and return the rows a second, reading of payloads left out."""
    at_ms = snowflake.to_unix_ms(datetime.now(UTC))
    order = snapshot.interleaved(ids)
    portions: list[observe.Observations] = [
        {
            (tweet_id, at_ms): (random.randrange(99), 2, 3, 4, 5, 6)
            for tweet_id in order[start : start + snapshot.PORTION]
        }
        for start in range(0, len(order), snapshot.PORTION)
    ]
    began = time.perf_counter()
    for portion in portions:
        with connection.transaction():
            observe.write_observations(connection, portion)
    return len(ids) / (time.perf_counter() - began)


def _choosing(connection: psycopg.Connection[Any], now: datetime) -> Iterator[Figure]:
    """Time finding what fell due within a tick, and within an outage of five hours."""
    for name, span in (("a tick", snapshot.TICK), ("five hours", timedelta(hours=5))):
        taking = Snapshots(connection, NoProvider(), Budget(connection, "none", Limits(None, None)))
        seconds, count = [], 0
        for _ in range(REPEATS):
            began = time.perf_counter()
            count = len(taking.candidates(now - span, now))
            seconds.append(time.perf_counter() - began)
        yield Figure(f"tweets due within {name}", count, "tweets")
        yield Figure(f"finding them, {name}", 1e6 * min(seconds) / max(1, count), "µs a due tweet")


class NoProvider:
    """Nothing is asked in this benchmark."""

    source = "none"
    concurrency = 1

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the benchmark asks no provider, yet {name} was wanted")


def _some_ids(connection: psycopg.Connection[Any], count: int) -> list[int]:
    rows = connection.execute(
        "select tweet_id from core.twitter_tweet_zones order by tweet_id desc limit %s", (count,)
    ).fetchall()
    return [row[0] for row in reversed(rows)]


def _wal_position(connection: psycopg.Connection[Any]) -> int:
    row = connection.execute("select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')").fetchone()
    return int(row[0]) if row else 0


@contextmanager
def _database(url: str | None) -> Iterator[str]:
    if url is not None:
        yield url
        return
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as directory,
        embedded.serving(Path(directory), preferred_port=54_600) as server,
    ):
        with connect(server.url, application_name="bench", autocommit=True) as connection:
            ensure_roles(connection, dict.fromkeys(ROLES))
            connection.execute("create database bench")
        own = with_database(server.url, "bench")
        migrate(own)
        yield own


@click.command()
@click.option("--scale", default=1.0, show_default=True, help="Share of five million tweets.")
@click.option("--url", default=None, help="An empty, migrated database; otherwise a server is started.")
def main(scale: float, url: str | None) -> None:
    """Print how fast observations are written and due tweets are found."""
    with _database(url) as own, connect(own, application_name="bench", autocommit=True) as connection:
        for figure in measure(connection, scale=scale):
            verdict = "" if figure.is_met is None else "  met" if figure.is_met else "  MISSED"
            click.echo(f"{figure.name:<48} {figure.value:>12,.1f} {figure.unit:<16} {figure.goal}{verdict}")


if __name__ == "__main__":
    main()
