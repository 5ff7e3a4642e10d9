"""Write a merged batch into ``core``, in the caller's transaction.

Belongs here: copying a batch into temporary tables and running the statements of ``sql/write.sql``.
Does not belong here: merging, claiming, committing.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, LiteralString
from uuid import UUID

import psycopg
from psycopg import errors, sql

from database import named_sql, snowflake
from ingest.normalise.batch import Batch, NewestTweet
from ingest.normalise.records import Counters

PARSER_VERSION = 2
"""Raised whenever reading a delivery again would give other rows; ``renormalize`` then tells what changed."""

_SQL = named_sql.statements(Path(__file__).parent / "sql" / "write.sql")

LinkKey = tuple[int, UUID]
"""A tweet and a zone."""

LatestCounters = tuple[int | None, Counters]
"""When a batch first counted a tweet (Unix ms), and the newest known value of each counter."""

_NEVER_COUNTED: LatestCounters = (None, (None,) * 6)


_POSTGRES_EPOCH_MS = snowflake.to_unix_ms(datetime(2000, 1, 1, tzinfo=UTC))

# In COPY's binary form a time is a 64-bit number of microseconds since 2000, a UUID its 16 bytes, and an array a head
# before its elements. Numbers and bytes are dumped in C; datetime, UUID and list cost three times as much.
_TIME = "int8"
_UUID = "bytea"
_UUID_ARRAY = "bytea"
_UUID_OID = 2950

_COUNTER_TYPES = ("int8",) * 6

_TWEET_TYPES = (*("int8",) * 9, *(_TIME,) * 2, *("bool",) * 6, *("text",) * 4)
_ENTITY_TYPES = ("int8", "int2", "text", "int4", "int4", "int8", "text", "text", "text")
_HISTORY_TYPES = ("int8", _TIME, *_COUNTER_TYPES)
_LINK_TYPES = ("int8", _UUID, "int8", _TIME, _TIME, _UUID_ARRAY)

_TYPES: dict[LiteralString, tuple[str, ...]] = {
    "batch_counters": _HISTORY_TYPES,
    "batch_profiles": (
        "int8", *(_TIME,) * 4, *("int8",) * 6, *("bool",) * 6, *("text",) * 9
    ),
    "copy_new_tweets": _TWEET_TYPES,
    "copy_new_entities": _ENTITY_TYPES,
    "copy_new_history": _HISTORY_TYPES,
    "copy_new_links": _LINK_TYPES,
    "copy_marks": ("int8",),
    "batch_tweets": (*_TWEET_TYPES, *(_TIME,) * 2, *_COUNTER_TYPES),
    "batch_entities": _ENTITY_TYPES,
    "batch_history": _HISTORY_TYPES,
    "batch_links": _LINK_TYPES,
    "batch_events": ("int8", "text", _TIME, _TIME, "int8", "int8"),
    "batch_versions": ("int8", "int8"),
    "batch_letters": ("int8", "int4", _TIME, "int8", "text", "text", "text", "text"),
    "batch_accounting": ("int8", *("int4",) * 6),
}  # fmt: skip


@dataclass(frozen=True)
class Written:
    """What writing a batch changed: rows inserted or given other content."""

    new_tweets: int
    rewritten_tweets: int
    new_links: int
    changed_metrics: int

    def __add__(self, other: Written) -> Written:
        return Written(
            self.new_tweets + other.new_tweets,
            self.rewritten_tweets + other.rewritten_tweets,
            self.new_links + other.new_links,
            self.changed_metrics + other.changed_metrics,
        )


def prepare(connection: psycopg.Connection[Any]) -> None:
    """Create the session's temporary tables. Call once for each connection, outside a transaction."""
    connection.execute(_SQL["create_batch_tables"])


