"""The layer ``maintenance``: partitions that are made ahead, old ones that leave, archives that come back.

Belongs here: how partitions and retention look from Dagster: asset, check, jobs and their forms, schedule.
Does not belong here: making partitions and applying retention (``database.partitions``, ``database.retention``).
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
from pydantic import Field

from database import partitions
from database.archive import ArchiveError
from database.retention import AlreadyRunning, Entry, Report, Retention, RetentionError
from database.settings import RetentionSettings
from orchestration.resources import PipelineDatabase

PARTITIONS = dg.AssetKey(["ops", "partitions"])


class MaintenanceConfig(dg.Config):
    """How far a run goes."""

    dry_run: bool = Field(default=False, description="Only say what would be made, archived and dropped.")


@dg.multi_asset(
    name="maintain",
    specs=[
        dg.AssetSpec(
            key=PARTITIONS,
            group_name="maintenance",
            owners=["team:data-platform"],
            kinds={"postgres", "python"},
            description="Every monthly partition with its bounds, rows, bytes and what happens to it next. A run makes "
            "the coming months' partitions and lets old ones leave: detached, archived as Parquet, read back, dropped.",
            freshness_policy=dg.FreshnessPolicy.time_window(
                fail_window=timedelta(days=3), warn_window=timedelta(hours=30)
            ),
        )
    ],
    check_specs=[
        dg.AssetCheckSpec("months_leave_in_time", asset=PARTITIONS, description="What is due could be taken up."),
        dg.AssetCheckSpec("partitions_are_ahead", asset=PARTITIONS, description="Two more months have partitions."),
    ],
    code_version="1",
    pool="partitions",
)
def maintain(
    context: dg.AssetExecutionContext, config: MaintenanceConfig, database: PipelineDatabase
) -> Iterator[dg.MaterializeResult[Any]]:
    """Make partitions ahead of the clock and let old ones leave, without blocking writers. Idempotent, resumable."""
    now = datetime.now(UTC)
    with database.connect(application_name="maintain partitions", as_owner=True) as connection:
        created = [] if config.dry_run else partitions.ensure(connection, now=now)
        retention = Retention(connection, RetentionSettings(), now=now, on_step=_logged(context))
        try:
            report = retention.run(is_dry_run=config.dry_run)
        except AlreadyRunning as running:
            raise dg.Failure(f"{running}; it does what this one would have done", allow_retries=False) from None
        inventory = retention.inventory()
        extensions = partitions.extensions(connection)
        elsewhere = partitions.managed_by_partman(connection)
    context.log.info("created %s partitions: %s", len(created), ", ".join(created) or "none were missing")
    metadata = _metadata(inventory, report, created)
    if extensions:
        told = ", ".join(f"{extension.name} {extension.version}" for extension in extensions)
        metadata["extensions"] = f"{told}; left to pg_partman: {', '.join(sorted(elsewhere)) or 'nothing'}"
    if report.failures:
        raise dg.Failure("; ".join(report.failures), metadata=metadata, allow_retries=False)
    yield dg.MaterializeResult(
        asset_key=PARTITIONS, metadata=metadata, check_results=[_left_in_time(report), _are_ahead(inventory, now)]
    )


def _logged(context: dg.AssetExecutionContext) -> Any:
    return lambda name, step: context.log.info("%s: %s", name, step)


def _metadata(inventory: Sequence[Entry], report: Report, created: Sequence[str]) -> dict[str, Any]:
    return {
        "partitions": len(inventory),
        "bytes": sum(entry.total_bytes for entry in inventory if not entry.next_action.startswith("archived")),
        "archive_bytes": sum(entry.total_bytes for entry in inventory if entry.next_action.startswith("archived")),
        "created": len(created),
        "due": len(report.actions),
        "refused": len(report.refused),
        "archived_rows": report.archived_rows,
        "dropped": len(report.dropped),
        "inventory": dg.MetadataValue.md(_table(inventory)),
    }


def _table(inventory: Sequence[Entry]) -> str:
    lines = (
        f"| {entry.name} | {_day(entry.starts_at)} | {_day(entry.ends_at)} | {entry.row_count:,} "
        f"| {entry.total_bytes:,} | {entry.next_action} |"
        for entry in inventory
    )
    return "\n".join(["| partition | from | to | rows | bytes | next |", "|---|---|---|--:|--:|---|", *lines])


def _day(moment: datetime | None) -> str:
    return "the beginning" if moment is None else f"{moment:%Y-%m-%d}"


def _left_in_time(report: Report) -> dg.AssetCheckResult:
    reasons = sorted({f"{action.name}: {action.refusal}" for action in report.refused})
    return dg.AssetCheckResult(
        asset_key=PARTITIONS,
        check_name="months_leave_in_time",
        passed=not reasons,
        severity=dg.AssetCheckSeverity.WARN,
        description="What was due has left."
        if not reasons
        else "What is due cannot leave yet: run `normalize`, then the marts' jobs; the next run tries again.",
        metadata={"refused": dg.MetadataValue.md("\n".join(f"- {reason}" for reason in reasons) or "none")},
    )


def _are_ahead(inventory: Sequence[Entry], now: datetime) -> dg.AssetCheckResult:
    """Compare the last partition of each table with the end of the month after the next."""
    wanted = partitions.months_after(partitions.month_start(now), 3)
    last: dict[str, datetime] = {}
    for entry in inventory:
        last[entry.table] = max(entry.ends_at, last.get(entry.table, entry.ends_at))
    behind = sorted(table for table, ends_at in last.items() if ends_at < wanted)
    return dg.AssetCheckResult(
        asset_key=PARTITIONS,
        check_name="partitions_are_ahead",
        passed=not behind,
        severity=dg.AssetCheckSeverity.ERROR,
        description="Every table has the partitions of the next two months."
        if not behind
        else f"{', '.join(behind)}: deliveries will be refused when the last partition is full. Run `make migrate`.",
    )


class RestoreConfig(dg.Config):
    """Which archived partition to bring back."""

    month: str = Field(description="The month, for instance 2025-03.")
    tables: list[str] = Field(
        default=[],
        description="Full names such as raw.deliveries; none for all tables of core, which opens the month again.",
    )
    keep_days: int = Field(default=7, ge=1, description="How long it stays before retention takes it up again.")
    dry_run: bool = Field(default=True, description="Only say what is in the archive. Set to false to restore.")


@dg.op
def bring_back(context: dg.OpExecutionContext, config: RestoreConfig, database: PipelineDatabase) -> None:
    """Load archived partitions, compare them with their checksums and attach them."""
    suffix = config.month.replace("-", "_")
    now = datetime.now(UTC)
    with database.connect(application_name="restore partition", as_owner=True) as connection:
        retention = Retention(connection, RetentionSettings(), now=now)
        archived = retention.archived(suffix)
        wanted = [table for table in archived if table in config.tables or (not config.tables and table[:5] == "core.")]
        unknown = sorted(set(config.tables) - set(archived))
        if unknown or not wanted:
            raise dg.Failure(
                f"{f'no {unknown[0]}' if unknown else 'nothing of core'} is in the archive of {config.month}; "
                f"there are: {', '.join(archived) or 'none'}",
                allow_retries=False,
            )
        for table in wanted:
            if config.dry_run:
                context.log.info("%s_%s would be restored", table, suffix)
                continue
            try:
                content = retention.restore(table, suffix, keep_for=timedelta(days=config.keep_days))
            except (RetentionError, ArchiveError, AlreadyRunning) as error:
                raise dg.Failure(str(error), allow_retries=False) from None
            context.log.info("%s_%s is back, with %s rows", table, suffix, content.row_count)
    context.add_output_metadata({"tables": len(wanted), "restored": 0 if config.dry_run else len(wanted)})


@dg.job(executor_def=dg.in_process_executor)
def restore_partition() -> None:
    """Bring an archived month back, identical; a dry run unless told otherwise."""
    bring_back()


maintain_partitions = dg.define_asset_job(
    "maintain_partitions",
    selection=dg.AssetSelection.assets(maintain),
    executor_def=dg.in_process_executor,
    description="Make the partitions of the coming months, let old ones leave: daily, and on demand (dry_run).",
)

ASSETS = (maintain,)

JOBS = (maintain_partitions, restore_partition)

SCHEDULES = (
    dg.ScheduleDefinition(
        name="maintain_partitions_daily",
        job=maintain_partitions,
        cron_schedule="10 3 * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    ),
)
