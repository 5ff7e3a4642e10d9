"""The front door over a real socket on a real database: what is kept, what is refused, and what each answer says."""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import hmac
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import zstandard

from database import snowflake
from database.codec import Codec
from database.connections import Role
from ingest.app import MAX_REFUSAL_LINES_PER_SECOND, _LineBudget
from ingest.outcomes import OUTCOMES, Reason
from ingest.server import load_codecs
from tests.ingest.front_door import KEY, NEXT_KEY, SECRET, FrontDoor, serving, settings
from tests.waiting import wait_until

TWEETS = b'{"event_type":"tweet","rule_id":"r","rule_tag":"t","tweets":[{"id":"1"},{"id":"2"}],"timestamp":1}'
PING = b'{"event_type":"test_webhook_url"}'
WEBHOOK = "/webhooks/twitterapi_io"
ARCHIVE = "/webhooks/v1_1"
X = "/webhooks/x_api_v2"


def signature(body: bytes, secret: str = SECRET) -> str:
    return "sha256=" + base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


def deliveries(connection: psycopg.Connection, columns: str = "body") -> list[tuple[Any, ...]]:
    rows = connection.execute(f"select {columns} from raw.deliveries order by delivery_id").fetchall()
    connection.rollback()
    return rows


def bodies(connection: psycopg.Connection) -> list[bytes]:
    return [
        Codec({}).decompress(body, dictionary_id)
        for body, dictionary_id in deliveries(connection, "body, dictionary_id")
    ]


def problem(response: httpx.Response, reason: Reason) -> dict[str, Any]:
    """Assert that a response is the refusal that the table says, and return it."""
    outcome = OUTCOMES[reason]
    assert response.status_code == outcome.status
    assert response.headers["content-type"] == "application/problem+json"
    said: dict[str, Any] = response.json()
    assert said == {
        "status": outcome.status,
        "title": reason.value,
        "detail": outcome.explanation,
        "retry": outcome.sender_retries,
    }
    assert response.headers.get("retry-after") == (str(outcome.retry_after_seconds) if outcome.status == 503 else None)
    return said


def test_a_delivery_is_kept_byte_for_byte_queued_and_announced(door: FrontDoor, connection: psycopg.Connection) -> None:
    body = TWEETS.replace(b'"1"', '"\u00e9\\u0000\ud7ff"'.encode()) + b" \n"
    connection.autocommit = True
    connection.execute("listen deliveries")
    before = time.time()
    response = door.post(WEBHOOK, body)
    assert response.status_code == 200
    said = response.json()
    assert said["status"] == "accepted"
    assert said["items"] == 2
    assert bodies(connection) == [body]
    rows = deliveries(connection, "delivery_id, received_at, source, zone, item_count, body_bytes")
    ((delivery_id, received_at, *rest),) = rows
    assert str(delivery_id) == said["delivery_id"]
    assert before - 0.001 <= received_at.timestamp() <= time.time()
    assert snowflake.at(delivery_id) == received_at
    assert rest == ["twitterapi_io", None, 2, len(body)]
    assert connection.execute("select delivery_id from raw.delivery_queue").fetchall() == [(delivery_id,)]
    assert [notice.channel for notice in connection.notifies(timeout=5, stop_after=1)] == ["deliveries"]


def test_the_ping_of_the_provider_is_answered_with_200_and_kept(
    door: FrontDoor, connection: psycopg.Connection
) -> None:
    assert door.post(WEBHOOK, PING).status_code == 200
    assert bodies(connection) == [PING]
    assert door.metric('ingest_requests_total{outcome="control",source="twitterapi_io"}') == 1


def test_the_key_that_comes_next_is_accepted_beside_the_one_in_use(door: FrontDoor) -> None:
    assert door.post(WEBHOOK, TWEETS, key=NEXT_KEY).status_code == 200


@pytest.mark.parametrize(("key", "reason"), [(None, Reason.MISSING_KEY), ("guess", Reason.WRONG_KEY)])
@pytest.mark.parametrize("path", [WEBHOOK, f"{ARCHIVE}?zone=z"])
def test_a_stranger_is_refused_with_401_and_nothing_is_stored(
    door: FrontDoor, connection: psycopg.Connection, key: str | None, reason: Reason, path: str
) -> None:
    said = problem(door.post(path, TWEETS, key=key), reason)
    assert KEY not in json.dumps(said)
    assert deliveries(connection) == []


