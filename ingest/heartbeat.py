"""The service's heart: once a minute it delivers a message to itself, through its own front door.

Belongs here: beating for as long as the service lives.
Does not belong here: what beats say about coverage (``ingest.coverage``), the front door (``app``).

A beat takes the way of every delivery: address, state of the service, key, body, commit, queue, normaliser. When the
door refuses deliveries (a full disk, a database that is away) it refuses the beat as well, and when the normaliser
stands still no beat is accounted for. What a beat cannot prove is the way from the provider to this process.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import structlog

from ingest.normalise.dialects.heartbeat import Heartbeat
from ingest.sources.keys import API_KEY_HEADER

BEAT_SECONDS = 60.0
"""1,440 rows a day. ``ops.pipe_uptime`` takes two beats for one uptime if one between them is missing."""

_PATH = f"/webhooks/{Heartbeat.name}"
_BODY = b'{"event_type":"heartbeat"}'
_FIRST_REFUSAL = 300

Message = MutableMapping[str, Any]
Application = Callable[
    [Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]
]

_log = structlog.get_logger("ingest.heartbeat")


class Beating:
    """The front door with a heart, itself an ASGI application. ``key`` is the one that ``HeartbeatSource`` knows."""

    def __init__(self, front_door: Application, key: str, *, beat_seconds: float = BEAT_SECONDS) -> None:
        self._front_door = front_door
        self._key = key.encode()
        self._beat_seconds = beat_seconds

    async def __call__(
        self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        """Serve one ASGI scope; the heart beats as long as the scope of the service's life lasts."""
        if scope["type"] != "lifespan":
            await self._front_door(scope, receive, send)
            return
        heart = asyncio.create_task(self._beat_for_ever())
        try:
            await self._front_door(scope, receive, send)
        finally:
            heart.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await heart

    async def _beat_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self._beat_seconds)
            try:
                status = await self.beat()
            except Exception:  # noqa: BLE001
                # A heart that stopped would look like a service that stopped.
                _log.exception("heartbeat_failed")
            else:
                if status >= _FIRST_REFUSAL:
                    _log.warning("heartbeat_refused", status=status)

    async def beat(self) -> int:
        """Deliver one beat and return the status of the answer."""
        scope = {
            "type": "http",
            "method": "POST",
            "path": _PATH,
            "query_string": b"",
            "headers": [(API_KEY_HEADER, self._key), (b"content-length", b"%d" % len(_BODY))],
        }
        answers: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": _BODY, "more_body": False}

        async def send(message: Message) -> None:
            answers.append(message)

        await self._front_door(scope, receive, send)
        return int(answers[0]["status"])
