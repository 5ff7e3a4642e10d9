"""Jobs that talk to the provider, and the forms that add zones, rules and followed profiles.

Belongs here: jobs, their configuration forms and schedules.
Does not belong here: what is asked and when it is due (``ingest``), the assets (``assets.snapshots``).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import dagster as dg
import psycopg
from pydantic import Field

from ingest import rules, zones
from ingest.errors import InvalidRequestError
from ingest.profiles import snapshot as profiles
from orchestration.assets import snapshots
from orchestration.provider import is_configured
from orchestration.resources import PipelineDatabase


def _asset_job(name: str, asset: Any, description: str) -> Any:
    return dg.define_asset_job(
        name,
        selection=dg.AssetSelection.assets(asset),
        executor_def=dg.in_process_executor,
        description=description,
    )


snapshot_engagement = _asset_job(
    "snapshot_engagement",
    snapshots.engagement_snapshots,
    "Look up every collected tweet whose engagement is due: every 15 minutes, and on demand.",
)
snapshot_profiles = _asset_job(
    "snapshot_profiles",
    snapshots.profile_snapshots,
    "Look up the monitored profiles and the tops of each zone that are due: hourly, and on demand.",
)
sync_rules = _asset_job(
    "sync_rules",
    snapshots.synchronise_rules,
    "Make the provider's rules equal to core.twitter_rules: hourly, and on demand; dry_run only says what it would do.",
)


class ZoneConfig(dg.Config):
    """A zone to add."""

    name: str = Field(description="The zone's name, for instance storms.")
    timezone: str = Field(default="UTC", description="Where its days begin, for instance Europe/Paris.")
    description: str = Field(default="", description="What it collects, for people.")


class RuleConfig(dg.Config):
    """A rule to add to a zone."""

    zone: str = Field(description="The zone it collects for; it must exist.")
    tag: str = Field(description="A name for the rule, unique in its zone.")
    query: str = Field(description="What to deliver, in the provider's search syntax: storm OR #rain lang:en")
    interval_seconds: float = Field(default=60.0, description="Seconds between two looks of the provider.")
    source: str = Field(default="twitterapi_io", description="twitterapi_io or x_api_v2.")


class RuleSwitchConfig(dg.Config):
    """A rule to switch on or off."""

    zone: str = Field(description="The rule's zone.")
    tag: str = Field(description="The rule's tag.")
    active: bool = Field(default=False, description="Whether it is to deliver.")


class FollowConfig(dg.Config):
    """A profile to follow."""

    username: str = Field(description="The account's handle, as it was last seen.")
    follow: bool = Field(default=True, description="False stops following.")


@contextmanager
def _changing(context: dg.OpExecutionContext, database: PipelineDatabase) -> Iterator[psycopg.Connection[Any]]:
    """Open a transaction whose changes are audited as this run's; what cannot be done fails with its reason alone."""
    with database.connect(application_name=context.job_name) as connection:
        try:
            with connection.transaction():
                connection.execute("select set_config('audit.actor', %s, true)", (f"dagster run {context.run_id}",))
                yield connection
        except InvalidRequestError as error:
            raise dg.Failure(str(error), allow_retries=False) from None


@dg.op
def make_zone(context: dg.OpExecutionContext, config: ZoneConfig, database: PipelineDatabase) -> None:
    """Add a zone."""
    with _changing(context, database) as connection:
        zone = zones.add(connection, config.name, timezone=config.timezone, description=config.description or None)
    context.log.info("added the zone %r; now give it rules with `add_rule`", zone.name)
    context.add_output_metadata({"zone_id": str(zone.id)})


@dg.op
def make_rule(context: dg.OpExecutionContext, config: RuleConfig, database: PipelineDatabase) -> None:
    """Add a rule; the provider learns of it when ``sync_rules`` runs next."""
    with _changing(context, database) as connection:
        rule = rules.add(
            connection,
            zone=config.zone,
            tag=config.tag,
            query=config.query,
            interval_seconds=Decimal(str(config.interval_seconds)),
            source=config.source,
        )
    context.log.info("added the rule %r to the zone %r; run `sync_rules` to start it now", rule.tag, rule.zone)
    context.add_output_metadata({"rule_id": str(rule.id)})


@dg.op
def set_rule(context: dg.OpExecutionContext, config: RuleSwitchConfig, database: PipelineDatabase) -> None:
    """Switch a rule on or off; the provider learns of it when ``sync_rules`` runs next."""
    with _changing(context, database) as connection:
        rules.set_active(connection, zone=config.zone, tag=config.tag, is_active=config.active)
    context.log.info(
        "the rule %r of %r is %s; run `sync_rules` to tell the provider now",
        config.tag, config.zone, "on" if config.active else "off",
    )  # fmt: skip


@dg.op
def set_following(context: dg.OpExecutionContext, config: FollowConfig, database: PipelineDatabase) -> None:
    """Follow a profile's growth and names, or stop."""
    with _changing(context, database) as connection:
        changed = profiles.set_monitored(connection, config.username, is_monitored=config.follow)
    if not changed:
        context.log.warning("no profile named %r had to be changed: is it known, under this handle?", config.username)
    context.add_output_metadata({"changed_profiles": changed})


@dg.job(executor_def=dg.in_process_executor)
def add_zone() -> None:
    """Add a zone, with a form. The same as `python -m ingest zones add`."""
    make_zone()


@dg.job(executor_def=dg.in_process_executor)
def add_rule() -> None:
    """Add a rule to a zone, with a form. The same as `python -m ingest rules add`."""
    make_rule()


@dg.job(executor_def=dg.in_process_executor)
def switch_rule() -> None:
    """Switch a rule off or on, with a form."""
    set_rule()


@dg.job(executor_def=dg.in_process_executor)
def follow_profile() -> None:
    """Follow a profile's growth and names from now on, or stop."""
    set_following()


JOBS = (snapshot_engagement, snapshot_profiles, sync_rules, add_zone, add_rule, switch_rule, follow_profile)


def _schedule(job: Any, cron: str) -> dg.ScheduleDefinition:
    return dg.ScheduleDefinition(
        job=job,
        cron_schedule=cron,
        execution_timezone="UTC",
        should_execute=is_configured,
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )


SCHEDULES = (
    _schedule(snapshot_engagement, "*/15 * * * *"),
    # Only what is due is asked for: a run between two due moments costs nothing and finds new tops early.
    _schedule(snapshot_profiles, "7 * * * *"),
    _schedule(sync_rules, "37 * * * *"),
)
