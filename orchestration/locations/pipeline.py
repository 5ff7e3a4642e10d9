"""The code location ``pipeline``: raw → core and its maintenance.

It never imports dbt, so its runs start in half the time.

Belongs here: the composition of this location.
Does not belong here: anything that does work.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

from orchestration import checks, compliance_jobs, jobs, provider_jobs, run_history
from orchestration.alerts import watching
from orchestration.assets import core, coverage, maintenance, raw, snapshots
from orchestration.provider import TweetProvider
from orchestration.resources import PipelineDatabase


def build_definitions(*, resources: Mapping[str, Any] | None = None) -> dg.Definitions:
    """Return the location's definitions. ``resources`` replace the real ones, by name."""
    return dg.Definitions(
        assets=[*raw.SPECS, core.normalize, *snapshots.ASSETS, *coverage.ASSETS, *maintenance.ASSETS],
        asset_checks=[*checks.CHECKS, *snapshots.CHECKS, *coverage.CHECKS],
        jobs=[
            *jobs.JOBS,
            *provider_jobs.JOBS,
            *coverage.JOBS,
            *maintenance.JOBS,
            *compliance_jobs.JOBS,
            *run_history.JOBS,
        ],
        schedules=[
            *jobs.SCHEDULES,
            *provider_jobs.SCHEDULES,
            *coverage.SCHEDULES,
            *maintenance.SCHEDULES,
            *compliance_jobs.SCHEDULES,
            *run_history.SCHEDULES,
        ],
        sensors=[*jobs.SENSORS, watching.watch_for_incidents],
        resources={"database": PipelineDatabase(), "tweet_provider": TweetProvider(), **(resources or {})},
    )


defs = build_definitions()