def test_a_body_that_cannot_be_read_is_kept_for_the_dead_letters_not_refused(
    door: FrontDoor, connection: psycopg.Connection
) -> None:
    unreadable = [b"{", b"\xff\xfe", b"null", b"[" * 50_000, b'{"tweets":[{"id":"1"},', b"\x00"]
    for body in unreadable:
        response = door.post(WEBHOOK, body)
        assert response.status_code == 200
        assert response.json()["items"] == 1
    assert bodies(connection) == unreadable


def test_an_archive_is_kept_with_the_zone_that_was_named(door: FrontDoor, connection: psycopg.Connection) -> None:
    response = door.post(f"{ARCHIVE}?zone=K%C3%BCche%20%26+Bad", b'{"id":1}\n\n{"id":2}\r\nbroken\n')
    assert response.status_code == 200
    assert deliveries(connection, "source, zone, item_count") == [("v1_1", "Küche & Bad", 3)]


def test_an_archive_without_a_readable_zone_is_refused(door: FrontDoor) -> None:
    for query in ("", "?zone=", "?zones=a"):
        problem(door.post(ARCHIVE + query, b"{}\n"), Reason.MISSING_ZONE)
    for query in ("?zone=%00", "?zone=%ff", "?zone=a&zone=b", "?zone=%20", "?zone=" + "a" * 256):
        problem(door.post(ARCHIVE + query, b"{}\n"), Reason.UNREADABLE_ZONE)


def test_x_is_answered_its_challenge(door: FrontDoor) -> None:
    answer = door.get(f"{X}?crc_token=a%2Bb").json()
    expected = base64.b64encode(hmac.new(SECRET.encode(), b"a+b", hashlib.sha256).digest()).decode()
    assert answer == {"response_token": f"sha256={expected}"}
    problem(door.get(X), Reason.MISSING_CRC_TOKEN)


def test_a_body_signed_by_x_is_kept_and_one_signed_by_another_is_not(
    door: FrontDoor, connection: psycopg.Connection
) -> None:
    body = b'{"data":[{"id":"1"},{"id":"2"},{"id":"3"}]}'
    signed = {"x_twitter_webhooks_signature": signature(body)}
    assert door.post(X, body, key=None, **signed).json()["items"] == 3
    forged = {"x_twitter_webhooks_signature": signature(body, "guess")}
    problem(door.post(X, body, key=None, **forged), Reason.WRONG_SIGNATURE)
    problem(door.post(X, body), Reason.MISSING_SIGNATURE)
    assert deliveries(connection, "source") == [("x_api_v2",)]


def test_the_signature_is_checked_on_the_bytes_as_sent_and_the_body_stored_unpacked(
    door: FrontDoor, connection: psycopg.Connection
) -> None:
    body = b'{"data":{"id":"1"}}'
    packed = gzip.compress(body)
    headers = {"content_encoding": "gzip", "x_twitter_webhooks_signature": signature(packed)}
    assert door.post(X, packed, key=None, **headers).status_code == 200
    assert bodies(connection) == [body]


def test_a_source_without_a_secret_is_switched_off(role_urls: dict[Role, str]) -> None:
    with serving(settings(x_api_consumer_secrets=""), role_urls["ingest_writer"]) as door:
        problem(door.get(f"{X}?crc_token=t"), Reason.SOURCE_NOT_CONFIGURED)
        problem(door.post(X, b"{}", x_twitter_webhooks_signature=signature(b"{}", "")), Reason.SOURCE_NOT_CONFIGURED)


@pytest.fixture
def narrow_door(role_urls: dict[Role, str]) -> Iterator[FrontDoor]:
    """A service with small bounds."""
    bounds = settings(
        ingest_max_body_bytes=4_096,
        ingest_max_decompressed_bytes=65_536,
        ingest_header_seconds=0.4,
        ingest_body_seconds=0.4,
        ingest_max_header_bytes=4_096,
        ingest_max_connections=8,
        ingest_keep_alive_seconds=1,
    )
    with serving(bounds, role_urls["ingest_writer"]) as running:
        yield running


