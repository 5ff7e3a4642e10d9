"""The arithmetic of snowflake ids."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import example, given
from hypothesis import strategies as st

from database import snowflake

moments = st.datetimes(  # hypothesis adds the zone
    datetime(2010, 11, 5),  # noqa: DTZ001
    datetime(2079, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)
ids = st.integers(0, snowflake.MAX_ID)


def test_the_layout_is_that_of_the_published_source() -> None:
    """``((ms - 1288834974657) << 22) | machine << 12 | sequence``: an id made by hand says its time."""
    milliseconds = 1_755_157_066_123
    by_hand = ((milliseconds - 1_288_834_974_657) << 22) | (378 << 12) | 7
    assert snowflake.unix_ms(by_hand) == milliseconds
    assert snowflake.at(by_hand) == datetime(2025, 8, 14, 7, 37, 46, 123_000, tzinfo=UTC)


@given(moments)
def test_the_floor_of_a_moment_is_in_its_millisecond_and_the_id_before_it_is_not(moment: datetime) -> None:
    floor = snowflake.floor(moment)
    whole = moment - timedelta(microseconds=moment.microsecond % 1_000)
    assert snowflake.at(floor) == whole
    assert snowflake.at(floor - 1) == whole - timedelta(milliseconds=1)


@given(moments, moments, ids)
def test_a_range_of_ids_is_a_range_of_milliseconds(start: datetime, end: datetime, number: int) -> None:
    whole = [moment.replace(microsecond=moment.microsecond // 1_000 * 1_000) for moment in (start, end)]
    if snowflake.unix_ms(number) < snowflake.to_unix_ms(datetime(2200, 1, 1, tzinfo=UTC)):
        is_in_range = whole[0] <= snowflake.at(number) < whole[1]
        assert is_in_range == (snowflake.floor(whole[0]) <= number < snowflake.floor(whole[1]))


@given(st.integers(-62_135_596_800_000, 253_402_300_799_999))
@example(253_402_300_799_999)
def test_milliseconds_survive_the_way_to_a_datetime_and_back(milliseconds: int) -> None:
    """Floating point would lose milliseconds of the far future."""
    assert snowflake.to_unix_ms(snowflake.from_unix_ms(milliseconds)) == milliseconds


@given(moments)
def test_the_zone_of_a_moment_does_not_matter(moment: datetime) -> None:
    elsewhere = moment.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert snowflake.floor(elsewhere) == snowflake.floor(moment)


def test_moments_before_the_epoch_have_the_floor_zero() -> None:
    assert snowflake.floor(datetime(2006, 3, 21, tzinfo=UTC)) == 0


def test_moments_after_the_last_id_have_the_largest_one_for_a_floor() -> None:
    assert snowflake.floor(datetime(2080, 7, 10, tzinfo=UTC)) < snowflake.MAX_ID
    for year in (2081, 4987, 9999):
        assert snowflake.floor(datetime(year, 12, 31, tzinfo=UTC)) == snowflake.MAX_ID


def test_ids_below_the_first_clocked_one_hold_no_time() -> None:
    assert not snowflake.has_time(29_700_859_246)
    assert snowflake.has_time(29_700_859_247)
