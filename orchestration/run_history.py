"""Purging old runs: Dagster itself keeps every run and its events for ever.

Belongs here: which runs may go, the job that deletes them.
Does not belong here: ticks of schedules and sensors (``dagster.yaml`` bounds those).
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice

import dagster as dg

from orchestration.alerts.settings import AlertSettings

PAGE = 200

MOST_RUNS = 5_000
"""In one run of the job: a week of runs is gone through in one night, and a year of neglect in a few."""

_ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]


def purge(instance: dg.DagsterInstance, before: datetime, *, most: int = MOST_RUNS) -> int:
    """Delete ended runs that were last touched before a moment, oldest first, and return how many.

    The latest run of each job stays, however old: its events are what the assets' last materialisations are.
    """
    # Listed before any is deleted: a page begins behind the last run of the one before, which must still be there.
    old = list(islice(_old_runs(instance, before), most))
    for run in old:
        instance.delete_run(run.run_id)
    return len(old)


def _old_runs(instance: dg.DagsterInstance, before: datetime) -> Iterator[dg.DagsterRun]:
    latest: dict[str, str] = {}
    found = instance.get_run_records(dg.RunsFilter(statuses=_ENDED, updated_before=before), ascending=True, limit=PAGE)
    while found:
        for record in found:
            run = record.dagster_run
            if run.job_name not in latest:
                newest = instance.get_run_records(dg.RunsFilter(job_name=run.job_name, statuses=_ENDED), limit=1)
                latest[run.job_name] = newest[0].dagster_run.run_id
            if run.run_id != latest[run.job_name]:
                yield run
        found = instance.get_run_records(
            dg.RunsFilter(statuses=_ENDED, updated_before=before),
            ascending=True,
            limit=PAGE,
            cursor=found[-1].dagster_run.run_id,
        )


@dg.op
def delete_old_runs(context: dg.OpExecutionContext) -> None:
    """Delete the runs that are older than the settings say."""
    days = AlertSettings().dagster_runs_kept_days
    count = purge(context.instance, datetime.now(UTC) - timedelta(days=days))
    context.log.info("deleted %s runs that ended more than %s days ago", count, days)
    context.add_output_metadata({"deleted_runs": count})


@dg.job(executor_def=dg.in_process_executor)
def purge_runs() -> None:
    """Delete Dagster's runs, with their events, that are older than DAGSTER_RUNS_KEPT_DAYS."""
    delete_old_runs()


JOBS = (purge_runs,)

SCHEDULES = (
    dg.ScheduleDefinition(
        job=purge_runs,
        cron_schedule="40 3 * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    ),
)
