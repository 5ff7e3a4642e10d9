"""Hashtags, mentions and links: what stands beside what, and what a zone's newest tweets point to.

Belongs here: counts of entities that no mart holds, over a stated number of the newest tweets.
Does not belong here: trending (``trending``), tweets with an entity (``tweets``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from database import normal_forms
from datalayer import rows
from datalayer.errors import InvalidQueryError
from datalayer.rows import Connection
from datalayer.windows import ALL_TIME, Span

SAMPLE = 2_000
"""The newest tweets that are counted over: about 10 ms, whatever the zone holds."""

MAX_LIMIT = 100


@dataclass(frozen=True, slots=True)
class CoOccurringHashtag:
    """A hashtag and in how many of the sampled tweets it stands beside the one that was asked for."""

    hashtag: str
    tweet_count: int
    sampled_tweet_count: int


@dataclass(frozen=True, slots=True)
class EntityCount:
    """A mention or a link's host, and in how many of the sampled tweets it occurs."""

    value: str
    tweet_count: int
    sampled_tweet_count: int


def get_co_occurring_hashtags(
    connection: Connection, zone_id: UUID, hashtag: str, *, limit: int = 20, span: Span = ALL_TIME
) -> tuple[CoOccurringHashtag, ...]:
    """Return the hashtags beside one, over its newest 2,000 uses in a span; the most frequent first."""
    ids = span.ids
    parameters = {
        "zone_id": zone_id,
        "hashtag": normal_forms.hashtag(hashtag),
        "first": ids.first,
        "end": ids.end,
        "sample_limit": SAMPLE,
        "limit": _checked(limit),
    }
    return tuple(rows.all_records(connection, CoOccurringHashtag, "entities", "co_occurring", parameters))


def get_top_entities(
    connection: Connection,
    zone_id: UUID,
    entity_type: Literal["hashtag", "mention", "url"],
    *,
    limit: int = 20,
    span: Span = ALL_TIME,
) -> tuple[EntityCount, ...]:
    """Return what a zone's newest 2,000 tweets of a span tag, mention or link to (by host), by frequency."""
    if entity_type not in ("hashtag", "mention", "url"):
        raise InvalidQueryError(f"entity_type is hashtag, mention or url, not {entity_type!r}")
    ids = span.ids
    parameters = {
        "zone_id": zone_id,
        "entity_type": entity_type,
        "first": ids.first,
        "end": ids.end,
        "sample_limit": SAMPLE,
        "limit": _checked(limit),
    }
    return tuple(rows.all_records(connection, EntityCount, "entities", "top_of_type", parameters))


def _checked(limit: int) -> int:
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidQueryError(f"limit must lie between 1 and {MAX_LIMIT}, not {limit}")
    return limit
