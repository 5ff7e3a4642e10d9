"""Partitions, retention and coverage as jobs, run without a daemon."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
import pytest

from database.connections import Role, connect
from orchestration.alerts import watching
from orchestration.resources import PipelineDatabase
from tests.orchestration.test_provider_jobs import checks, failure, metadata, run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def definitions() -> Any:
    from orchestration.locations.pipeline import build_definitions

    return build_definitions()


@pytest.fixture
def database(
    database_url: str, role_urls: Mapping[Role, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[psycopg.Connection[Any]]:
    """An own database, with a month of long ago in it, that the jobs find through their settings."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("PIPELINE_DATABASE_URL", role_urls["pipeline"])
    monkeypatch.setenv("ARCHIVE_DIR", str(tmp_path / "archive"))
    with connect(database_url, application_name="tests", autocommit=True) as connection:
        # The bounds are those of January 2020.
        connection.execute(
            "create table raw.deliveries_2020_01 partition of raw.deliveries"
            " for values from (1212161512043446272) to (1223395535877046272)"
        )
        connection.execute(
            "insert into raw.deliveries (delivery_id, received_at, body_bytes, item_count, source, body)"
            " values (1212161512043446273, '2020-01-01', 2, 1, 'v1_1', '\\x0102')"
        )
        yield connection


def test_an_old_month_leaves_by_job_and_comes_back_by_job(
    definitions: Any, database: psycopg.Connection[Any], tmp_path: Path
) -> None:
    count = "select count(*) from raw.deliveries"
    told = metadata(run(definitions, "maintain_partitions", maintain={"dry_run": True}))
    assert (told["due"], told["dropped"]) == (1, 0)
    assert "| raw.deliveries_2020_01 | 2020-01-01 | 2020-02-01 |" in told["inventory"]
    result = run(definitions, "maintain_partitions")
    assert result.success
    assert checks(result) == {"months_leave_in_time": True, "partitions_are_ahead": True}
    assert metadata(result)["archived_rows"] == metadata(result)["dropped"] == 1
    assert database.execute(count).fetchone() == (0,)
    assert (tmp_path / "archive" / "raw.deliveries" / "2020_01.parquet").exists()

    form = {"month": "2020-01", "tables": ["raw.deliveries"]}
    assert run(definitions, "restore_partition", bring_back=form).success
    assert database.execute(count).fetchone() == (0,)
    assert run(definitions, "restore_partition", bring_back=form | {"dry_run": False}).success
    assert database.execute(count).fetchone() == (1,)
    told_missing = failure(run(definitions, "restore_partition", bring_back={"month": "2019-07"}))
    assert "nothing of core is in the archive of 2019-07; there are: none" in told_missing


def test_coverage_is_told_by_job(definitions: Any, database: psycopg.Connection[Any]) -> None:
    assert metadata(run(definitions, "refresh_coverage"))["changed_hours"] == 0
    database.execute(
        """
        with zone as (insert into core.zones (name) values ('storms') returning id)
        insert into core.twitter_rules (zone_id, tag, query, created_at)
        select zone.id, 'one', 'rain', now() - interval '3 hours' from zone
        """
    )
    database.execute(
        """
        with beats as (
            insert into raw.deliveries (delivery_id, received_at, body_bytes, item_count, source, body)
            select core.snowflake_floor(moment), moment, 2, 1, 'heartbeat', ''
            from generate_series(now() - interval '150 minutes', now() - interval '30 minutes', '1 minute') as moment
            returning delivery_id
        )
        insert into ops.delivery_accounting
        select beats.delivery_id, now(), 1, 0, 0, 1, 0, 1 from beats
        """
    )
    result = run(definitions, "refresh_coverage")
    told = metadata(result)
    assert told["changed_hours"] in (3, 4)
    assert "| service_down | everything |" in told["gaps"]
    assert 0 < told["covered_share_in_24_h"] < 1
    assert checks(result) == {"latest_hours_are_covered": False}


def test_the_sensor_writes_incidents_down_and_moves_on(database: psycopg.Connection[Any]) -> None:
    database.execute(
        "insert into ops.provider_budget values ('x_api_v2', 'month', date_trunc('month', now()), 9, 9, 1)"
    )
    with dg.DagsterInstance.ephemeral() as instance:
        with dg.build_sensor_context(instance=instance, resources={"database": PipelineDatabase()}) as context:
            first = watching.watch_for_incidents(context)
            cursor = context.cursor
        with dg.build_sensor_context(
            instance=instance, cursor=cursor, resources={"database": PipelineDatabase()}
        ) as context:
            second = watching.watch_for_incidents(context)
    assert "The month's budget at x_api_v2 is nearly spent: 9 of 9 credits" in str(first)
    assert "nothing new" in str(second)
    assert database.execute("select count(*), count(told_at) from ops.incidents").fetchone() == (1, 1)
