"""The proof itself: what it finds, what it leaves out, and that what it finds is healed.

Belongs here: ``orchestration.marts.verification`` and the recounts.
Does not belong here: the check as Dagster shows it (``tests/orchestration``).
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from database import named_sql
from orchestration.marts.verification import (
    MARTS,
    PROFILE_WINDOWS,
    TOP_PROFILES,
    TOP_TWEETS,
    TRENDING,
    TRENDS,
    ZONE_DAYS,
    ZONE_STATS,
    Mart,
    verify,
)
from tests.dbt import facts
from tests.dbt.builds import drift
from tests.dbt.conftest import Marts
from tests.dbt.facts import AUTHORS, NOON, ZONES, add_tweet, minutes

CORRUPTIONS = {
    "a number is wrong": "update marts.{} set {} = {} + 1 where zone_id = %(zone)s",
    "a row is missing": "delete from marts.{} where zone_id = %(zone)s",
}
NUMBER = {
    ZONE_STATS: "total_tweets",
    TOP_PROFILES: "tweet_count",
    TRENDING: "tweet_count_24h",
    TOP_TWEETS: "total_engagement",
    ZONE_DAYS: "total_tweets",
    PROFILE_WINDOWS: "tweet_count",
    TRENDS: "tweet_count",
}
BUCKET = {
    ZONE_STATS: "zone_id, hour",
    TOP_PROFILES: "zone_id, profile_id",
    TRENDING: "zone_id, hashtag",
    TOP_TWEETS: "zone_id, day",
    ZONE_DAYS: "zone_id, day",
    PROFILE_WINDOWS: "zone_id, profile_id",
    TRENDS: "zone_id, entity_type, entity_value",
}


def fill(marts: Marts) -> None:
    for number in range(40):
        add_tweet(
            marts.facts,
            NOON - minutes(17 * number),
            author=AUTHORS[number % 4],
            zones=ZONES[number % 2 :],
            tags=(f"tag{number % 5}",),
            counters={"like_count": number},
        )
    marts.build()


def notes(marts: Marts, mart: Mart) -> int:
    row = marts.facts.execute(f"select count(*) from ops.{mart.name}__touched".encode()).fetchone()
    return row[0] if row else 0


def everything(marts: Marts, mart: Mart) -> int:
    return verify(marts.facts, mart, slice_number=0, slice_count=1).drifted_bucket_count


@pytest.mark.parametrize("what", CORRUPTIONS)
@pytest.mark.parametrize("mart", MARTS, ids=lambda mart: mart.name)
def test_what_somebody_broke_by_hand_is_found_and_the_next_build_heals_it(marts: Marts, mart: Mart, what: str) -> None:
    fill(marts)
    assert everything(marts, mart) == 0
    statement = CORRUPTIONS[what].format(mart.name, NUMBER[mart], NUMBER[mart])
    broken = marts.facts.execute(
        f"select distinct {BUCKET[mart]} from marts.{mart.name} where zone_id = %s".encode(), (ZONES[0],)
    ).rowcount
    marts.facts.execute(statement.encode(), {"zone": ZONES[0]})
    assert everything(marts, mart) == broken > 0
    marts.build()
    assert drift(marts.facts) == {}


def test_a_row_that_should_not_be_there_is_found_and_goes(marts: Marts) -> None:
    fill(marts)
    marts.facts.execute(
        "insert into marts.twitter_trending_hashtags"
        " select zone_id, 'made up', 'made up', 1, 1, 1, 1, now(), '{}', '{}', '{}', '{}', now()"
        " from marts.twitter_trending_hashtags limit 1"
    )
    assert everything(marts, TRENDING) == 1
    marts.build()
    assert drift(marts.facts) == {}


AUTHORS_OF_TAGS = {
    "an author's count is wrong": "update intermediate.int_zone_tag_author_window set tweet_count = tweet_count + 1",
    "an author's best is wrong": "update intermediate.int_zone_tag_author_window set best_tweet_id = 7",
    "authors are missing": "delete from intermediate.int_zone_tag_author_window",
    "an author has no tweets": (
        "insert into intermediate.int_zone_tag_author_window select zone_id, hashtag, 7, 1, now(), 1, 7"
        " from marts.twitter_trending_hashtags"
    ),
}


@pytest.mark.parametrize("what", AUTHORS_OF_TAGS)
def test_authors_of_tags_that_somebody_broke_are_found_in_one_cycle_before_the_mart_is_wrong(
    marts: Marts, what: str
) -> None:
    fill(marts)
    marts.facts.execute(AUTHORS_OF_TAGS[what].encode())
    (tags,) = marts.facts.execute("select count(*) from marts.twitter_trending_hashtags").fetchone() or (0,)
    found = [verify(marts.facts, TRENDING, slice_count=8, claimed_limit=0).drifted_bucket_count for _ in range(8)]
    assert sum(found) == tags > 0
    marts.build()
    assert drift(marts.facts) == {}


@pytest.mark.parametrize(
    ("table", "wrong"),
    [
        ("int_zone_author_hourly", "total_engagement = 5, tweet_count = 9, top_engagement = null"),
        ("int_zone_tag_author_hourly", "total_engagement = 5, tweet_count = 9"),
        ("int_zone_top_tweets_hourly", "total_engagement = 5"),
        ("int_zone_entity_author_hourly", "tweet_count = 9"),
    ],
)
def test_what_is_wrong_below_a_mart_is_healed_from_there(marts: Marts, table: str, wrong: str) -> None:
    fill(marts)
    marts.facts.execute(f"update intermediate.{table} set {wrong}".encode())
    marts.facts.execute("delete from ops.mart_state where model like 'twitter%'")
    marts.build()
    for mart in MARTS:
        everything(marts, mart)
    marts.build()
    assert drift(marts.facts) == {}


@pytest.mark.parametrize("mart", MARTS, ids=lambda mart: mart.name)
def test_facts_changed_without_a_mark_are_found(marts: Marts, mart: Mart) -> None:
    fill(marts)
    with marts.facts.transaction():
        marts.facts.execute("set local ledger.marks = 'explicit'")
        add_tweet(marts.facts, NOON - timedelta(hours=2), tags=("tag1",), sequence=9, counters={"like_count": 1})
    assert everything(marts, mart) == 1
    marts.build()
    assert drift(marts.facts) == {}


def test_buckets_that_wait_are_left_out(marts: Marts) -> None:
    fill(marts)
    add_tweet(marts.facts, NOON - minutes(1), zones=ZONES, tags=("tag1",), sequence=9)
    facts.rename(marts.facts, AUTHORS[1], "other")
    assert {mart.name: everything(marts, mart) for mart in MARTS} == {mart.name: 0 for mart in MARTS}


@pytest.mark.parametrize("mart", MARTS, ids=lambda mart: mart.name)
def test_one_cycle_of_slices_goes_through_every_bucket_once(marts: Marts, mart: Mart) -> None:
    fill(marts)
    marts.facts.execute(f"update marts.{mart.name} set {NUMBER[mart]} = {NUMBER[mart]} + 1".encode())
    (total,) = marts.facts.execute(f"select count(*) from marts.{mart.name}".encode()).fetchone() or (0,)
    found = [verify(marts.facts, mart, slice_count=8, claimed_limit=0).drifted_bucket_count for _ in range(8)]
    assert sum(found) <= total
    (completed,) = marts.facts.execute(
        "select cycle_completed_at is not null from ops.mart_verification where model = %s", (mart.name,)
    ).fetchone() or (None,)
    assert completed
    marts.build()
    assert drift(marts.facts) == {}


@pytest.mark.parametrize("mart", MARTS, ids=lambda mart: mart.name)
def test_the_buckets_of_the_latest_build_are_checked_whatever_the_slice(marts: Marts, mart: Mart) -> None:
    fill(marts)
    assert everything(marts, mart) == 0
    add_tweet(marts.facts, NOON - timedelta(hours=5), tags=("tag1",), sequence=9, counters={"like_count": 1})
    marts.build()
    marts.facts.execute(f"update marts.{mart.name} set {NUMBER[mart]} = 1000".encode())
    assert verify(marts.facts, mart, slice_number=500, slice_count=1000).drifted_bucket_count == 1


@pytest.mark.parametrize("mart", [TOP_PROFILES, TRENDING], ids=lambda mart: mart.name)
def test_what_triggers_changed_since_the_verification_before_is_checked_once(marts: Marts, mart: Mart) -> None:
    """Two builds of the tweets, one of which takes a tweet out, and none that would claim the mart's buckets."""
    fill(marts)
    verify(marts.facts, mart, slice_number=500, slice_count=1000)
    for tag, author in (("tag1", AUTHORS[0]), ("tag2", AUTHORS[2])):
        tweet = add_tweet(marts.facts, NOON - minutes(3), author=author, tags=(tag,), sequence=author)
        marts.build(["int_zone_counted_tweets"])
    facts.delete_tweet(marts.facts, tweet)
    marts.build()
    marts.facts.execute(f"update marts.{mart.name} set {NUMBER[mart]} = 1000 where zone_id = %s".encode(), (ZONES[0],))
    first, second = (verify(marts.facts, mart, slice_number=500, slice_count=1000) for _ in range(2))
    assert (first.checked_bucket_count, first.drifted_bucket_count) == (2, 2)
    assert second.checked_bucket_count == 0