@pytest.mark.parametrize("sends_length", [True, False])
def test_a_body_above_the_bound_is_refused_with_413(
    narrow_door: FrontDoor, connection: psycopg.Connection, sends_length: bool
) -> None:
    body = b" " * 4_097
    content: Any = body if sends_length else iter([body[:2_000], body[2_000:]])
    response = httpx.post(narrow_door.url + WEBHOOK, content=content, headers={"X-API-Key": KEY}, trust_env=False)
    problem(response, Reason.BODY_TOO_LARGE)
    assert narrow_door.post(WEBHOOK, body[:-1]).status_code == 200
    assert len(deliveries(connection)) == 1


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_a_bomb_is_refused_and_an_honest_encoding_is_not(
    narrow_door: FrontDoor, connection: psycopg.Connection, encoding: str
) -> None:
    encode = gzip.compress if encoding == "gzip" else zstandard.compress
    bomb = encode(bytes(2_000_000))
    assert len(bomb) < 4_096
    problem(narrow_door.post(WEBHOOK, bomb, content_encoding=encoding), Reason.DECOMPRESSED_BODY_TOO_LARGE)
    assert narrow_door.post(WEBHOOK, encode(TWEETS), content_encoding=encoding).status_code == 200
    assert bodies(connection) == [TWEETS]


def test_an_encoding_that_is_not_offered_or_not_true_is_refused(door: FrontDoor) -> None:
    refused = door.post(WEBHOOK, TWEETS, content_encoding="br")
    problem(refused, Reason.UNSUPPORTED_ENCODING)
    assert "gzip" in refused.headers["accept-encoding"]
    problem(door.post(WEBHOOK, TWEETS, content_encoding="gzip"), Reason.UNREADABLE_ENCODING)
    problem(door.post(WEBHOOK, b""), Reason.EMPTY_BODY)
    problem(door.post(WEBHOOK, gzip.compress(b""), content_encoding="gzip"), Reason.EMPTY_BODY)


def test_a_large_body_is_counted_and_kept_like_a_small_one(door: FrontDoor, connection: psycopg.Connection) -> None:
    body = json.dumps({"tweets": [{"id": str(n), "text": "x" * 300} for n in range(9_000)]}).encode()
    assert door.post(WEBHOOK, body).json()["items"] == 9_000
    assert bodies(connection) == [body]


def test_what_there_is_not_is_said_so(door: FrontDoor) -> None:
    for method, path in (
        ("GET", "/"),
        ("POST", "/webhooks/"),
        ("POST", "/webhooks/other"),
        ("POST", f"{WEBHOOK}/more"),
    ):
        problem(httpx.request(method, door.url + path, trust_env=False), Reason.NOT_FOUND)
    for method, path, allow in (
        ("GET", WEBHOOK, "POST"),
        ("DELETE", X, "GET, POST"),
        ("POST", "/healthz", "GET, HEAD"),
    ):
        response = httpx.request(method, door.url + path, trust_env=False)
        problem(response, Reason.METHOD_NOT_ALLOWED)
        assert response.headers["allow"] == allow


def test_headers_that_never_end_are_cut(narrow_door: FrontDoor) -> None:
    answer = narrow_door.exchange(b"POST /webhooks/twitterapi_io HTTP/1.1\r\nX-Slow: ")
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"headers_timeout"' in answer


@pytest.mark.parametrize("start", [b"", b"\r\n", b"\r\n\r\n"])
def test_a_connection_that_says_nothing_is_closed(narrow_door: FrontDoor, start: bytes) -> None:
    began = time.monotonic()
    narrow_door.exchange(start)
    assert time.monotonic() - began < 10


def test_a_body_that_drips_is_cut(narrow_door: FrontDoor, connection: psycopg.Connection) -> None:
    head = f"POST {WEBHOOK} HTTP/1.1\r\nHost: h\r\nX-API-Key: {KEY}\r\nContent-Length: 1000\r\n\r\n"
    with socket.create_connection((narrow_door.host, narrow_door.port), timeout=20) as dripping:
        dripping.sendall(head.encode())
        answer = drip_until_closed(dripping)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"body_timeout"' in answer
    assert deliveries(connection) == []


def test_a_sender_that_drips_on_after_it_was_refused_is_cut(narrow_door: FrontDoor) -> None:
    head = b"POST /nowhere HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n"
    with socket.create_connection((narrow_door.host, narrow_door.port), timeout=20) as dripping:
        dripping.sendall(head)
        assert drip_until_closed(dripping).startswith(b"HTTP/1.1 404 ")


