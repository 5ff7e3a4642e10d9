"""Checks of the layers ``raw`` and ``core``: what must hold whatever arrives.

Belongs here: checks that SQL over these layers answers.
Does not belong here: checks of the marts (dbt tests and the recount).
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg

from database import named_sql
from orchestration.assets.core import DELIVERIES
from orchestration.resources import PipelineDatabase

LOOK_BACK = timedelta(days=2)
"""How far the checks look back. They run hourly: two days are 48 chances to notice."""

_SQL = named_sql.statements(Path(__file__).parent / "sql" / "pipeline.sql")


@dg.asset_check(asset=DELIVERIES, name="every_item_is_accounted_for", blocking=False)
def every_item_is_accounted_for(database: PipelineDatabase) -> dg.AssetCheckResult:
    """Every accepted item is normalised, a duplicate, a control message, a dead letter, or waiting: nothing else."""
    row = _ask(database, "accounting_balance", {"since": _since()})
    unbalanced = row.pop("unbalanced_deliveries")
    first = row.pop("first_unbalanced_delivery")
    return dg.AssetCheckResult(
        passed=unbalanced == 0,
        severity=dg.AssetCheckSeverity.ERROR,
        description=(
            f"All {row['accepted']} items of the last two days are accounted for."
            if unbalanced == 0
            else f"{unbalanced} deliveries do not add up, the first is {first}. "
            "Read it again with the job `renormalize`; if it stays, its dialect splits it in two ways."
        ),
        metadata={**row, "unbalanced_deliveries": unbalanced},
    )


@dg.asset_check(asset=DELIVERIES, name="no_open_dead_letters")
def no_open_dead_letters(database: PipelineDatabase) -> dg.AssetCheckResult:
    """No item waits as a dead letter. A warning: the pipeline runs, but somebody should look."""
    with database.connect(application_name="check dead letters") as connection:
        rows = connection.execute(_SQL["open_dead_letters"]).fetchall()
    table = "\n".join(
        f"| {source} | {stage} | {reason} | {count} | {detail} |" for source, stage, reason, count, detail in rows
    )
    return dg.AssetCheckResult(
        passed=not rows,
        severity=dg.AssetCheckSeverity.WARN,
        description=(
            "No dead letters are open."
            if not rows
            else "Mend the cause (add the rule or the zone, or the parser), then run the job `replay_dead_letters`."
        ),
        metadata={
            "open_letters": sum(row[3] for row in rows),
            "by_reason": dg.MetadataValue.md(
                f"| source | stage | reason | letters | latest |\n|---|---|---|---|---|\n{table}"
            ),
        },
    )


@dg.asset_check(asset=dg.AssetKey(["core", "twitter_tweets"]), name="rows_belong_together")
def rows_belong_together(database: PipelineDatabase) -> dg.AssetCheckResult:
    """Zone links, counters and entities have their tweet. No foreign key says so: it would block retention."""
    row = _ask(database, "orphans", {"since": _since()})
    return dg.AssetCheckResult(
        passed=not any(row.values()),
        severity=dg.AssetCheckSeverity.ERROR,
        description="Every row collected in the last two days has the rows it belongs to."
        if not any(row.values())
        else "Rows lost their tweet: somebody deleted by hand. Read their deliveries again with `renormalize`.",
        metadata=row,
    )


CHECKS = (every_item_is_accounted_for, no_open_dead_letters, rows_belong_together)


def _ask(database: PipelineDatabase, statement: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """Return the one row of a statement by column name."""
    with database.connect(application_name=f"check {statement}") as connection:
        cursor = connection.execute(_SQL[statement], parameters)
        row = cursor.fetchone()
        columns = [column.name for column in cursor.description or ()]
    return dict(zip(columns, row or (), strict=True))


def _since() -> datetime:
    return datetime.now(UTC) - LOOK_BACK
