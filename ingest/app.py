"""The webhook service as a plain ASGI application: no framework on a path that is walked thousands of times a second.

Belongs here: routes, the order of checks, answers, one log line for each delivery.
Does not belong here: how a source proves itself (``sources``), commits (``landing``), sockets (``server``).

The order of checks is the order of cost: address and method, the state of the service, headers, body, signature, rate,
content-encoding, zone, and only then the commit. Nothing is answered with 2xx before that commit.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

import msgspec
import structlog

from database.codec import Codec
from ingest import openapi
from ingest.bodies import (
    SUPPORTED_ENCODINGS,
    Allowance,
    Budget,
    Receive,
    RefusedBodyError,
    discard_rest,
    receive_body,
    undo_encoding,
)
from ingest.delivery import Arrival
from ingest.figures import FiguresReader
from ingest.landing import Landing, NotCommittedError
from ingest.limits import Rates, Remembered
from ingest.metrics import CONTENT_TYPE, NO_SOURCE, Metrics
from ingest.outcomes import OUTCOMES, Reason
from ingest.readiness import Disk, Readiness
from ingest.settings import IngestSettings
from ingest.sources.protocol import Contents, Headers, Source
from ingest.sources.signatures import TOLERANCE_SECONDS

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

WEBHOOKS = "/webhooks/"

LARGE_BODY_BYTES = 128 << 10
"""Larger bodies are counted and compressed in a thread: they would hold up everybody else for a millisecond or more."""

MAX_ZONE_CHARACTERS = 255

MAX_SEPARATORS = 4_000_000
"""Commas, or line ends, in a body. Real ones have one in 28 to 50 bytes, so that the largest body that is taken has 2.4
million; a body of nothing but commas would be a value of 60 bytes in memory for each of its bytes."""

REFUSED_BODY_BYTES = 1 << 20
REFUSED_BODY_SECONDS = 2.0
"""What is still read, and thrown away, of a body that was refused before its end."""

JSON = b"application/json"
PROBLEM = b"application/problem+json"

_log = structlog.get_logger("ingest")


MAX_REFUSAL_LINES_PER_SECOND = 10
"""Log lines for each reason; strangers who knock ten thousand times a second must not fill the disk with them."""


class _RefusedError(Exception):
    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


@dataclass(slots=True)
class _Visit:
    """What is known of a request while it is handled, for its answer, its log line and its metrics."""

    source: str = NO_SOURCE
    is_body_complete: bool = False
    delivery_id: int | None = None
    retry_after_seconds: int | None = None
    item_count: int = 0
    body_bytes: int = 0
    stored_bytes: int = 0


@dataclass(frozen=True)
class Parts:
    """What the service is made of; the composition root (``server``) builds it, tests replace what they must."""

    settings: IngestSettings
    sources: Mapping[str, Source]
    landing: Landing
    codecs: Callable[[str], Codec]
    readiness: Readiness
    disk: Disk
    figures: FiguresReader
    metrics: Metrics


class FrontDoor:
    """The ASGI application."""

    def __init__(self, parts: Parts, *, unix_time: Callable[[], float] = time.time) -> None:
        self._parts = parts
        self._settings = parts.settings
        self._unix_time = unix_time
        self._budget = Budget(parts.settings.ingest_max_buffered_bytes)
        self._refusal_lines = _LineBudget()
        self._rates = Rates(parts.settings.ingest_deliveries_per_second, parts.settings.ingest_delivery_burst)
        self._remembered = Remembered(2 * TOLERANCE_SECONDS)
        self._in_flight = 0
        self.is_draining = False
        self._pages: dict[str, Callable[[], Awaitable[tuple[int, bytes, bytes]]]] = {
            "/healthz": self._healthz,
            "/readyz": self._readyz,
            "/metrics": self._metrics_page,
            "/openapi.json": self._openapi,
        }
        parts.metrics.watch("ingest_in_flight_requests", "Deliveries being handled", lambda: self._in_flight)
        parts.metrics.watch("ingest_buffered_bytes", "Bytes of bodies in memory", lambda: self._budget.used_bytes)
        parts.metrics.watch(
            "ingest_waiting_deliveries", "Deliveries waiting to be committed", lambda: parts.landing.waiting_count
        )
        parts.metrics.watch(
            "ingest_database_connected", "1 with a connection to commit on", lambda: parts.landing.is_connected
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI scope."""
        if scope["type"] == "http":
            await self._serve(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._parts.landing.start()
                await send({"type": "lifespan.startup.complete"})
            else:
                await self._parts.landing.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        if path.startswith(WEBHOOKS):
            await self._serve_webhook(scope, receive, send)
            return
        page = self._pages.get(path)
        if page is None:
            await self._refuse(Reason.NOT_FOUND, _Visit(), receive, send)
        elif scope["method"] not in ("GET", "HEAD"):
            await self._refuse(Reason.METHOD_NOT_ALLOWED, _Visit(), receive, send, allow=b"GET, HEAD")
        else:
            status, content_type, body = await page()
            await _respond(send, status, content_type, body)

    async def _serve_webhook(self, scope: Scope, receive: Receive, send: Send) -> None:
        visit = _Visit()
        source = self._parts.sources.get(scope["path"].removeprefix(WEBHOOKS))
        if source is None:
            await self._refuse(Reason.NOT_FOUND, visit, receive, send)
            return
        visit.source = source.name
        is_challenged = source.name in openapi.CHALLENGED_SOURCES
        if scope["method"] == "POST":
            await self._serve_delivery(source, visit, scope, receive, send)
        elif scope["method"] == "GET" and is_challenged:
            await self._serve_challenge(source, visit, scope, receive, send)
        else:
            allow = b"GET, POST" if is_challenged else b"POST"
            await self._refuse(Reason.METHOD_NOT_ALLOWED, visit, receive, send, allow=allow)

    async def _serve_challenge(self, source: Source, visit: _Visit, scope: Scope, receive: Receive, send: Send) -> None:
        tokens = _query_values(scope["query_string"], b"crc_token")
        if not source.is_configured:
            await self._refuse(Reason.SOURCE_NOT_CONFIGURED, visit, receive, send)
        elif len(tokens) != 1 or not tokens[0]:
            await self._refuse(Reason.MISSING_CRC_TOKEN, visit, receive, send)
        else:
            answer = source.answer(unquote_to_bytes(tokens[0]).decode("utf-8", "replace"))
            self._parts.metrics.count(Reason.CHALLENGE_ANSWERED, source.name)
            await _respond(send, 200, JSON, msgspec.json.encode({"response_token": answer}))

    async def _serve_delivery(self, source: Source, visit: _Visit, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        allowance = Allowance(self._budget)
        self._in_flight += 1
        try:
            reason = await self._deliver(source, visit, scope, receive, allowance)
        except (_RefusedError, RefusedBodyError, NotCommittedError) as refusal:
            reason = refusal.reason
        except Exception:  # noqa: BLE001
            # Whatever it is, the sender must hear that nothing was kept, and a person must see why.
            _log.exception("internal_error", source=source.name)
            reason = Reason.INTERNAL_ERROR
        finally:
            self._in_flight -= 1
            allowance.release()
        seconds = time.perf_counter() - started
        if visit.delivery_id is None:
            await self._refuse(reason, visit, receive, send, seconds=seconds)
        else:
            await self._accept(reason, visit, visit.delivery_id, send, seconds)

    async def _deliver(
        self, source: Source, visit: _Visit, scope: Scope, receive: Receive, allowance: Allowance
    ) -> Reason:
        """Return why the delivery was accepted, once it is durable; raise otherwise."""
        headers: Headers = scope["headers"]
        self._check_before_reading(source, headers)
        body = await receive_body(
            receive,
            allowance,
            max_bytes=self._settings.ingest_max_body_bytes,
            max_seconds=self._settings.ingest_body_seconds,
        )
        visit.is_body_complete = True
        _refuse_for(source.authenticate(headers, body))
        self._check_rate(source, headers, visit)
        message = source.message(headers, body)
        if message is not None:
            known = self._remembered.committed(message, time.monotonic())
            if known is not None:
                visit.delivery_id, visit.item_count = known
                return Reason.REPEATED
        zone = _zone(scope["query_string"]) if source.needs_zone else None
        body = await self._undo_encoding(headers, body, allowance)
        if not body:
            raise _RefusedError(Reason.EMPTY_BODY)
        codec = self._parts.codecs(source.name)
        if len(body) > LARGE_BODY_BYTES:
            contents, stored = await asyncio.to_thread(self._prepare, source, codec, body)
        else:
            contents, stored = self._prepare(source, codec, body)
        visit.item_count, visit.body_bytes, visit.stored_bytes = contents.item_count, len(body), len(stored)
        visit.delivery_id = await self._parts.landing.land(
            Arrival(
                received_ms=int(self._unix_time() * 1000),
                source=source.name,
                zone=zone,
                body=stored,
                body_bytes=len(body),
                item_count=contents.item_count,
                dictionary_id=codec.current,
            )
        )
        if message is not None:
            self._remembered.remember(message, (visit.delivery_id, visit.item_count), time.monotonic())
        return Reason.CONTROL if contents.is_control else Reason.ACCEPTED

    def _check_rate(self, source: Source, headers: Headers, visit: _Visit) -> None:
        seconds = self._rates.spend((source.name, source.sender(headers)), time.monotonic())
        if seconds > 0:
            visit.retry_after_seconds = math.ceil(seconds)
            raise _RefusedError(Reason.TOO_MANY_DELIVERIES)

    def _prepare(self, source: Source, codec: Codec, body: bytes) -> tuple[Contents, bytes]:
        """Count and compress a body that is not too much for the normaliser."""
        if body.count(b",") > MAX_SEPARATORS or body.count(b"\n") > MAX_SEPARATORS:
            raise _RefusedError(Reason.TOO_MANY_ITEMS)
        contents = source.examine(body)
        if contents.item_count > self._settings.ingest_max_items:
            raise _RefusedError(Reason.TOO_MANY_ITEMS)
        return contents, codec.compress(body)

    def _check_before_reading(self, source: Source, headers: Headers) -> None:
        if not source.is_configured:
            raise _RefusedError(Reason.SOURCE_NOT_CONFIGURED)
        _refuse_for(source.admit(headers))
        if self._in_flight > self._settings.ingest_max_in_flight:
            raise _RefusedError(Reason.OVERLOADED)
        if self._parts.disk.is_nearly_full():
            raise _RefusedError(Reason.DISK_NEARLY_FULL)
        if _content_length(headers) > self._settings.ingest_max_body_bytes:
            raise _RefusedError(Reason.BODY_TOO_LARGE)

    async def _undo_encoding(self, headers: Headers, body: bytes, allowance: Allowance) -> bytes:
        encodings = [value for name, value in headers if name == b"content-encoding"]
        if not encodings:
            return body
        if len(encodings) > 1:
            raise _RefusedError(Reason.UNSUPPORTED_ENCODING)
        encoding = encodings[0].decode("latin-1").strip().lower()
        # Claimed before it is known how much it will be: many small bombs at once must not be more than the budget.
        max_bytes = self._settings.ingest_max_decompressed_bytes
        claim = Allowance(self._budget)
        claim.take(min(max_bytes, len(body) * 1_100))
        try:
            unpacked = await asyncio.to_thread(undo_encoding, encoding, body, max_bytes=max_bytes)
        finally:
            claim.release()
        allowance.take(len(unpacked))
        return unpacked

    async def _accept(self, reason: Reason, visit: _Visit, delivery_id: int, send: Send, seconds: float) -> None:
        metrics = self._parts.metrics
        metrics.count(reason, visit.source)
        if reason is not Reason.REPEATED:
            metrics.count_committed(
                visit.source,
                items=visit.item_count,
                body_bytes=visit.body_bytes,
                stored_bytes=visit.stored_bytes,
                seconds=seconds,
            )
        if self._settings.ingest_log_deliveries:
            _log_delivery(reason, visit, seconds)
        # Ids have more digits than a JSON number can hold in many tools, so that they travel as text.
        body = b'{"status":"accepted","delivery_id":"%d","items":%d}' % (delivery_id, visit.item_count)
        await _respond(send, OUTCOMES[reason].status, JSON, body)

    async def _refuse(
        self,
        reason: Reason,
        visit: _Visit,
        receive: Receive,
        send: Send,
        *,
        allow: bytes | None = None,
        seconds: float = 0.0,
    ) -> None:
        self._parts.metrics.count(reason, visit.source)
        unlogged = self._refusal_lines.spend(reason, time.monotonic())
        if unlogged is not None:
            _log_delivery(reason, visit, seconds, unlogged)
        if reason is Reason.SENDER_WENT_AWAY:
            return
        outcome = OUTCOMES[reason]
        headers = [(b"allow", allow)] if allow else []
        retry_after_seconds = visit.retry_after_seconds or outcome.retry_after_seconds
        if retry_after_seconds is not None:
            headers.append((b"retry-after", b"%d" % retry_after_seconds))
        if reason is Reason.UNSUPPORTED_ENCODING:
            headers.append((b"accept-encoding", SUPPORTED_ENCODINGS))
        if not visit.is_body_complete and not await self._discard(reason, receive):
            headers.append((b"connection", b"close"))
        body = msgspec.json.encode(
            {
                "status": outcome.status,
                "title": reason.value,
                "detail": outcome.explanation,
                "retry": outcome.sender_retries,
            }
        )
        await _respond(send, outcome.status, PROBLEM, body, headers)

    async def _discard(self, reason: Reason, receive: Receive) -> bool:
        if reason is Reason.BODY_TIMEOUT:
            return False
        return await discard_rest(receive, max_bytes=REFUSED_BODY_BYTES, max_seconds=REFUSED_BODY_SECONDS)

    async def _healthz(self) -> tuple[int, bytes, bytes]:
        return 200, JSON, b'{"status":"alive"}'

    async def _readyz(self) -> tuple[int, bytes, bytes]:
        problems = ["service: stopping"] if self.is_draining else []
        problems += await self._parts.readiness.problems()
        if not self._parts.landing.is_connected:
            problems.append("landing: no connection to commit on")
        if problems:
            return 503, JSON, msgspec.json.encode({"status": "not ready", "problems": problems})
        return 200, JSON, b'{"status":"ready"}'

    async def _metrics_page(self) -> tuple[int, bytes, bytes]:
        self._parts.metrics.show(await self._parts.figures.latest())
        return 200, CONTENT_TYPE, self._parts.metrics.text()

    async def _openapi(self) -> tuple[int, bytes, bytes]:
        return 200, JSON, openapi.document()


def _refuse_for(reason: Reason | None) -> None:
    if reason is not None:
        raise _RefusedError(reason)


def _content_length(headers: Headers) -> int:
    """Return the announced length; 0 where there is none, or none that is a number (the server refuses those)."""
    for name, value in headers:
        if name == b"content-length" and value.isdigit():
            return int(value[:20])
    return 0


def _query_values(query: bytes, name: bytes) -> list[bytes]:
    """Return the values of a parameter, still percent-encoded."""
    pairs = (pair.partition(b"=") for pair in query.split(b"&"))
    return [value for key, _, value in pairs if key == name]


def _zone(query: bytes) -> str:
    """Return the zone that the sender names. Whether it exists is found out when the delivery is read."""
    values = _query_values(query, b"zone")
    if not any(values):
        raise _RefusedError(Reason.MISSING_ZONE)
    try:
        zone = unquote_to_bytes(values[0].replace(b"+", b" ")).decode("utf-8").strip()
    except UnicodeDecodeError:
        raise _RefusedError(Reason.UNREADABLE_ZONE) from None
    if len(values) > 1 or not 1 <= len(zone) <= MAX_ZONE_CHARACTERS or not zone.isprintable():
        raise _RefusedError(Reason.UNREADABLE_ZONE)
    return zone


class _LineBudget:
    """How many lines may be written about refusals, by reason. Every refusal is counted in the metrics all the same."""

    def __init__(self) -> None:
        self._of_second: dict[Reason, tuple[int, int]] = {}
        self._unlogged: dict[Reason, int] = {}

    def spend(self, reason: Reason, now: float) -> int | None:
        """Return how many refusals went without a line since the last line; ``None`` if this one goes without, too."""
        second, written = self._of_second.get(reason, (int(now), 0))
        if second != int(now):
            second, written = int(now), 0
        if written >= MAX_REFUSAL_LINES_PER_SECOND:
            self._unlogged[reason] = self._unlogged.get(reason, 0) + 1
            return None
        self._of_second[reason] = (second, written + 1)
        return self._unlogged.pop(reason, 0)


def _log_delivery(reason: Reason, visit: _Visit, seconds: float, unlogged: int = 0) -> None:
    """Write the one line about a delivery: never a header, a key, a query or a body."""
    log = _log.info if OUTCOMES[reason].is_accepted else _log.warning
    log(
        "delivery",
        source=visit.source,
        outcome=reason.value,
        delivery_id=None if visit.delivery_id is None else str(visit.delivery_id),
        items=visit.item_count,
        bytes=visit.body_bytes,
        ms=round(seconds * 1000, 2),
        **({"unlogged": unlogged} if unlogged else {}),
    )


async def _respond(
    send: Send, status: int, content_type: bytes, body: bytes, headers: list[tuple[bytes, bytes]] | None = None
) -> None:
    start = [(b"content-type", content_type), (b"content-length", b"%d" % len(body)), *(headers or ())]
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send({"type": "http.response.body", "body": body})
