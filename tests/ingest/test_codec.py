"""The codec of bodies: exact, bounded, and honest about frames it cannot read."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from database.codec import NO_DICTIONARY, Codec, UnknownDictionaryError, UnreadableFrameError

SAMPLES = [
    json.dumps({"id": str(n), "text": f"words {n * 7}", "author": {"userName": f"writer_{n}"}}).encode()
    for n in range(900)
]
DICTIONARY = zstandard.train_dictionary(2_048, SAMPLES).as_bytes()
PLAIN = Codec({})
TRAINED = Codec({7: DICTIONARY}, current=7)


@given(st.binary() | st.sampled_from(SAMPLES))
def test_what_was_compressed_comes_back_byte_for_byte(body: bytes) -> None:
    for codec in (PLAIN, TRAINED):
        assert codec.decompress(codec.compress(body), codec.current) == body


def test_a_codec_with_a_newer_dictionary_reads_what_was_written_before_it() -> None:
    assert TRAINED.decompress(PLAIN.compress(SAMPLES[0]), NO_DICTIONARY) == SAMPLES[0]


def test_a_dictionary_makes_a_small_body_smaller() -> None:
    assert len(TRAINED.compress(SAMPLES[5])) < len(PLAIN.compress(SAMPLES[5])) / 2


def test_a_dictionary_that_is_not_known_is_named() -> None:
    with pytest.raises(UnknownDictionaryError, match="no compression dictionary 7"):
        PLAIN.decompress(TRAINED.compress(SAMPLES[0]), 7)
    with pytest.raises(UnknownDictionaryError):
        Codec({}, current=1)


@given(st.binary())
def test_bytes_that_are_no_frame_are_told_apart(stored: bytes) -> None:
    with pytest.raises(UnreadableFrameError):
        PLAIN.decompress(stored, NO_DICTIONARY)


@given(st.integers(0, 60))
def test_a_frame_that_was_damaged_is_not_read_as_something_else(position: int) -> None:
    body = bytes(range(256)) * 4
    frame = bytearray(PLAIN.compress(body))
    frame[position] ^= 0xFF
    try:
        assert PLAIN.decompress(bytes(frame), NO_DICTIONARY) == body
    except UnreadableFrameError:
        return


def test_a_frame_that_promises_more_than_the_bound_is_not_unpacked() -> None:
    with pytest.raises(UnreadableFrameError, match="promises 1000000 bytes"):
        PLAIN.decompress(PLAIN.compress(bytes(1_000_000)), NO_DICTIONARY, max_bytes=999_999)


def test_threads_may_share_a_codec() -> None:
    with ThreadPoolExecutor(8) as threads:
        results = threads.map(lambda body: TRAINED.decompress(TRAINED.compress(body), 7), SAMPLES * 5)
    assert list(results) == SAMPLES * 5