def drip_until_closed(connection: socket.socket) -> bytes:
    """Send a byte every now and then until the other side has closed; return what it said."""
    connection.settimeout(0.1)
    received = b""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            part = connection.recv(65_536)
        except TimeoutError:
            part = None
        except ConnectionError:
            return received
        if part == b"":
            return received
        received += part or b""
        try:
            connection.sendall(b" ")
        except ConnectionError:
            return received
    raise AssertionError("the service let the body drip on")


@pytest.mark.parametrize(
    "head",
    [
        b"POST /webhooks/twitterapi_io HTTP/1.1\r\nX-Long: " + b"a" * 5_000,
        b"POST /webhooks/twitterapi_io HTTP/1.1\r\nX-Long: " + b"a" * 5_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 5_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: 1\r\n" % n for n in range(900)) + b"\r\n",
    ],
)
def test_a_request_head_above_the_bound_is_refused(narrow_door: FrontDoor, head: bytes) -> None:
    assert narrow_door.exchange(head).startswith(b"HTTP/1.1 431 ")


def test_what_is_not_http_is_refused_and_counted(door: FrontDoor) -> None:
    assert door.exchange(b"\x16\x03\x01 hello\r\n\r\n").startswith(b"HTTP/1.1 400 ")
    assert door.metric('ingest_requests_total{outcome="malformed_request",source="none"}') == 1


def test_connections_above_the_bound_are_told_to_come_back(narrow_door: FrontDoor) -> None:
    held = [socket.create_connection((narrow_door.host, narrow_door.port)) for _ in range(12)]
    try:
        for connection in held:
            connection.settimeout(20)
        answers = [connection.recv(65_536) for connection in held]
    finally:
        for connection in held:
            connection.close()
    assert sum(answer.startswith(b"HTTP/1.1 503 ") for answer in answers) >= 4
    wait_until(narrow_door.is_ready)


def test_a_keep_alive_connection_serves_again_after_a_refusal(door: FrontDoor) -> None:
    with httpx.Client(base_url=door.url, trust_env=False) as client:
        for _ in range(3):
            assert client.post(WEBHOOK, content=TWEETS).status_code == 401
            assert client.post(WEBHOOK, content=TWEETS, headers={"X-API-Key": KEY}).status_code == 200


def test_more_requests_at_once_than_the_bound_get_503_and_the_others_are_kept(
    role_urls: dict[Role, str], connection: psycopg.Connection
) -> None:
    async def storm(url: str) -> list[int]:
        limits = httpx.Limits(max_connections=60)
        async with httpx.AsyncClient(limits=limits, timeout=30, trust_env=False) as client:
            posts = (client.post(url + WEBHOOK, content=TWEETS, headers={"X-API-Key": KEY}) for _ in range(300))
            return [response.status_code for response in await asyncio.gather(*posts)]

    with serving(settings(ingest_max_in_flight=2), role_urls["ingest_writer"]) as door:
        statuses = asyncio.run(storm(door.url))
        assert set(statuses) <= {200, 503}
        assert len(deliveries(connection)) == statuses.count(200) > 0
        refused = statuses.count(503)
        assert refused == door.metric('ingest_requests_total{outcome="overloaded",source="twitterapi_io"}')


def test_memory_for_bodies_is_bounded_whatever_their_number(role_urls: dict[Role, str]) -> None:
    with serving(settings(ingest_max_buffered_bytes=1 << 20), role_urls["ingest_writer"]) as door:
        problem(door.post(WEBHOOK, b" " * (1_100_000)), Reason.OVERLOADED)
        assert door.post(WEBHOOK, TWEETS).status_code == 200
        assert door.metric("ingest_buffered_bytes") == 0


def test_concurrent_deliveries_share_commits_and_each_has_an_id_of_its_own(
    door: FrontDoor, connection: psycopg.Connection
) -> None:
    async def storm() -> list[str]:
        async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
            posts = (client.post(door.url + WEBHOOK, content=TWEETS, headers={"X-API-Key": KEY}) for _ in range(300))
            return [response.json()["delivery_id"] for response in await asyncio.gather(*posts)]

    ids = asyncio.run(storm())
    assert len(set(ids)) == 300
    assert {str(delivery_id) for (delivery_id,) in deliveries(connection, "delivery_id")} == set(ids)
    assert door.metric("ingest_commit_seconds_count") < 300
    assert door.metric('ingest_items_total{source="twitterapi_io"}') == 600


