"""The client of twitterapi.io against the stand-in, over real sockets."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from database import snowflake
from ingest.errors import ConfigurationError
from ingest.provider import connect as provider_connect
from ingest.provider import lookup
from ingest.provider.budget import Budget, BudgetExhausted, Limits
from ingest.provider.protocol import (
    Absent,
    FoundTweet,
    FoundUser,
    Provider,
    ProviderFailed,
    RuleRefused,
    Unavailable,
    search_pages,
)
from ingest.provider.settings import ProviderSettings
from tests.ingest.provider_world import HOUR_MS, ProviderWorld, provider_world

START_MS = 1_790_000_000_000
NOW = snowflake.from_unix_ms(START_MS)


@pytest.fixture
def world() -> Iterator[ProviderWorld]:
    with provider_world(START_MS, tweets_per_hour=600, authors=3_000) as serving:
        yield serving


@pytest.fixture
def provider(world: ProviderWorld) -> Iterator[Provider]:
    with world.client() as client:
        yield client


def test_a_look_up_answers_for_every_id_with_what_the_world_shows(world: ProviderWorld, provider: Provider) -> None:
    truth = world.standin.world
    asked = [*[tweet.id for tweet in truth.between(START_MS - HOUR_MS, START_MS)][:99], snowflake.floor(NOW) + 1]
    answers = provider.tweets_by_ids(asked)
    assert set(answers.answers) == set(asked)
    assert answers.observed_ms == START_MS
    for tweet_id, answer in answers.answers.items():
        if truth.visibility(tweet_id, START_MS) == "visible":
            assert isinstance(answer, FoundTweet)
            assert answer.tweet.id == str(tweet_id)
            tweet = truth.tweet(tweet_id)
            assert tweet is not None
            assert answer.tweet.like_count == truth.counts_of(tweet, START_MS).like
        else:
            assert answer == Absent()


def test_what_a_look_up_costs_is_what_the_provider_charges(world: ProviderWorld, provider: Provider) -> None:
    asked = [tweet.id for tweet in world.tweets(START_MS - HOUR_MS, START_MS)][:40]
    before = world.standin.credits
    answers = provider.tweets_by_ids([*asked, 1_234_567_890_123_456_789])
    assert answers.credits == before - world.standin.credits == 15 * 40
    before = world.standin.credits
    assert provider.tweets_by_ids([1_234_567_890_123_456_789]).credits == before - world.standin.credits == 15


def test_more_than_a_hundred_ids_are_never_asked_for_in_one_call(provider: Provider) -> None:
    with pytest.raises(ValueError, match="1 to 100 ids, not 101"):
        provider.tweets_by_ids(range(1, 102))
    with pytest.raises(ValueError, match="not 0"):
        provider.users_by_ids([])


def test_accounts_are_found_unavailable_or_absent(world: ProviderWorld, provider: Provider) -> None:
    people = world.standin.world.people
    by_state: dict[str, int] = {}
    for index in range(people.count):
        by_state.setdefault(people.state(index, START_MS), index)
    assert set(by_state) == {"active", "protected", "suspended", "unavailable"}
    ids = {state: people.id_of(index) for state, index in by_state.items()}
    answers = provider.users_by_ids([*ids.values(), 1]).answers
    assert isinstance(answers[ids["active"]], FoundUser)
    protected = answers[ids["protected"]]
    assert isinstance(protected, FoundUser)
    assert protected.user.is_protected
    assert answers[ids["suspended"]] == Unavailable("suspended")
    assert answers[ids["unavailable"]] == Unavailable("unavailable")
    assert answers[1] == Absent()


@pytest.mark.parametrize(("kind", "may_be_billed"), [("http_500", True), ("error", False)])
def test_an_outage_is_a_failure_and_no_answer(
    world: ProviderWorld, provider: Provider, kind: Any, may_be_billed: bool
) -> None:
    world.fail(1, kind)
    with pytest.raises(ProviderFailed) as failure:
        provider.tweets_by_ids([1])
    assert failure.value.is_retryable
    assert failure.value.may_be_billed == may_be_billed
    assert world.standin.calls == {"/twitter/tweets": 1}


def test_a_provider_that_cannot_be_reached_is_tried_again_since_it_cannot_bill(world: ProviderWorld) -> None:
    with (
        world.client(twitterapi_io_url="http://127.0.0.1:1") as nowhere,
        pytest.raises(ProviderFailed, match="no connection") as failure,
    ):
        nowhere.tweets_by_ids([1])
    assert not failure.value.may_be_billed
    pauses = [pause for pause in world.slept if pause > 0.01]
    assert len(pauses) == 3
    assert 0.5 <= pauses[0] <= 1 < 2 <= pauses[2] <= 4


def test_a_wrong_key_fails_at_once_and_says_what_to_do(world: ProviderWorld) -> None:
    with (
        world.client(twitterapi_io_key="wrong") as stranger,
        pytest.raises(ProviderFailed, match="401, the key is not accepted: check the key") as failure,
    ):
        stranger.tweets_by_ids([1])
    assert not failure.value.is_retryable
    assert sum(world.standin.calls.values()) == 1


def test_an_account_without_credits_fails_and_says_so(world: ProviderWorld, provider: Provider) -> None:
    world.standin.credits = 0
    with pytest.raises(ProviderFailed, match="402, the account has no credits left"):
        provider.tweets_by_ids([1])


def test_the_rate_limit_of_the_provider_is_waited_for_as_long_as_it_says() -> None:
    with provider_world(START_MS, calls_per_second=5) as world, world.client() as provider:
        for _ in range(12):
            provider.tweets_by_ids([1])
        assert any(pause >= 1 for pause in world.slept), "Retry-After says 1 s"


def test_calls_are_spread_over_the_seconds(world: ProviderWorld) -> None:
    with world.client(twitterapi_io_calls_per_second=4) as patient:
        for _ in range(8):
            patient.tweets_by_ids([1])
    assert [pause for pause in world.slept if 0 < pause <= 0.25]


def test_a_search_is_walked_to_its_end_although_the_last_page_promises_more(
    world: ProviderWorld, provider: Provider
) -> None:
    since = START_MS - 2 * HOUR_MS
    words = [
        f"filter:replies since_time:{since // 1000} until_time:{second}"
        for second in range(START_MS // 1000 - 3, START_MS // 1000)
    ]
    for query in words:
        pages = list(search_pages(provider, query, most_pages=50))
        found = [tweet for page in pages for tweet in page.tweets]
        expected = [
            tweet
            for tweet in world.tweets(since, int(query.rpartition(":")[2]) * 1000)
            if tweet.searchable.kind == "reply"
        ]
        assert len(found) == len(expected) > 40
        assert len(pages) <= len(expected) // 20 + 2
        assert sum(page.credits for page in pages) >= 15 * len(found)


def test_rules_are_made_inactive_changed_whole_and_deleted(provider: Provider, world: ProviderWorld) -> None:
    world.standin.rules.clear()
    made = provider.add_rule("weather", "storm OR rain", 30)
    assert made.is_active is False
    assert provider.rules() == (made,)
    active = provider.change_rule(type(made)(made.rule_id, made.tag, made.query, 45.0, is_active=True))
    assert provider.rules() == (active,)
    with pytest.raises(RuleRefused, match="update rule failed"):
        provider.change_rule(active)
    provider.delete_rule(made.rule_id)
    assert provider.rules() == ()
    with pytest.raises(RuleRefused, match="not found"):
        provider.delete_rule(made.rule_id)


def test_a_rule_that_the_provider_does_not_take_is_refused_not_failed(provider: Provider) -> None:
    with pytest.raises(RuleRefused, match="tag must have"):
        provider.add_rule("x" * 300, "storm", 60)


def test_an_empty_answer_is_not_believed_where_much_was_there_before() -> None:
    gone = {number: (Absent(), 0) for number in range(10)}
    assert not lookup.is_credible(gone, frozenset())
    assert lookup.is_credible(gone, frozenset(range(10)))
    half = gone | {number: (Unavailable("suspended"), 0) for number in range(5)}
    assert lookup.is_credible(half, frozenset())


def test_without_a_key_the_error_names_the_variable_to_set() -> None:
    settings = ProviderSettings.model_validate({"twitterapi_io_key": None, "x_api_bearer_token": None})
    with pytest.raises(ConfigurationError, match="Set TWITTERAPI_IO_KEY"), provider_connect.connected(settings):
        pass


# Budgets.


@pytest.fixture
def own(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


def test_a_call_that_does_not_fit_is_not_paid_for(own: psycopg.Connection) -> None:
    budget = Budget(own, "twitterapi_io", Limits(per_day=100, per_month=1_000))
    budget.reserve(90, calls=1, now=NOW)
    with pytest.raises(BudgetExhausted, match="90 of 100 credits, and 11 more were wanted"):
        budget.reserve(11, calls=1, now=NOW)
    day, month = budget.spending(NOW)
    assert (day.spent_credits, day.call_count, month.spent_credits) == (90, 1, 90)


def test_the_limit_of_the_month_binds_where_that_of_the_day_does_not(own: psycopg.Connection) -> None:
    budget = Budget(own, "twitterapi_io", Limits(per_day=None, per_month=50))
    with pytest.raises(BudgetExhausted, match="this month"):
        budget.reserve(51, calls=1, now=NOW)
    assert [spending.spent_credits for spending in budget.spending(NOW)] == [0, 0]


def test_what_was_reserved_in_excess_is_given_back(own: psycopg.Connection) -> None:
    budget = Budget(own, "twitterapi_io", Limits(per_day=100, per_month=None))
    budget.reserve(100, calls=1, now=NOW)
    budget.settle(100, 30, now=NOW)
    budget.reserve(70, calls=1, now=NOW)
    assert budget.spending(NOW)[0].spent_credits == 100


def test_a_day_that_begins_has_its_limit_whole(own: psycopg.Connection) -> None:
    budget = Budget(own, "twitterapi_io", Limits(per_day=100, per_month=None))
    evening = datetime(2026, 11, 22, 23, 59, tzinfo=UTC)
    budget.reserve(100, calls=1, now=evening)
    budget.reserve(100, calls=1, now=datetime(2026, 11, 23, 0, 1, tzinfo=UTC))


def test_a_regular_task_may_spend_the_day_evenly_and_later_what_was_left(own: psycopg.Connection) -> None:
    budget = Budget(own, "twitterapi_io", Limits(per_day=960, per_month=None))
    noon = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
    quarter = timedelta(minutes=15)
    assert budget.allowance(noon, lead=quarter) == 490
    budget.reserve(480, calls=1, now=noon)
    assert budget.allowance(noon, lead=quarter) == 10
    assert Budget(own, "x", Limits(None, None)).allowance(noon, lead=quarter) is None
