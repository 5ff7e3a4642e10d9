"""The OpenAPI document of the front door, written from the outcome table.

Belongs here: what clients and tools may rely on.
Does not belong here: behaviour.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

from ingest.outcomes import OUTCOMES, Reason

CHALLENGED_SOURCES = frozenset({"x_api_v2"})
"""Sources that ask with GET who we are."""

_COMMON = (
    Reason.ACCEPTED,
    Reason.EMPTY_BODY,
    Reason.UNREADABLE_ENCODING,
    Reason.SOURCE_NOT_CONFIGURED,
    Reason.BODY_TIMEOUT,
    Reason.BODY_TOO_LARGE,
    Reason.DECOMPRESSED_BODY_TOO_LARGE,
    Reason.TOO_MANY_ITEMS,
    Reason.TOO_MANY_DELIVERIES,
    Reason.UNSUPPORTED_ENCODING,
    Reason.OVERLOADED,
    Reason.DATABASE_UNAVAILABLE,
    Reason.DISK_NEARLY_FULL,
    Reason.DRAINING,
    Reason.INTERNAL_ERROR,
)
_SIGNED = (*_COMMON, Reason.MISSING_SIGNATURE, Reason.WRONG_SIGNATURE)
_KEYED = (*_SIGNED, Reason.REPEATED, Reason.STALE_SIGNATURE, Reason.MISSING_KEY, Reason.WRONG_KEY)

_PROOFS = ("apiKey", "standardWebhook")

_DELIVERED = {
    "type": "object",
    "required": ["status", "delivery_id", "items"],
    "properties": {
        "status": {"type": "string", "enum": [Reason.ACCEPTED.value]},
        "delivery_id": {"type": "string", "pattern": "^[0-9]{1,19}$"},
        "items": {"type": "integer", "minimum": 1},
    },
}
_PROBLEM = {
    "type": "object",
    "required": ["status", "title", "detail", "retry"],
    "properties": {
        "status": {"type": "integer"},
        "title": {"type": "string", "enum": [reason.value for reason in Reason]},
        "detail": {"type": "string"},
        "retry": {"type": "boolean", "description": "Whether the same request can succeed later"},
    },
}
_CHALLENGE_ANSWER = {
    "type": "object",
    "required": ["response_token"],
    "properties": {"response_token": {"type": "string", "pattern": "^sha256="}},
}
_STATE = {
    "type": "object",
    "required": ["status"],
    "properties": {"status": {"type": "string"}, "problems": {"type": "array", "items": {"type": "string"}}},
}


@cache
def document() -> bytes:
    """Return the document as JSON."""
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {
                "title": "Front door",
                "version": "1",
                "description": "Takes deliveries of tweets. 2xx means that the delivery is committed to the database.",
            },
            "paths": {
                "/webhooks/twitterapi_io": {"post": _delivery("twitterapi.io delivers tweets", _KEYED, *_PROOFS)},
                "/webhooks/x_api_v2": {
                    "get": _challenge(),
                    "post": _delivery(
                        "X delivers tweets or events",
                        _SIGNED,
                        "signature",
                    ),
                },
                "/webhooks/v1_1": {
                    "post": _delivery(
                        "An archive's tweets, one in a line",
                        (*_KEYED, Reason.MISSING_ZONE, Reason.UNREADABLE_ZONE),
                        *_PROOFS,
                        media_type="application/x-ndjson",
                        parameters=[_parameter("zone", "Name of the zone that the archive belongs to", max_length=255)],
                    )
                },
                "/healthz": {"get": _page("The process is alive", _STATE)},
                "/readyz": {"get": _page("A delivery would be kept", _STATE, not_ready=True)},
                "/metrics": {"get": _page("Prometheus metrics", {"type": "string"}, media_type="text/plain")},
                "/openapi.json": {"get": _page("This document", {"type": "object"})},
            },
            "components": {
                "securitySchemes": {
                    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                    "standardWebhook": {
                        "type": "apiKey",
                        "in": "header",
                        "name": "webhook-signature",
                        "description": "Standard Webhooks v1, with webhook-id and webhook-timestamp",
                    },
                    "signature": {"type": "apiKey", "in": "header", "name": "x-twitter-webhooks-signature"},
                }
            },
        }
    )


def _delivery(
    summary: str,
    reasons: tuple[Reason, ...],
    *security: str,
    media_type: str = "application/json",
    parameters: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    return {
        "summary": summary,
        "security": [{name: []} for name in security],
        "parameters": parameters or [],
        "requestBody": {"required": True, "content": {media_type: {"schema": {}}}},
        "responses": _responses(reasons, _DELIVERED),
    }


def _challenge() -> dict[str, Any]:
    reasons = (Reason.CHALLENGE_ANSWERED, Reason.MISSING_CRC_TOKEN, Reason.SOURCE_NOT_CONFIGURED)
    return {
        "summary": "X asks whether we know the consumer secret",
        "parameters": [_parameter("crc_token", "What is to be signed")],
        "responses": _responses(reasons, _CHALLENGE_ANSWER),
    }


def _parameter(name: str, description: str, *, max_length: int | None = None) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string", "minLength": 1}
    if max_length is not None:
        schema["maxLength"] = max_length
    return {"name": name, "in": "query", "required": True, "description": description, "schema": schema}


def _responses(reasons: tuple[Reason, ...], accepted: dict[str, Any]) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for reason in reasons:
        outcome = OUTCOMES[reason]
        media_type = "application/json" if outcome.is_accepted else "application/problem+json"
        schema = accepted if outcome.is_accepted else _PROBLEM
        response = responses.setdefault(
            str(outcome.status), {"description": "", "content": {media_type: {"schema": schema}}}
        )
        response["description"] += f"{reason.value}: {outcome.explanation}\n"
        if outcome.retry_after_seconds is not None:
            response["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds"}}
    return responses


def _page(
    summary: str, schema: dict[str, Any], *, media_type: str = "application/json", not_ready: bool = False
) -> dict[str, Any]:
    content = {media_type: {"schema": schema}}
    responses: dict[str, Any] = {"200": {"description": summary, "content": content}}
    if not_ready:
        responses["503"] = {"description": "A delivery would be refused; says why", "content": content}
    return {"summary": summary, "responses": responses}
