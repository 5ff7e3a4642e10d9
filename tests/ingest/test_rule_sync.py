"""Rules kept equal to the table at the stand-in provider, over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from database.connections import Role
from ingest import rules, zones
from ingest.provider.protocol import Provider, ProviderFailed
from ingest.rule_sync.sync import AlreadyRunning, RuleSync
from tests.ingest.provider_world import HOUR_MS, Pipeline, ProviderWorld, pipeline, provider_world

START_MS = 1_790_000_000_000


@pytest.fixture
def world() -> Iterator[ProviderWorld]:
    with provider_world(START_MS, default_rules=False) as serving:
        yield serving


@pytest.fixture
def flow(world: ProviderWorld, role_urls: dict[Role, str]) -> Iterator[Pipeline]:
    with pipeline(role_urls["pipeline"], world) as opened:
        zones.add(opened.connection, "kelmora")
        yield opened


@pytest.fixture
def provider(world: ProviderWorld) -> Iterator[Provider]:
    with world.client() as client:
        yield client


@pytest.fixture
def sync(flow: Pipeline, provider: Provider) -> RuleSync:
    return RuleSync(flow.connection, provider, now=flow.world.now)


def add(flow: Pipeline, tag: str, query: str = "storm") -> None:
    rules.add(flow.connection, zone="kelmora", tag=tag, query=query, interval_seconds=Decimal(30))


def at_provider(world: ProviderWorld) -> dict[str, tuple[str, float, bool]]:
    return {rule.tag: (rule.value, rule.interval_seconds, rule.is_effect) for rule in world.standin.rules.values()}


def periods(flow: Pipeline) -> list[tuple[Any, ...]]:
    return flow.connection.execute(
        "select active_from, active_to, query from core.twitter_rule_periods order by active_from, active_to nulls last"
    ).fetchall()


def test_a_new_rule_is_made_switched_on_and_known_by_its_id(
    flow: Pipeline, world: ProviderWorld, sync: RuleSync
) -> None:
    add(flow, "weather")
    report = sync.run()
    assert at_provider(world) == {"weather": ("storm", 30.0, True)}
    assert report.done == ["add the rule 'weather' of the zone 'kelmora' and switch it on"]
    [rule] = rules.every(flow.connection)
    assert rule.external_rule_id == next(iter(world.standin.rules))
    assert periods(flow) == [(world.now(), None, "storm")]


def test_a_second_run_changes_nothing_and_is_no_error(flow: Pipeline, world: ProviderWorld, sync: RuleSync) -> None:
    add(flow, "weather")
    sync.run()
    before = dict(world.standin.calls)
    report = sync.run()
    changed = {path: count - before.get(path, 0) for path, count in world.standin.calls.items()}
    assert {path for path, count in changed.items() if count} == {"/oapi/tweet_filter/get_rules"}
    assert (report.done, report.refused, report.active) == ([], [], 1)


def test_a_dry_run_says_what_it_would_do_and_does_nothing(flow: Pipeline, world: ProviderWorld, sync: RuleSync) -> None:
    add(flow, "weather")
    report = sync.run(is_dry_run=True)
    assert report.done == ["add the rule 'weather' of the zone 'kelmora' and switch it on"]
    assert at_provider(world) == {}
    assert periods(flow) == []


def test_a_disabled_rule_and_one_of_a_zone_that_is_off_stop_and_their_periods_end(
    flow: Pipeline, world: ProviderWorld, sync: RuleSync
) -> None:
    add(flow, "weather")
    add(flow, "traffic")
    began = world.now()
    sync.run()
    world.go_on(HOUR_MS)
    rules.set_active(flow.connection, zone="kelmora", tag="weather", is_active=False)
    sync.run()
    assert {tag: rule[-1] for tag, rule in at_provider(world).items()} == {"weather": False, "traffic": True}
    assert periods(flow) == [(began, world.now(), "storm"), (began, None, "storm")]
    zones.set_active(flow.connection, "kelmora", is_active=False)
    sync.run()
    assert {tag: rule[-1] for tag, rule in at_provider(world).items()} == {"weather": False, "traffic": False}
    assert all(ended is not None for _, ended, _ in periods(flow))


def test_a_changed_query_reaches_the_provider_and_begins_another_period(
    flow: Pipeline, world: ProviderWorld, sync: RuleSync
) -> None:
    add(flow, "weather")
    began = world.now()
    sync.run()
    world.go_on(HOUR_MS)
    flow.connection.execute("update core.twitter_rules set query = 'rain'")
    assert sync.run().done == ["change the rule 'weather' of the zone 'kelmora' (query)"]
    assert at_provider(world) == {"weather": ("rain", 30.0, True)}
    assert periods(flow) == [(began, world.now(), "storm"), (world.now(), None, "rain")]


def test_what_was_switched_off_at_the_provider_was_active_only_as_long_as_it_was_seen_to_be(
    flow: Pipeline, world: ProviderWorld, provider: Provider, sync: RuleSync
) -> None:
    add(flow, "weather")
    began = world.now()
    sync.run()
    world.go_on(HOUR_MS)
    sync.run()
    last_seen = world.now()
    [rule] = provider.rules()
    provider.change_rule(type(rule)(rule.rule_id, rule.tag, rule.query, rule.interval_seconds, is_active=False))
    world.go_on(HOUR_MS)
    report = sync.run()
    assert report.drift == [
        "the rule 'weather' of the zone 'kelmora' was active and has been switched off at the provider"
    ]
    assert periods(flow) == [(began, last_seen, "storm"), (world.now(), None, "storm")]
    assert at_provider(world) == {"weather": ("storm", 30.0, True)}


def test_a_rule_that_was_deleted_at_the_provider_is_made_again(
    flow: Pipeline, world: ProviderWorld, sync: RuleSync
) -> None:
    add(flow, "weather")
    sync.run()
    world.standin.rules.clear()
    report = sync.run()
    assert len(report.drift) == 1
    assert at_provider(world) == {"weather": ("storm", 30.0, True)}


def test_a_rule_that_was_deleted_here_is_removed_there_and_its_periods_stay(
    flow: Pipeline, world: ProviderWorld, sync: RuleSync
) -> None:
    add(flow, "weather")
    sync.run()
    world.go_on(HOUR_MS)
    flow.connection.execute("delete from core.twitter_rules")
    sync.run()
    assert at_provider(world) == {}
    assert [ended for _, ended, _ in periods(flow)] == [world.now()]


def test_a_run_that_died_between_making_a_rule_and_noting_it_leaves_no_double(
    flow: Pipeline, world: ProviderWorld, provider: Provider, sync: RuleSync
) -> None:
    add(flow, "weather")
    provider.add_rule("weather", "storm", 30.0)
    sync.run()
    assert len(world.standin.rules) == 1
    assert at_provider(world) == {"weather": ("storm", 30.0, True)}


def test_rules_of_others_are_reported_and_left_alone(flow: Pipeline, provider: Provider, sync: RuleSync) -> None:
    stranger = provider.add_rule("foreign", "sun", 60.0)
    report = sync.run()
    assert report.unknown == [stranger]
    assert provider.rules() == (stranger,)
    sync.run(removes_unknown=True)
    assert provider.rules() == ()


def test_a_rule_that_is_refused_stops_no_other(flow: Pipeline, world: ProviderWorld, sync: RuleSync) -> None:
    add(flow, "broken", "( storm")
    add(flow, "weather")
    report = sync.run()
    assert at_provider(world) == {"weather": ("storm", 30.0, True)}
    [refusal] = report.refused
    assert "add the rule 'broken'" in refusal
    assert "parenthesis" in refusal


def test_a_provider_that_fails_leaves_the_periods_open(flow: Pipeline, world: ProviderWorld, sync: RuleSync) -> None:
    add(flow, "weather")
    sync.run()
    world.fail(1, "error")
    before = periods(flow)
    with pytest.raises(ProviderFailed):
        sync.run()
    assert periods(flow) == before
    assert flow.connection.execute("select failing_since from ops.provider_health").fetchone() == (world.now(),)


def test_two_runs_never_work_at_once(flow: Pipeline, sync: RuleSync, role_urls: dict[Role, str]) -> None:
    with pipeline(role_urls["pipeline"], flow.world) as other:
        other.connection.execute("select pg_advisory_lock(7203103)")
        with pytest.raises(AlreadyRunning):
            sync.run()


def test_a_handle_that_was_given_up_is_noticed_in_the_rules_that_follow_it(
    flow: Pipeline, world: ProviderWorld, sync: RuleSync
) -> None:
    flow.connection.execute(
        """
        insert into core.twitter_profiles (
            twitter_user_id, first_seen_at, last_seen_at, last_updated_at, content_hash, username, name
        )
        values (7, '2026-01-01', '2026-01-01', '2026-01-01', 1, 'storm_watch', 'Storm')
        """
    )
    flow.connection.execute("update core.twitter_profiles set username = 'storm_news', last_updated_at = '2026-02-01'")
    add(flow, "watch", "from:Storm_Watch OR from:someone")
    [renamed] = sync.run().renamed
    assert (renamed.tag, renamed.handle, renamed.present_username) == ("watch", "storm_watch", "storm_news")
