"""Jobs of compliance: deletions found by look-ups, and purging what has been suppressed for long.

Belongs here: jobs, their configuration forms and schedules.
Does not belong here: what they do (``ingest.compliance``), erasing (``orchestration.marts.erasure``).
"""

from datetime import UTC, datetime, timedelta

import dagster as dg
from pydantic import Field

from database.settings import RetentionSettings
from ingest.compliance import absences, purge
from ingest.provider.budget import BudgetExhausted
from orchestration.provider import TweetProvider, failure, is_configured
from orchestration.resources import PipelineDatabase


class PurgeConfig(dg.Config):
    """What to purge."""

    days: int = Field(default=-1, description="Days since the suppression; -1 for the setting PURGE_AFTER_DAYS.")
    dry_run: bool = Field(default=False, description="Only count.")


@dg.op
def purge_what_is_suppressed(context: dg.OpExecutionContext, config: PurgeConfig, database: PipelineDatabase) -> None:
    """Take the content of what has been suppressed for the time of grace. Idempotent."""
    days = config.days if config.days >= 0 else RetentionSettings().purge_after_days
    before = datetime.now(UTC) - timedelta(days=days)
    with database.connect(application_name="purge") as connection:
        purged = purge.due(connection, before) if config.dry_run else purge.purge(connection, before)
    verb = "would lose" if config.dry_run else "lost"
    context.log.info("%s tweets and %s accounts %s their content", purged.tweets, purged.profiles, verb)
    context.add_output_metadata({"tweets": purged.tweets, "profiles": purged.profiles, "deliveries": purged.deliveries})


@dg.op
def conclude_from_misses(
    context: dg.OpExecutionContext, database: PipelineDatabase, tweet_provider: TweetProvider
) -> None:
    """Ask for the authors of tweets that look-ups do not show any more, and suppress what is gone."""
    with (
        database.connect(application_name="find deletions") as connection,
        tweet_provider.access(connection) as access,
    ):
        try:
            found = absences.conclude(connection, access.provider, access.budget)
        except BudgetExhausted as exhausted:
            context.log.warning("nothing was asked: %s", exhausted)
            return
    metadata = {
        "missing_tweets": found.missing_tweets,
        "deleted_tweets": found.deleted_tweets,
        "gone_accounts": found.gone_accounts,
        "returned_accounts": found.returned_accounts,
        "undecided_tweets": found.undecided_tweets,
    }
    context.add_output_metadata(metadata)
    if found.failure is not None:
        raise failure(found.failure, metadata)


@dg.job(executor_def=dg.in_process_executor)
def purge_suppressed() -> None:
    """Take the content of what has been suppressed for 30 days: daily, and on demand."""
    purge_what_is_suppressed()


@dg.job(executor_def=dg.in_process_executor)
def find_deletions() -> None:
    """Conclude which tweets and accounts are gone from look-ups that do not show them: every six hours."""
    conclude_from_misses()


JOBS = (purge_suppressed, find_deletions)

SCHEDULES = (
    dg.ScheduleDefinition(
        name="purge_suppressed_daily",
        job=purge_suppressed,
        cron_schedule="40 3 * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    ),
    dg.ScheduleDefinition(
        name="find_deletions_every_six_hours",
        job=find_deletions,
        cron_schedule="50 */6 * * *",
        execution_timezone="UTC",
        should_execute=is_configured,
        default_status=dg.DefaultScheduleStatus.RUNNING,
    ),
)
