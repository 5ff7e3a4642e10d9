"""Facts for the tests of the marts, written as a person with psql would write them: the triggers leave the marks.

Belongs here: plain inserts, updates and deletes of core.
Does not belong here: the pipeline's own writer (it has its own tests), expectations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg

from database import snowflake

NOON = datetime(2025, 3, 10, 12, tzinfo=UTC)
ZONES = (UUID(int=1), UUID(int=2))
AUTHORS = (11, 12, 13, 14)

COUNTERS = ("retweet_count", "reply_count", "like_count", "quote_count", "view_count", "bookmark_count")


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def add_world(connection: psycopg.Connection[Any]) -> None:
    """Two zones and a few authors, without tweets."""
    connection.cursor().executemany(
        "insert into core.zones (id, name) values (%s, %s)", [(zone, f"zone {zone.int}") for zone in ZONES]
    )
    for author in AUTHORS:
        add_profile(connection, author)


def add_profile(connection: psycopg.Connection[Any], author: int) -> None:
    connection.execute(
        """
        insert into core.twitter_profiles
        (twitter_user_id, first_seen_at, last_seen_at, last_updated_at, content_hash, username, name, followers_count)
        values (%(id)s, now(), now(), now(), 0, 'user' || %(id)s, 'User ' || %(id)s, %(id)s)
        """,
        {"id": author},
    )


def delete_profile(connection: psycopg.Connection[Any], author: int) -> None:
    connection.execute("delete from core.twitter_profiles where twitter_user_id = %s", (author,))


def tweets_of(connection: psycopg.Connection[Any], author: int) -> list[int]:
    found = connection.execute("select tweet_id from core.twitter_tweets where author_profile_id = %s", (author,))
    return [tweet_id for (tweet_id,) in found]


def add_tweet(
    connection: psycopg.Connection[Any],
    at: datetime,
    *,
    author: int = AUTHORS[0],
    zones: Sequence[UUID] = (ZONES[0],),
    tags: Sequence[str] = (),
    mentions: Sequence[str] = (),
    hosts: Sequence[str] = (),
    counters: Mapping[str, int | None] | None = None,
    sequence: int = 0,
    sentiment: str | None = None,
    **flags: bool,
) -> int:
    """Insert a tweet with its zones, tags and mentions (as spelled), links and counters; return its id."""
    tweet_id = snowflake.floor(at) + sequence
    connection.execute(
        """
        insert into core.twitter_tweets
        (
            tweet_id, author_profile_id, delivery_id, content_hash, twitter_created_at, collected_at,
            has_media, has_links, has_hashtags, has_mentions, is_reply, text, sentiment_score
        )
        values (%s, %s, 0, 0, %s, now(), %s, %s, %s, false, %s, 'text', %s)
        """,
        (
            tweet_id,
            author,
            snowflake.at(tweet_id),
            flags.get("has_media", False),
            flags.get("has_links", False),
            bool(tags),
            flags.get("is_reply", False),
            sentiment,
        ),
    )
    named = [
        *(("hashtag", tag, None) for tag in tags),
        *(("mention", handle, None) for handle in mentions),
        *(("url", f"https://{host}/{tweet_id}", host) for host in hosts),
    ]
    for ordinal, (kind, value, host) in enumerate(named):
        connection.execute(
            """
            insert into core.twitter_entities
            (tweet_id, ordinal, entity_type, start_index, entity_value, entity_normalized, url_host)
            values (%s, %s, %s, %s, %s, %s, %s)
            """,
            (tweet_id, ordinal, kind, ordinal * 10, value, value.casefold(), host),
        )
    for zone in zones:
        link(connection, tweet_id, zone)
    if counters is not None:
        set_counters(connection, tweet_id, counters)
    return tweet_id


def link(connection: psycopg.Connection[Any], tweet_id: int, zone: UUID) -> None:
    connection.execute(
        """
        insert into core.twitter_tweet_zones
        (tweet_id, zone_id, author_profile_id, twitter_created_at, first_matched_at)
        select tweet_id, %s, author_profile_id, twitter_created_at, now()
        from core.twitter_tweets
        where tweet_id = %s
        on conflict do nothing
        """,
        (zone, tweet_id),
    )


def unlink(connection: psycopg.Connection[Any], tweet_id: int, zone: UUID) -> None:
    connection.execute("delete from core.twitter_tweet_zones where tweet_id = %s and zone_id = %s", (tweet_id, zone))


def set_counters(connection: psycopg.Connection[Any], tweet_id: int, counters: Mapping[str, int | None]) -> None:
    """Replace what is known of a tweet's counters."""
    values = [counters.get(name) for name in COUNTERS]
    connection.execute("delete from core.twitter_tweet_metrics where tweet_id = %s", (tweet_id,))
    connection.execute(
        """
        insert into core.twitter_tweet_metrics
        (tweet_id, observed_at, retweet_count, reply_count, like_count, quote_count, view_count, bookmark_count)
        values (%s, now(), %s, %s, %s, %s, %s, %s)
        """,
        (tweet_id, *values),
    )


def delete_tweet(connection: psycopg.Connection[Any], tweet_id: int) -> None:
    """Delete a tweet and what hangs on it, in the order of a person who does not know the ledger."""
    for table in ("twitter_entities", "twitter_tweet_metrics", "twitter_tweet_zones", "twitter_tweets"):
        connection.execute(f"delete from core.{table} where tweet_id = %s".encode(), (tweet_id,))


def suppress(connection: psycopg.Connection[Any], tweet_id: int, since: datetime | None) -> None:
    """Hide a tweet as a person would, or show it again."""
    connection.execute(
        "update core.twitter_tweets set suppressed_at = %(since)s,"
        " suppression_reason = case when %(since)s::timestamptz is not null then 'delete' end where tweet_id = %(id)s",
        {"since": since, "id": tweet_id},
    )


def rename(connection: psycopg.Connection[Any], author: int, username: str | None) -> None:
    connection.execute("update core.twitter_profiles set username = %s where twitter_user_id = %s", (username, author))


def listen(connection: psycopg.Connection[Any], zone: UUID, hour: datetime, seconds: int | None) -> None:
    """Say how long somebody listened to a zone in an hour; None for not knowing anything of it."""
    connection.execute("delete from ops.zone_hour_coverage where zone_id = %s and hour = %s", (zone, hour))
    if seconds is not None:
        connection.execute(
            "insert into ops.zone_hour_coverage (zone_id, hour, is_covered, covered_seconds) values (%s, %s, %s, %s)",
            (zone, hour, seconds >= 3_420, seconds),
        )


def move_zone(connection: psycopg.Connection[Any], zone: UUID, timezone: str) -> None:
    connection.execute("update core.zones set timezone = %s where id = %s", (timezone, zone))


def set_as_of(connection: psycopg.Connection[Any], moment: datetime) -> None:
    connection.execute("update ops.as_of set as_of = %s", (moment,))
