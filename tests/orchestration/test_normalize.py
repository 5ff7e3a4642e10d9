"""The normalising run: draining, staying, handing over; and the sensor that keeps one at work."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import psycopg
import pytest

from database import snowflake
from database.codec import Codec
from orchestration.assets.core import AT_WORK, NEXT_IN_LINE
from orchestration.jobs import keep_normalizing
from orchestration.locations.pipeline import build_definitions

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


def until(condition: Any, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def staying(window_seconds: float) -> dict[str, Any]:
    return {"ops": {"normalize_deliveries": {"config": {"once": False, "window_seconds": window_seconds}}}}


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
                until(lambda: waiting(connection) == 0)
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
    verdicts = {check.check_name: check for check in run(database_url, "check_pipeline").get_asset_check_evaluations()}
    assert verdicts["every_item_is_accounted_for"].passed
    assert verdicts["every_item_is_accounted_for"].metadata["waiting"].value == 1
    assert not verdicts["no_open_dead_letters"].passed

    connection.execute("delete from ops.delivery_accounting where delivery_id = %s", (unread,))
    connection.commit()
    verdicts = {check.check_name: check for check in run(database_url, "check_pipeline").get_asset_check_evaluations()}
    assert not verdicts["every_item_is_accounted_for"].passed
    assert str(unread) in (verdicts["every_item_is_accounted_for"].description or "")


def test_the_sensor_asks_for_a_run_when_none_is_live_and_for_one_successor_near_its_end() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        job = build_definitions().resolve_job_def("normalize")
        context = dg.build_sensor_context(instance=instance)
        first = keep_normalizing(context)
        assert isinstance(first, dg.RunRequest)

        live = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
        assert isinstance(keep_normalizing(context), dg.SkipReason)

        instance.create_run_for_job(job, status=dg.DagsterRunStatus.NOT_STARTED)
        skipped = keep_normalizing(context)
        assert isinstance(skipped, dg.SkipReason)
        assert "successor" in (skipped.skip_message or "")
        assert live.job_name == "normalize"


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
