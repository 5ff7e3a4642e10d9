"""Spans of time, and the ranges of tweet ids that they are.

Belongs here: turning times into ids, so that PostgreSQL reads the partitions of the span alone.
Does not belong here: the present time (it is passed in), SQL.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from database import snowflake
from datalayer.errors import InvalidQueryError

CLOCKED_SINCE = datetime(2010, 11, 6, tzinfo=UTC)
"""Before this moment ids hold no time (``core.first_tweet_id_of`` says the same): such tweets share one range."""

# Beyond these lies no tweet. Python's first and last days overflow in other zones, and PostgreSQL knows fewer zones.
_EARLIEST = datetime(1, 1, 2, tzinfo=UTC)
_LATEST = snowflake.at(snowflake.MAX_ID)

MAX_HOURS = 24 * 400
"""Thirteen months, the retention of the tweets, and a little more."""

TRENDING_WINDOWS = {"1h": 1, "6h": 6, "24h": 24, "7d": 168}
"""Names of the trending windows and their length in hours."""


@dataclass(frozen=True)
class IdRange:
    """Tweet ids from ``first`` up to, but not including, ``end``."""

    first: int = 0
    end: int = snowflake.MAX_ID


@dataclass(frozen=True)
class Span:
    """The time from ``since`` up to, but not including, ``until``, in UTC; None leaves a side open."""

    since: datetime | None = None
    until: datetime | None = None

    def __post_init__(self) -> None:
        for moment in (self.since, self.until):
            if moment is not None and moment.tzinfo is None:
                raise InvalidQueryError(f"{moment.isoformat()} has no time zone: add one, such as Z")
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise InvalidQueryError("since must lie before until")
        for side, moment in (("since", self.since), ("until", self.until)):
            if moment is not None:
                object.__setattr__(self, side, min(max(moment, _EARLIEST), _LATEST).astimezone(UTC))

    @property
    def ids(self) -> IdRange:
        """The ids that tweets of this span can have. Pruning is exact for every id that holds a time."""
        first = 0 if self.since is None or self.since < CLOCKED_SINCE else snowflake.floor(_whole(self.since))
        end = snowflake.MAX_ID if self.until is None else snowflake.floor(max(_whole(self.until), CLOCKED_SINCE))
        return IdRange(first, end)


ALL_TIME = Span()


def last(length: timedelta, now: datetime) -> Span:
    """Return the span of ``length`` that ends at ``now``; open at its end, so that nothing just posted is missed."""
    if length <= timedelta(0):
        raise InvalidQueryError("a window must be longer than nothing")
    try:
        return Span(since=now - length)
    except OverflowError:
        return ALL_TIME


@dataclass(frozen=True)
class Hours:
    """Whole hours of UTC and the whole days among them, from ``days_begin`` up to, but not including, ``days_end``.

    Where no day is whole, both are the hour after the last one, so that all hours lie before the days.
    """

    first_hour: datetime
    last_hour: datetime
    days_begin: datetime
    days_end: datetime


def last_hours(now: datetime, hours: int) -> Hours:
    """Return the last ``hours`` hours, the open one among them. It ends a day only at the stroke of the next."""
    if not 1 <= hours <= MAX_HOURS:
        raise InvalidQueryError(f"a window has 1 to {MAX_HOURS} hours, not {hours}")
    last_hour = hour_of(now)
    first_hour = last_hour - timedelta(hours=hours - 1)
    end = last_hour + timedelta(hours=1)
    begin_of_days = _midnight(first_hour + timedelta(hours=23))
    end_of_days = _midnight(end)
    if begin_of_days >= end_of_days:
        return Hours(first_hour, last_hour, end, end)
    return Hours(first_hour, last_hour, begin_of_days, end_of_days)


def hour_of(moment: datetime) -> datetime:
    """Return the beginning of a moment's hour, in UTC."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0)


def _whole(moment: datetime) -> datetime:
    """Round a time up to the next millisecond, which is the finest that an id holds."""
    beyond = moment.microsecond % 1000
    return moment if beyond == 0 else moment + timedelta(microseconds=1000 - beyond)
