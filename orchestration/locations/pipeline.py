"""The code location ``pipeline``: raw → core and its maintenance.

It never imports dbt, so its runs start in half the time.

Belongs here: the composition of this location.
Does not belong here: anything that does work.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

from orchestration import checks, jobs, provider_jobs
from orchestration.assets import core, raw, snapshots
from orchestration.provider import TweetProvider
from orchestration.resources import PipelineDatabase


def build_definitions(*, resources: Mapping[str, Any] | None = None) -> dg.Definitions:
    """Return the location's definitions. ``resources`` replace the real ones, by name."""
    return dg.Definitions(
        assets=[*raw.SPECS, core.normalize, *snapshots.ASSETS],
        asset_checks=[*checks.CHECKS, *snapshots.CHECKS],
        jobs=[*jobs.JOBS, *provider_jobs.JOBS],
        schedules=[*jobs.SCHEDULES, *provider_jobs.SCHEDULES],
        sensors=jobs.SENSORS,
        resources={"database": PipelineDatabase(), "tweet_provider": TweetProvider(), **(resources or {})},
    )


defs = build_definitions()
