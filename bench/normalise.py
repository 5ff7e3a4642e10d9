"""P2, P3 and P5: normalising beside a naive client and beside plain COPY, in turns on the same payloads; and its size.

Belongs here: those three, on synthetic payloads and, where ``REAL_DATA_DIR`` is set, on archived real ones.
Does not belong here: the naive client (``naive.py``), HTTP.

Every round the same deliveries go to each side. The naive client is given only their beginning: it would need minutes.
It thus has the smaller tables all the time, which is to its advantage. COPY gets the rows of tweets that are new in the
round, ready and in order, in one transaction and without marks; not what repeated deliveries change.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from psycopg import sql

from bench.figures import Figure, at_least, at_most, missing
from bench.ground import BATCH, Connection, Ground, Lander, Payload, real, real_directory, synthetic
from bench.naive import NaiveClient
from database import named_sql, snowflake
from database.connections import connect
from ingest.normalise.crew import Crew
from ingest.normalise.settings import NormaliseSettings
from ingest.normalise.worker import ITEMS_PER_BATCH

BATCHES = 8
ROUND = BATCHES * ITEMS_PER_BATCH // BATCH
"""Deliveries in a round: eight full batches of the normaliser, which its workers share, and one transaction of COPY."""

PATIENCE_SECONDS = 20.0

NAIVE_SHARE = 10
"""The naive client is given one delivery of so many."""

_SQL = named_sql.statements(Path(__file__).parent / "sql" / "copied.sql")

_COLUMNS = {
    "twitter_tweet_metrics": "(tweet_id, observed_at, retweet_count, reply_count, like_count, quote_count, view_count,"
    " bookmark_count)",
}
"""Named where a table has a generated column, which cannot be copied into."""

_TABLES = (
    "twitter_profiles",
    "twitter_tweets",
    "twitter_tweet_zones",
    "twitter_tweet_metrics",
    "twitter_engagement_history",
    "twitter_entities",
)

_GROUPS: dict[str, Callable[[str], bool]] = {
    "raw deliveries": lambda table: table.startswith("raw."),
    "tweets": lambda table: table == "core.twitter_tweets",
    "zone links": lambda table: table == "core.twitter_tweet_zones",
    "counters": lambda table: table == "core.twitter_tweet_metrics",
    "history": lambda table: table == "core.twitter_engagement_history",
    "entities": lambda table: table == "core.twitter_entities",
    "profiles": lambda table: table == "core.twitter_profiles",
    "ledger and accounting": lambda table: table.startswith("ops."),
}


@dataclass
class Speeds:
    """Items a second, round by round."""

    ours: list[float] = field(default_factory=list)
    naive: list[float] = field(default_factory=list)
    copied: list[float] = field(default_factory=list)


@dataclass
class Sides:
    """The three sides of the comparison, each in a database of its own on the same server."""

    ground: Ground
    ours: Connection
    pipeline: Connection
    copied: Connection
    naive: Connection

    def __post_init__(self) -> None:
        self.lander = Lander(self.ours, self.ground.now)
        self.crew = Crew(self.pipeline, NormaliseSettings().normalize_workers)
        self.client = NaiveClient(self.naive)
        self.copied.execute("set ledger.marks = 'explicit'")


def measure(ground: Ground) -> Iterator[Figure]:
    """Return the figures of P2, P3 and P5."""
    yield from _compare(ground, "synthetic", synthetic(ground.scale.payloads))
    directory = real_directory()
    if directory is None:
        yield missing("P2", "real v1.1 stream", "REAL_DATA_DIR is not set")
    else:
        yield from _compare(ground, "real v1.1", real(directory, ground.scale.payloads))


def _compare(ground: Ground, kind: str, payloads: Iterator[Payload]) -> Iterator[Figure]:
    with ExitStack() as stack:
        urls = {name: ground.database(name, is_migrated=name != "naive") for name in ("ours", "copied", "naive")}
        for name in urls:
            stack.callback(ground.drop, name)

        def opened(url: str) -> Connection:
            return stack.enter_context(connect(url, application_name="bench", autocommit=True))

        sides = Sides(
            ground,
            ours=opened(urls["ours"]),
            pipeline=opened(ground.as_role(urls["ours"], "pipeline")),
            copied=opened(urls["copied"]),
            naive=opened(urls["naive"]),
        )
        empty = _sizes(sides.ours)
        speeds, delivered = _rounds(sides, payloads)
        yield from _speed_figures(kind, speeds, sides.client.refused)
        yield from _size_figures(kind, sides, empty, delivered)


def _rounds(sides: Sides, payloads: Iterator[Payload]) -> tuple[Speeds, int]:
    speeds, delivered = Speeds(), 0
    while deliveries := list(islice(payloads, ROUND)):
        if speeds.ours and len(deliveries) < ROUND:
            break
        since = sides.ours.execute("select clock_timestamp()").fetchone()
        # Before the clock starts: under load the helpers are there already.
        sides.crew.call()
        _await_company(sides.ours)
        items = sides.lander.land(deliveries)
        delivered += items
        speeds.ours.append(items / _seconds(sides.crew.drain))
        copies = _finished(sides.ours, since[0] if since else None)
        speeds.copied.append(items / _seconds(_copying(sides.copied, copies)))
        few = deliveries[: max(1, len(deliveries) // NAIVE_SHARE)]
        few_items = sum(payload.item_count for payload in few)
        speeds.naive.append(few_items / _seconds(_writing(sides, few)))
    return speeds, delivered


def _await_company(connection: Connection) -> None:
    """Return once every worker is connected, and after a while in any case."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        row = connection.execute(_SQL["workers"]).fetchone()
        if row and row[0] >= NormaliseSettings().normalize_workers:
            return
        time.sleep(0.05)


