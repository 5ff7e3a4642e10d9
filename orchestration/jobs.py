"""Jobs of the pipeline's location: normalising, reading again, zones and rules, partitions.

Belongs here: jobs, their configuration forms, and the schedules and sensors that start them.
Does not belong here: the marts' jobs (they live where dbt is).
"""

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from database import named_sql, partitions, snowflake
from ingest.normalise.worker import Worker
from ingest.normalise.write import PARSER_VERSION, Written
from orchestration.assets.core import WINDOW_SECONDS, normalize
from orchestration.resources import PipelineDatabase

PAGE = 200
"""Deliveries that are read again in one transaction: a failure loses little, and live normalising goes on between."""

SUCCESSOR_LEAD_SECONDS = 30.0
"""The next run is asked for this long before the last one ends: a run takes 4 to 8 seconds to start."""

_SQL = named_sql.statements(Path(__file__).parent / "sql" / "pipeline.sql")
_CLAIM_SQL = named_sql.statements(Path(__file__).parent.parent / "ingest" / "normalise" / "sql" / "claim.sql")

_LIVE = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
)

normalize_job = dg.define_asset_job(
    "normalize",
    selection=dg.AssetSelection.assets(normalize),
    executor_def=dg.in_process_executor,
    description="Turn waiting deliveries into rows of core. Started by hand it drains the queue and ends.",
)

check_job = dg.define_asset_job(
    "check_pipeline",
    selection=dg.AssetSelection.checks_for_assets(
        dg.AssetKey(["raw", "deliveries"]), dg.AssetKey(["core", "twitter_tweets"])
    ),
    executor_def=dg.in_process_executor,
    description="Account for every delivered item and look for rows that lost their tweet.",
)


