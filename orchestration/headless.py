"""Runs one Dagster job in this process to its end, and says what it did.

The run is recorded in Dagster's instance like any other, so it is seen in the UI.

Belongs here: finding a job, filling in its form, the summary.
Does not belong here: the jobs (``jobs.py`` and the locations).
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from orchestration.interrupted_runs import HEADLESS_TAG
from orchestration.processes import installed_locations


class JobError(ValueError):
    """No such job, or it does not take what it was given."""


def run_job(name: str, *, fields: Mapping[str, object], say: Any) -> bool:
    """Run the job ``name`` and return whether it, and every check that is more than a warning, succeeded.

    Each of ``fields`` is set on every op that has a configuration field of that name; it is an error if none has.
    """
    job = _find(name)
    run_config = _run_config(job, fields)
    with dg.DagsterInstance.get() as instance:
        result = job.execute_in_process(
            instance=instance, run_config=run_config, raise_on_error=False, tags=dict([HEADLESS_TAG])
        )
        for line in _summary(name, result):
            say(line)
        return all_is_well(result)


def all_is_well(result: dg.ExecuteInProcessResult) -> bool:
    """Tell whether the run succeeded and no check failed, warnings left out: Dagster lets a run with drift succeed."""
    failed = [
        check
        for check in result.get_asset_check_evaluations()
        if not check.passed and check.severity is dg.AssetCheckSeverity.ERROR
    ]
    return result.success and not failed


def job_names() -> list[str]:
    """Return the names of all jobs, in every location."""
    return sorted({job.name for defs in _definitions() for job in _jobs(defs)})


def _find(name: str) -> dg.JobDefinition:
    for defs in _definitions():
        for job in _jobs(defs):
            if job.name == name:
                return job
    raise JobError(f"there is no job {name!r}; there are: {', '.join(job_names())}")


def _definitions() -> Iterator[dg.Definitions]:
    """Load one location after another: the light one first, so that its jobs start without waiting for dbt."""
    for module in installed_locations().values():
        yield importlib.import_module(module).defs


def _jobs(defs: dg.Definitions) -> list[dg.JobDefinition]:
    return [job for job in defs.resolve_all_job_defs() if not job.name.startswith("__")]


def _run_config(job: dg.JobDefinition, fields: Mapping[str, object]) -> dict[str, Any]:
    ops: dict[str, dict[str, dict[str, object]]] = {}
    for field, value in fields.items():
        takers = [op for op in job.nodes if field in _config_fields(op.definition)]
        if not takers:
            raise JobError(f"the job {job.name} takes no {field.upper()}")
        for op in takers:
            ops.setdefault(op.name, {"config": {}})["config"][field] = value
    # The console shows the summary; every message is kept in the run's log.
    return {"ops": ops, "loggers": {"console": {"config": {"log_level": "WARNING"}}}}


def _config_fields(definition: Any) -> set[str]:
    schema = getattr(definition, "config_schema", None)
    return set(getattr(getattr(schema, "config_type", None), "fields", None) or ())


def _summary(name: str, result: dg.ExecuteInProcessResult) -> Iterator[str]:
    yield f"job {name}, run {result.run_id}: {'succeeded' if result.success else 'FAILED'}"
    for materialization in _last_materializations(result):
        figures = ", ".join(f"{key} {_plain(value)}" for key, value in materialization.metadata.items())
        yield f"  {materialization.asset_key.to_user_string()}: {figures or 'materialised'}"
    for event in result.all_events:
        if event.event_type_value == "STEP_OUTPUT" and event.step_output_data.metadata and not _is_of_asset(event):
            for key, value in event.step_output_data.metadata.items():
                yield f"  {key}: {_plain(value)}"
    for evaluation in result.get_asset_check_evaluations():
        verdict = "passed" if evaluation.passed else f"FAILED ({evaluation.description or evaluation.severity.value})"
        yield f"  check {evaluation.check_name} on {evaluation.asset_key.to_user_string()}: {verdict}"
    for event in result.all_events:
        if event.is_failure and event.message:
            yield f"  {event.message}"
            error = getattr(event.event_specific_data, "error", None)
            if error is not None:
                yield f"    {(error.cause or error).message.strip()}"


def _is_of_asset(event: dg.DagsterEvent) -> bool:
    """Tell whether a step's output is an asset: its materialisation is told already."""
    return event.step_output_data.step_output_handle.output_name != "result"


def _last_materializations(result: dg.ExecuteInProcessResult) -> list[dg.AssetMaterialization]:
    """Return each asset's last materialisation: a long run reports now and then."""
    found: dict[dg.AssetKey, dg.AssetMaterialization] = {}
    for event in result.all_events:
        if event.event_type_value == "ASSET_MATERIALIZATION":
            materialization = event.step_materialization_data.materialization
            found[materialization.asset_key] = materialization
    return list(found.values())


def _plain(value: Any) -> str:
    text = str(getattr(value, "value", value))
    return text if len(text) <= 60 else text[:57] + "…"