def write(connection: psycopg.Connection[Any], batch: Batch, *, authoritative: bool = False) -> Written:
    """Write a batch, with the marks of every bucket it changes; fills in the duplicates of its tallies.

    Idempotent, and independent of the order of batches. With ``authoritative`` the content of the same observation
    is replaced: what a changed parser reads from a delivery counts, whatever was read from it before.
    """
    latest = _latest_counters(batch)
    with connection.cursor() as cursor:
        cursor.execute(_SQL["plan_for_a_batch"])
        _copy(cursor, "batch_profiles", _profile_rows(batch))
        _copy(cursor, "batch_counters", _counter_rows(batch, latest))
        parameters = {"authoritative": authoritative}
        cursor.execute(_SQL["insert_new_profiles"])
        new = _copy_new(connection, cursor, batch)
        _copy_others(cursor, batch, latest, new)
        cursor.execute(_SQL["lock_known_tweets"])
        known_tweets = cursor.rowcount
        new_tweets = len(new) + cursor.execute(_SQL["insert_new_tweets"]).rowcount
        cursor.execute(_SQL["rewrite_changed_tweets"], parameters)
        rewritten_tweets = cursor.rowcount
        if rewritten_tweets:
            cursor.execute(_SQL["delete_rewritten_entities"])
        cursor.execute(_SQL["insert_entities"])
        if authoritative:
            cursor.execute(_SQL["delete_withdrawn_history"])
        cursor.execute(_SQL["insert_history"], parameters)
        changed_metrics = update_metrics(cursor, known_tweets, authoritative=authoritative)
        known_links = set(cursor.execute(_SQL["insert_new_links"]).fetchall())
        cursor.execute(_SQL["extend_known_links"])
        cursor.execute(_SQL["mark_changed_tweets"])
        cursor.execute(_SQL["queue_arrivals"])
        batch.count_duplicates(known_links)
        _settle(cursor, batch)
        cursor.execute(_SQL["note_rule_triggers"], _triggered(batch))
        for name in ("lock_known_profiles", "update_newer_profiles", "widen_seen_spans"):
            cursor.execute(_SQL[name], parameters)
    return Written(new_tweets, rewritten_tweets, len(batch.links) - len(known_links), changed_metrics)


def update_metrics(cursor: psycopg.Cursor[Any], known_tweets: int, *, authoritative: bool) -> int:
    """Bring the latest counters of the batch's locked, known tweets up to date; return how many tweets changed."""
    parameters = {"authoritative": authoritative}
    newer, changed = cursor.execute(_SQL["update_newer_metrics"], parameters).fetchone() or (0, 0)
    if newer == known_tweets:
        return int(changed)
    return int(changed) + cursor.execute(_SQL["recount_older_metrics"], parameters).rowcount


def _copy_new(connection: psycopg.Connection[Any], cursor: psycopg.Cursor[Any], batch: Batch) -> AbstractSet[int]:
    """Insert the tweets that nobody else has, with all that belongs to them, and their marks; return their ids.

    None, where rows of one were left behind by someone who deleted the others: then all go the way of known tweets.
    """
    new = frozenset(tweet_id for (tweet_id,) in cursor.execute(_SQL["insert_new_metrics"]).fetchall())
    tweets = sorted(new)
    links = [key for key in sorted(batch.links) if key[0] in new]
    try:
        with connection.transaction():
            _copy(cursor, "copy_new_tweets", (_tweet_row(batch.tweets[each]) for each in tweets))
            _copy(cursor, "copy_new_entities", _entity_rows(batch, tweets))
            _copy(cursor, "copy_new_history", _history_rows(batch, lambda each: each in new))
            _copy(cursor, "copy_new_links", _link_rows(batch, links))
            _copy(cursor, "copy_marks", ((tweet_id,) for tweet_id in sorted({tweet_id for tweet_id, _ in links})))
    except errors.UniqueViolation:
        return frozenset()
    return new


def _copy_others(
    cursor: psycopg.Cursor[Any], batch: Batch, latest: Mapping[int, LatestCounters], new: AbstractSet[int]
) -> None:
    tweets = sorted(batch.tweets.keys() - new)
    _copy(cursor, "batch_tweets", _known_tweet_rows(batch, latest, tweets))
    _copy(cursor, "batch_entities", _entity_rows(batch, tweets))
    _copy(cursor, "batch_history", _history_rows(batch, lambda each: each not in new))
    _copy(cursor, "batch_links", _link_rows(batch, [key for key in sorted(batch.links) if key[0] not in new]))


