"""Numbers about a zone: its volume over time and its top users.

Belongs here: what the marts hold, as records.
Does not belong here: trending (``trending``), lists of tweets (``tweets``).

The marts are as fresh as ``freshness`` says; windows end at the hour that was open when they were built, not now.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from datalayer import rows
from datalayer.errors import InvalidQueryError
from datalayer.rows import Connection
from datalayer.windows import MAX_HOURS, hour_of

MAX_LIMIT = 200

OrderBy = Literal["engagement", "tweet_count", "followers"]
KeptWindow = Literal["24h", "7d", "30d"]
KEPT_WINDOWS: tuple[KeptWindow, ...] = ("24h", "7d", "30d")

_STATEMENT_OF_ORDER: dict[OrderBy, str] = {
    "engagement": "top_users_by_engagement",
    "tweet_count": "top_users_by_tweet_count",
    "followers": "top_users_by_followers",
}


@dataclass(frozen=True, slots=True)
class VolumePoint:
    """An hour or a day of a zone. Counts that are None are unknown: nobody listened, or the mart is not that far.

    ``is_complete`` says whether the bucket was over when the mart was built: do not compare one that was not.
    ``is_covered`` says whether somebody listened from end to end: where not, a count is the least it can be.
    """

    bucket: datetime
    total_tweets: int | None
    unique_authors: int | None
    total_engagement: int | None
    avg_engagement: float | None
    tweets_with_media: int | None
    tweets_with_links: int | None
    reply_tweets: int | None
    avg_sentiment: float | None
    is_complete: bool | None
    is_covered: bool


@dataclass(frozen=True, slots=True)
class TopUser:
    """An account with what its tweets in a zone add up to."""

    profile_id: int
    username: str | None
    name: str | None
    profile_picture_url: str | None
    is_verified: bool | None
    is_blue_verified: bool | None
    followers_count: int | None
    tweet_count: int
    total_engagement: int | None
    avg_engagement: float | None
    last_tweet_at: datetime


@dataclass(frozen=True, slots=True)
class ZoneSummary:
    """What a zone's whole hours of a window add up to, beside the window before it."""

    hours: int
    total_tweets: int | None
    total_engagement: int | None
    total_views: int | None
    tweets_with_media: int | None
    tweets_with_links: int | None
    reply_tweets: int | None
    previous_total_tweets: int | None
    previous_total_engagement: int | None


def get_volume_chart(
    connection: Connection, zone_id: UUID, *, now: datetime, hours: int = 24
) -> tuple[VolumePoint, ...]:
    """Return one point for each of the last ``hours`` hours, the open one last, whether there were tweets or not."""
    last_hour = hour_of(now)
    parameters = {
        "zone_id": zone_id,
        "first_hour": last_hour - timedelta(hours=_checked_hours(hours) - 1),
        "last_hour": last_hour,
    }
    return tuple(rows.all_records(connection, VolumePoint, "analytics", "volume_hourly", parameters))


def get_daily_volume_chart(
    connection: Connection, zone_id: UUID, *, now: datetime, days: int = 30, timezone: str = "UTC"
) -> tuple[VolumePoint, ...]:
    """Return one point for each of the last ``days`` days of a time zone, today last.

    A day with an unknown hour is the sum of the others. ``unique_authors`` stays None: it cannot be added up.
    """
    _checked_hours(days * 24)
    try:
        zone = ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise InvalidQueryError(f"{timezone!r} is no time zone: use a name such as Europe/Berlin") from error
    today = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    first = datetime.combine(today.date() - timedelta(days=days - 1), today.time(), zone)
    parameters = {
        "zone_id": zone_id,
        "timezone": timezone,
        "first_hour": hour_of(first),
        "last_hour": hour_of(now),
    }
    return tuple(rows.all_records(connection, VolumePoint, "analytics", "volume_daily", parameters))


