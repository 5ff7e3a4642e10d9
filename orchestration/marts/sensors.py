"""What the location watches for.

Belongs here: sensors.
Does not belong here: the jobs that they ask for (``jobs.py``).
"""

import time
from collections.abc import Sequence

import dagster as dg

from orchestration.marts.jobs import build_marts
from orchestration.resources import PipelineDatabase

PATIENCE_SECONDS = 600.0
"""A first build that failed is tried again after this long: its reason is in the UI, and a person may be at it."""

_LIVE = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
)


def first_build_sensor(relations: Sequence[str]) -> dg.SensorDefinition:
    """Return the sensor that builds the marts when one of ``relations`` (``schema.table``) is not there yet.

    So a new installation shows its marts a minute after it started, and a new model is there soon after an update,
    instead of at the next tick of the slowest schedule.
    """

    @dg.sensor(
        job=build_marts,
        minimum_interval_seconds=15,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Builds all models at once when one was never built: on a new database, or after an update.",
    )
    def build_what_is_missing(
        context: dg.SensorEvaluationContext, database: PipelineDatabase
    ) -> dg.RunRequest | dg.SkipReason:
        """Ask for one run while a relation is missing."""
        with database.connect(application_name="first build") as connection:
            found = connection.execute(
                "select wanted.name from unnest(%s::text[]) as wanted (name) where to_regclass(wanted.name) is null",
                (list(relations),),
            ).fetchall()
        missing = [name for (name,) in found]
        if not missing:
            return dg.SkipReason("every model was built")
        latest = context.instance.get_run_records(dg.RunsFilter(job_name=build_marts.name), limit=1)
        if latest and latest[0].dagster_run.status in _LIVE:
            return dg.SkipReason("a run builds them already")
        if latest and time.time() - latest[0].create_timestamp.timestamp() < PATIENCE_SECONDS:
            return dg.SkipReason(f"the run of a moment ago left out {', '.join(missing)}: see why, or wait")
        return dg.RunRequest()

    return build_what_is_missing
