"""The dbt models as assets.

Belongs here: what a run of the models does around dbt.
Does not belong here: schedules and jobs (``jobs.py``), the models themselves (``dbt_project/``).
"""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
import psycopg
from dagster_dbt import DbtProject, dbt_assets
from pydantic import Field

from orchestration.marts import ledger
from orchestration.marts.dbt import FastDbt
from orchestration.marts.translator import MartsTranslator
from orchestration.resources import PipelineDatabase

POOL = "dbt"
"""One run of dbt at a time. The models' advisory locks would keep two apart as well, but one would wait inside dbt."""

MAX_PASSES = 500
"""A run works a backlog off in passes of 50,000 marks: this is enough for 25 million."""

BUILD = ("build", "--exclude-resource-type", "unit_test", "--indirect-selection", "cautious")
"""Unit tests show that the SQL is right, which no run can change. Tests between two models run where both are built."""


class BuildConfig(dg.Config):
    """What a build is for."""

    as_of: str = Field(
        default="now",
        description=(
            'The moment that windows such as 24 h end at: "now", or a time like 2026-11-22T18:00:00Z. The schedules '
            f'say "{ledger.UNLESS_HELD}": for an hour they keep a time that was asked for.'
        ),
    )


def build_assets(project: DbtProject) -> dg.AssetsDefinition:
    """Return the assets of all models of ``project``."""

    @dbt_assets(
        manifest=project.manifest_path,
        project=project,
        dagster_dbt_translator=MartsTranslator(),
        name="dbt_models",
        pool=POOL,
    )
    def dbt_models(
        context: dg.AssetExecutionContext, config: BuildConfig, dbt: FastDbt, database: PipelineDatabase
    ) -> Iterator[Any]:
        """Write the moment, work a backlog off, then build and test what the run selected."""
        with database.connect(application_name="build marts") as connection:
            as_of = _set_as_of(connection, config.as_of)
            context.log.info("building as of %s", as_of.isoformat())
            drain(context.log, connection, dbt, _selected(context))
            with dbt.invocation(BUILD, context=context) as invocation:
                for event in invocation.stream():
                    yield _with_numbers(event, context, connection)

    return dbt_models


def drain(
    log: Any, connection: psycopg.Connection[Any], dbt: FastDbt, models: list[str], *, down_to: int | None = None
) -> int:
    """Build ``models`` until at most ``down_to`` marks wait for each (default: one build's worth); return the passes.

    The newest buckets come first, so what people look at is fresh long before a backlog is worked off.
    """
    limit = ledger.MARKS_PER_BUILD if down_to is None else down_to
    for count in range(MAX_PASSES):
        waiting = ledger.waiting(connection, models)
        if max(waiting.values(), default=0) <= limit:
            return count
        log.info("pass %s, marks that wait: %s", count + 1, waiting)
        with dbt.invocation(["run", "--select", " ".join(models)]) as invocation:
            invocation.wait()
    raise dg.Failure(f"marks are left after {MAX_PASSES} passes: more is written than is built. Run the job again.")


def _selected(context: dg.AssetExecutionContext) -> list[str]:
    names = {key.path[-1] for key in context.selected_asset_keys}
    return [model for model in ledger.MODELS if model in names]


def _set_as_of(connection: psycopg.Connection[Any], text: str) -> Any:
    try:
        return ledger.set_as_of(connection, ledger.moment(text), unless_held=text == ledger.UNLESS_HELD)
    except ledger.LedgerInputError as error:
        raise dg.Failure(str(error)) from None


def _with_numbers(event: Any, context: dg.AssetExecutionContext, connection: psycopg.Connection[Any]) -> Any:
    """Add the numbers of the build to a model's materialisation; other events stay as they are."""
    if not isinstance(event, dg.Output):
        return event
    name = context.asset_key_for_output(event.output_name).path[-1]
    return event.with_metadata({**event.metadata, **_numbers(connection, name)})


def _numbers(connection: psycopg.Connection[Any], model: str) -> Mapping[str, Any]:
    build = ledger.builds(connection).get(model)
    if build is None:
        return {}
    return {
        "dagster/row_count": build.row_count,
        "rebuilt_buckets": build.claimed_bucket_count,
        "waiting_marks": ledger.waiting(connection, [model]).get(model, 0),
        "as_of": dg.MetadataValue.timestamp(build.as_of),
    }