@dg.sensor(
    job=normalize_job,
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Keeps one normalising run at work, and starts the next shortly before it ends.",
)
def keep_normalizing(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Ask for a run when none is live, or when the only live one is about to end."""
    runs = context.instance.get_run_records(dg.RunsFilter(job_name="normalize", statuses=list(_LIVE)), limit=5)
    if not runs:
        return _window()
    if len(runs) > 1:
        return dg.SkipReason("a successor waits already")
    started = runs[0].start_time
    age = time.time() - started if started else 0.0
    if age < WINDOW_SECONDS - SUCCESSOR_LEAD_SECONDS:
        return dg.SkipReason(f"a run has been at work for {age:.0f} s")
    return _window()


def _window() -> dg.RunRequest:
    return dg.RunRequest(
        run_config={"ops": {"normalize_deliveries": {"config": {"once": False, "window_seconds": WINDOW_SECONDS}}}}
    )


class PeriodConfig(dg.Config):
    """A period of deliveries, by receipt."""

    received_from: str = Field(description="Begin of the period, ISO 8601, for instance 2026-11-22T00:00:00Z.")
    received_to: str = Field(default="", description="End of the period, not included; empty for now.")
    dry_run: bool = Field(default=False, description="Only count the deliveries.")


@dg.op
def read_period_again(context: dg.OpExecutionContext, config: PeriodConfig, database: PipelineDatabase) -> None:
    """Read a period again after a fix of the parser, and report what changed. Idempotent."""
    start = snowflake.floor(_moment(config.received_from, "received_from"))
    end = snowflake.floor(_moment(config.received_to, "received_to") if config.received_to else datetime.now(UTC))
    with database.connect(application_name="renormalize") as connection:

        def page_after(after: int) -> list[int]:
            bounds = {"after": after, "end": end, "limit": PAGE}
            return [row[0] for row in connection.execute(_CLAIM_SQL["page_of_period"], bounds)]

        _read_again(context, _pages(page_after, start - 1), None if config.dry_run else Worker(connection))


class DeadLetterConfig(dg.Config):
    """Which dead letters to replay. Empty fields match everything."""

    source: str = Field(default="", description="Only of this source, for instance twitterapi_io.")
    reason: str = Field(default="", description="Only for this reason, for instance unknown_rule.")
    received_from: str = Field(default="", description="Only those received since, ISO 8601.")
    dry_run: bool = Field(default=True, description="Only count them. Set to false to replay.")


@dg.op
def read_dead_letters_again(
    context: dg.OpExecutionContext, config: DeadLetterConfig, database: PipelineDatabase
) -> None:
    """Replay dead letters by filter. Idempotent: what still cannot be read stays, with one attempt more."""
    parameters: dict[str, Any] = {
        "source": config.source or None,
        "reason": config.reason or None,
        "since": _moment(config.received_from, "received_from") if config.received_from else None,
    }
    with database.connect(application_name="replay dead letters") as connection:
        letters, deliveries = connection.execute(_SQL["count_dead_letters"], parameters).fetchone() or (0, 0)
        context.log.info("%s open dead letters in %s deliveries match", letters, deliveries)

        def page_after(after: int) -> list[int]:
            page = {**parameters, "after": after, "limit": PAGE}
            return [row[0] for row in connection.execute(_SQL["deliveries_with_dead_letters"], page)]

        _read_again(context, _pages(page_after, 0), None if config.dry_run else Worker(connection))
        left, _ = connection.execute(_SQL["count_dead_letters"], parameters).fetchone() or (0, 0)
    context.add_output_metadata({"matching_letters": letters, "still_open": left})


def _pages(page_after: Callable[[int], list[int]], after: int) -> Iterator[list[int]]:
    """Yield page after page of delivery ids, each beginning behind the last."""
    while page := page_after(after):
        yield page
        after = page[-1]


def _read_again(context: dg.OpExecutionContext, pages: Iterator[Sequence[int]], worker: Worker | None) -> None:
    """Read pages of deliveries again, each in a transaction of its own; without a worker, only count them."""
    total = Written(0, 0, 0, 0)
    count = 0
    for page in pages:
        count += len(page)
        if worker is not None:
            total += worker.reprocess(list(page))
            context.log.info("%s deliveries read again, %s", count, total)
    verb = "would be read" if worker is None else "were read"
    context.log.info("%s deliveries %s again with parser version %s: %s", count, verb, PARSER_VERSION, total)


@dg.op
def create_partitions(context: dg.OpExecutionContext, database: PipelineDatabase) -> None:
    """Make partitions ahead of the clock, without blocking writers. Idempotent."""
    with database.connect(application_name="maintain partitions", as_owner=True) as connection:
        created = partitions.ensure(connection, now=datetime.now(UTC))
    context.log.info("created %s partitions: %s", len(created), ", ".join(created) or "none were missing")
    context.add_output_metadata({"created": len(created)})


def _moment(text: str, field: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise dg.Failure(f"{field} is {text!r}: give a time like 2026-11-22T00:00:00Z") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@dg.job(executor_def=dg.in_process_executor)
def renormalize() -> None:
    """Read the deliveries of a period again, after a fix of the parser, and report what changed."""
    read_period_again()


@dg.job(executor_def=dg.in_process_executor)
def replay_dead_letters() -> None:
    """Read deliveries with open dead letters again, by filter; a dry run unless told otherwise."""
    read_dead_letters_again()


@dg.job(executor_def=dg.in_process_executor)
def maintain_partitions() -> None:
    """Create the partitions that the coming months need."""
    create_partitions()


JOBS = (normalize_job, check_job, renormalize, replay_dead_letters, maintain_partitions)

SCHEDULES = (
    dg.ScheduleDefinition(
        name="check_pipeline_hourly",
        job=check_job,
        cron_schedule="20 * * * *",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    ),
    dg.ScheduleDefinition(
        name="maintain_partitions_daily",
        job=maintain_partitions,
        cron_schedule="10 3 * * *",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    ),
)

SENSORS = (keep_normalizing,)
