"""Random histories: after every build, whatever led to it, the marts equal a recount.

Belongs here: the state machine.
Does not belong here: cases that somebody has thought of (``test_exactness.py``, ``test_builders.py``).

``HYPOTHESIS_PROFILE=long`` runs 2,000 histories, ``ci`` 200; by default it is a few, for every day.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from orchestration.marts.ledger import MODELS
from orchestration.marts.verification import TOP_PROFILES, TRENDING, ZONE_STATS, verify
from tests.dbt import facts
from tests.dbt.builds import STEPS, Builder, drift
from tests.dbt.conftest import Marts
from tests.dbt.facts import AUTHORS, NOON, ZONES, minutes

HISTORIES = {"default": 40, "ci": 200, "long": 2_000}
PARTS = 2
"""Tests that the histories are shared out to, for as many workers."""

moments = st.one_of(
    st.integers(0, 180).map(lambda count: NOON - minutes(count)),
    st.integers(0, 3_000).map(lambda count: NOON - minutes(count)),
    st.sampled_from([NOON, NOON - timedelta(milliseconds=1), NOON - timedelta(hours=23), NOON - timedelta(days=40)]),
)
authors = st.sampled_from(AUTHORS)
zone_lists = st.sampled_from([ZONES, ZONES[:1], ZONES[1:], ()])
tag_lists = st.lists(st.sampled_from(["a", "A", "b", "ß", "SS"]), max_size=4)
counts = st.one_of(st.none(), st.integers(0, 5))
counter_maps = st.one_of(st.none(), st.fixed_dictionaries({"like_count": counts, "retweet_count": counts}))

CORRUPTIONS = {
    "zone stats": (ZONE_STATS, "update marts.twitter_zone_stats_hourly set total_tweets = 77"),
    "top profiles": (TOP_PROFILES, "delete from marts.twitter_top_profiles_by_zone"),
    "trending": (TRENDING, "update marts.twitter_trending_hashtags set sample_tweets = '{}'"),
    "latest tweets": (TOP_PROFILES, "update marts.twitter_top_profiles_by_zone set last_tweet_at = now()"),
    "known engagements": (TOP_PROFILES, "update marts.twitter_top_profiles_by_zone set engagement_known_count = -77"),
    "hours": (ZONE_STATS, "update intermediate.int_zone_hourly set known_likes = -77"),
    "hours are gone": (ZONE_STATS, "delete from intermediate.int_zone_hourly"),
    "tags of authors": (TRENDING, "update intermediate.int_zone_tag_author_window set best_engagement = 77"),
    "tags of authors are gone": (TRENDING, "delete from intermediate.int_zone_tag_author_window"),
    "spellings": (TRENDING, "update marts.twitter_trending_hashtags set tweet_count_24h = 77, spellings = '{x}'"),
    "trending is gone": (TRENDING, "delete from marts.twitter_trending_hashtags"),
}
"""What somebody may do to the tables that people or other tables read, and whose verification must find it."""

CARRIED_CORRUPTIONS = {
    "authors' hours": "update intermediate.int_zone_author_hourly set tweet_count = 77",
    "engagement of hours that know none": (
        "update intermediate.int_zone_author_hourly set total_engagement = 77 where engagement_known_count = 0"
    ),
    "authors' best tweets": "update intermediate.int_zone_author_hourly set top_tweet_id = 77",
    "tweets as counted": "update intermediate.int_zone_counted_tweets set total_engagement = 77",
    "tweets as counted are gone": "delete from intermediate.int_zone_counted_tweets",
}
"""What triggers carry on to the tables above, as they carry any change: found once the marts are built of it."""


class Histories(RuleBasedStateMachine):
    """Facts change and builders work, in any order; ``marts`` and ``second`` are set by the test.

    ``is_exact`` says that everything was built and nothing changed since; a comparison takes longer than a build, so
    there is one after each.
    """

    marts: Marts
    second: Builder

    def __init__(self) -> None:
        super().__init__()
        self.facts = self.marts.facts
        self.build = self.marts.build
        self.tweets: list[int] = []
        self.deleted: list[dict[str, Any]] = []
        self.sequence = 0
        self.is_exact = False

    @initialize()
    def nothing_has_happened(self) -> None:
        for table in ("twitter_entities", "twitter_tweet_metrics", "twitter_tweet_zones", "twitter_tweets"):
            self.facts.execute(f"delete from core.{table}".encode())
        self.facts.execute("delete from ops.zone_hour_coverage")
        facts.set_as_of(self.facts, NOON)
        for zone in ZONES:
            facts.move_zone(self.facts, zone, "UTC")
        for author in AUTHORS:
            facts.rename(self.facts, author, f"user{author}")
        self.build()

    @rule(at=moments, author=authors, zones=zone_lists, tags=tag_lists, counters=counter_maps)
    def a_tweet_arrives(self, at: Any, author: int, zones: Any, tags: list[str], counters: Any) -> None:
        self.sequence += 1
        tweet = {"at": at, "author": author, "zones": zones, "tags": tags, "counters": counters}
        tweet |= {"mentions": tags[:2], "hosts": tags[2:]}
        self.insert(tweet)

    def insert(self, tweet: dict[str, Any]) -> None:
        tweet["sequence"] = tweet.get("sequence", self.sequence % 4_000)
        with self.facts.transaction():
            self.tweets.append(facts.add_tweet(self.facts, **tweet))
        self.deleted.append(tweet)
        self.is_exact = False

    @precondition(lambda self: self.tweets)
    @rule(data=st.data(), counters=counter_maps)
    def counters_are_observed(self, data: st.DataObject, counters: Any) -> None:
        facts.set_counters(self.facts, data.draw(st.sampled_from(self.tweets)), counters or {})
        self.is_exact = False

    @precondition(lambda self: self.tweets)
    @rule(data=st.data())
    def a_tweet_is_deleted(self, data: st.DataObject) -> None:
        tweet = data.draw(st.sampled_from(self.tweets))
        facts.delete_tweet(self.facts, tweet)
        self.tweets.remove(tweet)
        self.is_exact = False

    @precondition(lambda self: len(self.deleted) > len(self.tweets))
    @rule(data=st.data())
    def a_tweet_is_undeleted(self, data: st.DataObject) -> None:
        tweet = data.draw(st.sampled_from(self.deleted))
        self.deleted.remove(tweet)
        self.sequence += 1
        self.insert({**tweet, "sequence": self.sequence % 4_000})

    @precondition(lambda self: self.tweets)
    @rule(data=st.data(), since=st.none() | moments)
    def a_tweet_is_suppressed_or_shown_again(self, data: st.DataObject, since: Any) -> None:
        facts.suppress(self.facts, data.draw(st.sampled_from(self.tweets)), since)
        self.is_exact = False

    @precondition(lambda self: self.tweets)
    @rule(data=st.data(), zone=st.sampled_from(ZONES))
    def a_zone_link_is_added(self, data: st.DataObject, zone: Any) -> None:
        facts.link(self.facts, data.draw(st.sampled_from(self.tweets)), zone)
        self.is_exact = False

    @precondition(lambda self: self.tweets)
    @rule(data=st.data(), zone=st.sampled_from(ZONES))
    def a_zone_link_is_removed(self, data: st.DataObject, zone: Any) -> None:
        facts.unlink(self.facts, data.draw(st.sampled_from(self.tweets)), zone)
        self.is_exact = False

    @rule(author=authors, name=st.sampled_from(["anna", "bert", None]))
    def a_profile_is_renamed(self, author: int, name: str | None) -> None:
        facts.rename(self.facts, author, name)
        self.is_exact = False

    @rule(author=authors, models=st.lists(st.sampled_from(MODELS), max_size=2))
    def an_account_goes_with_its_tweets_and_comes_back(self, author: int, models: list[str]) -> None:
        gone = facts.tweets_of(self.facts, author)
        for tweet in gone:
            facts.delete_tweet(self.facts, tweet)
        self.tweets = [tweet for tweet in self.tweets if tweet not in gone]
        facts.delete_profile(self.facts, author)
        self.build(models)
        facts.add_profile(self.facts, author)
        self.is_exact = False

    @rule(zone=st.sampled_from(ZONES), hours=st.integers(-30, 30), seconds=st.sampled_from([None, 0, 1_800, 3_600]))
    def coverage_is_known(self, zone: Any, hours: int, seconds: int | None) -> None:
        facts.listen(self.facts, zone, NOON + timedelta(hours=hours), seconds)
        self.is_exact = False

    @rule(zone=st.sampled_from(ZONES), timezone=st.sampled_from(["UTC", "Asia/Kathmandu", "America/Havana"]))
    def a_zone_moves_to_another_time_zone(self, zone: Any, timezone: str) -> None:
        facts.move_zone(self.facts, zone, timezone)
        self.is_exact = False

    @rule(count=st.integers(-3_000, 3_000))
    def the_clock_moves(self, count: int) -> None:
        facts.set_as_of(self.facts, NOON + minutes(count))
        self.is_exact = False

    @rule(model=st.sampled_from(MODELS))
    def one_model_is_built(self, model: str) -> None:
        self.build([model])

    @rule(model=st.sampled_from(MODELS), last_step=st.sampled_from(list(STEPS)))
    def a_builder_dies(self, model: str, last_step: str) -> None:
        with self.build.connection.transaction(force_rollback=True):
            for step in list(STEPS)[: list(STEPS).index(last_step) + 1]:
                self.build.step(model, step)
        self.build.connection.execute("discard temp")

    @rule(
        model=st.sampled_from(MODELS),
        last_step=st.sampled_from(list(STEPS)),
        author=authors,
        at=moments,
        tags=tag_lists,
    )
    def a_tweet_arrives_during_a_build(self, model: str, last_step: str, author: int, at: Any, tags: list[str]) -> None:
        with self.build.connection.transaction():
            for step in STEPS:
                self.build.step(model, step)
                if step == last_step:
                    self.a_tweet_arrives(at=at, author=author, zones=ZONES, tags=tags, counters={"like_count": 1})
        self.build.connection.execute("discard temp")

    @rule(
        model=st.sampled_from(MODELS),
        another=st.sampled_from(MODELS),
        last_step=st.sampled_from(list(STEPS)),
        author=authors,
        at=moments,
    )
    def two_builders_meet(self, model: str, another: str, last_step: str, author: int, at: Any) -> None:
        """The second one waits for the first, or does not have to; a tweet arrives meanwhile."""
        with ThreadPoolExecutor(max_workers=1) as pool:
            with self.build.connection.transaction():
                for step in STEPS:
                    self.build.step(model, step)
                    if step == last_step:
                        self.a_tweet_arrives(at=at, author=author, zones=ZONES, tags=["a"], counters={"like_count": 1})
                        meeting = pool.submit(self.second, [another])
                        wait([meeting], timeout=0.02)
            meeting.result(timeout=60)
        self.build.connection.execute("discard temp")

    @rule(what=st.sampled_from(list(CORRUPTIONS)))
    def somebody_corrupts_a_table_and_its_verification_finds_it(self, what: str) -> None:
        self.build()
        mart, statement = CORRUPTIONS[what]
        corrupted = self.facts.execute(statement.encode()).rowcount
        found = verify(self.facts, mart, slice_number=0, slice_count=1)
        assert (found.drifted_bucket_count > 0) == (corrupted > 0)
        self.build()
        self.is_exact = True

    @rule(what=st.sampled_from(list(CARRIED_CORRUPTIONS)))
    def a_corruption_is_carried_on_before_it_is_found(self, what: str) -> None:
        self.build()
        corrupted = self.facts.execute(CARRIED_CORRUPTIONS[what].encode()).rowcount
        self.build()
        found = verify(self.facts, ZONE_STATS, slice_number=0, slice_count=1)
        assert (found.drifted_bucket_count > 0) == (corrupted > 0)
        self.build()
        self.is_exact = True

    @rule()
    def everything_is_built(self) -> None:
        self.build()
        self.is_exact = True

    @invariant()
    def the_marts_equal_the_recount(self) -> None:
        if self.is_exact:
            assert drift(self.facts) == {}
            self.is_exact = False

    def teardown(self) -> None:
        self.build()
        assert drift(self.facts) == {}


@pytest.mark.slow
@pytest.mark.timeout(7_200)
@pytest.mark.parametrize("part", range(PARTS))
def test_no_history_leads_to_drift(
    marts: Marts,
    another_builder: Callable[[], Builder],
    part: int,
) -> None:
    class WithMarts(Histories):
        pass

    WithMarts.marts, WithMarts.second = marts, another_builder()
    run_state_machine_as_test(
        WithMarts,
        settings=settings(
            # Other histories in every run, in CI too, and in each part.
            derandomize=False,
            max_examples=HISTORIES[os.environ.get("HYPOTHESIS_PROFILE", "default")] // PARTS,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
