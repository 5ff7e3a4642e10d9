"""Bodies within bounds: content-encodings are undone exactly, bombs and cut-off streams are refused."""

from __future__ import annotations

import gzip
import zlib

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from ingest.bodies import Allowance, Budget, RefusedBodyError, undo_encoding
from ingest.outcomes import Reason


def raw_deflate(body: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(body) + compressor.flush()


def streamed_zstd(body: bytes) -> bytes:
    compressor = zstandard.ZstdCompressor().compressobj()
    return compressor.compress(body) + compressor.flush()


ENCODERS = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": streamed_zstd,
}


def refusal(encoding: str, body: bytes, max_bytes: int = 1_000) -> Reason:
    with pytest.raises(RefusedBodyError) as refused:
        undo_encoding(encoding, body, max_bytes=max_bytes)
    return refused.value.reason


@given(st.binary(max_size=500))
def test_every_encoding_gives_back_the_bytes_that_were_encoded(body: bytes) -> None:
    for encoding, encode in ENCODERS.items():
        assert undo_encoding(encoding, encode(body), max_bytes=500) == body
    assert undo_encoding("zstd", zstandard.compress(body), max_bytes=500) == body
    assert undo_encoding("identity", body, max_bytes=500) == body


@given(st.binary(min_size=1, max_size=500))
def test_deflate_without_its_header_is_understood_too(body: bytes) -> None:
    encoded = raw_deflate(body)
    if not (encoded[0] & 0x0F == 8 and int.from_bytes(encoded[:2], "big") % 31 == 0):
        assert undo_encoding("deflate", encoded, max_bytes=500) == body


def test_a_gzip_file_of_several_members_is_one_body() -> None:
    assert undo_encoding("gzip", gzip.compress(b"one ") + gzip.compress(b"two"), max_bytes=7) == b"one two"


@pytest.mark.parametrize("encoding", ENCODERS)
def test_a_bomb_is_refused_without_being_unpacked(encoding: str) -> None:
    bomb = ENCODERS[encoding](bytes(50_000_000))
    assert len(bomb) < 60_000
    assert refusal(encoding, bomb) is Reason.DECOMPRESSED_BODY_TOO_LARGE


def test_members_of_a_gzip_file_share_one_bound() -> None:
    assert refusal("gzip", gzip.compress(bytes(600)) * 2) is Reason.DECOMPRESSED_BODY_TOO_LARGE


def test_a_zstd_window_of_a_gigabyte_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=27, enable_ldm=True)
    frame = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    assert refusal("zstd", frame.compress(b"body") + frame.flush()) is Reason.UNREADABLE_ENCODING


@pytest.mark.parametrize("encoding", ENCODERS)
def test_a_stream_that_is_cut_off_is_never_taken_for_a_whole_one(encoding: str) -> None:
    encoded = ENCODERS[encoding](bytes(range(256)) * 2)
    for length in range(len(encoded)):
        assert refusal(encoding, encoded[:length]) is Reason.UNREADABLE_ENCODING


@pytest.mark.parametrize("encoding", ENCODERS)
def test_bytes_after_the_end_of_a_stream_are_refused(encoding: str) -> None:
    assert refusal(encoding, ENCODERS[encoding](b"body") + b"more") is Reason.UNREADABLE_ENCODING


@given(st.binary(max_size=200), st.sampled_from(sorted(ENCODERS)))
def test_any_bytes_are_decoded_or_refused_and_nothing_else_is_raised(body: bytes, encoding: str) -> None:
    try:
        assert len(undo_encoding(encoding, body, max_bytes=1_000)) <= 1_000
    except RefusedBodyError:
        return


@pytest.mark.parametrize("encoding", ["br", "gzip, gzip", "compress", "utf-8"])
def test_encodings_that_are_not_offered_are_named_as_such(encoding: str) -> None:
    assert refusal(encoding, b"") is Reason.UNSUPPORTED_ENCODING


def test_requests_share_a_budget_and_give_back_what_they_took() -> None:
    budget = Budget(10)
    one, other = Allowance(budget), Allowance(budget)
    one.take(6)
    with pytest.raises(RefusedBodyError):
        other.take(5)
    one.release()
    other.take(10)
    other.release()
    other.release()
    assert budget.used_bytes == 0
