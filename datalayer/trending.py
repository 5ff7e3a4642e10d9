"""Trending hashtags of a zone, by volume and by lift.

Belongs here: which tags are used now, and how that differs from before.
Does not belong here: tweets with a tag (``tweets.search_by_hashtag``), tags beside a tag (``entities``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from database import normal_forms
from datalayer import rows
from datalayer.errors import InvalidQueryError
from datalayer.rows import Connection
from datalayer.windows import TRENDING_WINDOWS, hour_of

Window = Literal["1h", "6h", "24h", "7d"]
OrderBy = Literal["tweet_count", "lift"]
EntityType = Literal["hashtag", "mention", "url"]
EntityOrderBy = Literal["score", "tweet_count"]

MAX_LIMIT = 100
_CANDIDATES_FOR_LIFT = 100
"""Lift is compared among a window's 100 most used tags: below that it is the noise of small numbers."""

_MORE_CANDIDATES = 10
"""Places below the last one that is shown which a tag may have risen from between the mart's window and this one."""

_LEAST_BASELINE_HOURS = 24


@dataclass(frozen=True, slots=True)
class TrendingHashtag:
    """A hashtag in a window of time.

    ``lift`` compares with the span before the window (at least 24 h, brought to the window's length):
    ``(tweet_count + 1) / (expected + 1)``, so that 1 is "as always" and a new tag is as high as its volume.
    """

    hashtag: str
    original_hashtag: str
    tweet_count: int
    unique_authors: int
    total_engagement: int | None
    last_used_at: datetime
    sample_tweets: tuple[int, ...]
    expected_tweet_count: float
    lift: float


@dataclass(frozen=True, slots=True)
class TrendingEntity:
    """A hashtag, a mention or a link's host in a window, against its own baseline.

    ``score`` is how many standard deviations it stands above what was to be expected, times the share of all but its
    loudest author: it tells what rises, whatever its size. ``is_new``: the baseline does not know it.
    """

    entity_value: str
    tweet_count: int
    unique_authors: int
    loudest_author_share: float
    expected_tweet_count: float
    lift: float
    score: float
    started_at: datetime
    peaked_at: datetime
    is_new: bool


@dataclass(frozen=True, slots=True)
class HashtagHour:
    """The use of a hashtag in an hour."""

    hour: datetime
    tweet_count: int
    unique_authors: int


def get_trending_hashtags(
    connection: Connection,
    zone_id: UUID,
    *,
    now: datetime,
    limit: int = 20,
    window: Window = "24h",
    order_by: OrderBy = "tweet_count",
) -> tuple[TrendingHashtag, ...]:
    """Return a zone's hashtags of a window, the most used or the most risen first; equals by their normal form.

    A window is whole hours and the open one. 24 h is the mart as it was built; ``now`` should be its ``as_of``, so that
    the baseline is the span before the same window.
    """
    hours = TRENDING_WINDOWS.get(window)
    if hours is None:
        raise InvalidQueryError(f"window is one of {', '.join(TRENDING_WINDOWS)}, not {window!r}")
    if order_by not in ("tweet_count", "lift"):
        raise InvalidQueryError(f"order_by is tweet_count or lift, not {order_by!r}")
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidQueryError(f"limit must lie between 1 and {MAX_LIMIT}, not {limit}")
    last_hour = hour_of(now)
    first_hour = last_hour - timedelta(hours=hours - 1)
    baseline_hours = max(hours, _LEAST_BASELINE_HOURS)
    asked: dict[str, Any] = {
        "zone_id": zone_id,
        "first_hour": first_hour,
        "last_hour": last_hour,
        "baseline_first_hour": first_hour - timedelta(hours=baseline_hours),
        "candidate_limit": limit if order_by == "tweet_count" else max(limit, _CANDIDATES_FOR_LIFT),
    }
    if window == "24h":
        found = rows.all_rows(connection, "trending", "trending_24h", asked)
    else:
        asked["hashtags"] = _candidates(connection, window, asked)
        found = rows.all_rows(connection, "trending", "trending_window", asked, prepare=False)
    tags = [_with_lift(row, hours / baseline_hours) for row in found]
    if order_by == "lift":
        tags.sort(key=lambda tag: (-tag.lift, -tag.tweet_count, tag.hashtag))
    return tuple(tags[:limit])


