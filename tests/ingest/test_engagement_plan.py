"""Finding what is due touches what is due, however many tweets there are."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from database import named_sql, snowflake
from ingest.engagement import grid, snapshot

NOW = datetime.now(UTC).replace(microsecond=0)
AFTER = NOW - snapshot.TICK

_SQL = named_sql.statements(snapshot.Path(snapshot.__file__).parent / "sql" / "engagement.sql")

FILL = """
with zone as (insert into core.zones (name) values ('kelmora') returning id),

ids as (
    select
        core.snowflake_floor(%(end)s::timestamptz - number * (%(span)s::interval / %(count)s)) as tweet_id,
        zone.id as zone_id
    from zone, generate_series(1, %(count)s) as number
),

tweets as (
    insert into core.twitter_tweets (
        tweet_id, author_profile_id, delivery_id, content_hash, twitter_created_at, collected_at, has_media, has_links,
        has_hashtags, has_mentions, is_reply, text
    )
    select
        ids.tweet_id, 1, ids.tweet_id, 1, core.snowflake_time(ids.tweet_id), core.snowflake_time(ids.tweet_id), false,
        false, false, false, false, ''
    from ids
),

history as (
    insert into core.twitter_engagement_history (tweet_id, snapshot_at, like_count)
    select ids.tweet_id, core.snowflake_time(ids.tweet_id), 1 from ids
)

insert into core.twitter_tweet_zones (tweet_id, zone_id, author_profile_id, twitter_created_at, first_matched_at)
select ids.tweet_id, ids.zone_id, 1, core.snowflake_time(ids.tweet_id), core.snowflake_time(ids.tweet_id) from ids
"""


@pytest.fixture
def filled(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    """60,000 tweets within 30 days: more than a week's worth is cold."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("set ledger.marks = 'explicit'")
        connection.execute(
            """
            insert into core.twitter_profiles (
                twitter_user_id, first_seen_at, last_seen_at, last_updated_at, content_hash
            )
            values (1, now(), now(), now(), 1)
            """
        )
        connection.execute(FILL, {"end": NOW, "span": timedelta(days=30), "count": 60_000})
        connection.execute("vacuum analyze")
        yield connection


def scans(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield every node of a plan that reads a table or an index."""
    if "Relation Name" in node or node["Node Type"] == "Bitmap Index Scan":
        yield node
    for inner in node.get("Plans", ()):
        yield from scans(inner)


def explained(connection: psycopg.Connection[Any], span: grid.IdRange) -> list[dict[str, Any]]:
    parameters = {"after": AFTER, "lower": span.lower, "upper": span.upper}
    row = connection.execute(
        b"explain (analyze, buffers, format json) " + _SQL["candidates"].encode(), parameters, prepare=False
    ).fetchone()
    assert row is not None
    return [node for node in scans(row[0][0]["Plan"]) if node["Actual Loops"]]


@pytest.mark.slow
def test_choosing_what_is_due_reads_the_due_rows_and_no_others(filled: psycopg.Connection[Any]) -> None:
    spans = grid.due_ids(snowflake.to_unix_ms(AFTER), snowflake.to_unix_ms(NOW))
    assert len(spans) == len(grid.AGES)
    due = touched = 0
    for span in spans:
        [count] = filled.execute(
            "select count(*) from core.twitter_tweet_zones where tweet_id >= %s and tweet_id < %s",
            (span.lower, span.upper),
        ).fetchone() or (0,)
        due += count
        for node in explained(filled, span):
            assert node["Node Type"] != "Seq Scan" or node.get("Actual Rows", 0) * node["Actual Loops"] == 0
            touched += node["Actual Rows"] * node["Actual Loops"]
            touched += node.get("Rows Removed by Filter", 0) * node["Actual Loops"]
            touched += node.get("Rows Removed by Index Recheck", 0) * node["Actual Loops"]
    assert due == pytest.approx(36 * 15 / (30 * 24 * 60) * 60_000, rel=0.1)
    # Each due tweet is met in its link, its content and at most once in each of history and absences.
    assert touched <= 4 * due


def test_nothing_is_asked_of_the_database_for_tweets_that_are_cold() -> None:
    spans = grid.due_ids(snowflake.to_unix_ms(AFTER), snowflake.to_unix_ms(NOW))
    coldest = snowflake.floor(AFTER - timedelta(days=7))
    assert min(span.lower for span in spans) >= coldest
