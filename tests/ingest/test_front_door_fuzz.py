"""Anything at all over the socket: no answer is a 5xx but a deliberate 503, and the service goes on."""

from __future__ import annotations

import asyncio
import base64
import json
import re

import psycopg
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from database.connections import Role, connect
from ingest.normalise.worker import Worker
from ingest.outcomes import Reason
from tests.fuzz import accounts
from tests.fuzz.fire import fire
from tests.fuzz.mutations import Mutator, Secrets
from tests.ingest.front_door import KEY, SECRET, FrontDoor, serving, settings
from tests.waiting import wait_until

header_names = st.sampled_from(
    (
        b"X-API-Key",
        b"Content-Length",
        b"Transfer-Encoding",
        b"Content-Encoding",
        b"Content-Type",
        b"Expect",
        b"Connection",
        b"Upgrade",
        b"x-twitter-webhooks-signature",
        b"Host",
        b"HTTP2-Settings",
        b"Cookie",
    )
) | st.binary(max_size=12)
header_values = st.sampled_from(
    (
        KEY.encode(),
        b"gzip",
        b"deflate",
        b"zstd",
        b"identity",
        b"chunked",
        b"100-continue",
        b"upgrade",
        b"websocket",
        b"h2c",
        b"close",
        b"0",
        b"-1",
        b"99999999999999999999",
        b"1e3",
        b"sha256=",
        b"sha256=AAAA",
        b"",
    )
) | st.binary(max_size=30)
targets = st.sampled_from(
    (
        b"/webhooks/twitterapi_io",
        b"/webhooks/v1_1?zone=z",
        b"/webhooks/x_api_v2",
        b"/webhooks/x_api_v2?crc_token=%ff",
        b"/readyz",
        b"/metrics",
        b"*",
        b"http://other/webhooks/v1_1?zone=%00",
        b"/%00",
        b"//",
        b"/webhooks/..%2f",
    )
) | st.binary(max_size=40)
methods = st.sampled_from([b"POST", b"GET", b"HEAD", b"PUT", b"OPTIONS", b"CONNECT", b"PRI", b"TRACE"]) | st.binary(
    max_size=8
)
bodies = st.binary(max_size=300) | st.sampled_from(
    [b"{}", b'{"tweets":[{}]}', b'{"tweets":' * 200, b"\x1f\x8b\x08\x00", b"5\r\nhello\r\n0\r\n\r\n", b"ffffffff\r\n"]
)
headers = st.lists(st.tuples(header_names, header_values), max_size=6)


def request_bytes(method: bytes, target: bytes, named: list[tuple[bytes, bytes]], body: bytes, *, keyed: bool) -> bytes:
    lines = [b"%b %b HTTP/1.1" % (method, target), *(b"%b: %b" % pair for pair in named)]
    if keyed:
        lines += [b"X-API-Key: " + KEY.encode(), b"Content-Length: %d" % len(body)]
    return b"\r\n".join([*lines, b"Connection: close", b"", body])


def statuses(answer: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]


@pytest.fixture
def impatient_door(role_urls: dict[Role, str]):
    bounds = settings(ingest_header_seconds=0.2, ingest_body_seconds=0.2, ingest_max_body_bytes=4_096)
    with serving(bounds, role_urls["ingest_writer"]) as door:
        yield door


def refusals_and_acceptances(door: FrontDoor) -> tuple[float, float]:
    series = [line for line in door.get("/metrics").text.splitlines() if line.startswith("ingest_requests_total")]
    counts = {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in series}
    accepted = sum(count for name, count in counts.items() if '"accepted"' in name or '"control"' in name)
    return sum(counts.values()) - accepted, accepted


def test_no_request_whatever_it_holds_is_answered_with_an_error_of_ours(
    impatient_door: FrontDoor, connection: psycopg.Connection
) -> None:
    @hypothesis_settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(methods, targets, headers, bodies, st.booleans())
    def attack(method: bytes, target: bytes, named: list[tuple[bytes, bytes]], body: bytes, keyed: bool) -> None:
        answer = impatient_door.exchange(request_bytes(method, target, named, body, keyed=keyed), seconds=15)
        assert all(status < 500 or status == 503 for status in statuses(answer)), answer

    attack()
    assert impatient_door.is_ready()
    series = 'ingest_requests_total{outcome="%s",source="%s"}'
    for source in ("twitterapi_io", "v1_1", "x_api_v2", "none"):
        assert impatient_door.metric(series % (Reason.INTERNAL_ERROR.value, source)) == 0
    accepted = refusals_and_acceptances(impatient_door)[1]
    assert connection.execute("select count(*) from raw.deliveries").fetchone() == (accepted,)
    assert impatient_door.metric("ingest_in_flight_requests") == 0
    assert impatient_door.metric("ingest_buffered_bytes") == 0


def test_any_authenticated_body_is_kept_and_counted(impatient_door: FrontDoor, connection: psycopg.Connection) -> None:
    tweet = {
        "id": "1",
        "text": "words",
        "author": {"id": "2"},
        "viewCount": [0],
        "entities": {"hashtags": [{"text": "t"}]},
    }
    valid = json.dumps({"event_type": "tweet", "rule_tag": "t", "tweets": [tweet, tweet], "timestamp": 1}).encode()
    sent: list[bytes] = []

    @hypothesis_settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.lists(st.tuples(st.integers(0, len(valid) - 1), st.binary(max_size=3)), min_size=1, max_size=4))
    def mutate(cuts: list[tuple[int, bytes]]) -> None:
        body = valid
        for position, replacement in cuts:
            body = body[:position] + replacement + body[position + 1 :]
        response = impatient_door.post("/webhooks/twitterapi_io", body)
        assert response.status_code == 200
        sent.append(body)

    mutate()
    assert connection.execute("select count(*), sum(body_bytes) from raw.deliveries").fetchone() == (
        len(sent),
        sum(len(body) for body in sent),
    )


def test_every_item_of_mutated_requests_of_all_sources_is_accounted_for(
    role_urls: dict[Role, str], connection: psycopg.Connection
) -> None:
    """A short run of `make fuzz`; it says what to look at where anything does not add up."""
    connection.autocommit = True
    accounts.add_rules(connection)
    known = Secrets(KEY, SECRET, "whsec_" + base64.b64encode(bytes(range(32))).decode())
    bounds = settings(
        twitterapi_io_webhook_keys=KEY,
        standard_webhook_secrets=known.signing_secret,
        ingest_header_seconds=0.5,
        ingest_body_seconds=0.5,
        ingest_keep_alive_seconds=1,
        ingest_max_body_bytes=2 << 20,
        ingest_max_decompressed_bytes=4 << 20,
    )
    with serving(bounds, role_urls["ingest_writer"]) as door:
        shots = Mutator(7, known).shots(400)
        tally = asyncio.run(fire(door.host, door.port, shots, lambda _count: None))
        wait_until(lambda: door.metric("ingest_in_flight_requests") == 0)
        counted = accounts.outcomes(door.get("/metrics").text)
    with connect(role_urls["pipeline"], application_name="tests", autocommit=True) as worker_connection:
        Worker(worker_connection).drain()
    found = accounts.audit(connection, tally, counted)
    assert found.problems == ()
    assert len(tally.acknowledged) > 200
    assert min(found.normalised, found.duplicate, found.control, found.dead) > 0
