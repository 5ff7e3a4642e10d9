"""The application: routes, who may use them, and how answers look over HTTP.

Belongs here: HTTP, and the composition root of the service.
Does not belong here: what is read (``endpoints``), how pages look (``dashboard``).
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import psycopg
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from psycopg_pool import ConnectionPool
from starlette.applications import Starlette
from starlette.concurrency import iterate_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import dashboard, exports, openapi, problems
from api.encoding import plain
from api.endpoints import ENDPOINTS, Endpoint
from api.errors import Refused
from api.keys import KeyRing, Reader
from api.limits import RateLimit
from api.parameters import Parameter, read_all
from api.reading import Reading, Result
from api.settings import ApiSettings
from database.connections import connection_string
from datalayer import cache
from datalayer.cache import Cache, CacheMetrics
from datalayer.cached import CachedReads
from datalayer.windows import Span

STATIC = Path(__file__).parent / "static"

COOKIE = "api_key"

POOL_WAIT_SECONDS = 5.0
"""How long a request waits for a connection before it is told that the database is busy."""

_SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Service:
    """What every request is answered with."""

    settings: ApiSettings
    database_url: str
    pool: ConnectionPool[psycopg.Connection[Any]]
    cached: CachedReads
    keys: KeyRing
    limit: RateLimit
    registry: CollectorRegistry
    requests: Counter
    seconds: Histogram

    def reader_of(self, request: Request) -> Reader:
        """Return who asks. Raises ``Refused`` for nobody, and for somebody who asks too often."""
        reader = self.keys.reader(_key_of(request))
        if reader is None:
            raise Refused(
                401, "unauthorized", "send a key as X-API-Key or as a bearer token", {"WWW-Authenticate": "Bearer"}
            )
        verdict = self.limit.ask(reader.name)
        if verdict.wait_seconds:
            raise problems.too_many_requests(verdict.wait_seconds)
        return reader

    def reading_of(self, request: Request) -> Reading:
        """Return a request's way to the data."""
        return Reading(self.pool, self.cached, self.reader_of(request))


def build(settings: ApiSettings, database_url: str, redis_url: str | None) -> Starlette:
    """Put the service together. Nothing is connected before it starts; the database need not be there yet."""
    registry = CollectorRegistry()
    pool: ConnectionPool[psycopg.Connection[Any]] = ConnectionPool(
        connection_string(database_url, application_name="api"),
        kwargs={"autocommit": True},
        min_size=1,
        max_size=settings.api_connections,
        timeout=POOL_WAIT_SECONDS,
        open=False,
        name="api",
    )
    cached = Cache(cache.connect(redis_url) if redis_url else None, metrics=CacheMetrics(registry))
    service = Service(
        settings=settings,
        database_url=database_url,
        pool=pool,
        cached=CachedReads(pool.connection, cached),
        keys=KeyRing(settings.api_keys.get_secret_value() if settings.api_keys else None),
        limit=RateLimit(settings.api_requests_per_minute, settings.api_burst),
        registry=registry,
        requests=Counter("api_requests_total", "Requests by route and status", ["route", "status"], registry=registry),
        seconds=Histogram(
            "api_request_seconds", "Time to answer, by route", ["route"], registry=registry,
            buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 15),
        ),
    )  # fmt: skip

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        pool.open(wait=False)
        try:
            yield
        finally:
            pool.close()
            cached.close()

    app = Starlette(
        routes=_routes(service),
        middleware=[Middleware(_Headers, service=service), Middleware(GZipMiddleware, minimum_size=1024)],
        exception_handlers={404: _no_route, 405: _wrong_method, Exception: _fault},
        lifespan=lifespan,
    )
    app.state.service = service
    return app


def _routes(service: Service) -> list[Route | Mount]:
    described = msgspec.json.encode(openapi.document())
    return [
        *(Route(endpoint.path, _answering(service, endpoint), name=endpoint.path) for endpoint in ENDPOINTS),
        Route("/v1/zones/{zone}/exports/{table}", _guarded(lambda request: _export(service, request))),
        Route("/openapi.json", lambda _request: Response(described, media_type="application/json")),
        Route("/healthz", lambda _request: JSONResponse({"status": "ok"})),
        Route("/readyz", lambda _request: _readiness(service)),
        Route("/metrics", lambda _request: Response(generate_latest(service.registry), media_type=CONTENT_TYPE_LATEST)),
        *dashboard.routes(service.reading_of, service.keys, service.settings, COOKIE),
        Mount("/static", StaticFiles(directory=STATIC), name="static"),
    ]


def _guarded(answer: Callable[[Request], Response]) -> Callable[[Request], Response]:
    """Turn what goes wrong into a problem. Runs in a thread: the data layer waits for the database."""

    def guarded(request: Request) -> Response:
        try:
            return answer(request)
        except Exception as error:
            refused = problems.refusal_of(error)
            if refused is None:
                raise
            if refused.status >= 500:
                _log.warning("%s: %s", request.url.path, error)
            return problems.response(refused, request.url.path)

    return guarded


