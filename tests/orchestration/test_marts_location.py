"""The code location of the marts: its graph, its jobs on a real database, and what it says to people.

Belongs here: definitions, runs without a daemon, configuration forms.
Does not belong here: what the models compute (``tests/dbt``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest

from database.connections import Role, connect
from orchestration.marts import ledger
from orchestration.marts.verification import MARTS, TRENDING
from tests.dbt import facts
from tests.dbt.builds import drift
from tests.dbt.facts import NOON, ZONES, add_tweet, minutes
from tests.ingest.landing import one

pytestmark = [
    pytest.mark.slow,
    # A library of dagster-dbt's says so of another one at import.
    pytest.mark.filterwarnings("ignore:sqlglotrs is deprecated:DeprecationWarning"),
]

AS_OF = {"ops": {"dbt_models": {"config": {"as_of": "2025-03-10T12:00:00Z"}}}}


@pytest.fixture(scope="module")
def definitions() -> Any:
    """The location's definitions, made where no database is known."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STATE_DIR", "/nonexistent/state")
        patch.delenv("DATABASE_URL", raising=False)
        from orchestration.locations.marts import build_definitions

        return build_definitions()


@pytest.fixture
def database(
    database_url: str, role_urls: Mapping[Role, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[psycopg.Connection[Any]]:
    """A migrated database with some tweets, which the location finds through its settings."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("PIPELINE_DATABASE_URL", role_urls["pipeline"])
    with connect(database_url, application_name="facts", autocommit=True) as connection:
        facts.add_world(connection)
        for number in range(30):
            add_tweet(connection, NOON - minutes(40 * number), zones=ZONES, tags=("tag",), counters={"like_count": 1})
        yield connection


def run(definitions: Any, job: str, config: Mapping[str, Any]) -> Any:
    import dagster as dg

    with dg.DagsterInstance.ephemeral() as instance:
        return definitions.resolve_job_def(job).execute_in_process(
            run_config=config, instance=instance, raise_on_error=False
        )


def failure(result: Any) -> str:
    (event,) = [event for event in result.all_events if event.is_step_failure]
    return str(event.step_failure_data.error.message)


def values(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.value for name, value in metadata.items()}


def test_the_graph_reaches_from_core_to_the_marts_without_the_ledger(definitions: Any) -> None:
    graph = definitions.resolve_asset_graph()
    keys = {key.to_user_string() for key in graph.get_all_asset_keys()}
    assert {key for key in keys if key.startswith("ops/")} == {"ops/zone_hour_coverage"}
    ours = {key for key in keys if not key.startswith(("core/", "ops/"))}
    assert {f"marts/{mart.name}" for mart in MARTS} < ours
    assert {key for key in keys if key.startswith("core/")} == {
        "core/zones",
        "core/twitter_profiles",
        "core/twitter_tweets",
        "core/twitter_tweet_zones",
        "core/twitter_tweet_metrics",
        "core/twitter_entities",
        "core/twitter_engagement_history",
    }
    for key in ours:
        node = graph.get(next(found for found in graph.get_all_asset_keys() if found.to_user_string() == key))
        assert node.owners == ["team:data-platform"], key
        assert (node.description or "").startswith("One row per"), key
        assert node.group_name == key.split("/")[0]
        assert {"dbt", "postgres"} < node.kinds
        if key.split("/")[1] in ledger.MODELS:
            assert node.freshness_policy is not None


def test_jobs_and_schedules_have_the_fixed_names_and_cadence(definitions: Any) -> None:
    import dagster as dg

    repository = definitions.get_repository_def()
    jobs = {job.name for job in repository.get_all_jobs() if not job.name.startswith("__")}
    assert jobs == {
        "refresh_zone_stats", "refresh_top_profiles", "refresh_trending", "build_marts", "rebuild_buckets", "erase",
    }  # fmt: skip
    schedules = {schedule.job_name: schedule for schedule in repository.schedule_defs}
    assert {name: schedule.cron_schedule for name, schedule in schedules.items()} == {
        "refresh_zone_stats": "2 * * * *",
        "refresh_top_profiles": "4-59/15 * * * *",
        "refresh_trending": "*/10 * * * *",
    }
    assert {schedule.default_status for schedule in schedules.values()} == {dg.DefaultScheduleStatus.RUNNING}


def test_the_tests_of_keys_are_blocking_checks(definitions: Any) -> None:
    graph = definitions.resolve_asset_graph()
    for mart in MARTS:
        checks = {
            key.name: graph.get_check_spec(key).blocking
            for key in graph.asset_check_keys
            if key.asset_key.path[-1] == mart.name
        }
        assert checks["equals_recount"] is False
        assert {name: blocks for name, blocks in checks.items() if "primary_key" in name or "unique" in name}
        assert all(blocks for name, blocks in checks.items() if "primary_key" in name or "unique" in name)


def test_the_shortcuts_of_our_dbt_resource_still_fit_the_stock_one() -> None:
    """They override private methods of a pinned release."""
    from importlib.metadata import version

    from dagster_dbt import DbtCliResource

    from orchestration.marts.dbt import FastDbt, project, resource

    assert {"_cli_version", "_initialize_dbt_core_adapter"} <= set(vars(DbtCliResource))
    assert {"_cli_version", "_initialize_dbt_core_adapter"} <= set(vars(FastDbt))
    assert str(resource(project())._cli_version) == version("dbt-core")


@pytest.mark.parametrize(
    ("job", "mart"),
    [
        ("refresh_zone_stats", "twitter_zone_stats_hourly"),
        ("refresh_top_profiles", "twitter_top_profiles_by_zone"),
        ("refresh_trending", "twitter_trending_hashtags"),
    ],
)
def test_a_refresh_builds_its_mart_and_proves_it(
    definitions: Any, database: psycopg.Connection[Any], job: str, mart: str
) -> None:
    result = run(definitions, job, AS_OF)
    assert result.success
    built = {
        event.materialization.asset_key.path[-1]: values(event.materialization.metadata)
        for event in result.get_asset_materialization_events()
    }
    assert built[mart]["rebuilt_buckets"] > 0
    assert built[mart]["waiting_marks"] == 0
    (count,) = database.execute(f"select count(*) from marts.{mart}".encode()).fetchone() or (0,)
    assert count > 0
    assert built[mart]["dagster/row_count"] == count
    checks = {(check.asset_key.path[-1], check.check_name): check for check in result.get_asset_check_evaluations()}
    assert [name for name, check in checks.items() if not check.passed] == []
    recounts = {table: values(check.metadata) for (table, name), check in checks.items() if name == "equals_recount"}
    assert set(recounts) == built.keys() & {each.name for each in MARTS}
    assert {found["drifted_buckets"] for found in recounts.values()} == {0}
    assert recounts[mart]["checked_buckets"] >= count


def test_what_was_never_built_is_built_once_and_a_failure_is_not_tried_at_once(
    definitions: Any, database: psycopg.Connection[Any]
) -> None:
    import dagster as dg

    sensor = definitions.resolve_sensor_def("build_what_is_missing")
    with dg.DagsterInstance.ephemeral() as instance:
        resources = {"database": definitions.resources["database"]}
        context = dg.build_sensor_context(instance=instance, resources=resources)
        assert isinstance(sensor(context), dg.RunRequest)
        job = definitions.resolve_job_def("build_marts")
        started = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
        assert "builds them already" in skipped(sensor(context))
        instance.report_run_failed(started)
        assert "marts.twitter_trending_hashtags" in skipped(sensor(context))
    assert run(definitions, "build_marts", AS_OF).success
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_sensor_context(instance=instance, resources=resources)
        assert "every model was built" in skipped(sensor(context))
    assert drift(database) == {}


def skipped(answer: Any) -> str:
    return str(answer.skip_message)


def test_drift_fails_the_check_and_the_next_run_heals_it(definitions: Any, database: psycopg.Connection[Any]) -> None:
    assert run(definitions, "refresh_trending", AS_OF).success
    # Dropped by somebody; the slice that the next run looks at, beside what it builds, is the one with the tag.
    database.execute("delete from marts.twitter_trending_hashtags")
    database.execute(
        "update ops.mart_verification set next_slice = mod(hashtext('tag')::bigint + 2147483648, %s) where model = %s",
        (TRENDING.slices, TRENDING.name),
    )
    result = run(definitions, "refresh_trending", AS_OF)
    (check,) = [
        each
        for each in result.get_asset_check_evaluations()
        if each.check_name == "equals_recount" and each.asset_key.path[-1] == TRENDING.name
    ]
    assert not check.passed
    assert values(check.metadata)["drifted_buckets"] == 2
    assert "back on the ledger" in (check.description or "")
    assert run(definitions, "refresh_trending", AS_OF).success
    assert database.execute("select count(*) from marts.twitter_trending_hashtags").fetchone() == (2,)


def test_a_schedule_keeps_a_moment_that_somebody_asked_for(database: psycopg.Connection[Any]) -> None:
    asked = NOON - minutes(600)

    ledger.set_as_of(database, asked)
    kept = ledger.set_as_of(database, None, unless_held=True)
    database.execute("update ops.as_of set held_until = held_until - interval '1 hour'")
    afterwards = ledger.set_as_of(database, None, unless_held=True)
    ledger.set_as_of(database, asked)
    ledger.set_as_of(database, None)
    after_the_present = ledger.set_as_of(database, None, unless_held=True)

    assert kept == asked
    assert afterwards > asked
    assert after_the_present > afterwards


def test_a_moment_that_is_none_is_refused_with_an_example(definitions: Any, database: psycopg.Connection[Any]) -> None:
    result = run(definitions, "refresh_trending", {"ops": {"dbt_models": {"config": {"as_of": "yesterday"}}}})
    assert not result.success
    assert 'give "now" or a time like 2026-11-22T18:00:00Z' in failure(result)


class TestRebuild:
    def rebuild(self, definitions: Any, **config: Any) -> Any:
        return run(definitions, "rebuild_buckets", {"ops": {"mark_and_rebuild": {"config": config}}})

    def test_a_dry_run_counts_and_a_real_one_heals(self, definitions: Any, database: psycopg.Connection[Any]) -> None:
        assert run(definitions, "refresh_zone_stats", AS_OF).success
        assert run(definitions, "refresh_top_profiles", AS_OF).success
        assert run(definitions, "refresh_trending", AS_OF).success
        database.execute("update intermediate.int_zone_author_hourly set total_engagement = 9, tweet_count = 8")
        database.execute("update marts.twitter_zone_stats_hourly set total_tweets = 7")
        assert self.rebuild(definitions, days_from="2025-03-01", days_to="2025-03-31").success
        assert database.execute("select count(*) from ops.int_zone_author_hourly__marks").fetchone() == (0,)
        result = self.rebuild(definitions, days_from="2025-03-01", days_to="2025-03-31", dry_run=False)
        assert result.success
        assert drift(database) == {}

    @pytest.mark.parametrize(
        ("config", "message"),
        [
            ({"days_from": "soon"}, "days_from is 'soon': give a day like 2026-11-22"),
            ({"days_from": "2025-03-02", "days_to": "2025-03-01"}, "is before the first"),
            ({"days_from": "2025-03-02", "zones": ["nowhere"]}, "no such zone: nowhere"),
        ],
    )
    def test_what_cannot_be_rebuilt_is_said(
        self, definitions: Any, database: psycopg.Connection[Any], config: Mapping[str, Any], message: str
    ) -> None:
        database.execute("create table if not exists intermediate.int_zone_author_hourly (zone_id uuid)")
        result = self.rebuild(definitions, **config)
        assert not result.success
        assert message in failure(result)


def test_the_job_erase_says_what_it_would_do_then_does_it_and_certifies_it(
    definitions: Any, database: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("STATE_DIR", str(tmp_path))

    def erase(**config: Any) -> Any:
        return run(definitions, "erase", {"ops": {"erase_everywhere": {"config": config}}})

    tweet = add_tweet(database, NOON - minutes(7), author=facts.AUTHORS[1], zones=ZONES, tags=("gone",))
    assert erase(handle="user12").success
    assert one(database, "select count(*) from core.twitter_tweets where tweet_id = %s", tweet) == 1
    assert erase(handle="user12", dry_run=False).success
    assert one(database, "select certified_at is not null and erased_at is not null from ops.erasures") is True
    assert one(database, "select count(*) from core.twitter_profiles where username = 'user12'") == 0
    assert one(database, "select count(*) from marts.twitter_top_profiles_by_zone where profile_id = 12") == 0
    assert drift(database) == {}
    assert not erase(handle="user12").success
