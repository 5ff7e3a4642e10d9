"""The API keeps the contract that its own document states, whatever it is asked."""

from __future__ import annotations

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api import openapi
from api.endpoints import ENDPOINTS
from tests.api.conftest import ALL_ZONES
from tests.datalayer.world import World

schema = schemathesis.openapi.from_dict(openapi.document())


@schema.parametrize()
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_as_the_document_says(case: schemathesis.Case, client: httpx.Client) -> None:
    response = case.call(base_url=str(client.base_url), headers={"X-API-Key": ALL_ZONES})
    case.validate_response(
        response,
        checks=[not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance],
    )


@pytest.mark.parametrize(
    "span",
    [
        {"until": "4987-05-09T23:24:45+16:24"},
        {"until": "9999-12-31T23:59:59.999999Z"},
        {"until": "9999-12-31T23:59:59.999999-23:59"},
        {"since": "0001-01-01T00:00:00+23:59"},
        {"since": "9999-12-31T23:59:59.999999Z"},
    ],
)
def test_the_ends_of_time_are_asked_for_without_harm(span: dict[str, str], client: httpx.Client) -> None:
    bounded = [
        endpoint for endpoint in ENDPOINTS if {"since", "until"} <= {given.name for given in endpoint.parameters}
    ]
    for endpoint in bounded:
        query = {given.name: given.example for given in endpoint.parameters if given.required and not given.in_path}
        path = endpoint.path.format(zone="news", tweet_id="1", profile="@author_1", hashtag="one", dataset="tweets")
        answer = client.get(path, params={"q": "rain", **query, **span} if path.endswith("/search") else query | span)
        assert answer.status_code < 500, (path, answer.text)
    assert len(bounded) > 3


def test_every_endpoint_answers_as_described_for_what_exists(client: httpx.Client, world: World) -> None:
    row = world.connection.execute(
        "select tweet_id from core.twitter_tweet_zones order by tweet_id desc limit 1"
    ).fetchone()
    assert row is not None
    values = {"zone": "news", "tweet_id": str(row[0]), "profile": "@author_1", "hashtag": "one"}
    for endpoint in ENDPOINTS:
        if endpoint.path.endswith("/raw"):
            continue
        query = {given.name: given.example for given in endpoint.parameters if given.required and not given.in_path}
        if endpoint.path.endswith("/search"):
            query["q"] = "rain"
        answer = client.get(endpoint.path.format(**values), params=query)
        assert answer.status_code == 200, (endpoint.path, answer.text)
        described = schema[endpoint.path]["GET"]
        described.validate_response(answer)


def test_every_documented_operation_has_an_example_and_a_name_of_its_own() -> None:
    operations = [path["get"] for path in openapi.document()["paths"].values()]

    assert len({operation["operationId"] for operation in operations}) == len(operations)
    for operation in operations:
        content = operation["responses"]["200"]["content"]
        assert operation["operationId"] == "export" or content["application/json"]["example"]
