"""Ids of deliveries: they hold their time, grow, and survive clocks that do not."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from database import snowflake
from ingest.delivery import MAX_STEP_BACK_MS, PROCESS_BITS, SEQUENCE_BITS, DeliveryIds

NOW_MS = 1_773_489_600_000


def test_an_id_holds_the_millisecond_of_its_receipt() -> None:
    assert snowflake.unix_ms(DeliveryIds().next(NOW_MS)) == NOW_MS


@given(st.lists(st.integers(-MAX_STEP_BACK_MS // 20, 50), min_size=2, max_size=20))
def test_ids_grow_strictly_though_the_clock_steps_back_a_little(steps: list[int]) -> None:
    ids, now, made = DeliveryIds(), NOW_MS, []
    for step in steps:
        now += step
        made.append(ids.next(now))
    assert made == sorted(set(made))


def test_a_millisecond_that_is_full_spills_into_the_next() -> None:
    ids = DeliveryIds()
    made = [ids.next(NOW_MS) for _ in range((1 << SEQUENCE_BITS) + 1)]
    assert made == sorted(set(made))
    assert snowflake.unix_ms(made[-1]) == NOW_MS + 1


def test_ids_follow_a_clock_that_was_far_ahead_back_to_the_present() -> None:
    ids = DeliveryIds()
    ids.next(NOW_MS + 365 * 86_400_000)
    assert 0 <= snowflake.unix_ms(ids.next(NOW_MS)) - NOW_MS <= 1


@given(st.integers(0, (1 << PROCESS_BITS) - 1), st.integers(0, (1 << PROCESS_BITS) - 1))
def test_ids_grow_across_a_renewal_whatever_is_drawn(first: int, second: int) -> None:
    drawn = iter([first, second])
    ids = DeliveryIds(lambda: next(drawn))
    before = ids.next(NOW_MS)
    ids.renew()
    assert ids.next(NOW_MS) > before


def test_processes_with_other_bits_never_make_the_same_id() -> None:
    one, other = DeliveryIds(lambda: 1), DeliveryIds(lambda: 2)
    assert {one.next(NOW_MS) for _ in range(5_000)}.isdisjoint(other.next(NOW_MS) for _ in range(5_000))


@given(st.integers(0, snowflake.unix_ms(snowflake.MAX_ID)))
def test_an_id_is_a_positive_bigint_until_the_bits_of_the_clock_run_out_in_2080(now_ms: int) -> None:
    assert 0 <= DeliveryIds().next(now_ms) <= snowflake.MAX_ID
