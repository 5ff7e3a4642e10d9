"""A replay: archive files, in order, through the running webhook, every line acknowledged.

Belongs here: the course of a replay, its pace, its summary.
Does not belong here: the command line (``command.py``), the fate of what was acknowledged (``drain.py``).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import httpx

from ingest.replay.archive import Archive, Batch, Dialect, batches, body
from ingest.replay.errors import ReplayStoppedError
from ingest.replay.journal import Journal, Refused, Settled, Watermark
from ingest.replay.sender import FIRST_WAIT_SECONDS, Sender, TooLargeError

DEFAULT_BATCH = 100
DEFAULT_BATCH_BYTES = 1_000_000
"""100 lines of a public stream are 160 to 560 kB."""


@dataclass(frozen=True, slots=True)
class ReplayPlan:
    """What to replay, where to and how.

    ``zone`` is needed for v1_1, ``tag`` for bare twitterapi.io tweets. ``rate`` is in items per second, None for as
    fast as it goes. ``patience_seconds`` is how long the service may stay away before the replay stops. With a
    ``signing_secret`` the bodies are signed, and the key is not shown.
    """

    files: Sequence[Path]
    dialect: Dialect
    url: str
    key: str
    state_dir: Path
    zone: str | None = None
    tag: str | None = None
    rate: float | None = None
    concurrency: int = 4
    batch: int = DEFAULT_BATCH
    batch_bytes: int = DEFAULT_BATCH_BYTES
    resume: bool = True
    timeout_seconds: float = 60.0
    patience_seconds: float = 120.0
    first_wait_seconds: float = FIRST_WAIT_SECONDS
    signing_secret: bytes | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a replay is. Bytes are bytes on disk, of all files together."""

    file: Path
    bytes_read: int
    bytes_total: int
    acknowledged_items: int
    refused: int
    elapsed_seconds: float


@dataclass(frozen=True, slots=True)
class ReplaySummary:
    """What a replay came to.

    ``posted_items`` and ``acknowledged_items`` are this run's; ``resumed_items`` were acknowledged by the runs that it
    goes on from. ``delivery_ids`` and ``refused`` are those of all of them.
    """

    files: int
    posted_items: int
    acknowledged_items: int
    resumed_items: int
    delivery_ids: tuple[int, ...]
    refused: tuple[Refused, ...]
    retries: int
    elapsed_seconds: float

    @property
    def items_per_second(self) -> float:
        """Acknowledged items a second of this run."""
        return self.acknowledged_items / self.elapsed_seconds if self.elapsed_seconds > 0 else 0.0


async def replay(plan: ReplayPlan, on_progress: Callable[[Progress], None] = lambda _: None) -> ReplaySummary:
    """Post every line of every file until acknowledged, and return what it came to.

    Interrupted at any moment, the same plan goes on where everything before was acknowledged; what was acknowledged
    beyond that is posted again, which changes nothing. Raises ``ReplayStoppedError`` when going on makes no sense.
    """
    _check(plan)
    limits = httpx.Limits(max_connections=plan.concurrency, max_keepalive_connections=plan.concurrency)
    async with httpx.AsyncClient(timeout=plan.timeout_seconds, limits=limits, trust_env=False) as client:
        sender = Sender(
            client,
            webhook_url(plan),
            plan.key,
            plan.patience_seconds,
            plan.first_wait_seconds,
            signing_secret=plan.signing_secret,
        )
        return await _Course(plan, sender, on_progress).run()


def webhook_url(plan: ReplayPlan) -> str:
    """Return the address that bodies go to."""
    address = f"{plan.url.rstrip('/')}/webhooks/{plan.dialect}"
    return f"{address}?{urlencode({'zone': plan.zone})}" if plan.dialect == "v1_1" and plan.zone else address


def _check(plan: ReplayPlan) -> None:
    if plan.dialect == "v1_1" and not plan.zone:
        raise ReplayStoppedError("v1.1 lines do not say which zone they belong to: give one (--zone, or ZONE=…)")
    if plan.rate is not None and plan.rate <= 0:
        raise ReplayStoppedError(f"a rate of {plan.rate} items a second would never end: give a positive one")
    if not plan.files:
        raise ReplayStoppedError("no file given: name the archive files to replay")
    for file in plan.files:
        if not file.is_file():
            raise ReplayStoppedError(f"{file} is no file")


