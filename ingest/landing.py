"""Committing deliveries: many requests share one transaction, and each is told only after it is durable.

Belongs here: the queue in front of the database, the connections that empty it, reconnecting.
Does not belong here: HTTP, authentication, compression, what a delivery holds.

A flusher takes everything that waits and commits it in one statement; whatever arrives meanwhile waits for the next
one. So the batches grow with the load, and a lone delivery waits for nobody. Measured with bodies of 12 kB: the same
rows as binary COPY into both tables and NOTIFY cost six round trips instead of one, and about 60 % more CPU here.

A commit whose end is not seen is not acknowledged: the sender repeats the delivery, and the doubles are merged by
tweet id.
"""

from __future__ import annotations

import asyncio
import os
import random
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import structlog

from database import snowflake
from database.connections import connection_string
from database.named_sql import statements
from ingest.delivery import Arrival, DeliveryIds
from ingest.outcomes import Reason

_SQL = statements(Path(__file__).parent / "sql" / "landing.sql")

MAX_BATCH_DELIVERIES = 256
MAX_BATCH_BYTES = 8 << 20
"""Of compressed bodies. Larger transactions gain nothing (throughput is flat above 60 bodies) and take longer."""

LINGER_SECONDS = 0.002
"""How long a flusher lets more deliveries come before it commits, if another flusher is already committing.

Without a commit under way nobody waits. With one, joining the next batch costs less than a batch of one's own.
"""

MAX_COLLISIONS = 5

FIRST_BACK_OFF_SECONDS = 0.1
LONGEST_BACK_OFF_SECONDS = 3.0
"""Between tries to reach a database that is away; each wait is drawn at random below it, so that flushers spread."""

_log = structlog.get_logger("ingest.landing")


