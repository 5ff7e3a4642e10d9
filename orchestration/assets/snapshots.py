"""The layer ``snapshots``: what is asked of the provider, time and again.

Belongs here: how snapshots and the synchronising of rules look from Dagster: assets, checks, what they report.
Does not belong here: which snapshots are due, asking, writing (``ingest.engagement``, ``.profiles``, ``.rule_sync``).
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
from pydantic import Field

from ingest.engagement import snapshot as engagement
from ingest.engagement.snapshot import Snapshots, TierReport
from ingest.profiles import snapshot as profiles
from ingest.profiles.snapshot import ProfileSnapshots
from ingest.provider import health
from ingest.provider.budget import Budget
from ingest.provider.protocol import ProviderFailed
from ingest.rule_sync import sync
from ingest.rule_sync.sync import RuleSync
from orchestration.catalog import table_spec
from orchestration.provider import TweetProvider, failure
from orchestration.resources import PipelineDatabase

ENGAGEMENT = dg.AssetKey(["snapshots", "engagement"])
PROFILE_SNAPSHOTS = dg.AssetKey(["core", "twitter_profile_snapshots"])
RULES = dg.AssetKey(["core", "twitter_rules"])

LEAST_COVERAGE = 0.99
"""Of the snapshots that were due. A run that is late by minutes misses none; an hour's outage misses one in 24."""

COVERAGE_DAYS = 1
"""The check looks at the present UTC day and this many before it."""

_KINDS = frozenset({"postgres", "python", "http"})


@dg.asset(
    key=ENGAGEMENT,
    deps=[dg.AssetKey(["core", "twitter_tweet_zones"])],
    group_name="snapshots",
    owners=["team:data-platform"],
    kinds=set(_KINDS),
    description="The counters of collected tweets, hourly for a day, six-hourly until 72 h, daily until 7 days: "
    "written as observations into core.twitter_engagement_history and core.twitter_tweet_metrics.",
    freshness_policy=dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=2), warn_window=timedelta(minutes=45)),
    metadata={"dagster/table_name": "core.twitter_engagement_history"},
    code_version="1",
    pool="engagement_snapshots",
)
def engagement_snapshots(
    context: dg.AssetExecutionContext, database: PipelineDatabase, tweet_provider: TweetProvider
) -> dg.MaterializeResult[Any]:
    """Take every engagement snapshot that is due. After an outage: one catch-up for each tweet."""
    with (
        database.connect(application_name="snapshot engagement") as connection,
        tweet_provider.access(connection) as access,
    ):
        try:
            report = Snapshots(connection, access.provider, access.budget).run()
        except engagement.AlreadyRunning as running:
            context.log.info("%s", running)
            return dg.MaterializeResult(metadata={"skipped": str(running)})
        metadata = _engagement_metadata(report) | _budget_metadata(access.budget)
    if report.failure is not None:
        raise failure(report.failure, metadata)
    return dg.MaterializeResult(metadata=metadata)


def _engagement_metadata(report: engagement.Report) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "span_begins": report.after.isoformat(),
        "span_ends": report.until.isoformat(),
        "due_tweets": report.due_tweets,
        "asked_tweets": report.asked,
        "found_tweets": report.found,
        "absent_tweets": report.absent,
        "over_budget_tweets": report.over_budget,
        "history_rows": report.history_rows,
        "calls": report.calls,
        "credits": report.credits,
        "tweets_per_second": report.asked / report.seconds if report.seconds else 0.0,
    }
    for tier, counts in report.by_tier.items():
        metadata |= {
            f"{tier}_due": counts.due,
            f"{tier}_taken": counts.taken,
            f"{tier}_absent": counts.absent,
            f"{tier}_missed": counts.missed,
        }
        if counts.due:
            metadata[f"{tier}_coverage"] = _coverage(counts)
    return metadata


def _budget_metadata(budget: Budget) -> dict[str, Any]:
    metadata: dict[str, Any] = {}
    for spending in budget.spending(datetime.now(UTC)):
        metadata[f"credits_this_{spending.period}"] = spending.spent_credits
        if spending.credit_limit:
            metadata[f"share_of_{spending.period}_limit"] = spending.spent_credits / spending.credit_limit
    return metadata


def _coverage(counts: TierReport) -> float:
    """Return the share of due snapshots that were answered, whether the tweet was shown or not."""
    return (counts.taken + counts.absent) / counts.due if counts.due else 1.0