def test_a_full_disk_refuses_before_harm_and_readiness_says_so(role_urls: dict[Role, str], tmp_path: Path) -> None:
    bounds = settings(ingest_disk_path=tmp_path, ingest_min_free_disk_bytes=1 << 60)
    with serving(bounds, role_urls["ingest_writer"], wait_until_ready=False) as door:
        wait_until(lambda: door.metric("ingest_database_connected") == 1)
        problem(door.post(WEBHOOK, TWEETS), Reason.DISK_NEARLY_FULL)
        ready = door.get("/readyz")
        assert ready.status_code == 503
        assert "disk" in ready.json()["problems"][0]
        assert door.get("/healthz").status_code == 200


def test_a_missing_partition_is_not_ready_refused_with_503_and_never_acknowledged(
    door: FrontDoor, connection: psycopg.Connection
) -> None:
    names = [
        name
        for (name,) in connection.execute(
            "select inhrelid::regclass::text from pg_inherits where inhparent = 'raw.deliveries'::regclass"
        )
    ]
    for name in names:
        connection.execute(f"alter table raw.deliveries detach partition {name}")
    connection.commit()
    wait_until(lambda: not door.is_ready())
    assert "make migrate" in door.get("/readyz").json()["problems"][0]
    problem(door.post(WEBHOOK, TWEETS), Reason.DATABASE_UNAVAILABLE)


def test_metrics_and_log_hold_no_secret(door: FrontDoor, capsys: pytest.CaptureFixture[str]) -> None:
    door.post(WEBHOOK, TWEETS)
    door.post(WEBHOOK, TWEETS, key="a guessed key")
    door.post(f"{ARCHIVE}?zone=a-secret-zone", TWEETS)
    seen = "".join(capsys.readouterr()) + door.get("/metrics").text
    assert '"wrong_key"' in seen or "wrong_key" in seen
    for secret in (KEY, NEXT_KEY, SECRET, "a guessed key", "a-secret-zone"):
        assert secret not in seen


def test_strangers_who_knock_often_do_not_fill_the_log_and_are_counted_in_it() -> None:
    lines = _LineBudget()
    first_second = [lines.spend(Reason.WRONG_KEY, 1.0 + n / 1_000) for n in range(500)]
    assert first_second == [0] * MAX_REFUSAL_LINES_PER_SECOND + [None] * (500 - MAX_REFUSAL_LINES_PER_SECOND)
    assert lines.spend(Reason.OVERLOADED, 1.6) == 0
    assert lines.spend(Reason.WRONG_KEY, 2.0) == 500 - MAX_REFUSAL_LINES_PER_SECOND
    assert lines.spend(Reason.WRONG_KEY, 2.1) == 0


def test_the_openapi_document_lists_every_address_and_every_status(door: FrontDoor) -> None:
    document = door.get("/openapi.json").json()
    assert set(document["paths"]) == {WEBHOOK, X, ARCHIVE, "/healthz", "/readyz", "/metrics", "/openapi.json"}
    assert set(document["paths"][WEBHOOK]["post"]["responses"]) == {
        "200",
        "400",
        "401",
        "404",
        "408",
        "413",
        "415",
        "429",
        "503",
    }


def test_a_trained_dictionary_is_used_and_named_beside_the_body(
    role_urls: dict[Role, str], connection: psycopg.Connection
) -> None:
    samples = [TWEETS.replace(b'"1"', b'"%d"' % n) + b'{"text":"some words %d"}' % (n * 7) for n in range(900)]
    dictionary = zstandard.train_dictionary(1_024, samples).as_bytes()
    connection.execute(
        "insert into raw.compression_dictionaries (dictionary_id, source, dictionary) values (3, 'twitterapi_io', %s)",
        (dictionary,),
    )
    connection.commit()
    assert set(load_codecs(role_urls["ingest_writer"])) == {"twitterapi_io"}
    with serving(settings(), role_urls["ingest_writer"]) as door:
        assert door.post(WEBHOOK, TWEETS).status_code == 200
        assert door.post(f"{ARCHIVE}?zone=z", TWEETS).status_code == 200
    stored = deliveries(connection, "source, dictionary_id, body")
    assert [row[:2] for row in stored] == [("twitterapi_io", 3), ("v1_1", 0)]
    assert Codec({3: dictionary}).decompress(stored[0][2], 3) == TWEETS
