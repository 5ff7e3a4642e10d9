"""What normalising an item yields: typed records, one kind for each table of ``core``.

Belongs here: the records, their order of fields (that of the columns they are copied into) and their hash.
Does not belong here: where they come from, how they are written.

Times are Unix milliseconds here; they become timestamps where they are written.
"""

from __future__ import annotations

from hashlib import blake2b

import msgspec
from msgspec import Struct

_encode = msgspec.msgpack.Encoder().encode


class Entity(Struct, frozen=True, array_like=True, gc=False):
    """A hashtag, mention or link at its position, in code points of the escaped text."""

    ordinal: int
    entity_type: str
    start_index: int | None
    end_index: int | None
    mentioned_user_id: int | None
    entity_value: str
    entity_normalized: str
    url_host: str | None


class Tweet(Struct, frozen=True, array_like=True, gc=False):
    """The content of a tweet: everything but its counters and the way it came."""

    tweet_id: int
    author_profile_id: int
    conversation_id: int | None
    in_reply_to_tweet_id: int | None
    in_reply_to_user_id: int | None
    retweeted_tweet_id: int | None
    quoted_tweet_id: int | None
    created_ms: int
    has_media: bool
    has_links: bool
    has_hashtags: bool
    has_mentions: bool
    is_reply: bool
    is_sanitised: bool
    text: str
    lang: str | None
    source: str | None
    in_reply_to_username: str | None
    entities: tuple[Entity, ...]


class Profile(Struct, frozen=True, array_like=True, gc=False):
    """An account as one observation shows it. All but the id is ``None`` where only the id is known."""

    twitter_user_id: int
    created_ms: int | None = None
    followers_count: int | None = None
    following_count: int | None = None
    tweets_count: int | None = None
    media_count: int | None = None
    favourites_count: int | None = None
    is_verified: bool | None = None
    is_blue_verified: bool | None = None
    is_automated: bool | None = None
    can_dm: bool | None = None
    possibly_sensitive: bool | None = None
    is_protected: bool | None = None
    username: str | None = None
    name: str | None = None
    profile_picture_url: str | None = None
    cover_picture_url: str | None = None
    description: str | None = None
    location: str | None = None
    verified_type: str | None = None
    automated_by: str | None = None
    profile_url: str | None = None


Counters = tuple[int | None, int | None, int | None, int | None, int | None, int | None]
"""Retweets, replies, likes, quotes, views, bookmarks. ``None`` is unknown."""

UNKNOWN: Counters = (None, None, None, None, None, None)


class ComplianceEvent(Struct, frozen=True, gc=False):
    """A notice that a tweet or an account was deleted, withheld, suspended or restored, or a tweet edited.

    About the account ``user_id`` where there is no ``tweet_id``. ``core.suppression_family`` lists the types that bear
    on being shown: ``delete``, ``undelete``, ``drop``, ``undrop``, ``withheld``, ``unwithheld`` of tweets, and
    ``user_delete``, ``user_undelete`` and so on of accounts; any other type is kept all the same. ``versions`` are the
    ids of an edited tweet, as far as the notice tells.
    """

    tweet_id: int | None
    event_type: str
    event_ms: int
    user_id: int | None
    versions: tuple[int, ...] = ()


class Rejection(Struct, frozen=True, gc=False):
    """Why an item, or a tweet embedded in it, could not be normalised.

    ``stage`` is ``envelope`` or ``item``, which make the item a dead letter; or ``embedded`` (of a tweet within it) or
    ``routing`` (of some of the rules it came through), beside which the item itself is read.
    """

    stage: str
    reason: str
    detail: str
    tweet_id: int | None = None

    @property
    def is_of_all(self) -> bool:
        """Tell whether it is the whole item that could not be normalised."""
        return self.stage in ("envelope", "item")


class Sighting(Struct, frozen=True, gc=False):
    """A tweet within an item: its content, the counters observed with it, and the ids of all its versions if edited."""

    tweet: Tweet
    counters: Counters
    versions: tuple[int, ...] = ()


class Item(Struct, frozen=True, gc=False):
    """What one item of a delivery holds.

    ``sightings`` begins with the delivered tweet itself, if it could be read; embedded originals follow.
    An item without sightings and without a rejection is a control message.
    """

    observed_ms: int
    sightings: tuple[Sighting, ...] = ()
    profiles: tuple[Profile, ...] = ()
    rejections: tuple[Rejection, ...] = ()
    event: ComplianceEvent | None = None


def content_hash(record: Tweet | Profile) -> int:
    """Return a 64-bit hash of a record, which tells whether content changed and orders observations of one instant."""
    return int.from_bytes(blake2b(_encode(record), digest_size=8).digest(), "big", signed=True)