class _Course:
    """One run of a plan."""

    def __init__(self, plan: ReplayPlan, sender: Sender, on_progress: Callable[[Progress], None]) -> None:
        self._plan = plan
        self._sender = sender
        self._on_progress = on_progress
        self._clock = asyncio.get_running_loop().time
        self._began_at = self._clock()
        self._next_start_at = self._began_at
        self._posted_items = 0
        self._acknowledged = Settled()
        self._resumed = Settled()
        self._bytes_total = sum(file.stat().st_size for file in plan.files)
        self._bytes_of_finished_files = 0

    async def run(self) -> ReplaySummary:
        folder = self._plan.state_dir / "replay"
        destination = (self._sender.url, str(self._plan.tag))
        journals = [Journal(folder, file, *destination) for file in self._plan.files]
        for file, journal in zip(self._plan.files, journals, strict=True):
            if not self._plan.resume:
                journal.remove()
            await self._replay_file(file, journal)
        for journal in journals:
            journal.remove()
        return self._summary()

    async def _replay_file(self, file: Path, journal: Journal) -> None:
        settled_number, settled = journal.read()
        self._resumed.add(settled)
        watermark = Watermark(journal)
        free = asyncio.Semaphore(self._plan.concurrency)
        with Archive(file) as archive:
            try:
                async with asyncio.TaskGroup() as group:
                    async for batch in _read_aside(self._batches(archive, settled_number)):
                        await free.acquire()
                        watermark.sent(batch.records[-1].number)
                        group.create_task(self._settle(batch, archive, watermark, free))
            except ExceptionGroup as group_error:
                raise _first(group_error) from group_error
            self._bytes_of_finished_files += archive.bytes_total
        self._report(file, 0)

    def _batches(self, archive: Archive, settled_number: int) -> Iterator[Batch]:
        plan = self._plan
        # A slow replay is even only if a batch holds no more than a second's worth.
        most = plan.batch if plan.rate is None else max(1, min(plan.batch, int(plan.rate)))
        records = (record for record in archive.records(plan.dialect) if record.number > settled_number)
        for batch in batches(records, most, plan.batch_bytes):
            if batch.records[0].form == "tweet" and plan.tag is None:
                raise ReplayStoppedError(
                    f"line {batch.records[0].number} of {archive.path} is a tweet without an envelope: say which rule "
                    "it belongs to (--tag)"
                )
            yield batch

    async def _settle(self, batch: Batch, archive: Archive, watermark: Watermark, free: asyncio.Semaphore) -> None:
        try:
            await self._wait_for_turn(len(batch.records))
            self._posted_items += len(batch.records)
            outcome = await self._send(batch, archive.path)
        finally:
            free.release()
        watermark.settled(batch.records[-1].number, outcome)
        self._acknowledged.add(outcome)
        self._report(archive.path, archive.bytes_read)

    async def _wait_for_turn(self, items: int) -> None:
        """Keep the rate: every item moves the start of the next by its share of a second."""
        if self._plan.rate is None:
            return
        start_at = max(self._next_start_at, self._clock())
        self._next_start_at = start_at + items / self._plan.rate
        await asyncio.sleep(start_at - self._clock())

    async def _send(self, batch: Batch, file: Path) -> Settled:
        """Post a batch; in halves where it is too large, down to the one line that has to be refused."""
        content_type = "application/x-ndjson" if batch.records[0].form == "line" else "application/json"
        try:
            answer = await self._sender.post(body(batch, self._plan.tag), content_type)
        except TooLargeError as error:
            if len(batch.records) == 1:
                number, size = batch.records[0].number, len(batch.records[0].data)
                return Settled(refused=[Refused(str(file), number, f"{size} bytes are too large: {error}")])
            first, second = batch.halves()
            outcome = await self._send(first, file)
            outcome.add(await self._send(second, file))
            return outcome
        except ReplayStoppedError as error:
            lines = f"lines {batch.records[0].number} to {batch.records[-1].number} of {file}"
            raise ReplayStoppedError(f"{error} (It happened at {lines}.)") from error
        return Settled([int(answer.delivery_id)], answer.items)

    def _report(self, file: Path, bytes_read: int) -> None:
        self._on_progress(
            Progress(
                file=file,
                bytes_read=self._bytes_of_finished_files + bytes_read,
                bytes_total=self._bytes_total,
                acknowledged_items=self._acknowledged.items,
                refused=len(self._acknowledged.refused),
                elapsed_seconds=self._clock() - self._began_at,
            )
        )

    def _summary(self) -> ReplaySummary:
        resumed_items = self._resumed.items
        self._resumed.add(self._acknowledged)
        return ReplaySummary(
            files=len(self._plan.files),
            posted_items=self._posted_items,
            acknowledged_items=self._acknowledged.items,
            resumed_items=resumed_items,
            delivery_ids=tuple(self._resumed.deliveries),
            refused=tuple(self._resumed.refused),
            retries=self._sender.retries,
            elapsed_seconds=self._clock() - self._began_at,
        )


async def _read_aside(found: Iterator[Batch]) -> AsyncIterator[Batch]:
    """Read in a thread: unpacking would hold up every answer."""
    while (batch := await asyncio.to_thread(next, found, None)) is not None:
        yield batch


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first plain error of a group, one that says why the replay stops if there is one."""
    errors = list(_flat(group))
    return next((error for error in errors if isinstance(error, ReplayStoppedError)), errors[0])


def _flat(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _flat(error)
        else:
            yield error
