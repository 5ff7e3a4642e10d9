"""Whether a delivery that came now could be kept: database, partitions, disk.

Belongs here: the checks behind ``/readyz``, and the check of the disk before each delivery.
Does not belong here: whether the process is alive (that it answers), HTTP.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from database import partitions, snowflake
from database.connections import connection_string
from database.named_sql import statements

_SQL = statements(Path(__file__).parent / "sql" / "landing.sql")

_BOUNDS = re.compile(r"FROM \('?(\d+)'?\) TO \('?(\d+)'?\)")

FRESH_SECONDS = 1.0
"""An answer is given again for this long: nobody who asks often makes the database or the disk work for it."""

CONNECT_SECONDS = 3


class Disk:
    """The file system that the database writes to, where it is known; else it is never nearly full."""

    def __init__(self, path: Path | None, min_free_bytes: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._min_free_bytes = min_free_bytes
        self._clock = clock
        self._measured_at = -FRESH_SECONDS
        self._free_bytes: int | None = None

    def free_bytes(self) -> int | None:
        """Return the free bytes, measured at most once a second; ``None`` where they cannot be known."""
        now = self._clock()
        if self._path is not None and now - self._measured_at >= FRESH_SECONDS:
            self._measured_at = now
            try:
                self._free_bytes = shutil.disk_usage(self._path).free
            except OSError:
                self._free_bytes = None
        return self._free_bytes

    def is_nearly_full(self) -> bool:
        """Tell whether another delivery could do harm."""
        free = self.free_bytes()
        return free is not None and free < self._min_free_bytes


@dataclass
class Readiness:
    """Asks the database itself, as the role that writes, at most once a second however many ask."""

    url: str
    disk: Disk
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    _asked_at: float = field(default=-FRESH_SECONDS, init=False)
    _problems: list[str] = field(default_factory=list, init=False)

    async def problems(self) -> list[str]:
        """Return why a delivery could not be kept now; nothing if it could."""
        async with self._lock:
            if time.monotonic() - self._asked_at >= FRESH_SECONDS:
                self._problems = await self._ask()
                self._asked_at = time.monotonic()
            return self._problems

    async def _ask(self) -> list[str]:
        problems = ["disk: nearly full; make room, or move the database"] if self.disk.is_nearly_full() else []
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                return problems + await self._ask_database()
        except (psycopg.Error, OSError, TimeoutError):
            # The message of the driver names hosts and users, and whoever asks is not authenticated: see the log.
            return [*problems, "database: cannot be reached; the log of the service says why"]

    async def _ask_database(self) -> list[str]:
        conninfo = connection_string(self.url, application_name="ingest readiness")
        async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as connection:
            is_writable = await (await connection.execute(_SQL["is_writable"])).fetchone()
            bounds = await (await connection.execute(_SQL["partition_bounds"])).fetchall()
        problems = [] if is_writable == (True,) else ["database: read-only; is it a standby?"]
        missing = missing_months((text for (text,) in bounds), datetime.now(UTC))
        if missing:
            problems.append(f"partitions: raw.deliveries has none for {', '.join(missing)}; run `make migrate`")
        return problems


def missing_months(bounds: Iterable[str], now: datetime) -> list[str]:
    """Return which of this month and the next no partition covers. ``bounds``: as PostgreSQL writes them."""
    ranges = [(int(found[1]), int(found[2])) for text in bounds if (found := _BOUNDS.search(text))]
    this_month = partitions.month_start(now)
    months = (this_month, partitions.months_after(this_month, 1))
    return [f"{month:%Y-%m}" for month in months if not _is_covered(snowflake.floor(month), ranges)]


def _is_covered(snowflake_id: int, ranges: list[tuple[int, int]]) -> bool:
    return any(lower <= snowflake_id < upper for lower, upper in ranges)
