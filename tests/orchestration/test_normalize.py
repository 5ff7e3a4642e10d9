"""The normalising run: draining, staying, handing over; and the sensor that keeps one at work."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import psycopg
import pytest

from database import snowflake
from database.codec import Codec
from orchestration import jobs
from orchestration.assets.core import AT_WORK, DELIVERIES, NEXT_IN_LINE
from orchestration.headless import all_is_well
from orchestration.jobs import keep_normalizing
from orchestration.locations.pipeline import build_definitions
from tests.unit import payloads
from tests.waiting import wait_until

KEY = "deliveries waiting"


class OwnDatabase(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The test's database in place of the configured one."""

    url: str

    @contextmanager
    def connect(self, *, application_name: str, as_owner: bool = False) -> Iterator[psycopg.Connection[Any]]:
        with psycopg.connect(self.url, autocommit=True, application_name=application_name) as connection:
            yield connection


def land(connection: psycopg.Connection[Any], body: bytes, item_count: int = 1) -> int:
    """Put a delivery where the webhook service puts it."""
    received = datetime.now(UTC)
    delivery_id = snowflake.floor(received) + int(time.monotonic_ns() % (1 << 22))
    connection.execute(
        "insert into raw.deliveries (delivery_id, received_at, body_bytes, item_count, source, body)"
        " values (%s, %s, %s, %s, 'twitterapi_io', %s)",
        (delivery_id, received, len(body), item_count, Codec({}).compress(body)),
    )
    connection.execute("insert into raw.delivery_queue values (%s)", (delivery_id,))
    connection.execute("notify deliveries")
    connection.commit()
    return delivery_id


def run(url: str, job: str, config: dict[str, Any] | None = None) -> dg.ExecuteInProcessResult:
    definitions = build_definitions(resources={"database": OwnDatabase(url=url)})
    with dg.DagsterInstance.ephemeral() as instance:
        return definitions.resolve_job_def(job).execute_in_process(
            run_config=config, instance=instance, raise_on_error=False
        )


def waiting(connection: psycopg.Connection[Any]) -> int:
    row = connection.execute("select count(*) from raw.delivery_queue").fetchone()
    connection.commit()
    assert row is not None
    return int(row[0])


def staying(window_seconds: float) -> dict[str, Any]:
    return {"ops": {"normalize_deliveries": {"config": {"once": False, "window_seconds": window_seconds}}}}


def test_the_way_of_each_zones_tweets_is_plotted_beside_the_queue(
    database_url: str, connection: psycopg.Connection[Any]
) -> None:
    connection.execute("insert into core.zones (name) values ('zone of mine'), ('empty')")
    connection.execute(
        "insert into core.twitter_rules (zone_id, tag, query) select id, 'mine', 'words' from core.zones"
        " where name = 'zone of mine'"
    )
    connection.commit()
    tweet = payloads.tweet(datetime.now(UTC) - timedelta(minutes=10))
    land(connection, payloads.encoded(payloads.envelope(tweet, tag="mine", rule_id=None)))
    result = run(database_url, "normalize")
    observed = [event.asset_observation_data.asset_observation for event in result.get_asset_observation_events()]
    (metadata,) = [observation.metadata for observation in observed if observation.asset_key == DELIVERIES]
    assert metadata["waiting_deliveries"].value == 0
    assert 590 < metadata["lag_seconds_of_zone of mine"].value < 700
    assert "lag_seconds_of_empty" not in metadata


def test_started_by_hand_it_drains_the_queue_and_reports_every_table(
    database_url: str, connection: psycopg.Connection[Any]
) -> None:
    land(connection, b'{"event_type": "test_webhook_url"}')
    result = run(database_url, "normalize")
    assert result.success
    assert waiting(connection) == 0
    materialised = {event.asset_key.path[-1] for event in result.get_asset_materialization_events() if event.asset_key}
    assert {"twitter_profiles", "twitter_tweets", "twitter_tweet_zones", "twitter_entities"} <= materialised


def test_started_by_hand_it_does_not_wait_for_the_run_that_stays(
    database_url: str, connection: psycopg.Connection[Any]
) -> None:
    with psycopg.connect(database_url, autocommit=True) as other:
        other.execute("select pg_advisory_lock(%s)", (AT_WORK,))
        land(connection, b'{"event_type": "ping"}')
        assert run(database_url, "normalize").success
        assert waiting(connection) == 0


