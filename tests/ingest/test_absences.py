"""Deletions that only look-ups tell of, against the stand-in provider over HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from database.connections import Role
from ingest.compliance import absences
from ingest.engagement.snapshot import Snapshots
from ingest.provider.protocol import Provider
from ingest.standin.world import Tweet
from tests.ingest.landing import one
from tests.ingest.provider_world import HOUR_MS, MINUTE_MS, Pipeline, ProviderWorld, pipeline, provider_world
from tests.ingest.test_engagement_snapshots import START_MS

DELETED = "select tweet_id from core.twitter_tweets where suppression_reason = 'absent'"


@pytest.fixture
def world() -> Iterator[ProviderWorld]:
    with provider_world(START_MS) as serving:
        yield serving


@pytest.fixture
def flow(world: ProviderWorld, role_urls: dict[Role, str]) -> Iterator[Pipeline]:
    with pipeline(role_urls["pipeline"], world) as opened:
        opened.add_zone()
        yield opened


@pytest.fixture
def provider(world: ProviderWorld) -> Iterator[Provider]:
    with world.client() as client:
        yield client


def test_a_tweet_counts_as_deleted_after_misses_in_a_row_if_its_author_is_there_and_comes_back_if_it_is_seen(
    flow: Pipeline, provider: Provider
) -> None:
    world = flow.world.standin.world
    doomed = next(
        tweet
        for tweet in world.between(START_MS, START_MS + 96 * HOUR_MS)
        if tweet.kind == "tweet" and 2 * HOUR_MS < tweet.deleted_at_ms - tweet.created_at_ms < 12 * HOUR_MS
    )
    flow.world.set_clock(doomed.created_at_ms + 5 * MINUTE_MS)
    flow.collect(flow.world.tweets(doomed.created_at_ms - HOUR_MS, flow.world.now_ms))
    taking = Snapshots(flow.connection, provider, flow.budget(), now=flow.world.now)

    def conclude() -> absences.Findings:
        return absences.conclude(flow.connection, provider, flow.budget(), now=flow.world.now)

    def ids(query: str) -> set[int]:
        return {tweet_id for (tweet_id,) in flow.connection.execute(query.encode())}

    def reason() -> object:
        return one(flow.connection, "select suppression_reason from core.twitter_tweets where tweet_id = %s", doomed.id)

    taking.run()
    misses = 0
    while misses < absences.MISSES:
        # Other tweets of the world may vanish meanwhile; none of them after fewer misses.
        often_missed = ids(f"select tweet_id from ops.tweet_absences where miss_count >= {absences.MISSES}")
        deleted = ids(DELETED)
        found = conclude()
        assert ids(DELETED) - deleted <= often_missed
        assert found.deleted_tweets <= len(often_missed)
        assert reason() is None
        flow.world.go_on(HOUR_MS)
        flow.collect(flow.world.tweets(flow.world.now_ms - HOUR_MS, flow.world.now_ms))
        taking.run()
        misses = one(
            flow.connection,
            "select coalesce(max(miss_count), 0) from ops.tweet_absences where tweet_id = %s",
            doomed.id,
        )

    flow.world.fail(1, "http_500")
    outage = conclude()
    assert outage.failure is not None
    assert (outage.deleted_tweets, outage.gone_accounts) == (0, 0)
    assert reason() is None

    flow.world.go_on(2 * HOUR_MS)
    found = conclude()
    assert found.deleted_tweets >= 1
    assert reason() == "absent"
    assert conclude().missing_tweets == 0
    flow.collect([doomed])
    assert reason() is None


def test_a_tweet_whose_author_is_suspended_or_protected_is_hidden_with_the_author_and_comes_back_with_them(
    role_urls: dict[Role, str],
) -> None:
    with (
        provider_world(START_MS, tweets_per_hour=60, authors=2_000) as serving,
        serving.client() as provider,
        pipeline(role_urls["pipeline"], serving) as flow,
    ):
        flow.add_zone()
        world = serving.standin.world

        def states(tweet: Tweet) -> set[str]:
            return {world.visibility_of(tweet, tweet.created_at_ms + hours * HOUR_MS) for hours in range(26, 50, 3)}

        # Many authors disappear for some days in a month: some of them have posted within the day before.
        hidden = next(
            tweet
            for tweet in world.between(START_MS, START_MS + 20 * 24 * HOUR_MS)
            if tweet.kind == "tweet"
            and world.visibility_of(tweet, tweet.created_at_ms + 5 * MINUTE_MS) == "visible"
            and states(tweet) in ({"suspended"}, {"protected"})
            and any(
                world.author_state(tweet.author, tweet.created_at_ms + days * 24 * HOUR_MS) == "active"
                for days in range(3, 9)
            )
        )
        expected = "user_suspend" if states(hidden) == {"suspended"} else "user_protect"
        flow.world.set_clock(hidden.created_at_ms + 5 * MINUTE_MS)
        flow.collect([hidden])
        taking = Snapshots(flow.connection, provider, flow.budget(), now=flow.world.now)
        taking.run()
        for _ in range(8):
            flow.world.go_on(6 * HOUR_MS)
            flow.collect(flow.world.tweets(flow.world.now_ms - HOUR_MS, flow.world.now_ms))
            taking.run()

        def conclude() -> absences.Findings:
            return absences.conclude(flow.connection, provider, flow.budget(), now=flow.world.now)

        state = "select suppression_reason from core.twitter_tweets where tweet_id = %s"
        assert conclude().gone_accounts >= 1
        assert one(flow.connection, state, hidden.id) == expected
        while world.author_state(hidden.author, flow.world.now_ms) != "active":
            flow.world.go_on(6 * HOUR_MS)
        flow.collect(flow.world.tweets(flow.world.now_ms - HOUR_MS, flow.world.now_ms))
        assert conclude().returned_accounts >= 1
        assert one(flow.connection, state, hidden.id) is None
