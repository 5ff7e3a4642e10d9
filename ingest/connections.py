"""Bounds on sockets: how many, and how long one may take to say what it wants.

Belongs here: time and size of request heads, the number of connections.
Does not belong here: bodies (``bodies``), anything about deliveries.

uvicorn waits for the end of a request's headers for ever and takes headers of any size; a few hundred sleeping
connections would be enough to keep senders out.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ingest.outcomes import OUTCOMES, Reason
from ingest.settings import IngestSettings

_PHRASES = {
    400: "Bad Request",
    408: "Request Timeout",
    431: "Request Header Fields Too Large",
    503: "Service Unavailable",
}


class _RefusedHeadError(Exception):
    """Raised inside the parser's callbacks, where it ends the parsing."""


def bounded_protocol(settings: IngestSettings, count: Callable[[Reason], None]) -> type[HttpToolsProtocol]:
    """Return uvicorn's protocol within the bounds of ``settings``; ``count`` is told of each refusal."""

    class BoundedProtocol(_BoundedProtocol):
        header_seconds = settings.ingest_header_seconds
        max_header_bytes = settings.ingest_max_header_bytes
        max_connections = settings.ingest_max_connections
        count_refusal = staticmethod(count)

    return BoundedProtocol


class _BoundedProtocol(HttpToolsProtocol):
    header_seconds: float
    max_header_bytes: int
    max_connections: int
    count_refusal: Callable[[Reason], None]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._deadline: asyncio.TimerHandle | None = None
        self._is_in_headers = False
        self._is_in_body = False
        self._head_bytes = 0
        self._refusal = Reason.MALFORMED_REQUEST

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.max_connections:
            self._refuse(Reason.TOO_MANY_CONNECTIONS)
        else:
            self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if not self._is_in_body:
            self._head_bytes += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._is_in_headers and self._head_bytes > self.max_header_bytes:
            self._refuse(Reason.HEADERS_TOO_LARGE)
        elif self._deadline is None and self._owes_data():
            self._arm()

    def _owes_data(self) -> bool:
        """Tell whether only the sender can go on: nothing is being answered, and what it began is unfinished.

        uvicorn's own timer for idle connections ends with any byte at all, so that every other case is ours.
        """
        if self._is_in_headers:
            return True
        return self.cycle is None or self.cycle.response_complete

    def on_message_begin(self) -> None:
        self._is_in_headers = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._is_in_headers = False
        self._is_in_body = True
        self._disarm()
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > self.max_header_bytes:
            self._refusal = Reason.HEADERS_TOO_LARGE
            raise _RefusedHeadError
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._is_in_body = False
        self._head_bytes = 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        self._disarm()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002
        """Answer what the parser refused."""
        self._refuse(self._refusal)

    def timeout_keep_alive_handler(self) -> None:
        self._disarm()
        super().timeout_keep_alive_handler()

    def _arm(self) -> None:
        self._deadline = self.loop.call_later(self.header_seconds, self._refuse, Reason.HEADERS_TIMEOUT)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse(self, reason: Reason) -> None:
        self._disarm()
        if self.transport.is_closing():
            return
        self.count_refusal(reason)
        is_answerable = self.cycle is None or self.cycle.response_complete
        if is_answerable and not (reason is Reason.HEADERS_TIMEOUT and not self._head_bytes):
            self.transport.write(_response(reason))
        self.transport.close()


def _response(reason: Reason) -> bytes:
    outcome = OUTCOMES[reason]
    body = json.dumps(
        {
            "status": outcome.status,
            "title": reason.value,
            "detail": outcome.explanation,
            "retry": outcome.sender_retries,
        }
    ).encode()
    retry_after = f"retry-after: {outcome.retry_after_seconds}\r\n" if outcome.retry_after_seconds else ""
    head = (
        f"HTTP/1.1 {outcome.status} {_PHRASES[outcome.status]}\r\ncontent-type: application/problem+json\r\n"
        f"content-length: {len(body)}\r\n{retry_after}connection: close\r\n\r\n"
    )
    return head.encode() + body
