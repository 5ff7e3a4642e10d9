"""The jobs that talk to the provider, run without a daemon against the stand-in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import psycopg
import pytest

from database import snowflake
from database.connections import Role, connect
from tests.ingest.provider_world import HOUR_MS, KEY, MINUTE_MS, ProviderWorld, pipeline, provider_world

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def definitions() -> Any:
    from orchestration.locations.pipeline import build_definitions

    return build_definitions()


@pytest.fixture
def world() -> Iterator[ProviderWorld]:
    now_ms = snowflake.to_unix_ms(datetime.now(UTC))
    with provider_world(now_ms, default_rules=False) as serving:
        yield serving


@pytest.fixture
def database(
    world: ProviderWorld, database_url: str, role_urls: Mapping[Role, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[psycopg.Connection[Any]]:
    """An own database that the jobs find through their settings, as they find the stand-in."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("PIPELINE_DATABASE_URL", role_urls["pipeline"])
    monkeypatch.setenv("TWITTERAPI_IO_URL", world.url)
    monkeypatch.setenv("TWITTERAPI_IO_KEY", KEY)
    monkeypatch.setenv("TWITTERAPI_IO_CALLS_PER_SECOND", "100")
    with connect(database_url, application_name="tests", autocommit=True) as connection:
        yield connection


def run(definitions: Any, job: str, **config: Mapping[str, Any]) -> Any:
    run_config = {"ops": {op: {"config": dict(fields)} for op, fields in config.items()}}
    with dg.DagsterInstance.ephemeral() as instance:
        return definitions.resolve_job_def(job).execute_in_process(
            run_config=run_config, instance=instance, raise_on_error=False
        )


def failure(result: Any) -> str:
    (event,) = [event for event in result.all_events if event.is_step_failure]
    failed = event.step_failure_data
    told = failed.user_failure_data.description if failed.user_failure_data else failed.error.message
    return str(told)


def metadata(result: Any) -> dict[str, Any]:
    (event,) = result.get_asset_materialization_events()
    return {name: value.value for name, value in event.materialization.metadata.items()}


def checks(result: Any) -> dict[str, bool]:
    return {evaluation.check_name: evaluation.passed for evaluation in result.get_asset_check_evaluations()}


def collect_what_is_due(world: ProviderWorld, url: str) -> None:
    """Collect tweets as they were an hour ago, so that their first snapshot is due now."""
    now_ms = world.now_ms
    world.set_clock(now_ms - HOUR_MS)
    with pipeline(url, world) as flow:
        flow.add_zone()
        flow.collect(world.tweets(now_ms - 2 * HOUR_MS, now_ms - HOUR_MS))
        flow.connection.execute(
            "insert into ops.engagement_progress (settled_through) values (now() - interval '30 minutes')"
        )
    world.set_clock(now_ms)


def test_the_engagement_job_takes_what_is_due_and_reports_coverage_and_spending(
    definitions: Any, database: psycopg.Connection[Any], world: ProviderWorld, role_urls: Mapping[Role, str]
) -> None:
    collect_what_is_due(world, role_urls["pipeline"])
    result = run(definitions, "snapshot_engagement")
    assert result.success
    told = metadata(result)
    assert told["found_tweets"] == told["history_rows"] - brought_along(database, world) > 5
    assert told["hourly_coverage"] == 1.0
    assert told["credits_this_day"] == told["credits"] == 1_000_000_000 - world.standin.credits
    assert 0 < told["share_of_day_limit"] < 1
    assert checks(result) == {"due_snapshots_were_taken": True}


def brought_along(database: psycopg.Connection[Any], world: ProviderWorld) -> int:
    """Count the observations of quoted originals that look-ups of other tweets brought along."""
    row = database.execute(
        """
        select count(*)
        from core.twitter_engagement_history as history
        where
            history.snapshot_at > now() - interval '30 minutes'
            and history.tweet_id <> all(%s)
        """,
        ([tweet_id for _, tweet_id in world.asked],),
    ).fetchone()
    assert row is not None
    return int(row[0])


def test_a_provider_that_is_down_fails_the_run_and_says_that_nothing_is_lost(
    definitions: Any, database: psycopg.Connection[Any], world: ProviderWorld, role_urls: Mapping[Role, str]
) -> None:
    collect_what_is_due(world, role_urls["pipeline"])
    world.fail(1, "http_500")
    result = run(definitions, "snapshot_engagement")
    assert not result.success
    assert "HTTP 500" in failure(result)
    assert "no tweet counts as deleted" in failure(result)
    assert database.execute("select count(*) from ops.tweet_absences").fetchone() == (0,)