@dg.asset_check(asset=ENGAGEMENT, name="due_snapshots_were_taken")
def due_snapshots_were_taken(database: PipelineDatabase) -> dg.AssetCheckResult:
    """Nearly every snapshot that was due yesterday and today was taken. A warning: what is missed stays missed."""
    since = datetime.now(UTC).date() - timedelta(days=COVERAGE_DAYS)
    with database.connect(application_name="check coverage") as connection:
        by_tier = engagement.coverage_since(connection, since)
        failing = health.failing(connection)
    worst = min((_coverage(counts) for counts in by_tier.values()), default=1.0)
    over_budget = sum(counts.over_budget for counts in by_tier.values())
    return dg.AssetCheckResult(
        passed=worst >= LEAST_COVERAGE,
        severity=dg.AssetCheckSeverity.WARN,
        description=_coverage_told(worst, over_budget, failing),
        metadata={f"{tier}_coverage": _coverage(counts) for tier, counts in by_tier.items()}
        | {
            "due": sum(counts.due for counts in by_tier.values()),
            "missed": sum(counts.missed for counts in by_tier.values()),
            "over_budget": over_budget,
        },
    )


def _coverage_told(worst: float, over_budget: int, failing: str | None) -> str:
    if worst >= LEAST_COVERAGE:
        return "The snapshots that were due yesterday and today were taken."
    told = [f"In one tier only {worst:.0%} of the snapshots that were due were taken."]
    if failing:
        told.append(f"{failing}.")
    if over_budget:
        told.append(
            f"The spending limit left {over_budget:,} out: raise TWITTERAPI_IO_CREDITS_PER_DAY or X_API_POSTS_PER_DAY, "
            "or collect less."
        )
    if not failing and not over_budget:
        told.append("The job `snapshot_engagement` did not run: look at its schedule and at the daemon.")
    return " ".join(told)


@dg.asset(
    key=PROFILE_SNAPSHOTS,
    deps=[dg.AssetKey(["core", "twitter_profiles"])],
    group_name="core",
    owners=["team:data-platform"],
    kinds=set(_KINDS),
    description="One row per profile and snapshot: monitored profiles every six hours, the tops of each zone daily. "
    "core.twitter_profile_snapshots_with_deltas adds the change per day.",
    freshness_policy=dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=8), warn_window=timedelta(hours=2)),
    metadata={"dagster/table_name": "core.twitter_profile_snapshots"},
    code_version="1",
    pool="profile_snapshots",
)
def profile_snapshots(
    context: dg.AssetExecutionContext, database: PipelineDatabase, tweet_provider: TweetProvider
) -> dg.MaterializeResult[Any]:
    """Take every profile snapshot that is due, monitored profiles first."""
    with (
        database.connect(application_name="snapshot profiles") as connection,
        tweet_provider.access(connection) as access,
    ):
        try:
            report = ProfileSnapshots(connection, access.provider, access.budget).run()
        except profiles.AlreadyRunning as running:
            context.log.info("%s", running)
            return dg.MaterializeResult(metadata={"skipped": str(running)})
        metadata = {
            "due_profiles": report.due,
            "asked_profiles": report.asked,
            "taken_profiles": report.taken,
            "missing_profiles": report.missing,
            "over_budget_profiles": report.over_budget,
            "calls": report.calls,
            "credits": report.credits,
        } | _budget_metadata(access.budget)
    if report.failure is not None:
        raise failure(report.failure, metadata)
    return dg.MaterializeResult(metadata=metadata)


@dg.asset_check(asset=PROFILE_SNAPSHOTS, name="monitored_profiles_are_followed")
def monitored_profiles_are_followed(database: PipelineDatabase) -> dg.AssetCheckResult:
    """Every monitored profile has a recent snapshot, or is known to be gone."""
    with database.connect(application_name="check profile snapshots") as connection:
        told = profiles.freshness(connection, datetime.now(UTC))
    left = told.monitored - told.fresh - told.absent
    return dg.AssetCheckResult(
        passed=left <= 0,
        severity=dg.AssetCheckSeverity.WARN,
        description="Every monitored profile was seen within its interval."
        if left <= 0
        else f"{left} of {told.monitored} monitored profiles have no recent snapshot: see the runs of "
        "`snapshot_profiles`, and whether the budget is spent.",
        metadata={"monitored": told.monitored, "fresh": told.fresh, "absent": told.absent},
    )


class SyncRulesConfig(dg.Config):
    """How the provider's rules are brought into line."""

    dry_run: bool = Field(default=False, description="Only say what would be done.")
    remove_unknown: bool = Field(
        default=False,
        description="Also delete rules at the provider that are not in core.twitter_rules. Careful: another "
        "environment with the same key has rules there too.",
    )
    source: str = Field(default="", description="twitterapi_io or x_api_v2; empty for every source that has a key.")


