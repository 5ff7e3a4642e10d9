"""Which monthly partitions there must be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from database import partitions, snowflake

moments = st.datetimes(  # hypothesis adds the zone
    datetime(2010, 12, 1),  # noqa: DTZ001
    datetime(2070, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)


@given(moments, st.integers(0, 40))
def test_months_are_whole_and_leave_no_gap(first: datetime, count: int) -> None:
    last = partitions.months_after(partitions.month_start(first), count)
    months = list(partitions.monthly(first, last))
    assert len(months) == count + 1
    assert months[0].lower == snowflake.floor(partitions.month_start(first))
    assert all(before.upper == after.lower for before, after in pairwise(months))
    assert all(snowflake.at(month.lower) == datetime.strptime(month.suffix + "+0000", "%Y_%m%z") for month in months)


@given(moments)
def test_a_tweet_of_a_moment_lies_in_the_partition_of_its_month(moment: datetime) -> None:
    (partition,) = partitions.monthly(moment, moment)
    assert partition.suffix == f"{moment:%Y_%m}"
    assert partition.lower <= snowflake.floor(moment) < partition.upper


@given(moments, st.integers(-60, 60))
def test_going_some_months_forth_and_back_ends_where_it_began(moment: datetime, count: int) -> None:
    month = partitions.month_start(moment)
    assert partitions.months_after(partitions.months_after(month, count), -count) == month


def test_the_month_of_a_moment_is_that_of_utc() -> None:
    """Midnight of the first in Kolkata is still the last day of the month before."""
    kolkata = timezone(timedelta(hours=5, minutes=30))
    assert partitions.month_start(datetime(2026, 3, 1, 1, tzinfo=kolkata)) == datetime(2026, 2, 1, tzinfo=UTC)


def test_the_bounds_of_the_year_are_crossed() -> None:
    suffixes = [
        month.suffix
        for month in partitions.monthly(datetime(2025, 11, 30, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))
    ]
    assert suffixes == ["2025_11", "2025_12", "2026_01", "2026_02"]