def _answering(service: Service, endpoint: Endpoint) -> Callable[[Request], Response]:
    def answer(request: Request) -> Response:
        reading = service.reading_of(request)
        given = read_all(endpoint.parameters, request.path_params, _query(request))
        if endpoint.model is not None:
            etag = _etag(
                reading.reader.name, request.url.path, request.url.query, service.cached.version(endpoint.model)
            )
            if _has(request, etag):
                # The zone may have been closed to this key since; the answer says nothing that was not read before.
                return Response(status_code=304, headers={"ETag": etag})
        result = endpoint.handler(reading, **given)
        return _json(request, result, reading.reader.name)

    return _guarded(answer)


def _json(request: Request, result: Result, reader: str) -> Response:
    body = msgspec.json.encode(
        {
            "data": plain(result.data) if not _is_raw(result) else msgspec.to_builtins(result.data),
            "next_cursor": result.next_cursor,
            "version": result.version,
            "is_stale": result.is_stale,
        }
    )
    if result.version is not None and not result.is_stale:
        etag = _etag(reader, request.url.path, request.url.query, result.version)
    else:
        etag = _etag(body.decode("utf-8", "replace"))
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    if _has(request, etag):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)


def _is_raw(result: Result) -> bool:
    return type(result.data).__name__ == "RawTweet"


def _etag(*parts: str) -> str:
    digest = hashlib.blake2b("\0".join(parts).encode("utf-8", "replace"), digest_size=12)
    # Weak: the same answer may be sent compressed or not.
    return f'W/"{digest.hexdigest()}"'


def _has(request: Request, etag: str) -> bool:
    sent = {part.strip().removeprefix("W/") for part in request.headers.get("If-None-Match", "").split(",")}
    return etag.removeprefix("W/") in sent or "*" in sent


_EXPORT = (
    Parameter("zone", "", required=True, in_path=True),
    Parameter("table", "", required=True, in_path=True),
    Parameter("format", "", default="ndjson", choices=tuple(exports.FORMATS)),
    Parameter("since", "", "date-time"),
    Parameter("until", "", "date-time"),
)


def _export(service: Service, request: Request) -> Response:
    reading = service.reading_of(request)
    given = read_all(_EXPORT, request.path_params, _query(request))
    if given["table"] not in exports.TABLES:
        raise Refused(404, "not-found", f"there is no export {given['table']!r}; known: {', '.join(exports.TABLES)}")
    zone = reading.zone(given["zone"])
    span = Span(given["since"], given["until"])
    pieces = exports.stream(service.database_url, given["table"], given["format"], zone.zone_id, span)
    return StreamingResponse(
        iterate_in_threadpool(pieces),
        media_type=exports.FORMATS[given["format"]].media_type,
        headers={
            "Content-Disposition": f'attachment; filename="{given["table"]}.{given["format"]}"',
            "Cache-Control": "private, no-store",
        },
    )


def _readiness(service: Service) -> Response:
    try:
        with service.pool.connection(timeout=1) as connection:
            connection.execute("select 1")
    except psycopg.Error as error:
        return JSONResponse({"status": "not ready", "detail": f"the database does not answer: {error}"}, 503)
    return JSONResponse({"status": "ok"})


def _query(request: Request) -> dict[str, str]:
    query: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name in query:
            raise Refused(400, "invalid-parameter", f"{name[:60]} is given more than once")
        query[name] = value
    return query


def _key_of(request: Request) -> str | None:
    header = request.headers.get("X-API-Key")
    if header is not None:
        return header
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    return request.cookies.get(COOKIE)


async def _no_route(request: Request, _error: Exception) -> Response:
    return problems.response(Refused(404, "not-found", "there is nothing at this path"), request.url.path)


async def _wrong_method(request: Request, _error: Exception) -> Response:
    refused = Refused(405, "method-not-allowed", "this path is only read: use GET", {"Allow": "GET, HEAD"})
    return problems.response(refused, request.url.path)


async def _fault(request: Request, _error: Exception) -> Response:
    return problems.response(Refused(500, "fault", "a fault of this service; it was logged"), request.url.path)


class _Headers:
    """Adds the headers that every answer has, and counts it."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = "500"

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
                extra = [(name.lower().encode(), value.encode()) for name, value in _SECURITY_HEADERS.items()]
                message = {**message, "headers": [*message["headers"], *extra]}
            await send(message)

        with self._service.seconds.labels("all").time():
            await self._app(scope, receive, send_with_headers)
        route = scope.get("route")
        self._service.requests.labels(getattr(route, "path", "none"), status).inc()
