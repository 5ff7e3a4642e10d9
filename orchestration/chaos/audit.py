"""Whether what was acknowledged is there, once, and whether the marts say what core says.

Belongs here: the sender's book beside the tables, the marts beside their recount.
Does not belong here: faults, load.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from database import named_sql, snowflake
from orchestration.chaos.sender import Counts, Facts
from orchestration.marts.verification import MARTS, Mart, verify

ALWAYS = {
    "lost_deliveries": "lost",
    "unaccounted_deliveries": "lost",
    "unbalanced_deliveries": "unbalanced",
    "lost_tweets": "lost",
    "lost_links": "lost",
    "lost_letters": "lost",
    "lost_notices": "lost",
}
"""What must be empty at any moment, and what it is called when it is not."""

AT_THE_END = {
    "invented_tweets": "duplicated",
    "invented_links": "duplicated",
    "doubled_tweets": "duplicated",
    "doubled_items": "duplicated",
    "wrong_history": "duplicated",
    "wrong_metrics": "wrong",
}
"""What must be empty once everything was acknowledged and nothing waits."""

_EXAMPLES = 5
_SQL = named_sql.statements(Path(__file__).with_name("audit.sql"))

Pages = list[tuple[int, Facts]]


@dataclass
class Findings:
    """How many things are wrong, by what they are called, and examples in words."""

    counts: dict[str, int] = field(default_factory=lambda: {"lost": 0, "duplicated": 0, "wrong": 0, "unbalanced": 0})
    drift: int = 0
    buckets: int = 0
    examples: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Tell whether nothing at all is wrong."""
        return not self.drift and not any(self.counts.values())

    def add(self, other: Findings) -> None:
        """Keep the worst that was seen: the same loss is found again by the next audit."""
        self.counts = {name: max(count, other.counts[name]) for name, count in self.counts.items()}
        self.drift = max(self.drift, other.drift)
        self.buckets += other.buckets
        self.examples = (self.examples + other.examples)[: 4 * _EXAMPLES]


def audit_core(connection: psycopg.Connection[Any], pages: Pages, *, is_the_end: bool) -> Findings:
    """Compare the book with the tables. ``connection`` must be in autocommit mode."""
    found = Findings()
    with connection.transaction(), connection.cursor() as cursor:
        # One snapshot: a delivery moves from the queue into the accounts between two statements.
        cursor.execute("set transaction isolation level repeatable read")
        cursor.execute(_SQL["make_book"])
        _copy_book(cursor, pages)
        cursor.execute(_SQL["analyze_book"])
        for name, what in (ALWAYS | AT_THE_END if is_the_end else ALWAYS).items():
            rows = cursor.execute(_SQL[name]).fetchall()
            found.counts[what] += len(rows)
            found.examples += [f"{name}: {row}" for row in rows[:_EXAMPLES]]
    return found


def audit_marts(connection: psycopg.Connection[Any]) -> Findings:
    """Compare every bucket of every mart that has been built with its recount, but those that wait to be rebuilt."""
    found = Findings()
    for mart in MARTS:
        if not _is_built(connection, mart):
            continue
        verification = verify(connection, mart, slice_number=0, slice_count=1)
        found.buckets += verification.checked_bucket_count
        found.drift += verification.drifted_bucket_count
        found.examples += [f"{mart.name} drifted: {bucket}" for bucket in verification.examples[:_EXAMPLES]]
    return found


def _is_built(connection: psycopg.Connection[Any], mart: Mart) -> bool:
    """Tell whether there is a mart already: the first build of all makes it, and may be killed."""
    row = connection.execute("select to_regclass(%s) is not null", (f"marts.{mart.name}",)).fetchone()
    return bool(row and row[0])


def waiting(connection: psycopg.Connection[Any]) -> int:
    """Return how many deliveries wait to be normalised."""
    row = connection.execute(_SQL["waiting_deliveries"]).fetchone()
    return int(row[0]) if row else 0


def sizes(connection: psycopg.Connection[Any]) -> tuple[int, int, int]:
    """Return the numbers of deliveries, tweets and dead letters."""
    deliveries, tweets, letters = connection.execute(_SQL["sizes"]).fetchone() or (0, 0, 0)
    return deliveries, tweets, letters


def _copy_book(cursor: psycopg.Cursor[Any], pages: Pages) -> None:
    observations = _observations(pages)
    withdrawn = _withdrawn(pages)
    _copy(cursor, "book_deliveries", ((delivery_id, facts.kind) for delivery_id, facts in pages))
    _copy(cursor, "book_tweets", ((each, tweet_id) for each, facts in pages for tweet_id in facts.tweets))
    _copy(cursor, "book_links", ((each, tweet_id, facts.tag) for each, facts in pages for tweet_id in facts.matched))
    _copy(cursor, "book_notices", ((each, facts.deleted) for each, facts in pages if facts.deleted is not None))
    _copy(cursor, "withdrawn", ((tweet_id,) for tweet_id in withdrawn))
    _copy(cursor, "book_history", ((key[0], _moment(key[1]), *counts) for key, counts in observations.items()))
    _copy(cursor, "book_metrics", ((tweet_id, *counts) for tweet_id, counts in _latest(observations).items()))


def _copy(cursor: psycopg.Cursor[Any], table: LiteralString, rows: Iterable[tuple[Any, ...]]) -> None:
    with cursor.copy(sql.SQL("copy {} from stdin").format(sql.Identifier(table))) as copy:
        for row in rows:
            copy.write_row(row)


def _moment(milliseconds: int) -> datetime:
    return snowflake.from_unix_ms(milliseconds).astimezone(UTC)


def _observations(pages: Pages) -> dict[tuple[int, int], Counts]:
    merged: dict[tuple[int, int], Counts] = {}
    for _, facts in pages:
        for key, counts in facts.observations.items():
            merged[key] = _larger(merged[key], counts) if key in merged else counts
    return merged


def _larger(one: Counts, other: Counts) -> Counts:
    return tuple(
        max((count for count in pair if count is not None), default=None) for pair in zip(one, other, strict=True)
    )


def _latest(observations: dict[tuple[int, int], Counts]) -> dict[int, Counts]:
    """Return the newest known value of each counter of each tweet."""
    latest: dict[int, Counts] = {}
    for (tweet_id, _), counts in sorted(observations.items()):
        before = latest.get(tweet_id, counts)
        latest[tweet_id] = tuple(old if new is None else new for old, new in zip(before, counts, strict=True))
    return latest


def _withdrawn(pages: Pages) -> set[int]:
    """Return the tweets that a notice takes back, with those that were delivered together with one.

    Deleting reaches what repeats the tweet as well, so that nothing is promised about these but their notice.
    """
    deleted = {facts.deleted for _, facts in pages if facts.deleted is not None}
    return deleted | set(_beside(pages, deleted))


def _beside(pages: Pages, deleted: set[int]) -> Iterator[int]:
    for _, facts in pages:
        for tweet_id, originals in facts.embedded.items():
            if originals & deleted:
                yield tweet_id