class NotCommittedError(RuntimeError):
    """The delivery was not committed, or nobody knows: it must not be acknowledged. ``reason`` says what to answer."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


@dataclass(slots=True, eq=False)
class _Waiting:
    arrival: Arrival
    since: float
    committed: asyncio.Future[int]


class Landing:
    """Commits arrivals as the role ``ingest_writer``.

    ``max_waiting`` bounds the arrivals in the queue; their bytes are bounded by who receives them.
    ``commit_seconds`` bounds the wait in the queue, and then the wait for the commit.
    ``observe_commit`` is called with the number of deliveries and the seconds of each commit.
    """

    def __init__(
        self,
        url: str,
        *,
        flushers: int = 2,
        max_waiting: int = 1_024,
        commit_seconds: float = 5.0,
        observe_commit: Callable[[int, float], None] = lambda _deliveries, _seconds: None,
    ) -> None:
        self._conninfo = connection_string(url, application_name="ingest")
        self._flusher_count = flushers
        self._max_waiting = max_waiting
        self._commit_seconds = commit_seconds
        self._observe_commit = observe_commit
        self._ids = DeliveryIds()
        self._waiting: deque[_Waiting] = deque()
        self._connected = 0
        self._committing = 0
        self._is_stopping = False
        self._tasks: list[asyncio.Task[None]] = []
        self._wake = asyncio.Event()
        self._has_connected = asyncio.Event()
        self._stopped = asyncio.Event()

    @property
    def waiting_count(self) -> int:
        """How many deliveries wait for a flusher."""
        return len(self._waiting)

    @property
    def is_connected(self) -> bool:
        """Whether any flusher has a connection."""
        return self._connected > 0

    async def wait_until_connected(self) -> None:
        """Return once a flusher has a connection."""
        await self._has_connected.wait()

    def start(self) -> None:
        """Begin to connect. Deliveries that come before there is a connection are refused, not kept waiting."""
        self._tasks = [asyncio.create_task(self._flush_for_ever()) for _ in range(self._flusher_count)]

    async def stop(self) -> None:
        """Commit what waits, refuse what comes, close the connections. Idempotent."""
        self._is_stopping = True
        self._stopped.set()
        self._wake.set()
        await asyncio.gather(*self._tasks)
        self._refuse(self._waiting, Reason.DRAINING)
        self._waiting.clear()

    async def land(self, arrival: Arrival) -> int:
        """Return the id of the delivery once it is durable. Raises ``NotCommittedError``."""
        if self._is_stopping:
            raise NotCommittedError(Reason.DRAINING)
        if not self._connected:
            raise NotCommittedError(Reason.DATABASE_UNAVAILABLE)
        if len(self._waiting) >= self._max_waiting:
            raise NotCommittedError(Reason.OVERLOADED)
        loop = asyncio.get_running_loop()
        waiting = _Waiting(arrival, loop.time(), loop.create_future())
        self._waiting.append(waiting)
        self._wake.set()
        return await waiting.committed

    async def _flush_for_ever(self) -> None:
        back_off = FIRST_BACK_OFF_SECONDS
        while not self._is_stopping:
            try:
                async with await psycopg.AsyncConnection.connect(self._conninfo, autocommit=True) as connection:
                    await self._prepare(connection)
                    back_off = FIRST_BACK_OFF_SECONDS
                    await self._flush_while_connected(connection)
            except (psycopg.Error, OSError) as error:
                _log.warning("database_unavailable", error=_first_line(error), retry_within_seconds=back_off)
            except Exception:  # noqa: BLE001
                # A flusher never ends: the deliveries that wait for it would wait for ever.
                _log.exception("flusher_failed", retry_within_seconds=back_off)
            else:
                continue
            await self._pause(back_off * random.uniform(0.5, 1.0))  # noqa: S311
            back_off = min(2 * back_off, LONGEST_BACK_OFF_SECONDS)

    async def _prepare(self, connection: psycopg.AsyncConnection) -> None:
        connection.prepare_threshold = 0
        await connection.execute("set synchronous_commit = on")

    async def _flush_while_connected(self, connection: psycopg.AsyncConnection) -> None:
        self._connected += 1
        self._has_connected.set()
        try:
            while batch := await self._next_batch():
                await self._commit_or_refuse(connection, batch)
        finally:
            self._connected -= 1
            if not self._connected:
                self._has_connected.clear()
                self._refuse(self._waiting, Reason.DATABASE_UNAVAILABLE)
                self._waiting.clear()

    async def _next_batch(self) -> list[_Waiting]:
        """Wait for deliveries and take as many as one commit may hold; none when the landing stops."""
        while True:
            while not self._waiting:
                if self._is_stopping:
                    return []
                self._wake.clear()
                await self._wake.wait()
            if self._committing and len(self._waiting) < MAX_BATCH_DELIVERIES and not self._is_stopping:
                await asyncio.sleep(LINGER_SECONDS)
            if batch := self._take():
                return batch

    def _take(self) -> list[_Waiting]:
        overdue_since = asyncio.get_running_loop().time() - self._commit_seconds
        batch: list[_Waiting] = []
        size = 0
        while self._waiting and len(batch) < MAX_BATCH_DELIVERIES and size < MAX_BATCH_BYTES:
            waiting = self._waiting.popleft()
            if waiting.since < overdue_since:
                self._refuse([waiting], Reason.OVERLOADED)
            elif not waiting.committed.done():
                batch.append(waiting)
                size += len(waiting.arrival.body)
        return batch

    async def _commit_or_refuse(self, connection: psycopg.AsyncConnection, batch: list[_Waiting]) -> None:
        """Commit a batch, or refuse it and raise: after an error nothing is known of the connection."""
        loop = asyncio.get_running_loop()
        deadline = loop.call_later(self._commit_seconds, _cut, connection)
        started = time.perf_counter()
        self._committing += 1
        try:
            delivery_ids = await self._commit(connection, [waiting.arrival for waiting in batch])
        except BaseException:
            self._refuse(batch, Reason.DATABASE_UNAVAILABLE)
            raise
        finally:
            self._committing -= 1
            deadline.cancel()
        for waiting, delivery_id in zip(batch, delivery_ids, strict=True):
            if not waiting.committed.done():
                waiting.committed.set_result(delivery_id)
        self._observe_commit(len(batch), time.perf_counter() - started)

    async def _commit(self, connection: psycopg.AsyncConnection, arrivals: list[Arrival]) -> list[int]:
        for _ in range(MAX_COLLISIONS):
            delivery_ids = [self._ids.next(arrival.received_ms) for arrival in arrivals]
            try:
                await connection.execute(_SQL["land"], _columns(delivery_ids, arrivals))
            except psycopg.errors.UniqueViolation:
                _log.warning("delivery_id_collision", deliveries=len(arrivals))
                self._ids.renew()
            else:
                return delivery_ids
        raise psycopg.OperationalError(f"{MAX_COLLISIONS} collisions of delivery ids in a row")

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopped.wait()
        except TimeoutError:
            return

    @staticmethod
    def _refuse(waiting: Iterable[_Waiting], reason: Reason) -> None:
        for one in waiting:
            if not one.committed.done():
                one.committed.set_exception(NotCommittedError(reason))


def _columns(delivery_ids: list[int], arrivals: list[Arrival]) -> dict[str, list[Any]]:
    return {
        "delivery_ids": delivery_ids,
        "received_at": [snowflake.from_unix_ms(arrival.received_ms) for arrival in arrivals],
        "sources": [arrival.source for arrival in arrivals],
        "zones": [arrival.zone for arrival in arrivals],
        "item_counts": [arrival.item_count for arrival in arrivals],
        "body_bytes": [arrival.body_bytes for arrival in arrivals],
        "dictionary_ids": [arrival.dictionary_id for arrival in arrivals],
        "bodies": [arrival.body for arrival in arrivals],
    }


def _cut(connection: psycopg.AsyncConnection) -> None:
    """End a connection that does not answer. Cancelling would wait for a server that may be gone."""
    _log.error("commit_timed_out")
    with socket.socket(fileno=os.dup(connection.fileno())) as own:
        own.shutdown(socket.SHUT_RDWR)


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]