def get_trending_entities(
    connection: Connection,
    zone_id: UUID,
    entity_type: EntityType,
    *,
    limit: int = 20,
    window: Window = "24h",
    order_by: EntityOrderBy = "score",
) -> tuple[TrendingEntity, ...]:
    """Return a zone's hashtags, mentions or link hosts of a window by how far they rise, or by how large they are.

    The window is the mart's: it ends at the last ten-minute mark before its build.
    """
    if entity_type not in ("hashtag", "mention", "url"):
        raise InvalidQueryError(f"entity_type is hashtag, mention or url, not {entity_type!r}")
    if window not in TRENDING_WINDOWS:
        raise InvalidQueryError(f"window is one of {', '.join(TRENDING_WINDOWS)}, not {window!r}")
    if order_by not in ("score", "tweet_count"):
        raise InvalidQueryError(f"order_by is score or tweet_count, not {order_by!r}")
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidQueryError(f"limit must lie between 1 and {MAX_LIMIT}, not {limit}")
    parameters = {"zone_id": zone_id, "entity_type": entity_type, "time_window": window, "limit": limit}
    statement = "entities_by_score" if order_by == "score" else "entities_by_tweet_count"
    return tuple(rows.all_records(connection, TrendingEntity, "trending", statement, parameters))


def get_hashtag_history(
    connection: Connection, zone_id: UUID, hashtag: str, *, now: datetime, hours: int = 48
) -> tuple[HashtagHour, ...]:
    """Return the use of a hashtag in each of the last ``hours`` hours; hours without it are 0."""
    if not 1 <= hours <= 24 * 31:
        raise InvalidQueryError(f"a hashtag's history shows 1 to 744 hours, not {hours}")
    last_hour = hour_of(now)
    parameters = {
        "zone_id": zone_id,
        "hashtag": normal_forms.hashtag(hashtag),
        "first_hour": last_hour - timedelta(hours=hours - 1),
        "last_hour": last_hour,
    }
    return tuple(rows.all_records(connection, HashtagHour, "trending", "hashtag_hourly", parameters))


def _candidates(connection: Connection, window: Window, asked: dict[str, Any]) -> list[str] | None:
    """Return tags with the most used ones of a window among them, None for all tags.

    Counting every use of seven days takes seconds in a loud zone. Where the mart lists enough tags of that window (its
    ends lie less than an hour apart), the first of those do; a shorter window is counted.
    """
    if TRENDING_WINDOWS[window] <= TRENDING_WINDOWS["24h"]:
        return None
    limit = asked["candidate_limit"] + _MORE_CANDIDATES
    of_mart = {"zone_id": asked["zone_id"], "entity_type": "hashtag", "time_window": window, "limit": limit}
    listed = rows.all_rows(connection, "trending", "entities_by_tweet_count", of_mart)
    return [row["entity_value"] for row in listed] if len(listed) == limit else None


def _with_lift(row: dict[str, Any], share_of_baseline: float) -> TrendingHashtag:
    expected = row["baseline_tweet_count"] * share_of_baseline
    return TrendingHashtag(
        hashtag=row["hashtag"],
        original_hashtag=row["original_hashtag"],
        tweet_count=row["tweet_count"],
        unique_authors=row["unique_authors"],
        total_engagement=row["total_engagement"],
        last_used_at=row["last_used_at"],
        sample_tweets=tuple(int(tweet_id) for tweet_id in row["sample_tweets"]),
        expected_tweet_count=round(expected, 2),
        lift=round((row["tweet_count"] + 1) / (expected + 1), 2),
    )
