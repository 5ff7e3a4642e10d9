"""The naive peer: a client that upserts row by row into the design document's schema, over one connection.

Belongs here: that client. It reads payloads with this project's own parser, prepares every statement, commits
each alone, and writes only what was delivered: a peer made slow would prove nothing.
Does not belong here: timing it.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

from bench.ground import REAL_ZONE, Connection, Payload, synthetic_rules
from database import named_sql, snowflake
from ingest.normalise.dialects.protocol import Dialect
from ingest.normalise.dialects.twitterapi_io import TwitterApiIo
from ingest.normalise.dialects.v1_1 import V1
from ingest.normalise.records import Item, Profile, Sighting

_FOLDER = Path(__file__).parent / "sql"
_SQL = named_sql.statements(_FOLDER / "naive.sql")
_LARGEST = 2**31 - 1
"""The document's counters are integers; larger ones are cut, since a refusal would only spare the peer work."""


class NaiveClient:
    """Writes deliveries. ``connection`` must be in autocommit mode."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        connection.execute((_FOLDER / "design_document.sql").read_bytes())
        connection.prepare_threshold = 0
        names = [REAL_ZONE, *(rule.tag for rule in synthetic_rules())]
        self._zones: dict[str, UUID] = dict(connection.execute(_SQL["zones"], {"names": names}).fetchall())
        dialects: tuple[Dialect, ...] = (TwitterApiIo(), V1())
        self._dialects = {dialect.name: dialect for dialect in dialects}
        self.refused = 0

    def write(self, payloads: Iterable[Payload], received_ms: int) -> int:
        """Write deliveries, and return the number of their items."""
        items = 0
        for payload in payloads:
            dialect = self._dialects[payload.source]
            envelope = dialect.split(payload.body)
            zone_id = self._zones[payload.zone or envelope.rules[0].rule_tag or ""]
            for raw in envelope.items:
                items += 1
                self._write(dialect.read(raw, envelope, received_ms), raw, zone_id)
        return items

    def _write(self, item: Item, raw: bytes, zone_id: UUID) -> None:
        if not item.sightings:
            return
        sighting = item.sightings[0]
        author_id = sighting.tweet.author_profile_id
        profile = next(profile for profile in item.profiles if profile.twitter_user_id == author_id)
        try:
            (profile_key,) = self._one("profile", _profile(profile))
            parameters = {**_tweet(sighting, raw), "zone_id": zone_id, "author_profile_id": profile_key}
            tweet_key, is_new = self._one("tweet", parameters)
        except psycopg.DataError:
            self.refused += 1
            return
        if is_new and sighting.tweet.entities:
            self._connection.execute(_SQL["entities"], _entities(sighting, tweet_key, zone_id))

    def _one(self, name: str, parameters: dict[str, Any]) -> tuple[Any, ...]:
        row: tuple[Any, ...] | None = self._connection.execute(_SQL[name], parameters).fetchone()
        if row is None:
            raise RuntimeError(f"the statement {name} returned no row")
        return row


def _profile(profile: Profile) -> dict[str, Any]:
    return {
        "twitter_user_id": str(profile.twitter_user_id),
        "username": profile.username or "",
        "name": profile.name or "",
        "profile_picture_url": profile.profile_picture_url,
        "cover_picture_url": profile.cover_picture_url,
        "description": profile.description,
        "location": profile.location,
        "is_verified": profile.is_verified,
        "is_blue_verified": profile.is_blue_verified,
        "verified_type": profile.verified_type,
        "followers_count": _integer(profile.followers_count),
        "following_count": _integer(profile.following_count),
        "tweets_count": _integer(profile.tweets_count),
        "media_count": _integer(profile.media_count),
        "favourites_count": _integer(profile.favourites_count),
        "twitter_created_at": None if profile.created_ms is None else snowflake.from_unix_ms(profile.created_ms),
        "is_automated": profile.is_automated,
        "automated_by": profile.automated_by,
        "can_dm": profile.can_dm,
        "possibly_sensitive": profile.possibly_sensitive,
        "profile_url": profile.profile_url,
    }


def _tweet(sighting: Sighting, raw: bytes) -> dict[str, Any]:
    tweet = sighting.tweet
    names = ("retweet_count", "reply_count", "like_count", "quote_count", "view_count", "bookmark_count")
    counters = {name: _integer(value) for name, value in zip(names, sighting.counters, strict=True)}
    return {
        **counters,
        "tweet_id": str(tweet.tweet_id),
        "conversation_id": _text(tweet.conversation_id),
        "text": tweet.text,
        "lang": tweet.lang,
        "source": tweet.source,
        "twitter_created_at": snowflake.from_unix_ms(tweet.created_ms),
        "has_media": tweet.has_media,
        "has_links": tweet.has_links,
        "has_hashtags": tweet.has_hashtags,
        "has_mentions": tweet.has_mentions,
        "is_reply": tweet.is_reply,
        "in_reply_to_tweet_id": _text(tweet.in_reply_to_tweet_id),
        "in_reply_to_user_id": _text(tweet.in_reply_to_user_id),
        "in_reply_to_username": tweet.in_reply_to_username,
        "tweet_url": f"https://x.com/i/status/{tweet.tweet_id}",
        "twitter_url": f"https://twitter.com/i/status/{tweet.tweet_id}",
        "raw_data": raw.decode(errors="replace"),
    }


def _entities(sighting: Sighting, tweet_key: UUID, zone_id: UUID) -> dict[str, Any]:
    entities = sighting.tweet.entities
    return {
        "tweet_id": tweet_key,
        "zone_id": zone_id,
        "types": [entity.entity_type for entity in entities],
        "values": [entity.entity_value for entity in entities],
        "normalized": [entity.entity_normalized for entity in entities],
        "starts": [entity.start_index for entity in entities],
        "ends": [entity.end_index for entity in entities],
    }


def _integer(value: int | None) -> int:
    return min(value or 0, _LARGEST)


def _text(value: int | None) -> str | None:
    return None if value is None else str(value)
