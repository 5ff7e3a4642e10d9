"""What the normaliser's tests share: zones and rules, landed deliveries, the rows that come of them.

Belongs here: putting deliveries on the queue as the service does, and reading whole tables back.
Does not belong here: payloads (``tests/unit/payloads.py``), assertions about one behaviour.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql

from database import snowflake
from database.codec import Codec
from ingest.normalise.worker import Progress, Worker
from tests.unit import payloads

Connection = psycopg.Connection[Any]

NOW = datetime.now(UTC).replace(microsecond=0)
HOUR_AGO = NOW - timedelta(hours=1)

ZONES = {"alpha": UUID(int=0xA), "beta": UUID(int=0xB)}
RULES = {"one": UUID(int=1), "both_a": UUID(int=2), "both_b": UUID(int=3)}

_sequence = itertools.count(1)
_codec = Codec({})

CONTENT = {
    "twitter_tweets": "tweet_id, author_profile_id, conversation_id, in_reply_to_tweet_id, in_reply_to_user_id, "
    "retweeted_tweet_id, quoted_tweet_id, content_hash, twitter_created_at, has_media, has_links, has_hashtags, "
    "has_mentions, is_reply, is_sanitised, text, lang, source, in_reply_to_username, suppressed_at, "
    "suppression_reason, purged_at",
    "twitter_profiles": "twitter_user_id, twitter_created_at, first_seen_at, last_seen_at, last_updated_at, "
    "content_hash, followers_count, following_count, tweets_count, media_count, favourites_count, is_verified, "
    "is_blue_verified, is_automated, can_dm, possibly_sensitive, is_protected, username, name, profile_picture_url, "
    "cover_picture_url, description, location, verified_type, automated_by, profile_url, suppressed_at, "
    "suppression_reason",
    "twitter_tweet_zones": "tweet_id, zone_id, author_profile_id, twitter_created_at, rule_ids, suppressed_at",
    "twitter_tweet_metrics": "tweet_id, observed_at, retweet_count, reply_count, like_count, quote_count, view_count, "
    "bookmark_count",
    "twitter_engagement_history": "tweet_id, snapshot_at, retweet_count, reply_count, like_count, quote_count, "
    "view_count, bookmark_count",
    "twitter_entities": "tweet_id, ordinal, entity_type, start_index, end_index, mentioned_user_id, entity_value, "
    "entity_normalized, url_host",
    "twitter_compliance_events": "tweet_id, event_type, event_at, user_id",
    "twitter_profile_compliance_events": "user_id, event_type, event_at",
    "twitter_tweet_edits": "tweet_id, first_tweet_id",
}
"""The columns that say something about the world; the others say when and how it arrived."""


def add_rules(connection: Connection) -> None:
    """Make zone alpha with the rule ``one``, and the tag ``both`` in both zones."""
    with connection.transaction():
        for name, zone_id in ZONES.items():
            connection.execute("insert into core.zones (id, name) values (%s, %s)", (zone_id, name))
        for name, zone, tag in (("one", "alpha", "one"), ("both_a", "alpha", "both"), ("both_b", "beta", "both")):
            connection.execute(
                "insert into core.twitter_rules (id, zone_id, tag, query) values (%s, %s, %s, 'words')",
                (RULES[name], ZONES[zone], tag),
            )


def land(
    connection: Connection,
    body: bytes | dict[str, Any],
    *,
    source: str = "twitterapi_io",
    zone: str | None = None,
    received: datetime | None = None,
    item_count: int = 1,
) -> int:
    """Land a delivery and put it on the queue; return its id."""
    raw = body if isinstance(body, bytes) else payloads.encoded(body)
    received = received or NOW
    delivery_id = snowflake.floor(received) | next(_sequence)
    with connection.transaction():
        connection.execute(
            "insert into raw.deliveries (delivery_id, received_at, body_bytes, item_count, source, zone, body)"
            " values (%s, %s, %s, %s, %s, %s, %s)",
            (delivery_id, received, len(raw), item_count, source, zone, _codec.compress(raw)),
        )
        connection.execute("insert into raw.delivery_queue values (%s)", (delivery_id,))
    return delivery_id


def delivery(*tweets: dict[str, Any], tag: str = "one", sent: datetime = HOUR_AGO, **fields: Any) -> dict[str, Any]:
    """Return an envelope whose tweets were observed an hour ago, or when it says."""
    return payloads.envelope(*tweets, tag=tag, sent=sent, **{"rule_id": None, **fields})


def tweet(sequence: int = 1, *, age: timedelta = timedelta(hours=2), **fields: Any) -> dict[str, Any]:
    """Return a tweet that was posted two hours ago, or at another age."""
    return payloads.tweet(NOW - age, sequence=sequence, **fields)


def drain(connection: Connection) -> Progress:
    """Normalise all that waits."""
    return Worker(connection).drain()


def normalise(connection: Connection, *bodies: bytes | dict[str, Any], **how: Any) -> Progress:
    """Land deliveries and normalise them in one batch."""
    for body in bodies:
        land(connection, body, **how)
    return drain(connection)


def rows(connection: Connection, table: str, columns: str = "*") -> list[tuple[Any, ...]]:
    """Return all rows of a table of ``core`` in the order of their keys."""
    key = ", ".join(CONTENT[table].split(", ")[:3])
    statement = f"select {columns} from core.{table} order by {key}"
    return connection.execute(statement).fetchall()


def content(connection: Connection) -> dict[str, list[tuple[Any, ...]]]:
    """Return what ``core`` says about the world."""
    return {table: rows(connection, table, columns) for table, columns in CONTENT.items()}


def one(connection: Connection, statement: str, *parameters: Any) -> Any:
    """Return the single value of a query."""
    row = connection.execute(statement, parameters).fetchone()
    assert row is not None
    return row[0]


def letters(connection: Connection, *, are_open: bool = True) -> list[tuple[str, str]]:
    """Return stage and reason of the dead letters."""
    found = connection.execute(
        "select stage, reason from raw.dead_letters where (resolved_at is null) = %s"
        " order by delivery_id, item_index, reason",
        (are_open,),
    )
    return found.fetchall()


def marks(connection: Connection) -> set[int]:
    """Return the tweets that were marked since they were last taken, and take them."""
    taken = connection.execute("delete from ops.int_zone_counted_tweets__marks returning tweet_id")
    return {tweet_id for (tweet_id,) in taken}


def profile_marks(connection: Connection) -> set[int]:
    """Return the profiles that were marked since they were last taken, and take them."""
    taken = connection.execute("delete from ops.twitter_top_profiles_by_zone__profile_marks returning profile_id")
    return {profile_id for (profile_id,) in taken}


def accounts(connection: Connection) -> dict[int, tuple[int, int, int, int]]:
    """Return normalised, duplicate, control and dead of each delivery, having checked that they add up."""
    found = connection.execute(
        "select delivery_id, item_count, normalised_count, duplicate_count, control_count, dead_count"
        " from ops.delivery_accounting"
    ).fetchall()
    for delivery_id, item_count, *counts in found:
        assert item_count == sum(counts), (delivery_id, item_count, counts)
        assert min(counts) >= 0
    return {row[0]: row[2:] for row in found}


@contextmanager
def fresh(database_url: str) -> Iterator[Connection]:
    """Open a connection as the worker's, in autocommit mode, to a database with nothing in it but zones and rules."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        empty(connection)
        add_rules(connection)
        yield connection


@contextmanager
def another(database_url: str) -> Iterator[Connection]:
    """Open a second connection as the worker's, in autocommit mode."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


def empty(connection: Connection) -> None:
    """Delete everything. Truncate is refused on some of these tables, with good reason."""
    with connection.transaction():
        connection.execute("set local ledger.marks = 'explicit'")
        for table in _TABLES:
            connection.execute(sql.SQL("delete from {}").format(sql.Identifier(*table.split("."))))


_TABLES = (
    *(f"core.{table}" for table in sorted(CONTENT, key="twitter_profiles".__eq__)),
    "raw.delivery_queue",
    "raw.deliveries",
    "raw.dead_letters",
    "raw.compression_dictionaries",
    "core.twitter_rules",
    "core.zones",
    "ops.delivery_accounting",
    "ops.suppression_queue",
    "ops.int_zone_counted_tweets__marks",
    "ops.twitter_top_profiles_by_zone__profile_marks",
)
