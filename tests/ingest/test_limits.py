"""Rates and remembered messages: what a sender may do, in any order of events."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ingest.limits import Rates, Remembered

ONE, OTHER = ("v1_1", b"one"), ("v1_1", b"other")


@given(
    st.floats(0.1, 50),
    st.integers(1, 20),
    st.lists(st.floats(0, 3), min_size=1, max_size=100),
)
def test_no_span_of_time_holds_more_than_the_burst_and_its_rate(rate: float, burst: int, pauses: list[float]) -> None:
    rates = Rates(rate, burst)
    now, taken = 1_000.0, []
    for pause in pauses:
        now += pause
        if rates.spend(ONE, now) == 0.0:
            taken.append(now)
    for first, start in enumerate(taken):
        for last in range(first, len(taken)):
            assert last - first + 1 <= burst + rate * (taken[last] - start) + 1e-6


@given(st.floats(0.1, 50), st.integers(1, 5))
def test_who_waits_as_long_as_told_is_served(rate: float, burst: int) -> None:
    rates = Rates(rate, burst)
    for _ in range(burst):
        assert rates.spend(ONE, 5.0) == 0.0
    wait = rates.spend(ONE, 5.0)
    assert 0 < wait <= 1 / rate + 1e-9
    assert rates.spend(OTHER, 5.0) == 0.0
    assert rates.spend(ONE, 5.0 + wait + 1e-6) == 0.0


def test_a_clock_that_stands_or_goes_back_gives_no_tokens() -> None:
    rates = Rates(1.0, 1)
    assert rates.spend(ONE, 10.0) == 0.0
    assert rates.spend(ONE, 9.0) > 0
    assert rates.spend(ONE, 9.5) > 0


def test_without_a_rate_nobody_waits() -> None:
    rates = Rates(None, 1)
    assert {rates.spend(ONE, 0.0) for _ in range(100)} == {0.0}


def test_a_message_is_remembered_for_its_time_and_no_longer() -> None:
    remembered = Remembered(10)
    remembered.remember(b"m", (7, 3), 100.0)
    remembered.remember(b"m", (8, 3), 105.0)
    assert remembered.committed(b"m", 110.0) == (7, 3)
    assert remembered.committed(b"n", 110.0) is None
    assert remembered.committed(b"m", 110.1) is None
    assert len(remembered) == 0


@given(st.lists(st.tuples(st.integers(0, 30), st.floats(0, 2)), max_size=60))
def test_the_memory_is_bounded_whatever_comes(messages: list[tuple[int, float]]) -> None:
    remembered = Remembered(5, most=10)
    now = 0.0
    for number, pause in messages:
        now += pause
        remembered.remember(b"%d" % number, (number, 1), now)
        assert len(remembered) <= 10
    for number in range(31):
        assert remembered.committed(b"%d" % number, now) in (None, (number, 1))
