"""Comparing a database with an independent recount, table by table.

Belongs here: reading core and the marts of a zone, and saying what differs from a ``Recount``.
Does not belong here: what must be there (``recount``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Mapping
from datetime import datetime
from typing import Any

import psycopg

from tests.story import recount
from tests.story.recount import Counters, Recount

Rows = Mapping[Any, Any]

SHOWN = 5
"""Differences that are spelled out for each table; the count is exact."""


def differences(connection: psycopg.Connection[Any], counted: Recount, zone: str, as_of: datetime) -> list[str]:
    """Return a sentence for each table that is not what the recount says; nothing when all are equal."""
    zone_id = _one(connection, "select id from core.zones where name = %s", zone)
    return [*core_differences(connection, counted, zone_id, zone), *mart_differences(connection, counted, zone, as_of)]


def core_differences(connection: psycopg.Connection[Any], counted: Recount, zone_id: Any, zone: str) -> list[str]:
    """Compare the tables of ``core``."""
    tweets = {
        row[0]: row[1:]
        for row in connection.execute(
            """
            select
                tweet_id, author_profile_id, text, lang, source, has_media, is_reply, conversation_id,
                in_reply_to_tweet_id, in_reply_to_user_id, in_reply_to_username, retweeted_tweet_id, quoted_tweet_id,
                has_links, has_hashtags, has_mentions, twitter_created_at
            from core.twitter_tweets
            """
        )
    }
    entities: dict[int, list[recount.Entity]] = {}
    for tweet_id, *values in connection.execute(
        """
        select tweet_id, entity_type, entity_value, entity_normalized, start_index, end_index
        from core.twitter_entities
        order by tweet_id, ordinal
        """
    ):
        entities.setdefault(tweet_id, []).append(recount.Entity(*values))
    metrics = dict(_counters(connection, "tweet_id", "core.twitter_tweet_metrics"))
    history = dict(_counters(connection, "tweet_id, snapshot_at", "core.twitter_engagement_history"))
    links = {
        row[0]
        for row in connection.execute("select tweet_id from core.twitter_tweet_zones where zone_id = %s", (zone_id,))
    }
    profiles = {
        row[0]: row[1:]
        for row in connection.execute(
            """
            select
                twitter_user_id, username, name, description, location, profile_picture_url, cover_picture_url,
                is_verified, followers_count, following_count, tweets_count, favourites_count, twitter_created_at,
                first_seen_at, last_seen_at
            from core.twitter_profiles
            """
        )
    }
    events = set(connection.execute("select tweet_id, user_id, event_type from core.twitter_compliance_events"))
    known_metrics = {key: value for key, value in metrics.items() if value != recount.UNKNOWN}
    return [
        *_compare("twitter_tweets", {key: _shown(tweet) for key, tweet in counted.tweets.items()}, tweets, _is_among),
        *_compare(
            "twitter_entities",
            {key: frozenset(content.entities for content in tweet.contents) for key, tweet in counted.tweets.items()},
            {key: tuple(entities.get(key, ())) for key in tweets},
            _is_among,
        ),
        *_compare("twitter_tweet_metrics", counted.metrics, known_metrics),
        *_compare("twitter_engagement_history", counted.history, history),
        *_compare(
            "twitter_tweet_zones",
            dict.fromkeys(tweet.tweet_id for tweet in counted.in_zone(zone)),
            dict.fromkeys(links),
        ),
        *_compare(
            "twitter_profiles", {key: _looks(profile) for key, profile in counted.profiles.items()}, profiles, _is_among
        ),
        *_compare(
            "twitter_compliance_events",
            dict.fromkeys((event.tweet_id, event.user_id, event.event_type) for event in counted.deletions),
            dict.fromkeys(events),
        ),
    ]


def mart_differences(connection: psycopg.Connection[Any], counted: Recount, zone: str, as_of: datetime) -> list[str]:
    """Compare every column of the three marts for a zone."""
    hours = _mart(
        connection,
        """
        select
            hour, total_tweets, unique_authors, total_retweets, total_replies, total_likes, total_quotes, total_views,
            total_engagement, avg_engagement, avg_retweets, avg_likes, tweets_with_media, tweets_with_links,
            reply_tweets, avg_sentiment
        from marts.twitter_zone_stats_hourly
        where zone_id = (select id from core.zones where name = %s) and total_tweets > 0
        """,
        zone,
    )
    profiles = _mart(
        connection,
        """
        select
            profile_id, username, name, profile_picture_url, is_verified, is_blue_verified, followers_count,
            tweet_count, total_engagement, avg_engagement, last_tweet_at
        from marts.twitter_top_profiles_by_zone
        where zone_id = (select id from core.zones where name = %s)
        """,
        zone,
    )
    tags = _mart(
        connection,
        """
        select
            hashtag, original_hashtag, tweet_count_24h, unique_authors_24h, total_engagement_24h, last_used_at,
            sample_tweets
        from marts.twitter_trending_hashtags
        where zone_id = (select id from core.zones where name = %s)
        """,
        zone,
    )
    return [
        *_compare("twitter_zone_stats_hourly", recount.zone_stats_hourly(counted, zone, as_of), hours, _same_hour),
        *_compare(
            "twitter_top_profiles_by_zone", recount.top_profiles_by_zone(counted, zone, as_of), profiles, _same_profile
        ),
        *_compare("twitter_trending_hashtags", recount.trending_hashtags(counted, zone, as_of), tags, _same_tag),
    ]


def _compare(
    table: str, expected: Rows, stored: Rows, is_same: Callable[[Any, Any], bool] = lambda one, other: one == other
) -> list[str]:
    """Return at most one sentence: rows that are missing, that should not be there, or that differ."""
    missing = sorted(expected.keys() - stored.keys(), key=repr)
    surplus = sorted(stored.keys() - expected.keys(), key=repr)
    different = [key for key in expected.keys() & stored.keys() if not is_same(expected[key], stored[key])]
    if not (missing or surplus or different):
        return []
    examples = "; ".join(f"{key}: expected {expected[key]}, stored {stored[key]}" for key in different[:SHOWN])
    counts = f"{len(missing)} missing {missing[:SHOWN]}, {len(surplus)} surplus {surplus[:SHOWN]}"
    return [f"{table}: {counts}, {len(different)} different {examples}"]


def _is_among(expected: Iterable[Hashable], stored: Hashable) -> bool:
    return stored in expected


def _shown(tweet: recount.Tweet) -> frozenset[tuple[Any, ...]]:
    """Return what the columns of ``twitter_tweets`` may say."""
    return frozenset(
        (
            content.author_id, content.text, content.lang, _plain(content.source), content.has_media, content.is_reply,
            content.conversation_id, content.in_reply_to_tweet_id, content.in_reply_to_user_id,
            content.in_reply_to_username, content.retweeted_tweet_id, content.quoted_tweet_id, content.has_links,
            content.has_hashtags, content.has_mentions, tweet.twitter_created_at,
        )
        for content in tweet.contents
    )  # fmt: skip


def _plain(source: str | None) -> str | None:
    """Return the name of the application that posted a tweet; archives wrap it in a link."""
    return re.sub("<[^>]*>", "", source) or None if source else None


def _looks(profile: recount.Profile) -> frozenset[tuple[Any, ...]]:
    """Return what the columns of ``twitter_profiles`` may say."""
    return frozenset(
        (
            content.username, content.name, content.description, content.location, content.profile_picture_url,
            content.cover_picture_url, content.is_verified, content.followers_count, content.following_count,
            content.tweets_count, content.favourites_count, content.twitter_created_at, profile.first_seen_at,
            profile.last_seen_at,
        )
        for content in profile.contents
    )  # fmt: skip


def _same_hour(expected: recount.HourlyStats, stored: tuple[Any, ...]) -> bool:
    exact = (
        expected.total_tweets, expected.unique_authors, expected.total_retweets, expected.total_replies,
        expected.total_likes, expected.total_quotes, expected.total_views, expected.total_engagement,
        expected.tweets_with_media, expected.tweets_with_links, expected.reply_tweets, expected.avg_sentiment,
    )  # fmt: skip
    averages = (expected.avg_engagement, expected.avg_retweets, expected.avg_likes)
    return exact == (*stored[:8], *stored[11:]) and all(map(recount.same_average, averages, stored[8:11]))


def _same_profile(expected: recount.TopProfile, stored: tuple[Any, ...]) -> bool:
    *shown, tweet_count, total_engagement, avg_engagement, last_tweet_at = stored
    looks = {
        (
            look.username, look.name, look.profile_picture_url, look.is_verified, look.is_blue_verified,
            look.followers_count,
        )
        for look in expected.profiles
    }  # fmt: skip
    exact = (expected.tweet_count, expected.total_engagement, expected.last_tweet_at)
    return (
        tuple(shown) in looks
        and exact == (tweet_count, total_engagement, last_tweet_at)
        and recount.same_average(expected.avg_engagement, avg_engagement)
    )


def _same_tag(expected: recount.TrendingHashtag, stored: tuple[Any, ...]) -> bool:
    *exact, samples = stored
    return exact == [
        expected.original_hashtag, expected.tweet_count_24h, expected.unique_authors_24h,
        expected.total_engagement_24h, expected.last_used_at,
    ] and tuple(map(int, samples)) == expected.sample_tweets  # fmt: skip


def _counters(connection: psycopg.Connection[Any], key: str, table: str) -> Iterable[tuple[Any, Counters]]:
    statement = (
        f"select {key}, retweet_count, reply_count, like_count, quote_count, view_count, bookmark_count from {table}"
    )
    for *parts, retweets, replies, likes, quotes, views, bookmarks in connection.execute(statement.encode()):
        found = parts[0] if len(parts) == 1 else tuple(parts)
        yield found, Counters(retweets, replies, likes, quotes, views, bookmarks)


def _mart(connection: psycopg.Connection[Any], statement: str, zone: str) -> dict[Any, tuple[Any, ...]]:
    return {row[0]: row[1:] for row in connection.execute(statement.encode(), (zone,))}


def _one(connection: psycopg.Connection[Any], statement: str, *parameters: object) -> Any:
    row = connection.execute(statement.encode(), parameters).fetchone()
    assert row is not None
    return row[0]
