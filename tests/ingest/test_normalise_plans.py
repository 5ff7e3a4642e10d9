"""How much of the tables a batch touches: as much as the batch holds, whatever lies there already.

Rows are counted, never milliseconds: by the plan's own figures, and by the server's statistics of each table.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import ingest.normalise.worker as worker_module
from database import named_sql
from ingest.normalise.worker import Worker
from tests.conftest import _own_database as own_database
from tests.ingest import landing
from tests.ingest.landing import HOUR_AGO, NOW, ZONES, Connection, one
from tests.unit import payloads

STORED_TWEETS = 200_000
STORED_PROFILES = 50_000
BACKLOG = 100_000

_CLAIM = named_sql.statements(Path(worker_module.__file__).parent / "sql" / "claim.sql")


@pytest.fixture(scope="module")
def db(server_url: str, template_database: str) -> Iterator[Connection]:
    """A database with tweets of the last days in every table, analysed; shared by the tests of this module."""
    for url in own_database(server_url, template_database):
        with landing.fresh(url) as connection:
            connection.execute("set ledger.marks = 'explicit'")
            store_tweets(connection)
            connection.execute("reset ledger.marks")
            connection.execute("vacuum analyze")
            yield connection


def store_tweets(connection: Connection) -> None:
    """Store tweets that were posted one after the other within the last three days."""
    parameters = {
        "tweets": STORED_TWEETS,
        "profiles": STORED_PROFILES,
        "zone": ZONES["alpha"],
        "start": NOW - timedelta(days=3),
        "step": timedelta(days=3) / STORED_TWEETS,
    }
    for statement in _STORE:
        connection.execute(statement, parameters)


_STORE = (
    """
    insert into core.twitter_profiles (
        twitter_user_id, first_seen_at, last_seen_at, last_updated_at, content_hash, username
    )
    select 1000 + n, %(start)s, %(start)s, %(start)s, n, 'stored_' || n from generate_series(0, %(profiles)s - 1) as n
    """,
    """
    insert into core.twitter_tweets (
        tweet_id, author_profile_id, delivery_id, content_hash, twitter_created_at, collected_at, has_media,
        has_links, has_hashtags, has_mentions, is_reply, text
    )
    select
        core.snowflake_floor(posted_at), 1000 + n %% %(profiles)s, 1, n, posted_at, posted_at, false,
        false, true, false, false, 'Stored words number ' || n
    from (select n, %(start)s + n * %(step)s as posted_at from generate_series(0, %(tweets)s - 1) as n) as numbered
    """,
    """
    insert into core.twitter_tweet_metrics (tweet_id, observed_at, like_count)
    select tweet_id, twitter_created_at, 1 from core.twitter_tweets
    """,
    """
    insert into core.twitter_engagement_history (tweet_id, snapshot_at, like_count)
    select tweet_id, twitter_created_at, 1 from core.twitter_tweets
    """,
    """
    insert into core.twitter_entities (tweet_id, ordinal, entity_type, entity_value, entity_normalized)
    select tweet_id, 0, 'hashtag', 'Tag', 'tag' from core.twitter_tweets
    """,
    """
    insert into core.twitter_tweet_zones (tweet_id, zone_id, author_profile_id, twitter_created_at, first_matched_at)
    select tweet_id, %(zone)s, author_profile_id, twitter_created_at, twitter_created_at from core.twitter_tweets
    """,
    """
    insert into ops.delivery_accounting (
        delivery_id, item_count, normalised_count, duplicate_count, control_count, dead_count, parser_version
    )
    select core.snowflake_floor(now()) - n, 1, 1, 0, 0, 0, 1 from generate_series(1, %(profiles)s) as n
    """,
    """
    insert into raw.dead_letters (delivery_id, item_index, received_at, source, stage, reason, detail)
    select core.snowflake_floor(now()) - n, 0, now(), 's', 'item', 'r', '' from generate_series(1, %(profiles)s) as n
    """,
)


def rows_read(connection: Connection) -> dict[str, int]:
    """Return how many rows of each table of ours the server has read so far, through indexes or not."""
    connection.execute("select pg_stat_force_next_flush()")
    found = connection.execute(
        "select schemaname || '.' || relname, seq_tup_read + coalesce(idx_tup_fetch, 0) from pg_stat_user_tables"
        " where schemaname in ('core', 'ops', 'raw')"
    )
    return {name: count for name, count in found if count}


def stored_again(connection: Connection, count: int) -> list[dict[str, Any]]:
    """Return stored tweets as a delivery shows them again, with other content and counters."""
    found = connection.execute(
        "select tweet_id, author_profile_id from core.twitter_tweets tablesample bernoulli (1) repeatable (7)"
        " where author_profile_id < 900000 order by tweet_id limit %s",
        (count,),
    ).fetchall()
    assert len(found) == count
    return [
        payloads.tweet(id=str(tweet_id), createdAt=None, author=stored_author(author_id), text="Other words")
        for tweet_id, author_id in found
    ]


def stored_author(author_id: int) -> dict[str, Any]:
    return payloads.user(author_id, userName=f"stored_{author_id - 1000}", name=None)


@pytest.mark.parametrize("kind", ["new", "known", "older", "again"])
def test_a_batch_reads_rows_in_proportion_to_itself(db: Connection, kind: str) -> None:
    """One forgotten nested loop over a partition would read hundreds of thousands of rows here."""
    size = 100
    tweets = {
        "new": lambda: [landing.tweet(n, author=payloads.user(900_000 + n)) for n in range(1, size + 1)],
        "known": lambda: stored_again(db, size),
        "older": lambda: stored_again(db, size),
        "again": lambda: stored_again(db, size),
    }[kind]()
    sent = NOW - timedelta(days=30) if kind == "older" else HOUR_AGO
    delivery_ids = [
        landing.land(db, landing.delivery(*tweets[start : start + 10], sent=sent), item_count=10)
        for start in range(0, size, 10)
    ]
    worker = Worker(db)
    if kind == "again":
        worker.drain()
    before = rows_read(db)
    if kind == "again":
        worker.reprocess(delivery_ids)
    else:
        worker.drain()
    read = {name: count - before.get(name, 0) for name, count in rows_read(db).items()}
    assert one(db, "select count(*) from raw.delivery_queue") == 0
    excessive = {name: count for name, count in read.items() if count > 12 * size}
    assert not excessive


def test_claiming_reads_as_many_rows_as_the_batch_not_as_the_backlog(db: Connection) -> None:
    db.execute(
        "insert into raw.deliveries (delivery_id, received_at, body_bytes, item_count, source, body)"
        " select core.snowflake_floor(now()) + n, now(), 100, 1, 's', '' from generate_series(1, %s) as n",
        (BACKLOG,),
    )
    db.execute("insert into raw.delivery_queue select delivery_id from raw.deliveries where source = 's'")
    try:
        db.execute("vacuum analyze raw.delivery_queue")
        db.execute("analyze raw.deliveries")
        bounds = {"deliveries": 50, "items": 50, "bytes": 10**6}
        plan = explained(db, _CLAIM["claim"], bounds)
        assert rows_scanned(plan) <= 6 * 50, plan
    finally:
        db.execute("delete from raw.delivery_queue")
        db.execute("delete from raw.deliveries where source = 's'")


def test_a_page_of_a_period_reads_as_many_rows_as_the_page(db: Connection) -> None:
    parameters = {"after": 0, "end": 2**63 - 1, "limit": 20}
    plan = explained(db, _CLAIM["page_of_period"], parameters)
    assert rows_scanned(plan) <= 4 * 20 + 1_000, plan


def explained(connection: Connection, statement: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """Run a statement, undo it, and return its plan with what really happened."""
    with connection.transaction(force_rollback=True):
        plans = one_row(connection, "explain (analyze, format json) " + statement, parameters)
    plan: dict[str, Any] = plans[0]["Plan"]
    return plan


def one_row(connection: Connection, statement: str, parameters: dict[str, Any]) -> Any:
    row = connection.execute(statement, parameters).fetchone()
    assert row is not None
    return row[0]


def rows_scanned(plan: dict[str, Any]) -> int:
    """Return the rows that the scans of a plan looked at, those included that a filter removed."""
    here = 0
    if plan["Node Type"] in {"Seq Scan", "Index Scan", "Index Only Scan", "Bitmap Heap Scan", "Tid Scan"}:
        here = round((plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)) * plan["Actual Loops"])
    return here + sum(rows_scanned(child) for child in plan.get("Plans", ()))
