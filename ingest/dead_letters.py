"""Dead letters: what could not be read, by reason, and having it read again.

Belongs here: the report, choosing letters, replaying their deliveries.
Does not belong here: why something becomes a dead letter (``ingest.normalise``), options and forms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg

from database import named_sql
from ingest.normalise.worker import Worker
from ingest.normalise.write import Written

PAGE = 200
"""Deliveries that are read again in one transaction: a failure loses little, and live normalising goes on between."""

_SQL = named_sql.statements(Path(__file__).parent / "sql" / "dead_letters.sql")


@dataclass(frozen=True)
class Reason:
    """A line of the report: open letters of one source, stage and reason."""

    source: str
    stage: str
    reason: str
    letter_count: int
    first_seen_at: datetime
    last_seen_at: datetime
    latest_detail: str


@dataclass(frozen=True)
class Filter:
    """Which open letters are meant; what is not given matches everything."""

    source: str | None = None
    reason: str | None = None
    since: datetime | None = None

    @property
    def parameters(self) -> dict[str, Any]:
        """Return the filter as the statements take it."""
        return {"source": self.source, "reason": self.reason, "since": self.since}


def report(connection: psycopg.Connection[Any]) -> list[Reason]:
    """Return the open letters by reason, the most frequent first."""
    return [Reason(*row) for row in connection.execute(_SQL["report"])]


def count(connection: psycopg.Connection[Any], chosen: Filter) -> tuple[int, int]:
    """Return how many open letters match, and how many deliveries they are of."""
    row = connection.execute(_SQL["count_dead_letters"], chosen.parameters).fetchone()
    return (row[0], row[1]) if row else (0, 0)


def pages(connection: psycopg.Connection[Any], chosen: Filter) -> Iterator[list[int]]:
    """Yield the ids of the deliveries with matching letters, page by page, each beginning behind the last."""
    after = 0
    while True:
        parameters = {**chosen.parameters, "after": after, "limit": PAGE}
        page = [row[0] for row in connection.execute(_SQL["deliveries_with_dead_letters"], parameters)]
        if not page:
            return
        yield page
        after = page[-1]


def replay(
    connection: psycopg.Connection[Any],
    chosen: Filter,
    *,
    on_page: Callable[[int, Written], None] = lambda _count, _total: None,
) -> Written:
    """Read the deliveries of matching letters again, each page in a transaction of its own. Idempotent.

    What can be read now is written as if it had just come, and its letters are resolved; what still cannot stays, with
    one attempt more. ``on_page`` is told how many deliveries were read so far and what came of them.
    """
    worker = Worker(connection)
    total, done = Written(0, 0, 0, 0), 0
    for page in pages(connection, chosen):
        total += worker.reprocess(page)
        done += len(page)
        on_page(done, total)
    return total