@pytest.mark.parametrize("mart", [TOP_PROFILES, TRENDING], ids=lambda mart: mart.name)
def test_nothing_is_wrong_before_the_first_build(marts: Marts, mart: Mart) -> None:
    """The triggers leave a mart as it is until then."""
    fill(marts)
    marts.facts.execute("delete from ops.mart_state where model = %s", (mart.name,))
    add_tweet(marts.facts, NOON - minutes(2), tags=("tag1",), sequence=9)
    marts.build(["int_zone_counted_tweets"])
    assert verify(marts.facts, mart, slice_number=0, slice_count=1).checked_bucket_count == 0
    marts.build()
    marts.build()
    assert drift(marts.facts) == {}


@pytest.mark.parametrize("mart", [TOP_PROFILES, TRENDING], ids=lambda mart: mart.name)
def test_notes_that_nobody_reads_do_not_grow_without_end(marts: Marts, mart: Mart) -> None:
    fill(marts)
    assert notes(marts, mart) > 0
    marts.facts.execute(
        "update pg_class set reltuples = 2000000 where oid = %s::regclass", (f"ops.{mart.name}__touched",)
    )
    with marts.facts.transaction():
        marts.facts.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"verify.{mart.name}",))
        marts.build([mart.name])
        assert notes(marts, mart) > 0
    marts.build([mart.name])
    assert notes(marts, mart) == 0


@pytest.mark.parametrize("broken", ["{x}", "{99999999999999999999,1}", "{NULL}", "{}"])
def test_samples_that_are_no_ids_do_not_stop_the_counting(marts: Marts, broken: str) -> None:
    fill(marts)
    marts.facts.execute("update marts.twitter_trending_hashtags set sample_tweets = %s", (broken,))
    add_tweet(marts.facts, NOON - minutes(1), tags=("tag1",), sequence=9, counters={"like_count": 1})
    marts.build()
    assert everything(marts, TRENDING) > 0
    marts.build()
    assert drift(marts.facts) == {}


@pytest.mark.parametrize("mart", MARTS, ids=lambda mart: mart.name)
def test_the_recount_reads_none_of_the_tables_that_the_mart_is_built_from(mart: Mart) -> None:
    recount = named_sql.statements(mart.recount)["recount"]
    assert "intermediate." not in recount
    assert "marts." not in recount
    assert "staging." not in recount
