"""What went wrong, as RFC 9457 tells it.

Belongs here: the one table from error to status, and the body that says it.
Does not belong here: deciding that something went wrong.
"""

from __future__ import annotations

import math
from http import HTTPStatus

import msgspec
import psycopg
from psycopg_pool import PoolTimeout
from starlette.responses import Response

from api.errors import Refused
from datalayer.errors import ConflictError, DataLayerError, InvalidCursorError, InvalidQueryError, NotFoundError

MEDIA_TYPE = "application/problem+json"

_RETRY = {"Retry-After": "2"}

_TABLE: tuple[tuple[type[Exception], int, str], ...] = (
    (NotFoundError, 404, "not-found"),
    (InvalidCursorError, 400, "invalid-cursor"),
    (InvalidQueryError, 400, "invalid-query"),
    (ConflictError, 409, "conflict"),
    (DataLayerError, 400, "invalid-query"),
)

_NOT_BUILT = (
    "The marts were not built yet. A new installation builds them within two minutes of its start; the job build_marts "
    "does it on demand."
)

_OF_THE_DATABASE: tuple[tuple[type[Exception], int, str, str], ...] = (
    (psycopg.errors.QueryCanceled, 503, "too-slow", "The question took too long: narrow its span or its filters."),
    (psycopg.errors.UndefinedTable, 503, "not-built", _NOT_BUILT),
    (PoolTimeout, 503, "busy", "All connections to the database are busy: try again."),
    (psycopg.Error, 503, "database-unavailable", "The database does not answer: try again."),
)


def refusal_of(error: Exception) -> Refused | None:
    """Return what an error means to the one who asked; None for a fault of the program."""
    if isinstance(error, Refused):
        return error
    for kind, status, slug in _TABLE:
        if isinstance(error, kind):
            return Refused(status, slug, str(error))
    for kind, status, slug, detail in _OF_THE_DATABASE:
        if isinstance(error, kind):
            return Refused(status, slug, detail, _RETRY)
    return None


def response(refused: Refused, path: str) -> Response:
    """Return the answer to a request that is refused."""
    body = {
        "type": f"/problems/{refused.slug}",
        "title": HTTPStatus(refused.status).phrase,
        "status": refused.status,
        "detail": refused.detail,
        "instance": path,
    }
    return Response(msgspec.json.encode(body), refused.status, media_type=MEDIA_TYPE, headers=refused.headers)


def too_many_requests(wait_seconds: float) -> Refused:
    """Return the refusal of a key that asks too often; it says when to come back."""
    seconds = str(max(1, math.ceil(wait_seconds)))
    return Refused(429, "too-many-requests", f"too many requests: wait {seconds} s", {"Retry-After": seconds})
