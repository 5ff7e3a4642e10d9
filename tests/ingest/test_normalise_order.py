"""Any order, any split, any repetition of the same deliveries ends in the same tables.

Each example is a small world that was observed again and again: few tweets, authors and moments, so that everything
meets everything. What ``core`` must say about it is also worked out here by brute force.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.normalise.worker import Worker
from tests.conftest import _own_database as own_database
from tests.ingest import landing
from tests.ingest.landing import HOUR_AGO, NOW, Connection, accounts, content, rows
from tests.unit import payloads

COUNTS = ("retweetCount", "replyCount", "likeCount", "quoteCount", "viewCount", "bookmarkCount")


@pytest.fixture(scope="module")
def module_database_url(server_url: str, template_database: str) -> Iterator[str]:
    yield from own_database(server_url, template_database)


@pytest.fixture(scope="module")
def db(module_database_url: str) -> Iterator[Connection]:
    """A connection that all examples share; each empties the tables before it begins."""
    with landing.fresh(module_database_url) as connection:
        yield connection


@dataclass(frozen=True)
class Observation:
    """One item as it was sent: through a rule, at a moment; a deletion notice has no tweet."""

    tag: str
    sent: datetime
    tweet: dict[str, Any] | None
    deleted: int | None = None

    def land(self, connection: Connection, received: datetime) -> None:
        """Land the observation as a delivery of its own."""
        if self.tweet is None:
            notice = payloads.encoded(payloads.deletion(self.deleted or 0, self.sent))
            landing.land(connection, notice, source="v1_1", zone="alpha", received=received)
        else:
            landing.land(connection, landing.delivery(self.tweet, tag=self.tag, sent=self.sent), received=received)


moments = st.integers(0, 3).map(lambda minutes: HOUR_AGO - timedelta(minutes=minutes))
counts = st.none() | st.integers(0, 3)


@st.composite
def tweets(draw: st.DrawFn, *, depth: int = 2) -> dict[str, Any]:
    """Return one of four tweets, each always by the same author, as it looked at some moment."""
    sequence = draw(st.integers(1, 4))
    author = payloads.user(700 + sequence % 3, name=draw(st.sampled_from("ab")), followers=draw(counts))
    tags = [{"text": tag} for tag in draw(st.lists(st.sampled_from(["a", "A", "b"]), max_size=2))]
    value = landing.tweet(
        sequence,
        age=timedelta(hours=1 + sequence),
        text=draw(st.sampled_from(["words", "other words"])),
        author=author,
        entities={"hashtags": tags},
        **{name: draw(counts) for name in COUNTS},
    )
    if depth and draw(st.integers(0, 3)) == 0:
        value[draw(st.sampled_from(["retweeted_tweet", "quoted_tweet"]))] = draw(tweets(depth=depth - 1))
    return value


sightings = st.builds(Observation, st.sampled_from(["one", "both"]), moments, tweets())
notices = st.builds(Observation, st.just(""), moments, st.none(), st.integers(1, 2))
worlds = st.lists(sightings | notices, min_size=1, max_size=7)


def normalise(connection: Connection, observations: list[Observation], chance: random.Random | None) -> None:
    """Normalise observations: all in one batch; or by chance in any order, split anyhow, some of them twice."""
    landing.empty(connection)
    landing.add_rules(connection)
    worker = Worker(connection)
    if chance is not None:
        observations = chance.sample(observations, len(observations)) + chance.choices(observations, k=2)
    for index, observation in enumerate(observations):
        observation.land(connection, NOW + timedelta(seconds=index))
        if chance is not None and chance.random() < 0.4:
            worker.drain()
    worker.drain()


@given(worlds, st.integers(0, 2**32))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_order_splits_and_repetitions_do_not_matter(db: Connection, world: list[Observation], seed: int) -> None:
    normalise(db, world, None)
    in_one_batch = content(db)
    in_any_way = random.Random(seed)
    normalise(db, world, in_any_way)
    assert content(db) == in_one_batch
    assert sum(sum(counted) for counted in accounts(db).values()) == len(world) + 2


@given(worlds, st.integers(0, 2**32))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_each_counter_is_its_newest_known_value(db: Connection, world: list[Observation], seed: int) -> None:
    """Architecture 13 (6): newest non-NULL by the time of observation, the larger one of one instant."""
    normalise(db, world, random.Random(seed))
    expected = brute_force_counters(world)
    found = rows(
        db,
        "twitter_tweet_metrics",
        "tweet_id, retweet_count, reply_count, like_count, quote_count, view_count, bookmark_count",
    )
    assert {tweet_id: tuple(counters) for tweet_id, *counters in found} == expected


@given(worlds, st.integers(0, 2**32))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_change_of_a_zones_facts_is_marked(db: Connection, world: list[Observation], seed: int) -> None:
    """T16: what a builder that claims all marks after each batch would see is what a rebuild from nothing would see."""
    chance = random.Random(seed)
    landing.empty(db)
    landing.add_rules(db)
    seen: dict[int, Any] = {}
    worker = Worker(db)
    for index, observation in enumerate(chance.sample(world, len(world))):
        observation.land(db, NOW + timedelta(seconds=index))
        worker.drain()
        now = facts_by_tweet(db)
        changed = {key for key in now.keys() | seen.keys() if now.get(key) != seen.get(key)}
        assert changed <= landing.marks(db)
        seen = now


def brute_force_counters(world: list[Observation]) -> dict[int, tuple[int | None, ...]]:
    """Return the counters of each tweet by looking at every observation of it, oldest first."""
    observed: dict[int, list[tuple[datetime, int, dict[str, Any]]]] = {}
    for observation in world:
        for tweet in embedded(observation.tweet):
            observed.setdefault(int(tweet["id"]), []).append((observation.sent, len(observed), tweet))
    return {tweet_id: tuple(newest(seen, name) for name in COUNTS) for tweet_id, seen in observed.items()}


def newest(seen: list[tuple[datetime, int, dict[str, Any]]], name: str) -> int | None:
    known = [(sent, tweet[name]) for sent, _, tweet in seen if tweet[name] is not None and not tweet["retweeted_tweet"]]
    return max(known)[1] if known else None


def embedded(tweet: dict[str, Any] | None) -> Iterator[dict[str, Any]]:
    if tweet is not None:
        yield tweet
        yield from embedded(tweet["retweeted_tweet"])
        yield from embedded(tweet["quoted_tweet"])


def facts_by_tweet(connection: Connection) -> dict[int, Any]:
    """Return, for each tweet in a zone, everything that a mart could show of it."""
    found = connection.execute(
        """
        select
            links.tweet_id,
            jsonb_agg(jsonb_build_array(
                links.zone_id, links.twitter_created_at, links.author_profile_id,
                tweets.text, tweets.retweeted_tweet_id, tweets.quoted_tweet_id, metrics.total_engagement,
                metrics.retweet_count, metrics.reply_count, metrics.like_count, metrics.quote_count,
                metrics.view_count, metrics.bookmark_count, (
                    select jsonb_agg(entities.entity_normalized order by entities.ordinal)
                    from core.twitter_entities as entities
                    where entities.tweet_id = links.tweet_id
                )
            ) order by links.zone_id)
        from core.twitter_tweet_zones as links
        inner join core.twitter_tweets as tweets on links.tweet_id = tweets.tweet_id
        inner join core.twitter_tweet_metrics as metrics on links.tweet_id = metrics.tweet_id
        group by links.tweet_id
        """
    )
    return dict(found.fetchall())
