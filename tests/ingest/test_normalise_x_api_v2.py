"""X's API v2 from its deliveries to ``core``: many rules, many zones, events, and what cannot be read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ingest.normalise.worker import Worker
from tests.conftest import _own_database as own_database
from tests.ingest.landing import HOUR_AGO, ZONES, Connection, accounts, fresh, letters, normalise, rows
from tests.unit import payloads
from tests.unit.test_dialect_x_api_v2 import ids_in


@pytest.fixture(scope="module")
def module_database_url(server_url: str, template_database: str) -> Iterator[str]:
    yield from own_database(server_url, template_database)


@pytest.fixture
def db(module_database_url: str) -> Iterator[Connection]:
    with fresh(module_database_url) as connection:
        yield connection


def add_rule(connection: Connection, zone: str, tag: str, external_id: str | None = None) -> None:
    connection.execute(
        "insert into core.twitter_rules (zone_id, source, tag, query, external_rule_id)"
        " values (%s, 'x_api_v2', %s, 'words', %s)",
        (ZONES[zone], tag, external_id),
    )


def land_and_read(connection: Connection, value: Any, items: int = 1) -> None:
    normalise(connection, value, source="x_api_v2", item_count=items)


def test_one_tweet_of_many_rules_belongs_to_the_zones_of_all(db: Connection) -> None:
    add_rule(db, "alpha", "first", "17" + "0" * 17)
    add_rule(db, "beta", "second")
    add_rule(db, "beta", "third")
    land_and_read(db, payloads.x_envelope(payloads.x_tweet(HOUR_AGO), tags=("renamed at X", "second", "third")))
    links = rows(db, "twitter_tweet_zones", "zone_id, cardinality(rule_ids)")
    assert links == [(ZONES["alpha"], 1), (ZONES["beta"], 2)]
    assert letters(db) == []
    assert list(accounts(db).values()) == [(1, 0, 0, 0)]


def test_a_rule_that_is_unknown_beside_a_known_one_is_a_letter_until_it_is_added(db: Connection) -> None:
    add_rule(db, "alpha", "first")
    land_and_read(db, payloads.x_envelope(payloads.x_tweet(HOUR_AGO), tags=("first", "second")))
    assert letters(db) == [("routing", "unknown_rule")]
    assert list(accounts(db).values()) == [(1, 0, 0, 0)]
    add_rule(db, "beta", "second")
    ((delivery_id,),) = db.execute("select delivery_id from raw.deliveries").fetchall()
    Worker(db).reprocess([delivery_id])
    assert letters(db) == []
    assert rows(db, "twitter_tweet_zones", "zone_id") == [(ZONES["alpha"],), (ZONES["beta"],)]


def test_tweets_events_problems_and_cut_lines_are_accounted_for_item_by_item(db: Connection) -> None:
    add_rule(db, "alpha", "first")
    tweet = payloads.x_envelope(payloads.x_tweet(HOUR_AGO), tags=("first",))
    stranger = payloads.x_envelope(payloads.x_tweet(HOUR_AGO, sequence=2), tags=("none",))
    problem = {"resource_type": "tweet", "resource_id": "9", "type": "x/resource-not-found"}
    deletion = {"data": {"delete": {"tweet": {"id": "5", "author_id": "701"}, "event_at": payloads.iso_time(HOUR_AGO)}}}
    lines = [tweet | {"errors": [problem]}, deletion, stranger]
    body = b"\n".join([*map(payloads.encoded, lines), payloads.encoded(tweet)[:99]])
    land_and_read(db, body, items=5)
    assert list(accounts(db).values()) == [(1, 0, 2, 2)]
    assert letters(db) == [("envelope", "unknown_rule"), ("envelope", "unreadable_line")]
    assert rows(db, "twitter_compliance_events", "tweet_id, event_type, user_id") == [
        (5, "delete", 701),
        (9, "resource_not_found", None),
    ]
    land_and_read(db, payloads.x_envelope(payloads.x_tweet(HOUR_AGO), tags=("first",)))
    assert sorted(accounts(db).values()) == [(0, 1, 0, 0), (1, 0, 2, 2)]


def test_real_payloads_end_in_core_with_their_originals(db: Connection) -> None:
    """None of them came through a rule of ours: with a zone named, every tweet of the files is kept."""
    folder = os.environ.get("REAL_DATA_DIR")
    if folder is None:
        pytest.skip("REAL_DATA_DIR is not set: there are no real payloads here")
    bodies = [file.read_bytes() for file in sorted((Path(folder) / "x-api-v2").glob("*.jsonl"))]
    normalise(db, *bodies, source="x_api_v2", zone="alpha")
    kept = {str(tweet_id) for (tweet_id,) in rows(db, "twitter_tweets", "tweet_id")}
    assert kept == set().union(*map(ids_in, bodies))
    assert set(letters(db)) == {("envelope", "unreadable_line"), ("envelope", "unreadable_body")}
    orphans = db.execute(
        "select count(*) from core.twitter_tweets as t left join core.twitter_profiles as p"
        " on t.author_profile_id = p.twitter_user_id where p.twitter_user_id is null"
    ).fetchone()
    assert orphans == (0,)
