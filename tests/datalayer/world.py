"""A small synthetic world, written straight into core: every row is known, so that every answer is.

Belongs here: writing rows.
Does not belong here: what the answers must be.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg

from bench import marts
from database import normal_forms, snowflake


@dataclass
class World:
    """What was written. ``now`` is half past an hour, so that an hour is open."""

    connection: psycopg.Connection
    now: datetime = field(
        default_factory=lambda: datetime.now(UTC).replace(minute=30, second=0, microsecond=0) - timedelta(hours=1)
    )
    _sequence: int = 0

    def zone(self, name: str, *, created: timedelta = timedelta(days=60)) -> UUID:
        row = self.connection.execute(
            "insert into core.zones (name, created_at) values (%s, %s) returning id", (name, self.now - created)
        ).fetchone()
        assert row is not None
        return row[0]

    def profile(
        self, profile_id: int, username: str | None = None, followers: int | None = 100, **columns: object
    ) -> int:
        named = {"name": username and username.title(), "description": None, "is_monitored": False, **columns}
        self.connection.execute(
            """
            insert into core.twitter_profiles (
                twitter_user_id, first_seen_at, last_seen_at, last_updated_at, content_hash, followers_count, username,
                name, description, is_monitored
            )
            values (%s, %s, %s, %s, 0, %s, %s, %s, %s, %s)
            on conflict do nothing
            """,
            (
                profile_id, self.now, self.now, self.now, followers, username, named["name"], named["description"],
                named["is_monitored"],
            ),
        )  # fmt: skip
        return profile_id

    def tweet(
        self,
        *zones: UUID,
        ago: timedelta = timedelta(0),
        author: int = 1,
        text: str = "words",
        likes: int | None = 0,
        tags: tuple[str, ...] = (),
        mentions: tuple[str, ...] = (),
        links: tuple[str, ...] = (),
        lang: str = "en",
        media: bool = False,
        reply_to: int | None = None,
        conversation: int | None = None,
        delivery_id: int = 1,
        tweet_id: int | None = None,
    ) -> int:
        self._sequence += 1
        moment = self.now - ago
        tweet_id = tweet_id or snowflake.floor(moment) + self._sequence
        self.profile(author, f"author_{author}")
        self.connection.execute(
            """
            insert into core.twitter_tweets (
                tweet_id, author_profile_id, conversation_id, in_reply_to_tweet_id, delivery_id, content_hash,
                twitter_created_at, collected_at, has_media, has_links, has_hashtags, has_mentions, is_reply, text, lang
            )
            values (%s, %s, %s, %s, %s, 0, %s, %s, %s, %s, %s, %s, %s, %s, %s)
            """,
            (
                tweet_id, author, conversation or tweet_id, reply_to, delivery_id, moment, moment, media, bool(links),
                bool(tags), bool(mentions), reply_to is not None, text, lang,
            ),
        )  # fmt: skip
        for zone in zones:
            self.connection.execute(
                """
                insert into core.twitter_tweet_zones (
                    tweet_id, zone_id, author_profile_id, twitter_created_at, first_matched_at
                )
                values (%s, %s, %s, %s, %s)
                """,
                (tweet_id, zone, author, moment, moment),
            )
        self.metrics(tweet_id, moment, likes)
        self._entities(tweet_id, tags, mentions, links)
        return tweet_id

    def metrics(self, tweet_id: int, moment: datetime, likes: int | None) -> None:
        self.connection.execute(
            """
            insert into core.twitter_tweet_metrics (tweet_id, observed_at, like_count) values (%s, %s, %s)
            on conflict (tweet_id) do update set observed_at = excluded.observed_at, like_count = excluded.like_count
            """,
            (tweet_id, moment, likes),
        )
        self.connection.execute(
            "insert into core.twitter_engagement_history (tweet_id, snapshot_at, like_count) values (%s, %s, %s)",
            (tweet_id, moment, likes),
        )

    def listened(self, zone: UUID, *ago: timedelta, covered: bool = True) -> None:
        """Note that somebody listened in the hours this long ago, from end to end or not."""
        for length in ago:
            self.connection.execute(
                "insert into ops.zone_hour_coverage values (%s, date_trunc('hour', %s::timestamptz, 'UTC'), %s, %s)",
                (zone, self.now - length, covered, 3600 if covered else 1200),
            )

    def build_marts(self, built_at: datetime | None = None) -> None:
        marts.build(self.connection, self.now, built_at)

    def _entities(
        self, tweet_id: int, tags: tuple[str, ...], mentions: tuple[str, ...], links: tuple[str, ...]
    ) -> None:
        found = [
            *(("hashtag", tag, normal_forms.hashtag(tag), None) for tag in tags),
            *(("mention", name, normal_forms.mention(name), None) for name in mentions),
            *(("url", link, normal_forms.url(link), normal_forms.url_host(link)) for link in links),
        ]
        for ordinal, (kind, value, normalized, host) in enumerate(found):
            self.connection.execute(
                """
                insert into core.twitter_entities (
                    tweet_id, ordinal, entity_type, start_index, end_index, entity_value, entity_normalized, url_host
                )
                values (%s, %s, %s, %s, %s, %s, %s, %s)
                """,
                (tweet_id, ordinal, kind, ordinal * 10, ordinal * 10 + 5, value, normalized, host),
            )