def _settle(cursor: psycopg.Cursor[Any], batch: Batch) -> None:
    """Write what is not a fact about tweets: events, dead letters, and the account of every delivery."""
    if batch.events:
        _copy(cursor, "batch_events", _event_rows(batch))
        cursor.execute(_SQL["insert_events"])
        cursor.execute(_SQL["insert_profile_events"])
    if batch.versions:
        _copy(cursor, "batch_versions", sorted(batch.versions.items()))
        cursor.execute(_SQL["insert_versions"])
    _copy(cursor, "batch_accounting", _accounting_rows(batch))
    if batch.letters:
        _copy(cursor, "batch_letters", _letter_rows(batch))
        cursor.execute(_SQL["insert_letters"])
    cursor.execute(_SQL["resolve_letters"])
    cursor.execute(_SQL["account"])


def _copy(cursor: psycopg.Cursor[Any], name: LiteralString, rows: Iterable[tuple[Any, ...]]) -> None:
    """Send rows to the table that the statement ``name`` copies to, or to the temporary table of that name."""
    into_temporary = sql.SQL("copy {} from stdin (format binary)").format(sql.Identifier(name))
    with cursor.copy(_SQL.get(name) or into_temporary) as copy:
        copy.set_types(_TYPES[name])
        write_row = copy.write_row
        for row in rows:
            write_row(row)


def _profile_rows(batch: Batch) -> Iterator[tuple[Any, ...]]:
    for user_id in sorted(batch.profiles):
        newest = batch.profiles[user_id]
        profile = newest.profile
        observed_ms, content_hash = newest.moment
        yield (
            user_id,
            _optional_time(profile.created_ms),
            _time(newest.first_seen_ms),
            _time(newest.last_seen_ms),
            _time(observed_ms),
            content_hash,
            profile.followers_count,
            profile.following_count,
            profile.tweets_count,
            profile.media_count,
            profile.favourites_count,
            profile.is_verified,
            profile.is_blue_verified,
            profile.is_automated,
            profile.can_dm,
            profile.possibly_sensitive,
            profile.is_protected,
            profile.username,
            profile.name,
            profile.profile_picture_url,
            profile.cover_picture_url,
            profile.description,
            profile.location,
            profile.verified_type,
            profile.automated_by,
            profile.profile_url,
        )


def _tweet_row(newest: NewestTweet) -> tuple[Any, ...]:
    tweet = newest.tweet
    return (
        tweet.tweet_id,
        tweet.author_profile_id,
        tweet.conversation_id,
        tweet.in_reply_to_tweet_id,
        tweet.in_reply_to_user_id,
        tweet.retweeted_tweet_id,
        tweet.quoted_tweet_id,
        newest.delivery_id,
        newest.moment[1],
        _time(tweet.created_ms),
        _time(newest.received_ms),
        tweet.has_media,
        tweet.has_links,
        tweet.has_hashtags,
        tweet.has_mentions,
        tweet.is_reply,
        tweet.is_sanitised,
        tweet.text,
        tweet.lang,
        tweet.source,
        tweet.in_reply_to_username,
    )


def _known_tweet_rows(
    batch: Batch, latest: Mapping[int, LatestCounters], tweets: Iterable[int]
) -> Iterator[tuple[Any, ...]]:
    for tweet_id in tweets:
        newest = batch.tweets[tweet_id]
        first_counted_ms, counters = latest.get(tweet_id, _NEVER_COUNTED)
        yield (*_tweet_row(newest), _time(newest.moment[0]), _optional_time(first_counted_ms), *counters)


def _counter_rows(batch: Batch, latest: Mapping[int, LatestCounters]) -> Iterator[tuple[Any, ...]]:
    for tweet_id in sorted(batch.tweets):
        yield (tweet_id, _time(batch.tweets[tweet_id].moment[0]), *latest.get(tweet_id, _NEVER_COUNTED)[1])


def _history_rows(batch: Batch, is_wanted: Callable[[int], bool]) -> Iterator[tuple[Any, ...]]:
    for (tweet_id, observed_ms), counters in sorted(batch.observations.items()):
        if is_wanted(tweet_id):
            yield (tweet_id, _time(observed_ms), *counters)


