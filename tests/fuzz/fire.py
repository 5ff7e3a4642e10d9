"""Sending mutated requests to a running service, and noting every answer.

Belongs here: connections, answers, tallies.
Does not belong here: making requests, judging the accounts.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import msgspec

from tests.fuzz.mutations import Shot

CONNECTIONS = 48

PATIENCE_SECONDS = 60.0
"""For an answer that is due. A machine that does other things, too, may take its time."""

LONG_SILENCE_SECONDS = 6.0
"""For requests that need not be answered: longer than the service's own bounds."""

_HEAD = re.compile(rb"HTTP/1\.1 (\d{3}) [^\r\n]*\r\n(.*?)\r\n\r\n", re.DOTALL)
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)

PROGRESS_EVERY = 1_000


class _Answer(msgspec.Struct):
    status: str | int
    delivery_id: str | None = None
    items: int = 0


@dataclass
class Tally:
    """What was sent and what came back. ``acknowledged`` are the ids of deliveries, with their items."""

    sent: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    unanswered: Counter[str] = field(default_factory=Counter)
    acknowledged: dict[int, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many requests were sent."""
        return self.sent.total()


async def fire(host: str, port: int, shots: Iterable[Shot], on_progress: Callable[[int], None]) -> Tally:
    """Send every shot and return what became of them."""
    tally = Tally()
    queue = iter(shots)
    async with asyncio.TaskGroup() as group:
        for _ in range(CONNECTIONS):
            group.create_task(_Sender(host, port, tally).send(queue, on_progress))
    return tally


class _Sender:
    """One connection at a time, kept open as long as both sides agree on where messages end."""

    def __init__(self, host: str, port: int, tally: Tally) -> None:
        self._host, self._port, self._tally = host, port, tally
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self, shots: Iterable[Shot], on_progress: Callable[[int], None]) -> None:
        for shot in shots:
            self._tally.sent[shot.kind] += 1
            if self._tally.count % PROGRESS_EVERY == 0:
                on_progress(self._tally.count)
            if shot.is_framed:
                await self._ask(shot)
            else:
                await self._throw(shot)
        self._hang_up()

    async def _ask(self, shot: Shot) -> None:
        """Send a request that must be answered once; a connection that was closed meanwhile is opened anew."""
        for attempt in (1, 2):
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    reader, writer = await self._connected()
                    writer.write(shot.data)
                    head = await reader.readuntil(b"\r\n\r\n")
                    length = _LENGTH.search(head)
                    body = await reader.readexactly(int(length[1]) if length else 0)
            except (OSError, asyncio.IncompleteReadError):
                self._hang_up()
                if attempt == 2:
                    self._tally.unanswered[shot.kind] += 1
                continue
            except TimeoutError:
                self._hang_up()
                self._tally.wrong.append(f"no answer within {PATIENCE_SECONDS:.0f} s: {shot.data[:200]!r}")
                return
            self._note(shot, int(head.split(b" ", 2)[1]), body)
            if b"connection: close" in head.lower():
                self._hang_up()
            return

    async def _throw(self, shot: Shot) -> None:
        """Send bytes on a connection of their own and read whatever comes until it ends."""
        self._hang_up()
        received = b""
        try:
            reader, writer = await self._connected()
            writer.write(shot.data)
            if not shot.is_dropped:
                async with asyncio.timeout(LONG_SILENCE_SECONDS):
                    while part := await reader.read(1 << 16):
                        received += part
        except (OSError, TimeoutError):
            pass
        self._hang_up()
        answers = 0
        while match := _HEAD.match(received):
            length = _LENGTH.search(match[2])
            end = match.end() + (int(length[1]) if length and not shot.data.startswith(b"HEAD ") else 0)
            if match[1] != b"100":
                answers += 1
                self._note(shot, int(match[1]), received[match.end() : end])
            received = received[end:]
        if not answers:
            self._tally.unanswered[shot.kind] += 1

    def _note(self, shot: Shot, status: int, body: bytes) -> None:
        self._tally.statuses[status] += 1
        if status >= 500 and status != 503:
            self._tally.wrong.append(f"{status} to {shot.data[:300]!r}")
        if status == 503 and b'"internal_error"' in body:
            self._tally.wrong.append(f"internal error at {shot.data[:300]!r}")
        if status == 200 and b'"delivery_id"' in body:
            answer = msgspec.json.decode(body, type=_Answer)
            if answer.delivery_id is not None:
                self._tally.acknowledged[int(answer.delivery_id)] = answer.items

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is None or self._streams[1].is_closing():
            self._streams = await asyncio.open_connection(self._host, self._port)
        return self._streams

    def _hang_up(self) -> None:
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None
