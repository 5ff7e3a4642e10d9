"""The documentation of the API, made from the endpoints themselves.

Belongs here: turning endpoints, parameters and record types into an OpenAPI 3.1 document.
Does not belong here: any endpoint.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from api.encoding import IDS
from api.endpoints import ENDPOINTS, Endpoint
from api.exports import FORMATS, TABLES
from api.parameters import Parameter

_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "instance"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
    },
    "example": {
        "type": "/problems/not-found",
        "title": "Not Found",
        "status": 404,
        "detail": "there is no zone 'nowhere'",
        "instance": "/v1/zones/nowhere",
    },
}

_PROBLEMS = {
    "400": "The request cannot be understood; detail says what",
    "401": "No key, or one that nobody holds",
    "403": "The key does not open this",
    "404": "There is no such thing, or the key does not open its zone",
    "429": "Too many requests; Retry-After says when to come back",
    "503": "The database does not answer; Retry-After says when to come back",
}


def document() -> dict[str, Any]:
    """Return the document that ``/openapi.json`` serves."""
    kinds = tuple(dict.fromkeys(endpoint.returns for endpoint in ENDPOINTS))
    _, components = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    schemas = {name: _with_text_ids(schema) for name, schema in components.items()}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tweet analytics",
            "version": "1",
            "description": (
                "Reads of the tweet-analytics pipeline. Ids are texts. Counts that are null are unknown, never zero. "
                "Times are UTC. Lists continue with next_cursor; a page may be short and still have one. ETag changes "
                "with the data: send it back as If-None-Match."
            ),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"key": []}, {"bearer": []}],
        "tags": [{"name": name} for name in ("zones", "tweets", "profiles", "exports", "operations")],
        "paths": {
            **{endpoint.path: {"get": _operation(endpoint)} for endpoint in ENDPOINTS},
            "/v1/zones/{zone}/exports/{table}": {"get": _export()},
        },
        "components": {
            "schemas": schemas | {"Problem": _PROBLEM},
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
            "responses": {
                f"Problem{status}": {
                    "description": description,
                    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
                }
                for status, description in _PROBLEMS.items()
            },
        },
    }


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    item: dict[str, Any] = {"$ref": f"#/components/schemas/{endpoint.returns.__name__}"}
    data = {"type": "array", "items": item} if endpoint.is_list else item
    record = _example_of(endpoint.returns)
    example = {
        "data": [record] if endpoint.is_list else record,
        "next_cursor": None,
        "version": None,
        "is_stale": False,
    }
    return {
        "operationId": endpoint.handler.__name__.strip("_"),
        "summary": endpoint.summary,
        "tags": [endpoint.tag],
        "parameters": [_parameter(parameter) for parameter in endpoint.parameters],
        "responses": {
            "200": {
                "description": "The answer",
                "headers": {"ETag": {"schema": {"type": "string"}, "description": "Changes with the data"}},
                "content": {"application/json": {"schema": _envelope(data), "example": example}},
            },
            "304": {"description": "What If-None-Match named is still the answer"},
            **_problems(),
        },
    }


def _envelope(data: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["data", "next_cursor", "version", "is_stale"],
        "properties": {
            "data": data,
            "next_cursor": {"type": ["string", "null"], "description": "Continues the list; null at its end"},
            "version": {"type": ["string", "null"], "description": "Version of the mart behind the answer"},
            "is_stale": {"type": "boolean", "description": "The database failed; this is an older answer"},
        },
    }


def _export() -> dict[str, Any]:
    parameters = (
        Parameter("zone", "Name or id of a zone", required=True, in_path=True, example="news"),
        Parameter("table", "What is exported", required=True, in_path=True, choices=tuple(TABLES)),
        Parameter("format", "Format of the file", default="ndjson", choices=tuple(FORMATS)),
        Parameter("since", "Not before this time (tables with a time)", "date-time"),
        Parameter("until", "Before this time (tables with a time)", "date-time"),
    )
    return {
        "operationId": "export",
        "summary": "A whole table of a zone, from one snapshot, as a stream",
        "tags": ["exports"],
        "parameters": [_parameter(parameter) for parameter in parameters],
        "responses": {
            "200": {
                "description": "The file",
                "content": {
                    kind.media_type.partition(";")[0]: {"schema": {"type": "string", "format": "binary"}}
                    for kind in FORMATS.values()
                },
            },
            **_problems(),
        },
    }


def _problems() -> dict[str, Any]:
    return {status: {"$ref": f"#/components/responses/Problem{status}"} for status in _PROBLEMS}


def _parameter(parameter: Parameter) -> dict[str, Any]:
    described: dict[str, Any] = {
        "name": parameter.name,
        "in": "path" if parameter.in_path else "query",
        "required": parameter.required,
        "description": parameter.description,
        "schema": parameter.schema(),
    }
    if parameter.example is not None:
        described["example"] = parameter.example
    return described


def _with_text_ids(schema: dict[str, Any]) -> dict[str, Any]:
    properties = {name: _as_text(value) if name in IDS else value for name, value in schema["properties"].items()}
    # Every field is always sent, also one that has a default in Python.
    return schema | {"properties": properties, "required": list(properties)}


def _as_text(schema: dict[str, Any]) -> dict[str, Any]:
    if schema.get("type") == "array":
        return schema | {"items": {"type": "string"}}
    if "anyOf" in schema:
        return {"type": ["string", "null"]}
    return {"type": "string"}


_EXAMPLES: dict[str, Any] = {
    "text": "Rain expected tomorrow #weather",
    "name": "Example",
    "username": "example",
    "lang": "en",
    "hashtag": "weather",
    "original_hashtag": "Weather",
    "timezone": "UTC",
    "entity_type": "hashtag",
    "value": "weather",
    "normalized": "weather",
    "model": "twitter_zone_stats_hourly",
}


def _example_of(kind: Any) -> dict[str, Any]:
    """Return an invented record: the right types, and values that look like what they are."""
    fields = msgspec.inspect.type_info(kind).fields  # type: ignore[attr-defined]
    return {field.name: _example(field.name, field.type) for field in fields}


_EXAMPLES_BY_KIND: dict[Any, Any] = {
    msgspec.inspect.DateTimeType: datetime(2026, 1, 31, 12, tzinfo=UTC).isoformat(),
    msgspec.inspect.UUIDType: "0190a000-0000-7000-8000-000000000001",
    msgspec.inspect.BoolType: False,
    msgspec.inspect.IntType: 42,
    msgspec.inspect.FloatType: 1.5,
    msgspec.inspect.DictType: {},
}


def _example(name: str, kind: Any) -> Any:
    inspect = msgspec.inspect
    if isinstance(kind, inspect.UnionType):
        return _example(name, next(part for part in kind.types if not isinstance(part, inspect.NoneType)))
    if name in IDS:
        return ["1460323737035677698"] if isinstance(kind, inspect.CollectionType) else "1460323737035677698"
    if isinstance(kind, inspect.DataclassType):
        return _example_of(kind.cls)
    if isinstance(kind, inspect.VarTupleType | inspect.ListType):
        return [_example(name, kind.item_type)]
    return _EXAMPLES_BY_KIND.get(type(kind), _EXAMPLES.get(name, "…"))