def _latest_counters(batch: Batch) -> dict[int, LatestCounters]:
    """Return, for each tweet with counters, when the batch first counted them and the newest known value of each."""
    latest: dict[int, LatestCounters] = {}
    for (tweet_id, observed_ms), counters in sorted(batch.observations.items()):
        known = latest.get(tweet_id)
        if known is None:
            latest[tweet_id] = (observed_ms, counters)
        else:
            latest[tweet_id] = (known[0], _newer(known[1], counters))
    return latest


def _newer(known: Counters, newer: Counters) -> Counters:
    return tuple(  # type: ignore[return-value]
        old if new is None else new for old, new in zip(known, newer, strict=True)
    )


def _entity_rows(batch: Batch, tweets: Iterable[int]) -> Iterator[tuple[Any, ...]]:
    for tweet_id in tweets:
        for entity in batch.tweets[tweet_id].tweet.entities:
            yield (
                tweet_id,
                entity.ordinal,
                entity.entity_type,
                entity.start_index,
                entity.end_index,
                entity.mentioned_user_id,
                entity.entity_value,
                entity.entity_normalized,
                entity.url_host,
            )


def _link_rows(batch: Batch, links: Iterable[LinkKey]) -> Iterator[tuple[Any, ...]]:
    """Yield links. The same few zones and lists of rules are shared by all of a delivery: each is encoded once."""
    zones: dict[int, bytes] = {}
    rules: dict[int, bytes] = {}
    for tweet_id, zone_id in links:
        link = batch.links[tweet_id, zone_id]
        tweet = batch.tweets[tweet_id].tweet
        zone = zones.get(id(zone_id))
        if zone is None:
            zone = zones[id(zone_id)] = zone_id.bytes
        rule_ids = rules.get(id(link.rule_ids))
        if rule_ids is None:
            rule_ids = rules[id(link.rule_ids)] = _uuid_array(sorted(link.rule_ids))
        yield (
            tweet_id,
            zone,
            tweet.author_profile_id,
            _time(tweet.created_ms),
            _time(link.first_matched_ms),
            rule_ids,
        )


def _triggered(batch: Batch) -> dict[str, list[Any]]:
    """Return the rules that brought something, and when each last did."""
    latest: dict[UUID, int] = {}
    for link in batch.links.values():
        for rule_id in link.rule_ids:
            latest[rule_id] = max(link.first_matched_ms, latest.get(rule_id, 0))
    return {"rule_ids": list(latest), "received_at": [snowflake.from_unix_ms(ms) for ms in latest.values()]}


def _uuid_array(values: Sequence[UUID]) -> bytes:
    """Return an array as COPY's binary form has it: dimensions, whether there are nulls, the type, length, bound."""
    if not values:
        return struct.pack(">iiI", 0, 0, _UUID_OID)
    head = struct.pack(">iiIii", 1, 0, _UUID_OID, len(values), 1)
    return head + b"".join(struct.pack(">i", 16) + value.bytes for value in values)


def _event_rows(batch: Batch) -> Iterator[tuple[Any, ...]]:
    for event, received_ms, delivery_id in batch.events.values():
        yield (
            event.tweet_id,
            event.event_type,
            _time(event.event_ms),
            _time(received_ms),
            event.user_id,
            delivery_id,
        )


def _letter_rows(batch: Batch) -> Iterator[tuple[Any, ...]]:
    for (delivery_id, item_index, reason), letter in batch.letters.items():
        rejection = letter.rejection
        yield (
            delivery_id,
            item_index,
            _time(letter.received_ms),
            rejection.tweet_id,
            letter.source,
            rejection.stage,
            reason,
            rejection.detail,
        )


def _accounting_rows(batch: Batch) -> Iterator[tuple[Any, ...]]:
    for delivery_id, tally in batch.tallies.items():
        yield (
            delivery_id,
            tally.item_count,
            tally.tweet_items - tally.duplicate_count,
            tally.duplicate_count,
            tally.control_count,
            tally.dead_count,
            PARSER_VERSION,
        )


def _time(milliseconds: int) -> int:
    """Return a time as COPY's binary form has it, from Unix milliseconds."""
    return (milliseconds - _POSTGRES_EPOCH_MS) * 1000


def _optional_time(milliseconds: int | None) -> int | None:
    return None if milliseconds is None else (milliseconds - _POSTGRES_EPOCH_MS) * 1000
