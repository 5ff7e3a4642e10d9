"""The code location ``marts``: core → staging → intermediate → marts, through dbt.

Belongs here: the composition of this location.
Does not belong here: anything that does work.
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from orchestration.marts import assets, checks, dbt, erasure, jobs, sensors
from orchestration.resources import PipelineDatabase


def build_definitions(*, resources: Mapping[str, Any] | None = None) -> dg.Definitions:
    """Return the location's definitions. ``resources`` replace the real ones, by name."""
    project = dbt.project()
    models = assets.build_assets(project)
    return dg.Definitions(
        assets=[models],
        asset_checks=checks.build_checks(),
        jobs=[*jobs.JOBS, *erasure.JOBS],
        schedules=jobs.SCHEDULES,
        sensors=[sensors.first_build_sensor([".".join(key.path) for key in models.keys])],
        resources={"database": PipelineDatabase(), "dbt": dbt.resource(project), **(resources or {})},
    )


defs = build_definitions()
