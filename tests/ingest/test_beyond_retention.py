"""T32: what arrives for a month that has left is a dead letter that says so, and brings nothing back to life."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import psycopg
import pytest

from database import partitions, snowflake
from ingest.normalise.worker import Worker
from tests.ingest import landing
from tests.ingest.landing import NOW, Connection

OLD = timedelta(hours=2)


@pytest.fixture
def db(database_url: str) -> Iterator[Connection]:
    with landing.fresh(database_url) as connection:
        yield connection


def seal(db: Connection) -> None:
    """Seal the hour that lies two hours back, as if it were a month."""
    start = NOW - timedelta(hours=2, minutes=30)
    bounds = (start, start + timedelta(hours=1))
    db.execute(
        "insert into ops.sealed_ranges (lower_id, upper_id, starts_at, ends_at) values (%s, %s, %s, %s)",
        (*(snowflake.floor(moment) for moment in bounds), *bounds),
    )


def test_a_late_tweet_of_a_sealed_month_is_a_dead_letter_until_the_month_is_back(db: Connection) -> None:
    seal(db)
    young = landing.tweet(2, age=timedelta(minutes=5))
    delivery_id = landing.land(db, landing.delivery(landing.tweet(1, age=OLD), young), item_count=2)
    landing.drain(db)
    assert landing.letters(db) == [("item", "beyond_retention")]
    assert landing.accounts(db) == {delivery_id: (1, 0, 0, 1)}
    assert [row[0] for row in landing.rows(db, "twitter_tweets", "tweet_id")] == [int(young["id"])]
    assert landing.marks(db) == {int(young["id"])}
    db.execute("delete from ops.sealed_ranges")
    Worker(db).reprocess([delivery_id])
    assert landing.letters(db) == []
    assert landing.one(db, "select count(*) from core.twitter_tweets") == 2


def test_a_retweet_of_a_sealed_month_s_tweet_counts_without_its_original(db: Connection) -> None:
    seal(db)
    original = landing.tweet(1, age=OLD)
    retweet = landing.tweet(2, age=timedelta(minutes=5), retweeted_tweet=original)
    delivery_id = landing.land(db, landing.delivery(retweet))
    landing.drain(db)
    assert landing.letters(db) == [("embedded", "beyond_retention")]
    assert landing.accounts(db) == {delivery_id: (1, 0, 0, 0)}
    found = landing.rows(db, "twitter_tweets", "tweet_id, retweeted_tweet_id, text")
    assert found == [(int(retweet["id"]), int(original["id"]), original["text"])]


def test_a_month_is_sealed_only_between_two_batches(db: Connection, database_url: str) -> None:
    """Whoever seals takes the lock alone that every batch shares until it commits."""
    landing.land(db, landing.delivery(landing.tweet(1)))
    with psycopg.connect(database_url, autocommit=True) as sealing:
        sealing.execute("select pg_advisory_lock(%s)", (partitions.WRITERS_OF_FACTS,))
        db.execute("set lock_timeout = '50ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            landing.drain(db)
        assert landing.one(db, "select count(*) from raw.delivery_queue") == 1
        sealing.execute("select pg_advisory_unlock(%s)", (partitions.WRITERS_OF_FACTS,))
    landing.drain(db)
    assert landing.one(db, "select count(*) from core.twitter_tweets") == 1
