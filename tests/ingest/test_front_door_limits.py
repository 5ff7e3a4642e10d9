"""What one sender may do at the front door: signed messages, rates, sizes, and the framing of bodies on the wire."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from database.connections import Role
from ingest import app
from ingest.outcomes import OUTCOMES, Reason
from ingest.sources.signatures import TOLERANCE_SECONDS, secret_bytes, sign
from tests.ingest.front_door import KEY, NEXT_KEY, SECRET, FrontDoor, process, serving, settings
from tests.waiting import wait_until

OLD_SECRET, NEW_SECRET = ("whsec_" + base64.b64encode(bytes([number]) * 32).decode() for number in (7, 8))
WEBHOOK = "/webhooks/twitterapi_io"
ARCHIVE = "/webhooks/v1_1?zone=z"
TWEET = b'{"tweets":[{"id":"1"}]}'


def signed(body: bytes, message: str, *, secret: str = NEW_SECRET, late_by: int = 0) -> dict[str, str]:
    headers = sign(secret_bytes(secret), message.encode(), int(time.time()) - late_by, body)
    return {name.decode().replace("-", "_"): value.decode() for name, value in headers.items()}


def count(connection: psycopg.Connection) -> int:
    row = connection.execute("select count(*) from raw.deliveries").fetchone()
    connection.rollback()
    assert row is not None
    return int(row[0])


@pytest.fixture
def signing_door(role_urls: dict[Role, str]) -> Iterator[FrontDoor]:
    with serving(settings(standard_webhook_secrets=f"{NEW_SECRET},{OLD_SECRET}"), role_urls["ingest_writer"]) as door:
        yield door


class TestSignedMessages:
    def test_a_signed_message_is_kept_once_however_often_it_comes(
        self, signing_door: FrontDoor, connection: psycopg.Connection
    ) -> None:
        body = b'{"id":1}\n{"id":2}\n'
        answers = [signing_door.post(ARCHIVE, body, key=None, **signed(body, "m1")).json() for _ in range(3)]
        assert answers[0]["items"] == 2
        assert answers == answers[:1] * 3
        assert count(connection) == 1
        assert signing_door.metric('ingest_requests_total{outcome="repeated",source="v1_1"}') == 2
        assert signing_door.metric('ingest_items_total{source="v1_1"}') == 2

    def test_another_message_under_the_same_id_is_kept_too(
        self, signing_door: FrontDoor, connection: psycopg.Connection
    ) -> None:
        for body in (TWEET, TWEET + b" "):
            assert signing_door.post(WEBHOOK, body, key=None, **signed(body, "m1")).status_code == 200
        assert count(connection) == 2

    def test_both_secrets_are_believed_while_one_is_being_changed(self, signing_door: FrontDoor) -> None:
        for secret in (OLD_SECRET, NEW_SECRET):
            headers = signed(TWEET, secret[-9:], secret=secret)
            assert signing_door.post(WEBHOOK, TWEET, key=None, **headers).status_code == 200

    def test_what_is_not_signed_rightly_and_now_is_refused_and_not_kept(
        self, signing_door: FrontDoor, connection: psycopg.Connection
    ) -> None:
        stranger = "whsec_" + base64.b64encode(bytes(32)).decode()
        for headers, reason in (
            (signed(b"another body", "m1"), Reason.WRONG_SIGNATURE),
            (signed(TWEET, "m1", secret=stranger), Reason.WRONG_SIGNATURE),
            (signed(TWEET, "m1", late_by=TOLERANCE_SECONDS + 30), Reason.STALE_SIGNATURE),
            (signed(TWEET, "m1", late_by=-TOLERANCE_SECONDS - 30), Reason.STALE_SIGNATURE),
            ({"webhook_signature": "v1,x"}, Reason.MISSING_SIGNATURE),
        ):
            response = signing_door.post(WEBHOOK, TWEET, **headers)
            assert (response.status_code, response.json()["title"]) == (401, reason.value)
        assert count(connection) == 0

    def test_without_a_secret_no_signature_is_believed(self, door: FrontDoor) -> None:
        assert door.post(WEBHOOK, TWEET, key=None, **signed(TWEET, "m1")).status_code == 401


def test_a_key_that_delivers_too_often_is_told_when_to_come_back_and_the_other_is_served(
    role_urls: dict[Role, str], connection: psycopg.Connection
) -> None:
    rate = settings(ingest_deliveries_per_second=0.02, ingest_delivery_burst=3)
    with serving(rate, role_urls["ingest_writer"]) as door:
        answers = [door.post(WEBHOOK, TWEET) for _ in range(5)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
        assert 1 <= int(answers[3].headers["retry-after"]) <= 50
        assert answers[3].json()["retry"] is True
        assert door.post(WEBHOOK, TWEET, key=NEXT_KEY).status_code == 200
        assert door.post(WEBHOOK, TWEET, key="guess").status_code == 401
        assert door.metric('ingest_requests_total{outcome="too_many_deliveries",source="twitterapi_io"}') == 2
    assert count(connection) == 4


def test_more_items_than_the_normaliser_may_be_given_at_once_are_refused(
    role_urls: dict[Role, str], connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "MAX_SEPARATORS", 2_000)
    with serving(settings(ingest_max_items=10), role_urls["ingest_writer"]) as door:
        ten, eleven = (json.dumps({"tweets": [{}] * number}).encode() for number in (10, 11))
        assert door.post(WEBHOOK, ten).status_code == 200
        for path, body in (
            (WEBHOOK, eleven),
            (ARCHIVE, b"{}\n" * 11),
            (WEBHOOK, b'{"tweets":[' + b"1," * 2_001 + b"1]}"),
            (ARCHIVE, b"\n" * 2_001),
        ):
            response = door.post(path, body)
            assert (response.status_code, response.json()["title"]) == (413, Reason.TOO_MANY_ITEMS.value)
    assert count(connection) == 1


HEAD = f"POST {WEBHOOK} HTTP/1.1\r\nHost: h\r\nX-API-Key: {KEY}\r\n".encode()
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"

FRAMINGS: list[tuple[str, bytes, list[int], int]] = [
    ("right length", b"Content-Length: 23\r\n\r\n" + TWEET, [200], 1),
    # What follows is no request: the connection is closed before the answer, and the sender sends again.
    ("more bytes than said", b"Content-Length: 10\r\n\r\n" + TWEET, [], 1),
    ("fewer bytes than said", b"Content-Length: 99\r\n\r\n" + TWEET, [408], 0),
    ("two lengths", b"Content-Length: 23\r\nContent-Length: 24\r\n\r\n" + TWEET, [400], 0),
    ("negative length", b"Content-Length: -1\r\n\r\n" + TWEET, [400], 0),
    ("length beyond 64 bits", b"Content-Length: 99999999999999999999999\r\n\r\n" + TWEET, [400], 0),
    ("length in hexadecimal", b"Content-Length: 0x17\r\n\r\n" + TWEET, [400], 0),
    ("chunks", CHUNKED + b"a;x=y\r\n" + TWEET[:10] + b"\r\nd\r\n" + TWEET[10:] + b"\r\n0\r\n\r\n", [200], 1),
    ("no chunk size", CHUNKED + b"zz\r\n" + TWEET, [], 0),
    ("huge chunk", CHUNKED + b"ffffffffffffffffff\r\n" + TWEET, [], 0),
    ("no last chunk", CHUNKED + b"17\r\n" + TWEET + b"\r\n", [408], 0),
    ("length and chunks", b"Content-Length: 23\r\n" + CHUNKED + TWEET, [400], 0),
]
"""A name, what follows the head, the answers, and the number of deliveries that are kept. A body that turns out to be
broken, once its head was taken, ends the connection without an answer."""


def test_a_body_is_what_its_framing_says_or_is_refused(
    role_urls: dict[Role, str], connection: psycopg.Connection
) -> None:
    """Request smuggling, and senders that count wrongly: nothing is kept but what was framed without doubt."""
    bounds = settings(ingest_header_seconds=0.3, ingest_body_seconds=0.3, ingest_keep_alive_seconds=1)
    with serving(bounds, role_urls["ingest_writer"]) as door:
        for name, framing, statuses, stored in FRAMINGS:
            kept = count(connection)
            answer = door.exchange(HEAD + framing, seconds=5)
            assert [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)] == statuses, name
            # A delivery whose answer nobody waits for is committed a moment later.
            wait_until(lambda expected=kept + stored: count(connection) == expected)  # type: ignore[misc]


def test_no_secret_is_ever_in_the_log_of_the_process(role_urls: dict[Role, str], tmp_path: Path) -> None:
    environment = {
        "X_API_CONSUMER_SECRETS": SECRET,
        "STANDARD_WEBHOOK_SECRETS": NEW_SECRET,
        "INGEST_DELIVERIES_PER_SECOND": "1000",
    }
    text = "words that nobody else should read"
    body = json.dumps({"tweets": [{"id": "1", "text": text}], "rule_tag": "a rule of ours"}).encode()
    forged = signed(b"another", "message-id-77")
    with process(role_urls["ingest_writer"], tmp_path, keys=f"{KEY},{NEXT_KEY}", **environment) as service:
        door = service.door
        door.post(WEBHOOK, body)
        door.post(WEBHOOK, body, key="a guessed key")
        door.post(WEBHOOK, body, key=None, **signed(body, "message-id-78"))
        door.post(WEBHOOK, body, key=None, **forged)
        door.post("/webhooks/x_api_v2", body, x_twitter_webhooks_signature="sha256=Z3Vlc3M=")
        door.get("/webhooks/x_api_v2?crc_token=a-token-of-x")
        door.exchange(f"POST {WEBHOOK} HTTP/1.1\r\nX-API-Key: {KEY}\r\nbroken\r\n\r\n".encode(), seconds=2)
        service.process.terminate()
        service.process.wait(timeout=20)
        log = (tmp_path / "serve.log").read_text()
    password = role_urls["ingest_writer"].partition("@")[0].rpartition(":")[2]
    assert log.count('"event":"delivery"') >= 5
    assert '"wrong_signature"' in log
    ours = (KEY, NEXT_KEY, SECRET, NEW_SECRET.removeprefix("whsec_"))
    sent = ("a guessed key", forged["webhook_signature"], "message-id")
    for secret in (*ours, *sent, "Z3Vlc3M", "a-token-of-x", text, "a rule of ours", f":{password}@"):
        assert secret not in log


def test_every_refusal_that_a_sender_may_outlast_says_so() -> None:
    retried = {reason for reason in Reason if OUTCOMES[reason].sender_retries}
    assert {OUTCOMES[reason].status for reason in retried} == {400, 408, 429, 503}
    assert {reason for reason in retried if OUTCOMES[reason].status == 400} == {Reason.SENDER_WENT_AWAY}
