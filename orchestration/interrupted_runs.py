"""Closes runs that an earlier life of the supervisor left open: their processes are gone.

Dagster itself would find out after minutes, and until then a sensor that keeps one run alive believes that it lives.

Belongs here: finding and closing such runs before Dagster's daemon starts.
Does not belong here: runs that fail while everything is up (Dagster's run monitoring sees to those).
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from database.connections import connect

HEADLESS_TAG = ("started_by", "command line")
"""Marks runs of ``python -m orchestration job``, which live outside the supervisor and may be at work right now."""

_LEFT_BEHIND = """
    with held as (
        select concurrency_slots.run_id
        from concurrency_slots
        where concurrency_slots.run_id is not null
        union
        select pending_steps.run_id
        from pending_steps
        where pending_steps.run_id is not null
    )
    select runs.run_id
    from runs
    where (
            runs.status in ('STARTING', 'STARTED', 'CANCELING')
            or (runs.status in ('SUCCESS', 'FAILURE', 'CANCELED') and runs.run_id in (select held.run_id from held))
        )
        and not (
            runs.status in ('STARTING', 'STARTED', 'CANCELING')
            and exists (
                select 1
                from run_tags
                where run_tags.run_id = runs.run_id
                    and (run_tags.key, run_tags.value) = (%s, %s)
            )
        )
"""
"""Runs without an end, and ended runs that still hold a place in a pool, where the next run would wait for it."""


def close(storage_url: str, environment: Mapping[str, str]) -> int:
    """Report every open run as failed, so that Dagster's retry of crashed runs applies; free what it held in pools.

    Returns how many runs there were. Only right while neither run workers nor daemon are alive. Dagster is loaded, in
    a process of its own, only when there is something to close.
    """
    with connect(storage_url, application_name="close interrupted runs") as connection:
        run_ids = [run_id for (run_id,) in connection.execute(_LEFT_BEHIND, HEADLESS_TAG)]
    if run_ids:
        command = [sys.executable, "-m", "orchestration.interrupted_runs", *run_ids]
        subprocess.run(command, env=dict(environment), cwd=Path(__file__).parents[1], capture_output=True, check=True)
    return len(run_ids)


def _report(run_ids: list[str]) -> None:
    import dagster as dg

    with dg.DagsterInstance.get() as instance:
        for run_id in run_ids:
            run = instance.get_run_by_id(run_id)
            if run is not None and not run.is_finished:
                instance.report_run_failed(run, "The run's process ended with the supervisor that it belonged to.")
            instance.event_log_storage.free_concurrency_slots_for_run(run_id)


if __name__ == "__main__":
    _report(sys.argv[1:])
