"""A load generator that costs little beside what it loads: requests made beforehand, written to open connections.

Belongs here: posting at full speed or at a rate, and the time until each answer.
Does not belong here: what the answers mean for a goal.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field

import uvloop

from bench.ground import Payload
from database import snowflake

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_ID = re.compile(rb"(?<=\")\d{19}(?=\")|(?<=status/)\d{19}")


@dataclass
class Load:
    """What became of the posts. Seconds until the answer, of each acknowledged one."""

    seconds: float = 0.0
    posted: int = 0
    refused: int = 0
    latencies: list[float] = field(default_factory=list)


class Renewed:
    """Deliveries whose tweets are other ones each time round: the same contents under ids of the same milliseconds.

    Rendering millions of tweets beforehand takes longer than measuring, and while measuring it takes the processor.
    """

    def __init__(self, payloads: Sequence[Payload], *, since_ms: int) -> None:
        self._parts = [_split(payload.body, since_ms) for payload in payloads]

    def __iter__(self) -> Iterator[bytes]:
        """Yield bodies without end."""
        turn = 0
        while True:
            for pieces, ids in self._parts:
                yield _joined(pieces, ids, turn)
            turn += 1


def _split(body: bytes, since_ms: int) -> tuple[list[bytes], list[int]]:
    """Split a body at the ids of tweets that were posted since a moment."""
    pieces, ids, end = [], [], 0
    for match in _ID.finditer(body):
        number = int(match[0])
        if snowflake.unix_ms(number) >= since_ms and number <= snowflake.floor(snowflake.from_unix_ms(_now_ms())):
            pieces.append(body[end : match.start()])
            ids.append(number)
            end = match.end()
    return [*pieces, body[end:]], ids


def _joined(pieces: list[bytes], ids: list[int], turn: int) -> bytes:
    between = [b"%d" % (number + turn) for number in ids]
    return b"".join(part for pair in zip(pieces, [*between, b""], strict=True) for part in pair)


def _now_ms() -> int:
    return int(time.time() * 1000)


def request(body: bytes, *, host: str, path: str, key: str) -> bytes:
    """Return the bytes of a POST."""
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nX-API-Key: {key}\r\nContent-Type: application/json\r\n"
    return head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body


@dataclass(frozen=True)
class Target:
    """Where the load goes, and whose process it is."""

    host: str
    port: int
    path: str
    key: str
    process_id: int = 0


@dataclass
class Plan:
    """How long, over how many connections, and how fast: ``rate`` in requests a second, None for full speed.

    ``gate`` is awaited before each request: it may hold the sender back.
    """

    seconds: float
    connections: int = 32
    rate: float | None = None
    gate: Callable[[], Awaitable[None]] | None = None


def run(target: Target, bodies: Iterator[bytes], plan: Plan) -> Load:
    """Post bodies for some seconds and return what became of them."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run(target, bodies, plan))


async def _run(target: Target, bodies: Iterator[bytes], plan: Plan) -> Load:
    load, began = Load(), time.perf_counter()
    end = began + plan.seconds
    turns = _turns(began, end, plan.rate)
    async with asyncio.TaskGroup() as group:
        for _ in range(plan.connections):
            group.create_task(_post_for_long(target, bodies, plan, turns, load))
    load.seconds = time.perf_counter() - began
    if not load.latencies:
        raise RuntimeError(f"none of {load.posted:,} deliveries to {target.path} was acknowledged")
    return load


def _turns(began: float, end: float, rate: float | None) -> Iterator[float]:
    """Yield when each request is due: at once, or evenly spread whatever became of those before."""
    number = 0
    while (due := began + number / rate if rate else time.perf_counter()) < end:
        yield due
        number += 1


async def _post_for_long(
    target: Target, bodies: Iterator[bytes], plan: Plan, turns: Iterator[float], load: Load
) -> None:
    reader, writer = await asyncio.open_connection(target.host, target.port, limit=1 << 16)
    try:
        for due in turns:
            if plan.gate is not None:
                await plan.gate()
            if (ahead := due - time.perf_counter()) > 0:
                await asyncio.sleep(ahead)
            began = due if plan.rate else time.perf_counter()
            writer.write(request(next(bodies), host=target.host, path=target.path, key=target.key))
            load.posted += 1
            if await _answer(reader):
                load.latencies.append(time.perf_counter() - began)
            else:
                load.refused += 1
    finally:
        writer.close()


async def _answer(reader: asyncio.StreamReader) -> bool:
    """Read one response; return whether it is 2xx."""
    head = await reader.readuntil(b"\r\n\r\n")
    if (length := _LENGTH.search(head)) and int(length[1]):
        await reader.readexactly(int(length[1]))
    return head.split(b" ", 2)[1].startswith(b"2")