def _writing(sides: Sides, payloads: Iterable[Payload]) -> Callable[[], object]:
    return lambda: sides.client.write(payloads, snowflake.to_unix_ms(sides.ground.now))


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _finished(connection: Connection, since: Any) -> dict[str, list[bytes]]:
    """Read the rows of the round, in COPY's own binary form."""
    rows = {}
    for table in _TABLES:
        query = sql.SQL(_SQL[table]).format(since=sql.Literal(since))
        with connection.cursor().copy(sql.SQL("copy ({}) to stdout (format binary)").format(query)) as copy:
            rows[table] = [bytes(block) for block in copy]
    return rows


def _copying(connection: Connection, rows: dict[str, list[bytes]]) -> Callable[[], object]:
    def work() -> None:
        with connection.transaction(), connection.cursor() as cursor:
            for table, blocks in rows.items():
                target = sql.SQL("core.{} {}").format(sql.Identifier(table), sql.SQL(_COLUMNS.get(table, "")))
                with cursor.copy(sql.SQL("copy {} from stdin (format binary)").format(target)) as copy:
                    for block in blocks:
                        copy.write(block)

    return work


def _speed_figures(kind: str, speeds: Speeds, refused: int) -> Iterator[Figure]:
    ours, naive, copied = (statistics.median(_warm(side)) for side in (speeds.ours, speeds.naive, speeds.copied))
    spread = f"rounds {min(_warm(speeds.ours)):,.0f}-{max(_warm(speeds.ours)):,.0f}"
    yield Figure("P2", f"{kind}: normalising", ours, "tweets/s", note=spread)
    note = f"{refused} refused by its schema" if refused else ""
    yield Figure("P2", f"{kind}: naive client, row by row", naive, "tweets/s", note=note)
    yield at_least("P2", f"{kind}: normalising beside the naive client", ours / naive, "×", 40)
    yield Figure("P3", f"{kind}: COPY of the finished rows", copied, "tweets/s")
    yield at_least("P3", f"{kind}: normalising beside COPY", ours / copied, "×", 0.6)


def _warm(rounds: list[float]) -> list[float]:
    """Leave the first round out, in which every side plans its statements, unless it is the only one."""
    return rounds[1:] or rounds


def _sizes(connection: Connection) -> dict[str, tuple[int, int]]:
    return {table: (rows, indexes) for table, rows, indexes in connection.execute(_SQL["sizes"]).fetchall()}


def _size_figures(kind: str, sides: Sides, empty: dict[str, tuple[int, int]], delivered: int) -> Iterator[Figure]:
    """Yield bytes a tweet in ``core``, less what the empty partitions took."""
    sides.ours.execute("vacuum analyze")
    sizes = _sizes(sides.ours)
    tweets, profiles, entities, links, letters = sides.ours.execute(_SQL["counts"]).fetchone() or (1, 0, 0, 0, 0)
    total = 0
    for group, holds in _GROUPS.items():
        grown = [
            (rows - empty.get(table, (0, 0))[0], indexes - empty.get(table, (0, 0))[1])
            for table, (rows, indexes) in sizes.items()
            if holds(table)
        ]
        row_bytes, index_bytes = sum(rows for rows, _ in grown), sum(indexes for _, indexes in grown)
        total += row_bytes + index_bytes
        note = f"rows {row_bytes / tweets:,.0f} + indexes {index_bytes / tweets:,.0f}"
        yield Figure("P5", f"{kind}: {group}", (row_bytes + index_bytes) / tweets, "B/tweet", note=note)
    counted = (
        f"{delivered:,} delivered, {tweets:,} tweets, {links:,} links, {entities:,} entities, "
        f"{profiles:,} profiles, {letters:,} dead letters"
    )
    yield at_most("P5", f"{kind}: everything", total / tweets, "B/tweet", 1_600, note=counted)
    yield from _peer_size(kind, sides.naive)


def _peer_size(kind: str, connection: Connection) -> Iterator[Figure]:
    connection.execute("vacuum analyze")
    size: Sequence[Any] = connection.execute(_SQL["peer_size"]).fetchone() or (0,)
    count: Sequence[Any] = connection.execute("select count(*) from twitter_tweets").fetchone() or (1,)
    yield Figure("P5", f"{kind}: the design document's tables", size[0] / max(1, count[0]), "B/tweet")
