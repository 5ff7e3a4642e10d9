"""The front door keeps the contract that its own document states, whatever it is asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from ingest import openapi
from tests.conftest import _own_database as own_database
from tests.ingest.front_door import KEY, FrontDoor, serving, settings

schema = schemathesis.openapi.from_dict(msgspec.json.decode(openapi.document()))


@schemathesis.serializer("application/x-ndjson")
def lines(_context: Any, value: Any) -> bytes:
    return msgspec.json.encode(value) + b"\n"


@pytest.fixture(scope="module")
def contract_door(server_url: str, template_database: str) -> Iterator[FrontDoor]:
    for url in own_database(server_url, template_database):
        with serving(settings(), url) as door:
            yield door


@schema.parametrize()
@hypothesis_settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@pytest.mark.parametrize("key", [KEY, "guess"])
def test_every_answer_is_as_the_document_says(case: schemathesis.Case, key: str, contract_door: FrontDoor) -> None:
    response = case.call(base_url=contract_door.url, headers={"X-API-Key": key})
    case.validate_response(
        response,
        checks=[not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance],
    )
