"""What the reads return: typed records that cannot be changed.

Belongs here: the records that more than one module returns, and pages of them.
Does not belong here: SQL, formatting, anything that fetches.

Counters that are None are unknown, never zero. Times are UTC. Ids are whole numbers here; whoever hands them to
JavaScript makes them texts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

Record = TypeVar("Record")


@dataclass(frozen=True, slots=True)
class Page(Generic[Record]):
    """Some rows of a list. ``next_cursor`` continues after them; None says that the list has ended.

    A page may be shorter than asked for and still have a continuation: a list with rare matches is read in bounded
    steps.
    """

    items: tuple[Record, ...]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Author:
    """The account that posted a tweet, as last observed; no username means that only its id is known."""

    twitter_user_id: int
    username: str | None
    name: str | None
    profile_picture_url: str | None
    is_verified: bool | None
    is_blue_verified: bool | None
    followers_count: int | None


@dataclass(frozen=True, slots=True)
class Entity:
    """A hashtag, mention or link in a tweet; positions are code points into the text as it is stored."""

    entity_type: str
    value: str
    normalized: str
    start_index: int | None
    end_index: int | None
    mentioned_user_id: int | None = None


@dataclass(frozen=True, slots=True)
class Tweet:
    """A tweet with its author, its entities and its latest known counters."""

    tweet_id: int
    author: Author
    text: str
    lang: str | None
    twitter_created_at: datetime
    collected_at: datetime
    conversation_id: int | None
    in_reply_to_tweet_id: int | None
    in_reply_to_username: str | None
    retweeted_tweet_id: int | None
    quoted_tweet_id: int | None
    has_media: bool
    has_links: bool
    is_reply: bool
    sentiment_score: float | None
    retweet_count: int | None
    reply_count: int | None
    like_count: int | None
    quote_count: int | None
    view_count: int | None
    bookmark_count: int | None
    total_engagement: int | None
    observed_at: datetime | None
    entities: tuple[Entity, ...] = ()


@dataclass(frozen=True, slots=True)
class Observation:
    """One observation of a tweet's counters, with the change since the one before it.

    ``engagement_velocity`` is the change of the total per hour; it may be negative, and is None for the first.
    """

    snapshot_at: datetime
    retweet_count: int | None
    reply_count: int | None
    like_count: int | None
    quote_count: int | None
    view_count: int | None
    bookmark_count: int | None
    total_engagement: int | None
    delta_retweets: int | None
    delta_replies: int | None
    delta_likes: int | None
    delta_quotes: int | None
    delta_views: int | None
    engagement_velocity: float | None


@dataclass(frozen=True, slots=True)
class Profile:
    """An account as last observed, and how much of it was collected."""

    twitter_user_id: int
    username: str | None
    name: str | None
    description: str | None
    location: str | None
    profile_picture_url: str | None
    cover_picture_url: str | None
    profile_url: str | None
    is_verified: bool | None
    is_blue_verified: bool | None
    verified_type: str | None
    is_automated: bool | None
    is_monitored: bool
    followers_count: int | None
    following_count: int | None
    tweets_count: int | None
    media_count: int | None
    favourites_count: int | None
    twitter_created_at: datetime | None
    first_seen_at: datetime
    last_seen_at: datetime
    last_updated_at: datetime