def get_top_users(
    connection: Connection, zone_id: UUID, *, limit: int = 10, order_by: OrderBy = "engagement"
) -> tuple[TopUser, ...]:
    """Return the accounts of a zone with the most engagement, tweets or followers, over all retained tweets.

    Unknown amounts come last, equals go to the smaller id.
    """
    statement = _STATEMENT_OF_ORDER.get(order_by)
    if statement is None:
        raise InvalidQueryError(f"order_by is one of {', '.join(_STATEMENT_OF_ORDER)}, not {order_by!r}")
    parameters = {"zone_id": zone_id, "limit": _checked_limit(limit)}
    return tuple(rows.all_records(connection, TopUser, "analytics", statement, parameters))


def get_top_users_of_window(
    connection: Connection,
    zone_id: UUID,
    *,
    now: datetime,
    hours: int = 24,
    limit: int = 10,
    order_by: OrderBy = "engagement",
) -> tuple[TopUser, ...]:
    """Return the same list over the last ``hours`` hours, the open one included."""
    if order_by not in _STATEMENT_OF_ORDER:
        raise InvalidQueryError(f"order_by is one of {', '.join(_STATEMENT_OF_ORDER)}, not {order_by!r}")
    last_hour = hour_of(now)
    parameters = {
        "zone_id": zone_id,
        "first_hour": last_hour - timedelta(hours=_checked_hours(hours) - 1),
        "last_hour": last_hour,
        "limit": _checked_limit(limit),
        "order_by": order_by,
    }
    return tuple(rows.all_records(connection, TopUser, "analytics", "top_users_of_window", parameters))


def get_top_users_of_kept_window(
    connection: Connection,
    zone_id: UUID,
    window: KeptWindow,
    *,
    limit: int = 10,
    order_by: OrderBy = "engagement",
) -> tuple[TopUser, ...]:
    """Return the same list over a window that a mart keeps; it ends at the hour that was open at its build."""
    if order_by not in _STATEMENT_OF_ORDER:
        raise InvalidQueryError(f"order_by is one of {', '.join(_STATEMENT_OF_ORDER)}, not {order_by!r}")
    if window not in KEPT_WINDOWS:
        raise InvalidQueryError(f"window is one of {', '.join(KEPT_WINDOWS)}, not {window!r}")
    parameters = {"zone_id": zone_id, "time_window": window, "limit": _checked_limit(limit), "order_by": order_by}
    return tuple(rows.all_records(connection, TopUser, "analytics", "top_users_of_kept_window", parameters))


def get_zone_summary(connection: Connection, zone_id: UUID, *, now: datetime, hours: int = 24) -> ZoneSummary:
    """Return the sums of the last ``hours`` whole hours, and of as many before them to compare with."""
    end = hour_of(now)
    length = timedelta(hours=_checked_hours(hours))
    present = _sums(connection, zone_id, end - length, end)
    previous = _sums(connection, zone_id, end - 2 * length, end - length)
    return ZoneSummary(
        hours=hours,
        total_tweets=present["total_tweets"],
        total_engagement=present["total_engagement"],
        total_views=present["total_views"],
        tweets_with_media=present["tweets_with_media"],
        tweets_with_links=present["tweets_with_links"],
        reply_tweets=present["reply_tweets"],
        previous_total_tweets=previous["total_tweets"],
        previous_total_engagement=previous["total_engagement"],
    )


def _sums(connection: Connection, zone_id: UUID, first_hour: datetime, end_hour: datetime) -> dict[str, int | None]:
    parameters = {"zone_id": zone_id, "first_hour": first_hour, "end_hour": end_hour}
    row = rows.one_row(connection, "analytics", "zone_summary", parameters)
    assert row is not None  # noqa: S101 -- a sum without a group has one row
    return row


def _checked_hours(hours: int) -> int:
    if not 1 <= hours <= MAX_HOURS:
        raise InvalidQueryError(f"a chart shows 1 to {MAX_HOURS} hours, not {hours}")
    return hours


def _checked_limit(limit: int) -> int:
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidQueryError(f"limit must lie between 1 and {MAX_LIMIT}, not {limit}")
    return limit
