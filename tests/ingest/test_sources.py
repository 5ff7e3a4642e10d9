"""The front half of the sources: who is believed, and how many items a body counts."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.normalise.dialects.twitterapi_io import TwitterApiIo
from ingest.normalise.dialects.v1_1 import V1
from ingest.outcomes import Reason
from ingest.sources import keys
from ingest.sources.proofs import KeyOrSignature
from ingest.sources.protocol import Contents, Headers
from ingest.sources.signatures import Signatures
from ingest.sources.twitterapi_io import TwitterApiIoSource
from ingest.sources.v1_1 import V1Source
from ingest.sources.x_api_v2 import XApiV2Source

UNSIGNED = Signatures([])
TWITTERAPI_IO = TwitterApiIoSource(KeyOrSignature(["old", "new"], UNSIGNED))
V1_1 = V1Source(KeyOrSignature(["old"], UNSIGNED))
X = XApiV2Source(["new secret", "old secret"])

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 70), 1 << 70) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)
envelopes = st.fixed_dictionaries(
    {},
    optional={
        "event_type": json_values | st.sampled_from(["tweet", "test_webhook_url", "ping", "connected", "other"]),
        "rule_id": json_values,
        "rule_tag": json_values,
        "timestamp": json_values,
        "tweets": json_values | st.lists(st.dictionaries(st.just("id"), st.text(max_size=3)), max_size=5),
    },
)
bodies = (
    st.binary(max_size=80)
    | json_values.map(lambda value: json.dumps(value).encode())
    | envelopes.map(lambda value: json.dumps(value).encode())
    | st.builds(lambda value, cut: json.dumps(value).encode()[:cut], envelopes, st.integers(0, 80))
    | st.just(b"[" * 100_000)
    | st.just(b'{"tweets":' * 5_000)
)


@pytest.mark.parametrize("sent", [b"old", b"new"])
def test_each_of_several_keys_is_believed_so_that_keys_change_without_a_gap(sent: bytes) -> None:
    assert TWITTERAPI_IO.admit([(b"x-api-key", sent)]) is None


@given(st.binary(max_size=12))
def test_any_other_key_is_refused(sent: bytes) -> None:
    expected = None if sent in (b"old", b"new") else Reason.WRONG_KEY
    assert TWITTERAPI_IO.admit([(b"x-api-key", sent)]) == expected


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ([], Reason.MISSING_KEY),
        ([(b"authorization", b"old")], Reason.MISSING_KEY),
        ([(b"x-api-key", b"")], Reason.WRONG_KEY),
        ([(b"x-api-key", b"old,new")], Reason.WRONG_KEY),
        ([(b"x-api-key", b"old"), (b"x-api-key", b"new")], Reason.WRONG_KEY),
    ],
)
def test_a_request_without_exactly_one_key_is_refused(headers: Headers, reason: Reason) -> None:
    assert TWITTERAPI_IO.admit(headers) is reason
    assert TWITTERAPI_IO.authenticate(headers, b"") is reason


def test_a_source_without_keys_believes_nobody_not_even_an_empty_key() -> None:
    source = TwitterApiIoSource(KeyOrSignature([], UNSIGNED))
    assert not source.is_configured
    assert source.admit([(b"x-api-key", b"")]) is Reason.WRONG_KEY


def test_every_accepted_key_is_compared_even_after_one_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[bytes] = []

    def recording(sent: bytes, accepted: bytes) -> bool:
        compared.append(accepted)
        return hmac.compare_digest(sent, accepted)

    monkeypatch.setattr(keys, "hmac", type("recorder", (), {"compare_digest": staticmethod(recording)}))
    assert keys.is_any_of(b"first", (b"first", b"second", b"third"))
    assert compared == [b"first", b"second", b"third"]


@given(bodies)
def test_twitterapi_io_counts_the_items_that_the_normaliser_will_find(body: bytes) -> None:
    assert TWITTERAPI_IO.examine(body).item_count == TwitterApiIo().split(body).item_count


@given(
    st.lists(st.sampled_from([b"{}", b" ", b"\t", b"", b"\r", b"x", b"\x00", b"\x0b", b"\x85"]), max_size=8).map(
        b"\n".join
    )
)
def test_v1_1_counts_the_lines_that_the_normaliser_will_find(body: bytes) -> None:
    assert V1_1.examine(body).item_count == V1().split(body).item_count


@pytest.mark.parametrize("event", ["test_webhook_url", "ping", "connected"])
def test_the_providers_own_messages_are_control_messages_of_one_item(event: str) -> None:
    assert TWITTERAPI_IO.examine(json.dumps({"event_type": event}).encode()) == Contents(1, is_control=True)


@pytest.mark.parametrize(
    ("body", "count"),
    [
        (b'{"data":{"id":"1"}}', 1),
        (b'{"data":[{"id":"1"},{"id":"2"}]}', 2),
        (b'{"data":[]}', 1),
        (b'{"data":{"delete":{"tweet":{"id":"1"}}}}', 1),
        (b'{"errors":[{},{}]}', 2),
        (b'{"data":{"id":"1"},"errors":[{}]}', 2),
        (b'{"tweet_delete_events":[{},{}],"for_user_id":"1"}', 2),
        (b'{"data":{"id":"1"}}\r\n\r\n{"data":{"id":"2"}}\n{"da', 3),
        (b"", 1),
        (b"\r\n", 1),
        (b'{"data":[', 1),
    ],
)
def test_x_counts_tweets_problems_and_events_and_anything_else_as_one(body: bytes, count: int) -> None:
    assert X.examine(body) == Contents(count)


@given(st.text(min_size=1))
def test_a_challenge_is_answered_as_the_documentation_says_with_the_first_secret(token: str) -> None:
    digest = hmac.new(b"new secret", token.encode(), hashlib.sha256).digest()
    assert X.answer(token) == "sha256=" + base64.b64encode(digest).decode()


def test_the_challenge_formula_has_not_drifted() -> None:
    assert XApiV2Source(["s1"]).answer("abc") == "sha256=BHIF1TX9HqRzsFac8xsQMVMA+9sK35jmgOr3g69ud+U="


def signed(body: bytes, secret: bytes) -> Headers:
    digest = base64.b64encode(hmac.new(secret, body, hashlib.sha256).digest())
    return [(b"x-twitter-webhooks-signature", b"sha256=" + digest)]


@given(st.binary(max_size=200), st.sampled_from([b"new secret", b"old secret"]))
def test_a_body_signed_with_any_of_the_secrets_is_believed(body: bytes, secret: bytes) -> None:
    assert X.authenticate(signed(body, secret), body) is None


@given(st.binary(min_size=1, max_size=50), st.data())
def test_one_flipped_bit_in_the_body_breaks_the_signature(body: bytes, data: st.DataObject) -> None:
    position = data.draw(st.integers(0, len(body) * 8 - 1))
    changed = bytearray(body)
    changed[position // 8] ^= 1 << position % 8
    assert X.authenticate(signed(body, b"new secret"), bytes(changed)) is Reason.WRONG_SIGNATURE


@given(st.binary(max_size=60))
def test_no_other_header_is_taken_for_a_signature_and_none_raises(value: bytes) -> None:
    headers = [(b"x-twitter-webhooks-signature", value)]
    assert X.admit(headers) in (None, Reason.MISSING_SIGNATURE)
    assert X.authenticate(headers, b"body") in (Reason.WRONG_SIGNATURE, Reason.MISSING_SIGNATURE)


def test_a_signature_of_a_source_without_secrets_is_never_right() -> None:
    assert XApiV2Source([]).authenticate(signed(b"body", b""), b"body") is Reason.WRONG_SIGNATURE
    assert XApiV2Source([]).answer("token") is None
