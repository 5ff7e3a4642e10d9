"""Jobs of the pipeline's location: normalising, reading again, zones and rules.

Belongs here: jobs, their configuration forms, and the schedules and sensors that start them.
Does not belong here: the marts' jobs (they live where dbt is).
"""

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
from pydantic import Field

from database import named_sql, snowflake
from ingest import dead_letters
from ingest.normalise.worker import Worker
from ingest.normalise.write import PARSER_VERSION, Written
from orchestration.assets.core import AT_WORK, NEXT_IN_LINE, WINDOW_SECONDS, normalize
from orchestration.resources import PipelineDatabase

SUCCESSOR_LEAD_SECONDS = 30.0
"""The next run is asked for this long before the last one ends: a run takes 4 to 8 seconds to start."""

LONGEST_START_SECONDS = 20.0
"""A run takes its lock within a second of its start, and starts within 4 to 8; one that has not by then is dead."""

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
    description="Keeps one normalising run at work, and starts the next shortly before it ends or when it has died.",
)
def keep_normalizing(context: dg.SensorEvaluationContext, database: PipelineDatabase) -> dg.RunRequest | dg.SkipReason:
    """Ask for a run when nobody is at work, or when the run at work is about to end.

    Dagster learns of a killed run's end after a minute; the advisory lock that it held is free at once.
    """
    runs = context.instance.get_run_records(dg.RunsFilter(job_name="normalize", statuses=list(_LIVE)), limit=5)
    if any(_is_starting(run) for run in runs):
        return dg.SkipReason("a run is starting")
    with database.connect(application_name="keep normalizing") as connection:
        is_somebody_at_work, somebody_waits = connection.execute(
            _SQL["who_is_at_work"], {"at_work": AT_WORK, "next_in_line": NEXT_IN_LINE}
        ).fetchone() or (False, False)
    if somebody_waits:
        return dg.SkipReason("a successor waits already")
    if not is_somebody_at_work:
        return _window()
    age = min((time.time() - run.start_time for run in runs if run.start_time), default=0.0)
    if age < WINDOW_SECONDS - SUCCESSOR_LEAD_SECONDS:
        return dg.SkipReason(f"a run has been at work for {age:.0f} s")
    return _window()


def _is_starting(run: dg.RunRecord) -> bool:
    """Tell whether a run may still come to take a lock: it waits in the queue, or began a moment ago."""
    if run.dagster_run.status is dg.DagsterRunStatus.QUEUED:
        return True
    return time.time() - (run.start_time or run.create_timestamp.timestamp()) < LONGEST_START_SECONDS


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
            bounds = {"after": after, "end": end, "limit": dead_letters.PAGE}
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
    since = _moment(config.received_from, "received_from") if config.received_from else None
    chosen = dead_letters.Filter(config.source or None, config.reason or None, since)
    with database.connect(application_name="replay dead letters") as connection:
        letters, deliveries = dead_letters.count(connection, chosen)
        context.log.info("%s open dead letters in %s deliveries match", letters, deliveries)
        if not config.dry_run:
            dead_letters.replay(
                connection, chosen, on_page=lambda done, total: context.log.info("%s read again, %s", done, total)
            )
        left, _ = dead_letters.count(connection, chosen)
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


JOBS = (normalize_job, check_job, renormalize, replay_dead_letters)

SCHEDULES = (
    dg.ScheduleDefinition(
        name="check_pipeline_hourly",
        job=check_job,
        cron_schedule="20 * * * *",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    ),
)

SENSORS = (keep_normalizing,)