def test_without_a_key_the_run_says_which_variable_to_set(
    definitions: Any, database: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWITTERAPI_IO_KEY", "")
    for job in ("snapshot_engagement", "snapshot_profiles", "sync_rules"):
        assert "Set TWITTERAPI_IO_KEY or X_API_BEARER_TOKEN" in failure(run(definitions, job))


def test_the_schedules_are_quiet_without_a_key(definitions: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TWITTERAPI_IO_KEY", raising=False)
    monkeypatch.delenv("X_API_BEARER_TOKEN", raising=False)
    for name in ("snapshot_engagement", "snapshot_profiles", "sync_rules"):
        schedule = definitions.resolve_schedule_def(f"{name}_schedule")
        moment = datetime(2026, 11, 22, tzinfo=UTC)
        with dg.build_schedule_context(scheduled_execution_time=moment) as context:
            assert schedule.evaluate_tick(context).run_requests == []
            monkeypatch.setenv("TWITTERAPI_IO_KEY", KEY)
            assert len(schedule.evaluate_tick(context).run_requests or ()) == 1
            monkeypatch.delenv("TWITTERAPI_IO_KEY")


def test_a_zone_and_a_rule_added_by_form_reach_the_provider(
    definitions: Any, database: psycopg.Connection[Any], world: ProviderWorld
) -> None:
    assert run(definitions, "add_zone", make_zone={"name": "storms", "timezone": "Europe/Paris"}).success
    rule = {"zone": "storms", "tag": "rain", "query": "rain OR storm", "interval_seconds": 30.0}
    assert run(definitions, "add_rule", make_rule=rule).success
    dry = run(definitions, "sync_rules", synchronise_rules={"dry_run": True})
    assert metadata(dry)["changes"] == 1
    assert world.standin.rules == {}
    synced = run(definitions, "sync_rules")
    assert synced.success
    assert metadata(synced)["active_rules"] == 1
    assert checks(synced) == {"rules_are_in_line": True, "followed_handles_exist": True}
    assert [(made.tag, made.is_effect) for made in world.standin.rules.values()] == [("rain", True)]
    assert run(definitions, "switch_rule", set_rule={"zone": "storms", "tag": "rain", "active": False}).success
    assert run(definitions, "sync_rules").success
    assert [made.is_effect for made in world.standin.rules.values()] == [False]
    who = database.execute("select distinct actor from ops.audit_log").fetchall()
    assert all(actor.startswith("dagster run ") for (actor,) in who)


def test_a_form_that_asks_for_what_cannot_be_is_answered_in_words(
    definitions: Any, database: psycopg.Connection[Any]
) -> None:
    told = failure(run(definitions, "add_zone", make_zone={"name": "storms", "timezone": "Paris"}))
    assert "Europe/Paris" in told
    told = failure(run(definitions, "add_rule", make_rule={"zone": "nowhere", "tag": "x", "query": "y"}))
    assert "there is no zone 'nowhere'" in told


def test_a_stranger_among_the_provider_s_rules_is_a_warning(
    definitions: Any, database: psycopg.Connection[Any], world: ProviderWorld
) -> None:
    world.standin.add_rule("foreign", "sun", 60)
    result = run(definitions, "sync_rules")
    assert result.success
    assert checks(result)["rules_are_in_line"] is False


def test_a_profile_followed_by_form_is_seen_by_the_next_run(
    definitions: Any, database: psycopg.Connection[Any], world: ProviderWorld, role_urls: Mapping[Role, str]
) -> None:
    with pipeline(role_urls["pipeline"], world) as flow:
        flow.add_zone()
        flow.collect(world.tweets(world.now_ms - 10 * MINUTE_MS, world.now_ms))
    row = database.execute("select username from core.twitter_profiles where username is not null limit 1").fetchone()
    assert row is not None
    assert run(definitions, "follow_profile", set_following={"username": row[0]}).success
    result = run(definitions, "snapshot_profiles")
    assert result.success
    assert metadata(result)["taken_profiles"] == 1
    assert checks(result) == {"monitored_profiles_are_followed": True}
