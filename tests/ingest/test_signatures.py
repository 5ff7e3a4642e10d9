"""Standard Webhooks: whose messages are believed, and for how long."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.outcomes import Reason
from ingest.sources.proofs import KeyOrSignature
from ingest.sources.protocol import Headers
from ingest.sources.signatures import MAX_SIGNATURES, TOLERANCE_SECONDS, Signatures, message_of, secret_bytes, sign

NEW, OLD = ("whsec_" + base64.b64encode(bytes([number]) * 24).decode() for number in (1, 2))
NOW = 1_760_000_000
SIGNATURES = Signatures([NEW, OLD], lambda: NOW)
PROOF = KeyOrSignature(["key"], SIGNATURES)


def signed(body: bytes, *, secret: str = NEW, at: int = NOW, message_id: bytes = b"msg_1") -> Headers:
    return list(sign(secret_bytes(secret), message_id, at, body).items())


def test_the_formula_is_the_one_of_the_specification() -> None:
    secret = base64.b64decode(NEW.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.new(secret, b"msg_1.1760000000.body", hashlib.sha256).digest())
    assert dict(signed(b"body"))[b"webhook-signature"] == b"v1," + expected


def test_the_example_of_the_specification_is_believed() -> None:
    """The values that the reference libraries are tested with."""
    example = Signatures(["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"], lambda: 1_614_265_330)
    headers = [
        (b"webhook-id", b"msg_p5jXN8AQM9LWM0D4loKWxJek"),
        (b"webhook-timestamp", b"1614265330"),
        (b"webhook-signature", b"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
    ]
    assert example.authenticate(headers, b'{"test": 2432232314}') is None


@given(st.binary(max_size=200), st.sampled_from([NEW, OLD]))
def test_a_body_signed_with_any_of_the_secrets_is_believed(body: bytes, secret: str) -> None:
    assert SIGNATURES.authenticate(signed(body, secret=secret), body) is None


@given(st.binary(min_size=1, max_size=50), st.data())
def test_one_flipped_bit_in_what_was_signed_breaks_the_signature(body: bytes, data: st.DataObject) -> None:
    headers = dict(signed(body))
    part = data.draw(st.sampled_from(["body", "id"]))
    value = bytearray(body if part == "body" else headers[b"webhook-id"])
    position = data.draw(st.integers(0, len(value) * 8 - 1))
    value[position // 8] ^= 1 << position % 8
    if part == "id":
        headers[b"webhook-id"] = bytes(value)
    changed = bytes(value) if part == "body" else body
    assert SIGNATURES.authenticate(list(headers.items()), changed) is Reason.WRONG_SIGNATURE


@pytest.mark.parametrize(
    ("off", "reason"),
    [
        (0, None),
        (TOLERANCE_SECONDS, None),
        (-TOLERANCE_SECONDS, None),
        (TOLERANCE_SECONDS + 1, Reason.STALE_SIGNATURE),
        (-TOLERANCE_SECONDS - 1, Reason.STALE_SIGNATURE),
    ],
)
def test_a_message_out_of_time_is_refused_however_well_it_is_signed(off: int, reason: Reason | None) -> None:
    headers = signed(b"body", at=NOW + off)
    assert SIGNATURES.admit(headers) is reason
    assert SIGNATURES.authenticate(headers, b"body") is reason


def test_one_right_signature_of_several_is_enough_within_bounds() -> None:
    right = dict(signed(b"body"))[b"webhook-signature"]
    for noise, believed in (([b"v1,AAAA", b"v2,x"], True), ([b"v1,AAAA"] * MAX_SIGNATURES, False)):
        headers = dict(signed(b"body")) | {b"webhook-signature": b" ".join([*noise, right])}
        assert (SIGNATURES.authenticate(list(headers.items()), b"body") is None) == believed


@pytest.mark.parametrize("missing", [b"webhook-id", b"webhook-timestamp", b"webhook-signature"])
def test_a_message_needs_each_header_exactly_once(missing: bytes) -> None:
    headers = signed(b"body")
    without = [pair for pair in headers if pair[0] != missing]
    doubled = headers + [pair for pair in headers if pair[0] == missing]
    for wrong in (without, doubled):
        assert SIGNATURES.authenticate(wrong, b"body") is Reason.MISSING_SIGNATURE


@given(st.lists(st.tuples(st.sampled_from([b"webhook-id", b"webhook-timestamp", b"webhook-signature"]), st.binary())))
def test_no_other_headers_prove_anything_and_none_raises(headers: Headers) -> None:
    assert SIGNATURES.authenticate(headers, b"body") is not None
    assert Signatures([]).authenticate(headers, b"body") is not None


def test_without_a_secret_no_signature_is_right_not_even_one_made_with_nothing() -> None:
    nobody = Signatures([], lambda: NOW)
    assert not nobody.is_configured
    assert nobody.authenticate(list(sign(b"", b"msg_1", NOW, b"body").items()), b"body") is Reason.WRONG_SIGNATURE


def test_a_key_does_not_help_a_message_that_is_signed_wrongly() -> None:
    key = (b"x-api-key", b"key")
    assert PROOF.authenticate([key], b"body") is None
    assert PROOF.authenticate([key, *signed(b"other")], b"body") is Reason.WRONG_SIGNATURE
    assert PROOF.admit([key, (b"webhook-signature", b"")]) is Reason.MISSING_SIGNATURE


@pytest.mark.parametrize("text", ["", "whsec_", "whsec_AAAA", "whsec_not base64", "whsec_" + "A" * 200])
def test_a_secret_that_is_too_short_or_none_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(ValueError, match="a secret") as refused:
        secret_bytes(text)
    assert len(text) < 10 or text.removeprefix("whsec_") not in str(refused.value)


def test_a_message_is_told_by_its_id_and_its_body() -> None:
    assert message_of(signed(b"body"), b"body") == message_of(signed(b"body", at=NOW + 9), b"body")
    assert message_of(signed(b"body"), b"body") != message_of(signed(b"body", message_id=b"msg_2"), b"body")
    assert message_of(signed(b"body"), b"body") != message_of(signed(b"other"), b"other")
