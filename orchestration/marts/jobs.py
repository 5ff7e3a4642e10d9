"""When the marts are built, and rebuilding by hand.

Belongs here: jobs, their configuration forms and schedules.
Does not belong here: how a build works (``assets.py``).
"""

from datetime import date
from typing import Any

import dagster as dg
from pydantic import Field

from orchestration.marts import ledger
from orchestration.marts.assets import POOL, drain
from orchestration.marts.dbt import FastDbt
from orchestration.resources import PipelineDatabase

LAYERS = dg.AssetSelection.groups("staging", "intermediate", "marts")


def _refresh(name: str, mart: str, description: str, *others: str) -> Any:
    """Return a job that builds a mart after everything that it is built from, tests and verifies it."""
    # Every mart is tested against the zones, which none is built from.
    keys = [dg.AssetKey(["staging", "stg_core__zones"]), *(_key(table) for table in (mart, *others))]
    return dg.define_asset_job(
        name,
        selection=dg.AssetSelection.assets(*keys).upstream() & LAYERS,
        executor_def=dg.in_process_executor,
        description=description,
    )


def _key(table: str) -> dg.AssetKey:
    return dg.AssetKey(["intermediate" if table.startswith("int_") else "marts", table])


refresh_zone_stats = _refresh(
    "refresh_zone_stats",
    "twitter_zone_stats_hourly",
    "Volume and engagement of every zone and hour: hourly, and on demand.",
    "twitter_zone_stats_daily",
    "twitter_zone_anomalies",
    "mart_status",
    "dim_zone",
    "dim_profile",
)
refresh_top_profiles = _refresh(
    "refresh_top_profiles",
    "twitter_top_profiles_by_zone",
    "The profiles and the most engaged tweets of every zone: every 15 minutes, and on demand.",
    "twitter_top_profiles_by_zone_window",
    "twitter_profile_influence",
    "twitter_viral_tweets",
    "twitter_engagement_velocity",
    "twitter_top_engaged_tweets",
    "twitter_top_engaged_tweet_details",
)
refresh_trending = _refresh(
    "refresh_trending",
    "twitter_trending_hashtags",
    "What is named in the last hour to seven days, and what rises: every 10 minutes, and on demand.",
    "twitter_trending_entities",
    "twitter_trending_hashtag_samples",
    # Read by the data layer alone.
    "int_zone_tag_author_hourly",
)
build_marts = dg.define_asset_job(
    "build_marts",
    selection=LAYERS,
    executor_def=dg.in_process_executor,
    description="Everything that dbt builds, tested and verified: when something was never built, and on demand.",
)


class RebuildConfig(dg.Config):
    """Which buckets to rebuild."""

    days_from: str = Field(description="First UTC day, for instance 2026-11-01.")
    days_to: str = Field(default="", description="Last UTC day, included; empty for the first day alone.")
    zones: list[str] = Field(default=[], description="Names of zones; none for all.")
    dry_run: bool = Field(default=True, description="Only say how many buckets it would be. Set to false to rebuild.")


@dg.op(pool=POOL)
def mark_and_rebuild(
    context: dg.OpExecutionContext, config: RebuildConfig, dbt: FastDbt, database: PipelineDatabase
) -> None:
    """Mark the buckets of some days and build until nothing waits. Idempotent; may be stopped and started again."""
    with database.connect(application_name="rebuild buckets") as connection:
        try:
            first = _day(config.days_from, "days_from")
            last = _day(config.days_to, "days_to") if config.days_to else first
            count = ledger.mark_days(connection, first=first, last=last, zones=config.zones, dry_run=config.dry_run)
        except ledger.LedgerInputError as error:
            raise dg.Failure(str(error)) from None
        verb = "would be rebuilt" if config.dry_run else "are marked"
        context.log.info("%s buckets (zone, hour, author) %s", count, verb)
        passes = 0 if config.dry_run else drain(context.log, connection, dbt, list(ledger.MODELS), down_to=0)
        context.add_output_metadata(
            {"buckets": count, "passes": passes, "waiting": sum(ledger.waiting(connection).values())}
        )


def _day(text: str, field: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ledger.LedgerInputError(f"{field} is {text!r}: give a day like 2026-11-22") from None


@dg.job(executor_def=dg.in_process_executor)
def rebuild_buckets() -> None:
    """Rebuild the marts' buckets of chosen days and zones from core; a dry run unless told otherwise."""
    mark_and_rebuild()


def _schedule(job: Any, cron: str) -> dg.ScheduleDefinition:
    return dg.ScheduleDefinition(
        job=job,
        cron_schedule=cron,
        execution_timezone="UTC",
        run_config={"ops": {"dbt_models": {"config": {"as_of": ledger.UNLESS_HELD}}}},
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )


JOBS = [refresh_zone_stats, refresh_top_profiles, refresh_trending, build_marts, rebuild_buckets]

# The cadence of the design document. The minutes differ, so that the three seldom wait for one another.
SCHEDULES = [
    _schedule(refresh_zone_stats, "2 * * * *"),
    _schedule(refresh_top_profiles, "4-59/15 * * * *"),
    _schedule(refresh_trending, "*/10 * * * *"),
]
