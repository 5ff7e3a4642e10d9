"""Observations in any split and order leave each counter at its newest known value, and every one in the history."""

from __future__ import annotations

from typing import Any

import psycopg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from database import snowflake
from ingest.engagement import observe
from ingest.normalise.batch import larger
from ingest.normalise.records import UNKNOWN, Counters
from tests.datalayer.world import World

TWEETS = 4
UNKNOWN_TWEET = 0
MOMENTS = 5

counts = st.none() | st.integers(0, 9)
counters = st.tuples(*[counts] * 6).filter(lambda drawn: drawn != UNKNOWN)
portions = st.lists(
    st.dictionaries(st.tuples(st.integers(0, TWEETS), st.integers(1, MOMENTS)), counters, min_size=1, max_size=12),
    min_size=1,
    max_size=5,
)


def merged(drawn: list[observe.Observations]) -> observe.Observations:
    """All portions as one: what is told of a tweet and moment more than once is its largest."""
    everything: observe.Observations = {}
    for portion in drawn:
        for key, value in portion.items():
            everything[key] = larger(everything.get(key), value)
    return everything


def newest_known(everything: observe.Observations, tweet_id: int) -> tuple[int, Counters]:
    """The last moment of a tweet, and of each counter the newest value that is known."""
    moments = sorted(ms for seen, ms in everything if seen == tweet_id)
    latest = [None] * 6
    for ms in moments:
        told = everything[tweet_id, ms]
        latest = [old if new is None else new for old, new in zip(latest, told, strict=True)]
    return moments[-1], tuple(latest)  # type: ignore[return-value]


def rows(connection: psycopg.Connection[Any], what: str) -> list[tuple[Any, ...]]:
    table = "twitter_tweet_metrics" if what == "observed_at" else "twitter_engagement_history"
    return connection.execute(
        f"select tweet_id, {what}, retweet_count, reply_count, like_count, quote_count, view_count, bookmark_count"
        f" from core.{table} order by 1, 2".encode()
    ).fetchall()


@given(portions)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_portions_in_any_order_end_in_the_newest_known_counters(
    connection: psycopg.Connection[Any], drawn: list[observe.Observations]
) -> None:
    connection.rollback()
    observe.prepare(connection)
    world = World(connection)
    zone = world.zone("news")
    start = snowflake.to_unix_ms(world.now)
    ids = {
        UNKNOWN_TWEET: snowflake.floor(world.now) - 1,
        **{place: world.tweet(zone) for place in range(1, TWEETS + 1)},
    }
    connection.execute("delete from core.twitter_engagement_history")
    known = {ids[place] for place in ids if place != UNKNOWN_TWEET}
    connection.execute(
        "update core.twitter_tweet_metrics set observed_at = 'epoch', retweet_count = null, reply_count = null,"
        " like_count = null, quote_count = null, view_count = null, bookmark_count = null"
    )
    told = [{(ids[place], start + ms): value for (place, ms), value in portion.items()} for portion in drawn]
    observed = [observe.write_observations(connection, portion) for portion in told]

    everything = {key: value for key, value in merged(told).items() if key[0] in known}
    assert rows(connection, "snapshot_at") == [
        (tweet_id, snowflake.from_unix_ms(ms), *value) for (tweet_id, ms), value in sorted(everything.items())
    ]
    expected = {tweet_id: newest_known(everything, tweet_id) for tweet_id, _ in everything}
    found = {row[0]: (row[1], row[2:]) for row in rows(connection, "observed_at") if row[0] in expected}
    assert found == {tweet_id: (snowflake.from_unix_ms(ms), value) for tweet_id, (ms, value) in expected.items()}
    assert [each.known_tweets for each in observed] == [len({key[0] for key in each} & known) for each in told]
