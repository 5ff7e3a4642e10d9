"""What has been suppressed for long loses its content, keeps its ids, and is filled again once it may be shown."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from database.codec import Codec
from ingest.compliance import purge
from ingest.compliance.purge import Purged
from ingest.normalise.worker import Worker
from tests.ingest import landing
from tests.ingest.landing import NOW, Connection, one
from tests.unit import payloads


@pytest.fixture
def db(database_url: str) -> Iterator[Connection]:
    with landing.fresh(database_url) as connection:
        yield connection


def content(db: Connection) -> list[tuple[object, ...]]:
    return db.execute("select text, purged_at is not null from core.twitter_tweets order by tweet_id").fetchall()


def test_a_purge_takes_text_entities_profile_and_delivery_and_an_undo_with_a_delivery_brings_them_back(
    db: Connection,
) -> None:
    tweet = landing.tweet(1, text="Secret words", entities={"hashtags": [{"text": "secret"}]})
    kept = landing.tweet(2, author=payloads.user(5))
    landing.land(db, landing.delivery(tweet, kept, sent=NOW - timedelta(minutes=9)), item_count=2)
    told = str(int((NOW - timedelta(minutes=5)).timestamp() * 1000))
    landing.land(db, payloads.encoded({"user_suspend": {"id": 701, "timestamp_ms": told}}), source="v1_1", zone="alpha")
    Worker(db).drain()

    assert purge.due(db, NOW - timedelta(minutes=6)) == Purged()
    assert purge.due(db, NOW) == Purged(tweets=1, profiles=1)
    assert purge.purge(db, NOW) == Purged(tweets=1, profiles=1, deliveries=1)
    assert purge.purge(db, NOW) == Purged()
    assert content(db) == [("", True), ("Plain words", False)]
    assert one(db, "select count(*) from core.twitter_entities") == 0
    assert one(db, "select username from core.twitter_profiles where twitter_user_id = 701") is None
    bodies = [Codec({}).decompress(body, 0) for (body,) in db.execute("select body from raw.deliveries", binary=True)]
    assert not any(b"Secret" in body for body in bodies)
    assert any(b"Plain words" in body for body in bodies)
    Worker(db).reprocess([row for (row,) in db.execute("select delivery_id from raw.deliveries")])
    assert content(db)[0] == ("", True)

    landing.land(db, landing.delivery(tweet, sent=NOW - timedelta(minutes=2)))
    Worker(db).drain()
    assert content(db)[0] == ("", True)
    undo = {"user_unsuspend": {"id": 701, "timestamp_ms": str(int((NOW - timedelta(minutes=1)).timestamp() * 1000))}}
    landing.land(db, payloads.encoded(undo), source="v1_1", zone="alpha")
    Worker(db).drain()
    landing.land(db, landing.delivery(tweet, sent=NOW))
    Worker(db).drain()
    assert content(db)[0] == ("Secret words", False)
    assert one(db, "select username from core.twitter_profiles where twitter_user_id = 701") == "writer_701"