class Outside(threading.Thread):
    """What happens around a run that stays: deliveries come, and after its window a successor stands in line."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url
        self.drained = 0
        self.run_has_ended = threading.Event()
        self.ended_alone = False

    def run(self) -> None:
        with psycopg.connect(self._url) as connection:
            for _ in range(3):
                land(connection, b'{"event_type": "ping"}')
                wait_until(lambda: waiting(connection) == 0)
                self.drained += 1
            self.ended_alone = self.run_has_ended.wait(timeout=1.5)
            connection.execute("select pg_advisory_lock(%s)", (NEXT_IN_LINE,))
            self.run_has_ended.wait(timeout=60)


def test_a_run_that_stays_takes_what_comes_and_ends_only_when_a_successor_waits(database_url: str) -> None:
    outside = Outside(database_url)
    outside.start()
    result = run(database_url, "normalize", staying(window_seconds=0.5))
    outside.run_has_ended.set()
    outside.join(timeout=60)
    assert result.success
    assert outside.drained == 3
    assert not outside.ended_alone, "its window was over, but nobody waited to take over"


def test_every_item_is_accounted_for_until_somebody_loses_one(
    database_url: str, connection: psycopg.Connection[Any]
) -> None:
    land(connection, b'{"event_type": "ping"}')
    unread = land(connection, b"not JSON")
    run(database_url, "normalize")
    land(connection, b'{"event_type": "ping"}')
    result = run(database_url, "check_pipeline")
    assert all_is_well(result), "what is dead-lettered is a warning"
    verdicts = {check.check_name: check for check in result.get_asset_check_evaluations()}
    assert verdicts["every_item_is_accounted_for"].passed
    assert verdicts["every_item_is_accounted_for"].metadata["waiting"].value == 1
    assert not verdicts["no_open_dead_letters"].passed

    connection.execute("delete from ops.delivery_accounting where delivery_id = %s", (unread,))
    connection.commit()
    result = run(database_url, "check_pipeline")
    assert result.success
    assert not all_is_well(result)
    verdicts = {check.check_name: check for check in result.get_asset_check_evaluations()}
    assert not verdicts["every_item_is_accounted_for"].passed
    assert str(unread) in (verdicts["every_item_is_accounted_for"].description or "")


def asked(instance: dg.DagsterInstance, url: str) -> bool:
    """Ask the sensor, and return whether it wants a run."""
    context = dg.build_sensor_context(instance=instance, resources={"database": OwnDatabase(url=url)})
    return isinstance(keep_normalizing(context), dg.RunRequest)


def test_the_sensor_asks_for_a_run_when_nobody_is_at_work_and_none_is_starting(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with dg.DagsterInstance.ephemeral() as instance, psycopg.connect(database_url, autocommit=True) as worker:
        assert asked(instance, database_url)
        job = build_definitions().resolve_job_def("normalize")
        instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
        assert not asked(instance, database_url), "it may be about to take the lock"

        monkeypatch.setattr(jobs, "LONGEST_START_SECONDS", 0.0)
        worker.execute("select pg_advisory_lock(%s)", (AT_WORK,))
        assert not asked(instance, database_url), "somebody is at work"
        worker.execute("select pg_advisory_unlock(%s)", (AT_WORK,))
        assert asked(instance, database_url), "the run was killed: Dagster takes it for alive, the lock is free"


def test_the_sensor_asks_for_one_successor_when_the_run_at_work_is_about_to_end(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "LONGEST_START_SECONDS", 0.0)
    monkeypatch.setattr(jobs, "SUCCESSOR_LEAD_SECONDS", jobs.WINDOW_SECONDS)
    with dg.DagsterInstance.ephemeral() as instance, psycopg.connect(database_url, autocommit=True) as worker:
        worker.execute("select pg_advisory_lock(%s)", (AT_WORK,))
        assert asked(instance, database_url)
        worker.execute("select pg_advisory_lock(%s)", (NEXT_IN_LINE,))
        assert not asked(instance, database_url), "a successor waits already"


@pytest.mark.parametrize("job", ["renormalize", "replay_dead_letters"])
def test_reading_again_is_a_dry_run_when_told_so_and_leaves_everything_as_it_is(
    job: str, database_url: str, connection: psycopg.Connection[Any]
) -> None:
    land(connection, b"not JSON")
    run(database_url, "normalize")
    before = connection.execute("select delivery_id, attempts from raw.dead_letters").fetchall()
    connection.commit()
    config = {
        "renormalize": {"read_period_again": {"config": {"received_from": "2020-01-01", "dry_run": True}}},
        "replay_dead_letters": {"read_dead_letters_again": {"config": {}}},
    }[job]
    assert run(database_url, job, {"ops": config}).success
    assert connection.execute("select delivery_id, attempts from raw.dead_letters").fetchall() == before
