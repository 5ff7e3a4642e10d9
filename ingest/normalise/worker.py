"""The normaliser: takes deliveries off the queue, batch by batch, each in one transaction.

Belongs here: claiming, waiting for more, retrying what a concurrent worker broke.
Does not belong here: what deliveries mean, Dagster.

Claiming deletes queue rows within the transaction that writes the facts: a batch is normalised exactly once or not at
all, whatever dies. Any number of workers may run at once.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import psycopg
from psycopg import errors

from database import named_sql, snowflake
from database.codec import Codec, UnknownDictionaryError
from database.partitions import WRITERS_OF_FACTS
from ingest.compliance import block_list, suppress
from ingest.normalise.batch import Batch
from ingest.normalise.deliveries import Delivery, Reader, Routing, Rule
from ingest.normalise.records import Rejection
from ingest.normalise.write import Written, prepare, write

ITEMS_PER_BATCH = 4_000
"""Statement overhead is spread over the batch; beyond some thousand items only latency and memory grow."""

BYTES_PER_BATCH = 64 * 1024 * 1024
"""Decompressed. One delivery may be larger on its own: the service bounds a body."""

DELIVERIES_PER_BATCH = 2_000

POLL_SECONDS = 2.0
"""How long a wait for a notification lasts before the queue is looked at anyway."""

RETRIES = 5

UNWRITABLE = (psycopg.DataError, errors.ProgramLimitExceeded, ValueError, ArithmeticError, RecursionError)
"""What a value can cause, however well everything is checked before. Anything else is not about the data."""

MAX_DETAIL = 500

Result = TypeVar("Result")

_SQL = named_sql.statements(Path(__file__).parent / "sql" / "claim.sql")


@dataclass
class Progress:
    """What a worker has done since it began."""

    batches: int = 0
    deliveries: int = 0
    items: int = 0
    normalised: int = 0
    duplicates: int = 0
    controls: int = 0
    dead: int = 0
    new_tweets: int = 0
    rewritten_tweets: int = 0
    new_links: int = 0
    seconds_in_batches: float = 0.0

    def add(self, batch: Batch, written: Written, seconds: float) -> None:
        """Add a batch that was committed."""
        self.batches += 1
        self.deliveries += len(batch.tallies)
        for tally in batch.tallies.values():
            self.items += tally.item_count
            self.normalised += tally.tweet_items - tally.duplicate_count
            self.duplicates += tally.duplicate_count
            self.controls += tally.control_count
            self.dead += tally.dead_count
        self.new_tweets += written.new_tweets
        self.rewritten_tweets += written.rewritten_tweets
        self.new_links += written.new_links
        self.seconds_in_batches += seconds

    def __add__(self, other: Progress) -> Progress:
        return Progress(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))


class Worker:
    """A normaliser on a connection of its own, which must be in autocommit mode and belong to the role ``pipeline``."""

    def __init__(self, connection: psycopg.Connection[Any], *, on_batch: Callable[[], None] = lambda: None) -> None:
        """Use ``connection``; ``on_batch`` is called between two batches."""
        self.is_behind = False
        self.is_idle = False
        self._on_batch = on_batch
        self._connection = connection
        self._codec = self._load_codec()
        self._reader = Reader(self._decompress)
        self._deliveries_at_once = DELIVERIES_PER_BATCH
        self._deliveries_claimed = 0
        self.progress = Progress()
        prepare(connection)
        suppress.prepare(connection)

    def drain(self, *, until: Callable[[], bool] = lambda: False) -> Progress:
        """Normalise batch after batch until the queue is empty, or ``until`` says so between two batches."""
        while not until() and self.run_batch():
            pass
        return self.progress

    def follow(self, *, until: Callable[[], bool], on_idle: Callable[[Progress], None] = lambda _: None) -> Progress:
        """Normalise what waits and what comes, until ``until`` says so. Never holds a snapshot while it waits."""
        self._connection.execute("listen deliveries")
        try:
            while not until():
                if not self.run_batch():
                    on_idle(self.progress)
                    self._wait()
        finally:
            self._connection.execute("unlisten deliveries")
        return self.progress

    def run_batch(self) -> bool:
        """Claim one batch and write it, in one transaction; return whether there was anything to claim.

        What PostgreSQL refuses is tried again in halves, until the delivery is found that cannot be written.
        """
        try:
            with _no_collector():
                was_there_any = self._retrying(self._claim_batch)
        except UNWRITABLE:
            self._deliveries_at_once = max(1, self._deliveries_claimed // 2)
            return True
        self._suppress()
        self._deliveries_at_once = self._next_bound()
        self.is_idle = not was_there_any
        self._on_batch()
        return was_there_any

    def _next_bound(self) -> int:
        """Return how many deliveries the next claim may lock: what it locks and does not take, no other worker sees."""
        taken = self._deliveries_claimed if self.is_behind else self._deliveries_at_once
        return max(1, min(2 * taken, DELIVERIES_PER_BATCH))

    def reprocess(self, delivery_ids: list[int]) -> Written:
        """Read deliveries again and let what is read now count, after a change of the parser, of zones or of rules.

        One transaction, unless PostgreSQL refuses it: then one for each half, and so on.
        """
        try:
            return self._retrying(lambda: self._reprocess(delivery_ids))
        except UNWRITABLE:
            middle = len(delivery_ids) // 2
            return self.reprocess(delivery_ids[:middle]) + self.reprocess(delivery_ids[middle:])

    def _reprocess(self, delivery_ids: list[int]) -> Written:
        with self._connection.transaction():
            deliveries = self._fetch("by_ids", {"delivery_ids": delivery_ids})
            written, _ = self._process(deliveries, authoritative=True)
        self._suppress()
        return written

    def _suppress(self) -> None:
        """Apply what events say about tweets, in transactions after the one that wrote the events or the tweets."""
        if suppress.is_waiting(self._connection):
            self._retrying(lambda: suppress.apply(self._connection))

    def _claim_batch(self) -> bool:
        bounds = {"deliveries": self._deliveries_at_once, "items": ITEMS_PER_BATCH, "bytes": BYTES_PER_BATCH}
        started = time.perf_counter()
        with self._connection.transaction():
            deliveries = self._fetch("claim", bounds)
            self._deliveries_claimed = len(deliveries)
            self.is_behind = _is_full(deliveries, self._deliveries_at_once)
            if not deliveries:
                return False
            written, batch = self._process(deliveries, authoritative=False)
        self.progress.add(batch, written, time.perf_counter() - started)
        return True

    def _process(self, deliveries: list[Delivery], *, authoritative: bool) -> tuple[Written, Batch]:
        """Read and write deliveries. A single one that cannot be written is set aside: it must not stop the others."""
        try:
            with self._connection.transaction():
                self._reader.erased = block_list.load(self._connection, self._reader.erased)
                batch = self._reader.read(deliveries, self._routing())
                written = write(self._connection, batch, authoritative=authoritative)
                for delivery_id, body in batch.redactions.items():
                    block_list.rewrite_delivery(self._connection, delivery_id, body, "delivered after an erasure")
                return written, batch
        except UNWRITABLE as error:
            if len(deliveries) > 1:
                raise
            rejection = Rejection("envelope", "unwritable", f"{type(error).__name__}: {error}"[:MAX_DETAIL])
            batch = self._reader.refuse(deliveries[0], rejection)
            return write(self._connection, batch), batch

    def _load_codec(self) -> Codec:
        return Codec(dict(self._connection.execute(_SQL["dictionaries"]).fetchall()))

    def _decompress(self, frame: bytes, dictionary_id: int) -> bytes:
        try:
            return self._codec.decompress(frame, dictionary_id)
        except UnknownDictionaryError:
            # The service may have begun to use a dictionary that was trained after this worker started.
            self._codec = self._load_codec()
            return self._codec.decompress(frame, dictionary_id)

    def _fetch(self, statement: str, parameters: dict[str, Any]) -> list[Delivery]:
        rows = self._connection.execute(_SQL[statement], parameters, binary=True)
        return [
            Delivery(
                delivery_id=delivery_id,
                received_ms=snowflake.to_unix_ms(received_at),
                item_count=item_count,
                source=source,
                zone=zone,
                dictionary_id=dictionary_id,
                frame=frame,
            )
            for delivery_id, received_at, item_count, source, zone, dictionary_id, frame in rows
        ]

    def _routing(self) -> Routing:
        zones = self._connection.execute(_SQL["zones"]).fetchall()
        rules = self._connection.execute(_SQL["rules"]).fetchall()
        # A month is sealed while no batch is being written: what is read after this holds to the end of the batch.
        self._connection.execute(_SQL["share_writing"], {"key": WRITERS_OF_FACTS})
        sealed = self._connection.execute(_SQL["sealed"]).fetchall()
        return Routing({name: zone_id for zone_id, name in zones}, [Rule(*row) for row in rules], sealed)

    def _wait(self) -> None:
        for _ in self._connection.notifies(timeout=POLL_SECONDS, stop_after=1):
            pass

    def _retrying(self, work: Callable[[], Result]) -> Result:
        """Run a transaction again where another worker's made it impossible."""
        for attempt in range(1, RETRIES):
            try:
                return work()
            except (errors.DeadlockDetected, errors.SerializationFailure):
                time.sleep(0.05 * attempt)
        return work()


def _is_full(deliveries: list[Delivery], most: int) -> bool:
    """Tell whether a claim took as much as it may: more waits then."""
    return len(deliveries) >= most or sum(delivery.item_count for delivery in deliveries) >= ITEMS_PER_BATCH


@contextmanager
def _no_collector() -> Iterator[None]:
    """Keep the cycle collector from walking through a batch that grows: it holds no cycles, and is gone at the end.

    Measured: 12 % of the time that reading takes.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
