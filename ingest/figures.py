"""What the front door's metrics say of the way behind it: the queue, duplicates, how late each zone's tweets are.

Belongs here: asking the database, seldom, for numbers.
Does not belong here: the metrics' names (``metrics``), what the numbers are made of (``raw.queue_figures``).
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import structlog
from psycopg.rows import class_row

from database.connections import connection_string
from database.named_sql import statements

_SQL = statements(Path(__file__).parent / "sql" / "landing.sql")

FRESH_SECONDS = 10.0
"""However many ask, the database answers six times a minute; scrapers ask four times."""

MAX_SECONDS = 3.0

_log = structlog.get_logger("ingest.figures")


@dataclass(frozen=True)
class QueueFigures:
    """What waits, and what became of the items received in the last five minutes."""

    waiting_deliveries: int
    oldest_waiting_seconds: float
    normalised_items: int
    duplicate_items: int
    control_items: int
    dead_items: int


@dataclass(frozen=True)
class ZoneFigures:
    """How late a zone's latest tweets came, and how old its newest one is."""

    zone: str
    lag_seconds: float
    newest_tweet_age_seconds: float


@dataclass(frozen=True)
class Figures:
    """All numbers of one moment; none where the database did not answer."""

    queue: QueueFigures | None = None
    zones: tuple[ZoneFigures, ...] = ()


@dataclass
class FiguresReader:
    """Asks as the role that writes, which may read these numbers and nothing else."""

    url: str
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    _asked_at: float = field(default=-FRESH_SECONDS, init=False)
    _figures: Figures = field(default=Figures(), init=False)

    async def latest(self) -> Figures:
        """Return the numbers, at most ten seconds old. Old ones are never shown for new: without an answer none are."""
        async with self._lock:
            if time.monotonic() - self._asked_at >= FRESH_SECONDS:
                try:
                    async with asyncio.timeout(MAX_SECONDS):
                        self._figures = await self._ask()
                except (psycopg.Error, OSError, TimeoutError) as error:
                    _log.warning("no_figures", error=type(error).__name__)
                    self._figures = Figures()
                self._asked_at = time.monotonic()
            return self._figures

    async def _ask(self) -> Figures:
        conninfo = connection_string(self.url, application_name="ingest figures")
        async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as connection:
            async with connection.cursor(row_factory=class_row(QueueFigures)) as cursor:
                queue = await (await cursor.execute(_SQL["queue_figures"])).fetchone()
            async with connection.cursor(row_factory=class_row(ZoneFigures)) as cursor:
                zones = await (await cursor.execute(_SQL["zone_figures"])).fetchall()
        return Figures(queue, tuple(zones))
