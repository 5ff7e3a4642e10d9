"""The grid of engagement snapshots: arithmetic alone."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from database import snowflake
from ingest.engagement import grid
from ingest.engagement.grid import AGES, HOUR_MS, Outcome, Tier

NOW_MS = 1_790_000_000_000
moments = st.integers(NOW_MS - 400 * HOUR_MS, NOW_MS + 400 * HOUR_MS)
spans = st.tuples(moments, moments).map(lambda pair: (min(pair), max(pair)))


def test_the_grid_is_hourly_for_a_day_then_six_hourly_for_two_then_daily_until_a_week() -> None:
    hours = [age // HOUR_MS for age in AGES]
    assert hours == [*range(1, 25), 30, 36, 42, 48, 54, 60, 66, 72, 96, 120, 144, 168]
    tiers = [due.tier for due in grid.due_in(NOW_MS, NOW_MS, NOW_MS + 200 * HOUR_MS)]
    assert tiers == [Tier.HOURLY] * 24 + [Tier.SIX_HOURLY] * 8 + [Tier.DAILY] * 4


@given(created=moments, span=spans)
def test_a_tweet_is_due_at_its_creation_plus_an_age_and_at_no_other_time(created: int, span: tuple[int, int]) -> None:
    after, until = span
    expected = [created + age for age in AGES if after < created + age <= until]
    assert [due.at_ms for due in grid.due_in(created, after, until)] == expected


@given(created=moments, span=spans, cut=moments)
def test_spans_that_adjoin_make_a_snapshot_due_once(created: int, span: tuple[int, int], cut: int) -> None:
    """T33: however the runs are spaced, nothing is due twice and nothing is forgotten."""
    after, until = span
    cut = min(max(cut, after), until)
    parts = grid.due_in(created, after, cut) + grid.due_in(created, cut, until)
    assert parts == grid.due_in(created, after, until)


@given(created=moments, span=spans)
def test_the_ranges_hold_exactly_the_tweets_that_are_due(created: int, span: tuple[int, int]) -> None:
    ranges = grid.created_ranges(*span)
    assert any(since <= created < before for since, before in ranges) == bool(grid.due_in(created, *span))
    tweet_id = snowflake.floor(snowflake.from_unix_ms(created)) | 12_345
    assert any(held.lower <= tweet_id < held.upper for held in grid.due_ids(*span)) == bool(grid.due_in(created, *span))


@given(span=spans)
def test_the_ranges_do_not_overlap_and_are_no_more_than_the_ages(span: tuple[int, int]) -> None:
    ranges = grid.due_ids(*span)
    assert len(ranges) <= len(AGES)
    assert all(before.upper < after.lower for before, after in itertools.pairwise(ranges))


def test_an_empty_span_makes_nothing_due() -> None:
    assert grid.due_ids(NOW_MS, NOW_MS) == []
    assert grid.due_in(NOW_MS - HOUR_MS, NOW_MS, NOW_MS) == []


def test_ids_without_a_time_are_never_due() -> None:
    far_back = snowflake.EPOCH_MS + 10 * HOUR_MS
    assert all(held.lower >= snowflake.FIRST_SNOWFLAKE_TWEET_ID for held in grid.due_ids(far_back - HOUR_MS, far_back))


@given(created=moments, observed=st.lists(moments, max_size=6), absent=st.lists(moments, max_size=3))
def test_an_observation_counts_for_the_snapshot_that_was_due_last_before_it(
    created: int, observed: list[int], absent: list[int]
) -> None:
    dues = grid.due_in(created, created, created + 400 * HOUR_MS)
    outcomes = grid.outcomes(dues, sorted(observed), absent)
    for index, (due, outcome) in enumerate(zip(dues, outcomes, strict=True)):
        end = dues[index + 1].at_ms if index + 1 < len(dues) else 1 << 62
        if any(due.at_ms <= moment < end for moment in observed):
            assert outcome is Outcome.TAKEN
        elif any(due.at_ms <= moment < end for moment in absent):
            assert outcome is Outcome.ABSENT
        else:
            assert outcome is Outcome.MISSED


def test_one_catch_up_after_an_outage_takes_one_and_misses_the_others() -> None:
    created = NOW_MS
    dues = grid.due_in(created, created + 2 * HOUR_MS, created + 7 * HOUR_MS)
    outcomes = grid.outcomes(dues, [created + 7 * HOUR_MS + 60_000], [])
    assert outcomes == [Outcome.MISSED] * 4 + [Outcome.TAKEN]
