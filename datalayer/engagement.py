"""A tweet's counters over time, and the tweets whose counters rise fastest.

Belongs here: curves and velocities from the observations.
Does not belong here: lists by the latest counters (``tweets``), taking observations.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from datalayer import rows, tweets
from datalayer.records import Observation, Tweet
from datalayer.rows import Connection

VIRAL_CANDIDATES = 500
"""A tweet that rises fast within a day or two is among its zone's 500 most engaged of that time."""


@dataclass(frozen=True, slots=True)
class ViralTweet:
    """A tweet and how fast its total engagement grew (per hour) between its last two observations."""

    engagement_velocity: float
    snapshot_at: datetime
    tweet: Tweet


def get_engagement_curve(connection: Connection, tweet_id: int) -> tuple[Observation, ...]:
    """Return every observation of a tweet, the oldest first, with changes and velocity. Empty where there is none."""
    return tuple(rows.all_records(connection, Observation, "engagement", "curve", {"tweet_id": tweet_id}))


def get_viral_tweets(
    connection: Connection, zone_id: UUID, *, now: datetime, hours: int = 24, limit: int = 10
) -> tuple[ViralTweet, ...]:
    """Return the tweets that grow fastest among the zone's 500 most engaged of the last hours, the fastest first.

    The 500 are those of ``tweets.get_top_engaged_tweets``. Tweets with a single observation have no velocity and are
    left out.
    """
    candidates = tweets.top_engaged_ids(connection, zone_id, now=now, hours=hours, limit=VIRAL_CANDIDATES)
    found = rows.all_rows(connection, "engagement", "fastest", {"ids": candidates, "limit": limit})
    by_id = {tweet.tweet_id: tweet for tweet in tweets.get_tweets(connection, [row["tweet_id"] for row in found])}
    return tuple(
        ViralTweet(row["engagement_velocity"], row["snapshot_at"], by_id[row["tweet_id"]])
        for row in found
        if row["tweet_id"] in by_id
    )
