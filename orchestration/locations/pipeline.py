"""The code location ``pipeline``: raw → core and its maintenance.

It never imports dbt, so its runs start in half the time.

Belongs here: the composition of this location.
Does not belong here: anything that does work.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

from orchestration import checks, jobs
from orchestration.assets import core, raw
from orchestration.resources import PipelineDatabase


def build_definitions(*, resources: Mapping[str, Any] | None = None) -> dg.Definitions:
    """Return the location's definitions. ``resources`` replace the real ones, by name."""
    return dg.Definitions(
        assets=[*raw.SPECS, core.normalize],
        asset_checks=checks.CHECKS,
        jobs=jobs.JOBS,
        schedules=jobs.SCHEDULES,
        sensors=jobs.SENSORS,
        resources={"database": PipelineDatabase(), **(resources or {})},
    )


defs = build_definitions()
