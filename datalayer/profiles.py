"""Accounts: one, many by search, the monitored ones, how they grow and how much they are heeded.

Belongs here: what is known of an account.
Does not belong here: its tweets (``tweets``), rankings of a zone (``analytics``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from database import edits
from datalayer import cursors, rows
from datalayer.errors import InvalidQueryError, NotFoundError
from datalayer.records import Page, Profile
from datalayer.rows import Connection
from datalayer.windows import Span
from datalayer.zones import act_as

MAX_LIMIT = 200
INFLUENCE_TWEETS = 500
"""An account's newest tweets that its influence is judged by."""


@dataclass(frozen=True, slots=True)
class ProfileSnapshot:
    """One observation of a monitored account; ``followers_growth_rate`` is followers per day since the one before."""

    snapshot_at: datetime
    followers_count: int | None
    following_count: int | None
    tweets_count: int | None
    favourites_count: int | None
    delta_followers: int | None
    delta_following: int | None
    delta_tweets: int | None
    followers_growth_rate: float | None


@dataclass(frozen=True, slots=True)
class ProfileInfluence:
    """How much an account is heeded.

    ``influence_score`` is 0 to 100: half of it grows with the number of followers, half with the mean engagement of the
    account's own tweets in the span, both on a logarithmic scale that ends at 100 million followers and at an
    engagement of a million a tweet. None where neither is known.
    """

    twitter_user_id: int
    followers_count: int | None
    tweet_count: int
    total_engagement: int | None
    avg_engagement: float | None
    engagement_per_1000_followers: float | None
    influence_score: float | None


def get_profile(connection: Connection, profile_id: int) -> Profile:
    """Return one account. Raises ``NotFoundError``."""
    found = get_profiles(connection, [profile_id])
    if not found:
        raise NotFoundError(f"no profile has the id {profile_id}")
    return found[0]


def get_profile_by_username(connection: Connection, username: str) -> Profile:
    """Return the account that has a username now (in any case of its letters). Raises ``NotFoundError``."""
    row = rows.one_row(connection, "profiles", "id_of_username", {"username": _clean(username.lstrip("@"))})
    if row is None:
        raise NotFoundError(f"no profile has the username {username!r}")
    return get_profile(connection, row["twitter_user_id"])


def get_profiles(connection: Connection, profile_ids: list[int]) -> tuple[Profile, ...]:
    """Return the accounts with these ids, in this order; ids that are not known are left out."""
    if not profile_ids:
        return ()
    found = rows.all_records(connection, Profile, "profiles", "by_id", {"ids": profile_ids})
    by_id = {profile.twitter_user_id: profile for profile in found}
    return tuple(by_id[profile_id] for profile_id in dict.fromkeys(profile_ids) if profile_id in by_id)


def search_profiles(connection: Connection, text: str, *, limit: int = 20) -> tuple[Profile, ...]:
    """Return accounts whose username begins with ``text``, then those with its words in name or description."""
    wanted = _clean(text).strip().lstrip("@")
    if not wanted:
        raise InvalidQueryError("nothing to search for: give the beginning of a username, or words")
    prefix = wanted.lower().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    parameters = {"text": wanted, "prefix": prefix, "limit": _checked(limit)}
    found = rows.all_rows(connection, "profiles", "search", parameters)
    return get_profiles(connection, [row["twitter_user_id"] for row in found])


def get_monitored_profiles(connection: Connection, *, limit: int = 50, cursor: str | None = None) -> Page[Profile]:
    """Return the accounts whose evolution is followed, by id."""
    after = 0 if cursor is None else cursors.decode("monitored", cursor)[0]
    found = rows.all_rows(connection, "profiles", "monitored", {"after": after, "limit": _checked(limit) + 1})
    ids = [row["twitter_user_id"] for row in found]
    following = cursors.encode("monitored", ids[limit - 1]) if len(ids) > limit else None
    return Page(get_profiles(connection, ids[:limit]), following)


def get_profile_growth(connection: Connection, profile_id: int, *, since: datetime) -> tuple[ProfileSnapshot, ...]:
    """Return the observations of an account since a moment, the oldest first, with the change from one to the next."""
    parameters = {"profile_id": profile_id, "since": since}
    return tuple(rows.all_records(connection, ProfileSnapshot, "profiles", "growth", parameters))


def get_profile_influence(
    connection: Connection, profile_id: int, *, now: datetime, days: int = 30
) -> ProfileInfluence:
    """Return how much an account is heeded, by its own tweets (no retweets) of the last ``days``."""
    profile = get_profile(connection, profile_id)
    first = Span(since=now - timedelta(days=days)).ids.first
    row = rows.one_row(
        connection,
        "profiles",
        "recent_engagement",
        {"profile_id": profile_id, "first": first, "limit": INFLUENCE_TWEETS},
    )
    assert row is not None  # noqa: S101 -- a sum without a group has one row
    return _influence(profile, row)


def set_monitored(connection: Connection, profile_id: int, *, is_monitored: bool, actor: str) -> Profile:
    """Begin or end following an account's evolution; doing it twice changes nothing. The caller commits."""
    get_profile(connection, profile_id)
    act_as(connection, actor)
    edits.set_monitored(connection, [profile_id], is_monitored=is_monitored)
    return get_profile(connection, profile_id)


def _influence(profile: Profile, row: dict[str, Any]) -> ProfileInfluence:
    followers, mean = profile.followers_count, row["avg_engagement"]
    parts = [_part(followers, 8), _part(mean, 6)]
    known = [part for part in parts if part is not None]
    return ProfileInfluence(
        twitter_user_id=profile.twitter_user_id,
        followers_count=followers,
        tweet_count=row["tweet_count"],
        total_engagement=row["total_engagement"],
        avg_engagement=mean,
        engagement_per_1000_followers=None if mean is None or not followers else mean * 1000 / followers,
        influence_score=round(50 * sum(known), 1) if known else None,
    )


def _part(amount: float | None, decades: int) -> float | None:
    return None if amount is None else min(1.0, math.log10(1 + amount) / decades)


def _clean(text: str) -> str:
    return text.replace("\0", "")


def _checked(limit: int) -> int:
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidQueryError(f"limit must lie between 1 and {MAX_LIMIT}, not {limit}")
    return limit
