"""Reading what the strict decoder refuses."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ingest.normalise import lenient, payload
from tests.unit import payloads


def refuse_nothing(value: Any) -> None:
    try:
        bent = lenient.bend(value, payload.Tweet)
    except lenient.Unreadable:
        return
    assert bent is None or isinstance(bent, payload.Tweet)


@given(st.binary(max_size=200) | payloads.damaged(payloads.encoded(payloads.tweet())))
@example(b"[" * 100_000)
@example(b'{"a":' * 100_000)
@example(b"9" * 5_000)
@example(b"\xef\xbb\xbf{}")
@example(b"NaN")
def test_whatever_the_bytes_parsing_gives_a_value_or_says_unreadable(raw: bytes) -> None:
    for parse in (lenient.parse, lenient.parse_clean):
        with contextlib.suppress(lenient.Unreadable):
            parse(raw)


@given(payloads.json_values | payloads.broken(payloads.tweet(quoted_tweet=payloads.tweet(sequence=2))))
def test_whatever_the_value_bending_gives_a_tweet_or_nothing(value: Any) -> None:
    refuse_nothing(value)
    refuse_nothing({"id": "1", "text": "words", "retweeted_tweet": value, "entities": value, "author": value})


@pytest.mark.parametrize("depth", [10, 100, 250, 300, 400, 500, 900])
def test_deep_nesting_is_unreadable_at_worst(depth: int) -> None:
    """Bending needs more stack than parsing: a depth between the two once escaped as RecursionError."""
    value: Any = None
    for _ in range(depth):
        value = {"id": "1", "text": 7, "retweeted_tweet": value}
    refuse_nothing(value)


@given(payloads.json_values)
def test_cleaned_text_can_be_stored_and_was_changed_only_where_it_could_not(value: Any) -> None:
    """T9, provider facts 6.1 and 6.2: PostgreSQL takes neither NUL nor half a surrogate pair."""
    raw = json.dumps(value).encode()
    cleaned, is_sanitised = lenient.parse_clean(raw)
    text = json.dumps(cleaned, ensure_ascii=False)
    assert "\\u0000" not in text.replace("\\\\", "")
    text.encode("utf-8")
    if not is_sanitised:
        assert json.dumps(cleaned) == json.dumps(json.loads(raw))


@pytest.mark.parametrize(
    ("raw", "value", "is_sanitised"),
    [
        (rb'"a\u0000b"', "ab", True),
        (b'"a\x00b"', "ab", True),
        (rb'"a\ud83db"', "a\ufffdb", True),
        (rb'"a\ud83d\ude02b"', "a\N{FACE WITH TEARS OF JOY}b", False),
        (b'"a\xffb"', "a\ufffdb", True),
        (rb'{"a\u0000": [1]}', {"a": [1]}, True),
        (b'"a\tb"', "a\tb", False),
        (b'\xef\xbb\xbf"a"', "a", False),
        ('"a\u0081"'.encode(), "a\u0081", False),
    ],
)
def test_only_what_postgresql_cannot_store_is_replaced(raw: bytes, value: Any, *, is_sanitised: bool) -> None:
    assert lenient.parse_clean(raw) == (value, is_sanitised)


class Shape(msgspec.Struct):
    number: int | None = None
    text: str | None = None
    flag: bool | None = None
    indices: tuple[int, int] | None = None
    numbers: list[int] | None = None
    raw: msgspec.Raw | None = None


@pytest.mark.parametrize(
    ("field", "value", "bent"),
    [
        ("number", [0], None),
        ("number", "", None),
        ("number", None, None),
        ("number", "12", 12),
        ("number", " -3 ", -3),
        ("number", "--3", None),
        ("number", 12.0, 12),
        ("number", 12.5, None),
        ("number", True, None),
        ("number", 2**63, None),
        ("number", "9" * 5_000, None),
        ("number", float("inf"), None),
        ("text", 12, "12"),
        ("text", 1.5, None),
        ("text", True, None),
        ("text", {}, None),
        ("flag", "true", True),
        ("flag", "no", None),
        ("flag", 1, True),
        ("flag", 0, False),
        ("flag", [], None),
        ("indices", [3, 7], (3, 7)),
        ("indices", [3], None),
        ("indices", {"0": 3, "1": 7}, None),
        ("numbers", {}, None),
        ("numbers", [1, "x", "2", None], [1, 2]),
        ("raw", 10**40, msgspec.Raw(b"1" + b"0" * 40)),
    ],
)
def test_a_field_of_another_type_is_bent_or_unknown(field: str, value: Any, bent: Any) -> None:
    """Provider facts 1.2, 6.3 and 6.16: ``[0]``, "", null, numbers as text, objects as arrays."""
    shape = lenient.bend({field: value}, Shape)
    assert shape is not None
    assert getattr(shape, field) == bent