@dg.multi_asset(
    name="synchronise_rules",
    specs=[
        table_spec(
            "core",
            "twitter_rules",
            "One row per rule: what the provider is asked to deliver, and for which zone. The table is the truth; "
            "this makes the provider's rules equal to it. Active periods: core.twitter_rule_periods.",
            freshness=dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=6), warn_window=timedelta(hours=2)),
            kinds=_KINDS,
        )
    ],
    check_specs=[
        dg.AssetCheckSpec("rules_are_in_line", asset=RULES, description="The provider has our rules, and only ours."),
        dg.AssetCheckSpec("followed_handles_exist", asset=RULES, description="No rule follows a handle given up."),
    ],
    code_version="1",
    pool="rule_synchronisation",
)
def synchronise_rules(
    context: dg.AssetExecutionContext,
    config: SyncRulesConfig,
    database: PipelineDatabase,
    tweet_provider: TweetProvider,
) -> Iterator[dg.MaterializeResult[Any]]:
    """Make the provider's rules ours by difference: nothing that is as it should be is touched."""
    reports = []
    with database.connect(application_name="sync rules") as connection:
        # Without any key the first access says which variable to set.
        for source in (config.source,) if config.source else tweet_provider.sources() or (None,):
            with tweet_provider.access(connection, source) as access:
                try:
                    syncing = RuleSync(connection, access.provider)
                    report = syncing.run(is_dry_run=config.dry_run, removes_unknown=config.remove_unknown)
                except ProviderFailed as failed:
                    raise failure(failed, {}) from None
                except sync.AlreadyRunning as running:
                    raise dg.Failure(f"{running}: nothing was done", allow_retries=False) from None
            verb = "would" if config.dry_run else "did"
            for line in report.done:
                context.log.info("%s: %s %s", access.provider.source, verb, line)
            for line in (*report.refused, *report.drift):
                context.log.warning("%s: %s", access.provider.source, line)
            reports.append(report)
    yield dg.MaterializeResult(asset_key=RULES, metadata=_rules_metadata(reports), check_results=_rule_checks(reports))


def _rules_metadata(reports: list[sync.Report]) -> dict[str, Any]:
    return {
        "dagster/row_count": sum(report.own_rules for report in reports),
        "rules_at_provider": sum(report.provider_rules for report in reports),
        "active_rules": sum(report.active for report in reports),
        "changes": sum(len(report.done) for report in reports),
        "refused": sum(len(report.refused) for report in reports),
        "drifted": sum(len(report.drift) for report in reports),
        "what_was_done": dg.MetadataValue.md(_listed(line for report in reports for line in report.done)),
    }


def _rule_checks(reports: list[sync.Report]) -> list[dg.AssetCheckResult]:
    refused = [line for report in reports for line in report.refused]
    unknown = [rule for report in reports for rule in report.unknown]
    renamed = [handle for report in reports for handle in report.renamed]
    return [
        dg.AssetCheckResult(
            asset_key=RULES,
            check_name="rules_are_in_line",
            passed=not refused and not unknown,
            severity=dg.AssetCheckSeverity.WARN,
            description="The provider has our rules, and only ours."
            if not refused and not unknown
            else "Change what is refused (`python -m ingest rules`); add unknown rules to a zone, or delete them at "
            "the provider: they are billed, and what they deliver becomes dead letters.",
            metadata={
                "refused": dg.MetadataValue.md(_listed(refused)),
                "unknown": dg.MetadataValue.md(_listed(f"{rule.tag} ({rule.rule_id})" for rule in unknown)),
            },
        ),
        dg.AssetCheckResult(
            asset_key=RULES,
            check_name="followed_handles_exist",
            passed=not renamed,
            severity=dg.AssetCheckSeverity.WARN,
            description="Every handle that a rule follows is carried by its account."
            if not renamed
            else "An account that was renamed no longer matches from: its old handle. Change the rules' queries.",
            metadata={
                "renamed": dg.MetadataValue.md(
                    _listed(
                        f"{handle.zone} / {handle.tag}: from:{handle.handle} is @{handle.present_username} "
                        f"since {handle.since:%Y-%m-%d}"
                        for handle in renamed
                    )
                )
            },
        ),
    ]


def _listed(lines: Any) -> str:
    return "\n".join(f"- {line}" for line in lines) or "none"


ASSETS = (engagement_snapshots, profile_snapshots, synchronise_rules)

CHECKS = (due_snapshots_were_taken, monitored_profiles_are_followed)
