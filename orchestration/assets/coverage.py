"""Coverage in the asset graph: which hours were listened to, and what was missing.

Belongs here: how the ledger of gaps looks from Dagster: asset, check, jobs, schedule.
Does not belong here: computing coverage (``ingest.coverage``).
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
from pydantic import Field

from ingest.coverage import ledger
from ingest.coverage.backfill import Backfill
from ingest.coverage.ledger import Gap
from orchestration.catalog import table_spec
from orchestration.provider import TweetProvider, failure
from orchestration.resources import PipelineDatabase

COVERAGE = dg.AssetKey(["ops", "zone_hour_coverage"])

REPORTED = timedelta(days=1)
"""How far back the check and the asset's figures look."""


@dg.multi_asset(
    name="renew_coverage",
    specs=[
        table_spec(
            "ops",
            "zone_hour_coverage",
            "One row per zone and UTC hour: whether, and for how long, somebody listened. From heart-beats through the "
            "whole pipe, the periods of rules, outages of providers, replays and backfills; ops.gaps says what was "
            "missing. An hour without a row was not listened to.",
            deps=(dg.AssetKey(["raw", "deliveries"]), dg.AssetKey(["core", "twitter_rules"])),
            freshness=dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=2), warn_window=timedelta(minutes=30)),
        )
    ],
    code_version="1",
    pool="coverage",
)
def renew_coverage(context: dg.AssetExecutionContext, database: PipelineDatabase) -> dg.MaterializeResult[Any]:
    """Compute the latest days' gaps and covered hours anew. Idempotent."""
    now = datetime.now(UTC)
    with database.connect(application_name="renew coverage") as connection:
        renewed = ledger.renew(connection, now)
        gaps = ledger.gaps_since(connection, now - REPORTED)
        covered = ledger.covered_since(connection, now - REPORTED)
    if renewed is None:
        context.log.info("no heart-beat yet: the webhook service sends one a minute")
        return dg.MaterializeResult(asset_key=COVERAGE, metadata={"changed_hours": 0})
    hours = sum(zone.hours for zone in covered)
    metadata: dict[str, Any] = {
        "changed_hours": renewed.hour_changes,
        "changed_gaps": renewed.gap_changes,
        "gaps_in_24_h": len(gaps),
        "gaps": dg.MetadataValue.md(_table(gaps)),
    }
    if hours:
        metadata["covered_share_in_24_h"] = sum(zone.covered_hours for zone in covered) / hours
    return dg.MaterializeResult(asset_key=COVERAGE, metadata=metadata)


@dg.asset_check(asset=COVERAGE, name="latest_hours_are_covered")
def latest_hours_are_covered(database: PipelineDatabase) -> dg.AssetCheckResult:
    """Every hour of the last day was listened to, for every zone. A warning: numbers of such hours are flagged."""
    since = datetime.now(UTC) - REPORTED
    with database.connect(application_name="check coverage") as connection:
        covered = ledger.covered_since(connection, since)
        gaps = [gap for gap in ledger.gaps_since(connection, since) if gap.stops_collection]
    missing = {zone.zone: zone.hours - zone.covered_hours for zone in covered if zone.hours > zone.covered_hours}
    return dg.AssetCheckResult(
        passed=not missing,
        severity=dg.AssetCheckSeverity.WARN,
        description="Every hour of the last day was listened to."
        if not missing
        else f"{sum(missing.values())} hours of {len(missing)} zones were not listened to from end to end. What was "
        "missed can be asked for again with the job `backfill_gaps`.",
        metadata={
            "uncovered_hours": sum(missing.values()),
            "zones": ", ".join(sorted(missing)) or "none",
            "gaps": dg.MetadataValue.md(_table(gaps)),
        },
    )


def _table(gaps: list[Gap]) -> str:
    lines = (
        f"| {gap.kind} | {gap.subject} | {gap.starts_at:%m-%d %H:%M} | {_end(gap)} | {gap.detail} |" for gap in gaps
    )
    return "\n".join(["| what | of | from | to | why |", "|---|---|---|---|---|", *lines])


def _end(gap: Gap) -> str:
    return f"{gap.ends_at:%m-%d %H:%M}" if gap.ends_at else "now"


class BackfillConfig(dg.Config):
    """Which gaps to fill, and what that may cost."""

    days: float = Field(default=7.0, gt=0, description="How far back. X's search knows the last seven days alone.")
    zone: str = Field(default="", description="Only of this zone; empty for all.")
    include_inactive: bool = Field(
        default=False, description="Also the time in which no rule of the zone was active at the provider."
    )
    most_credits: int = Field(
        default=0, ge=0, description="The most that a run may spend, beside the day's budget; 0 for the budget alone."
    )
    dry_run: bool = Field(default=True, description="Only list what was missed. Set to false to ask for it.")


@dg.op
def ask_for_what_was_missed(
    context: dg.OpExecutionContext, config: BackfillConfig, database: PipelineDatabase, tweet_provider: TweetProvider
) -> None:
    """Search for the tweets of gaps and land them like deliveries. Idempotent, and resumed by the next run."""
    now = datetime.now(UTC)
    with (
        database.connect(application_name="backfill gaps") as connection,
        tweet_provider.access(connection) as access,
    ):
        ledger.renew(connection, now)
        filling = Backfill(connection, access.provider, access.budget, most_credits=config.most_credits or None)
        report = filling.run(
            now - timedelta(days=config.days),
            zone=config.zone or None,
            with_inactive=config.include_inactive,
            is_dry_run=config.dry_run,
        )
    for missed in report.missed:
        context.log.info("missed: %s from %s to %s", missed.zone, missed.starts_at, missed.ends_at)
    for filled in report.filled:
        context.log.info("asked for: %s from %s to %s", filled.zone, filled.starts_at, filled.ends_at)
    metadata: dict[str, Any] = {
        "missed_spans": len(report.missed),
        "filled_spans": len(report.filled),
        "tweets": report.tweets,
        "deliveries": report.deliveries,
        "calls": report.calls,
        "credits": report.credits,
        "is_over_budget": report.is_over_budget,
    }
    if report.failure is not None:
        raise failure(report.failure, metadata)
    context.add_output_metadata(metadata)


@dg.job(executor_def=dg.in_process_executor)
def backfill_gaps() -> None:
    """Ask the provider's search for what was missed, within the budget; a dry run unless told otherwise."""
    ask_for_what_was_missed()


ASSETS = (renew_coverage,)

CHECKS = (latest_hours_are_covered,)

refresh_coverage = dg.define_asset_job(
    "refresh_coverage",
    selection=dg.AssetSelection.assets(renew_coverage),
    executor_def=dg.in_process_executor,
    description="Compute which hours were listened to, and what was missing: every ten minutes, and on demand.",
)

JOBS = (refresh_coverage, backfill_gaps)

SCHEDULES = (
    dg.ScheduleDefinition(
        job=refresh_coverage,
        # Before the marts' hourly build, so that an hour that ended carries what is known of its coverage.
        cron_schedule="*/10 * * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    ),
)
