"""What shows the project working with nothing configured: the stand-in's zones and rules, and the bounded demo.

Belongs here: registering the stand-in's rules, streaming a synthetic day, printing what came of it.
Does not belong here: the synthetic world (``ingest.standin``), the jobs that are run.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import psycopg
from rich.console import Console
from rich.table import Table

from database.connections import connect, database_url
from database.named_sql import statements
from database.snowflake import from_unix_ms, to_unix_ms
from ingest import rules as rule_registry
from ingest import zones as zone_registry
from ingest.coverage.ledger import cover
from ingest.standin.push import Webhook
from ingest.standin.rules import Rule, default_rules
from ingest.standin.settings import StandinSettings
from ingest.standin.stream import Summary, SyntheticDay, post_all
from ingest.standin.world import World
from orchestration.preparation import PROJECT, Prepared, prepared
from orchestration.process import Process
from orchestration.processes import demonstration_environment, ingest_process
from orchestration.settings import RuntimeSettings
from orchestration.supervisor import Supervisor, stopping_on_signals

SEED = 20_260_101

HOURS = 24

TWEETS = 24_000
"""A tenth of the customer's day: enough for every mart, little enough for a minute on two cores."""

JOBS = ("normalize", "refresh_zone_stats", "refresh_top_profiles", "refresh_trending", "check_pipeline")

_SQL = statements(Path(__file__).parent / "sql" / "demonstration.sql")

_TABLES = {
    "top_hours": "marts.twitter_zone_stats_hourly: each zone's latest complete hour",
    "top_profiles": "marts.twitter_top_profiles_by_zone: the three most engaging profiles of each zone",
    "trending": "marts.twitter_trending_hashtags: the three most used tags of each zone",
    "checks": "what became of every item",
}


class DemonstrationFailedError(RuntimeError):
    """A step did not do what it should; the message says which."""


def register(connection: psycopg.Connection, rules: Iterable[Rule]) -> None:
    """Add a zone and a rule for each of the stand-in's rules that is not there yet. Never commits."""
    known_zones = {zone.name for zone in zone_registry.every(connection)}
    known_rules = {(rule.zone, rule.tag) for rule in rule_registry.every(connection)}
    for rule in rules:
        if rule.tag not in known_zones:
            zone_registry.add(connection, rule.tag, description=f"Synthetic tweets that match {rule.value}")
        if (rule.tag, rule.tag) not in known_rules:
            rule_registry.add(
                connection,
                zone=rule.tag,
                tag=rule.tag,
                query=rule.value,
                interval_seconds=Decimal(str(rule.interval_seconds)),
                external_rule_id=rule.rule_id,
            )


def register_live_rules(database: Prepared) -> None:
    """Add the zones and rules that the running stand-in delivers for."""
    settings = StandinSettings()
    with connect(database_url(database.settings), application_name="register rules") as connection:
        register(connection, default_rules(settings.seed, World(settings.seed).people))


def run(settings: RuntimeSettings, say: Callable[[str], None]) -> None:
    """Stream a synthetic day through the webhook, build the marts and print them, in a database of its own.

    The database lives under ``STATE_DIR/demo`` and is made anew each time. Raises ``DemonstrationFailedError``.
    """
    started = time.monotonic()
    state_dir = settings.state_dir / "demo"
    shutil.rmtree(state_dir, ignore_errors=True)
    own = settings.model_copy(
        update={"database_url": None, "state_dir": state_dir, "ingest_port": _free_port(), "dagster_database_url": None}
    )
    with prepared(own) as database:
        os.environ.update(database.dagster_environment)
        summary = _stream(database, say)
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(summary.by_kind.items()))
        say(
            f"acknowledged {summary.tweets_acknowledged:,} tweets in {summary.acknowledged:,} deliveries "
            f"within {summary.seconds:.1f} s ({kinds})"
        )
        _run_jobs(say)
        _print_marts(database)
    say(f"done in {time.monotonic() - started:.0f} s: every job succeeded, every check passed")


def _stream(database: Prepared, say: Callable[[str], None]) -> Summary:
    """Run the webhook service for as long as the day takes to post."""
    environment = demonstration_environment(database)
    service = ingest_process(database, environment)
    supervisor = Supervisor(
        [service],
        log_directory=database.settings.state_dir / "logs",
        working_directory=PROJECT,
        say=lambda _: None,
    )
    day = _day()
    with connect(database_url(database.settings), application_name="register rules") as connection:
        register(connection, day.rules)
    with stopping_on_signals(supervisor):
        try:
            if not supervisor.start():
                raise DemonstrationFailedError("the webhook service did not start")
            say(f"posting a synthetic day of {TWEETS:,} tweets to {service.address}")
            summary = _acknowledged(post_all(_webhook(service, environment), day, expected=TWEETS))
            _cover(database, day)
            return summary
        finally:
            supervisor.stop()


def _cover(database: Prepared, day: SyntheticDay) -> None:
    """Note that the day was listened to from end to end, though it was posted within minutes."""
    begin = from_unix_ms(day.start_ms)
    with connect(database_url(database.settings), application_name="cover the day") as connection:
        for zone in zone_registry.every(connection):
            cover(connection, zone.id, begin, begin + timedelta(hours=HOURS), "replay")


def _acknowledged(summary: Summary) -> Summary:
    if summary.acknowledged != summary.deliveries:
        raise DemonstrationFailedError(
            f"{summary.deliveries - summary.acknowledged} deliveries were not acknowledged: {summary.last_fault}"
        )
    return summary


def _day() -> SyntheticDay:
    """Return the day that ends now, in whole minutes."""
    end = datetime.now(UTC).replace(second=0, microsecond=0)
    return SyntheticDay(SEED, to_unix_ms(end - timedelta(hours=HOURS)), HOURS, TWEETS)


def _webhook(service: Process, environment: dict[str, str]) -> Webhook:
    return Webhook(service.address, environment["STANDIN_WEBHOOK_KEY"])


def _run_jobs(say: Callable[[str], None]) -> None:
    from orchestration import headless

    for name in JOBS:
        lines: list[str] = []
        # dbt tells each of its tests to the console; here the verdicts alone are wanted.
        with contextlib.redirect_stdout(io.StringIO()):
            succeeded = headless.run_job(name, fields={}, say=lines.append)
        verdicts = [line for line in lines if line.startswith("  check ")]
        failed = [line for line in verdicts if not line.endswith("passed")]
        say(f"{lines[0]}, {len(verdicts) - len(failed)} of {len(verdicts)} checks passed")
        if failed or not succeeded:
            raise DemonstrationFailedError(
                "\n".join([f"the job {name} did not do what it should:", *(failed or lines)])
            )


def _print_marts(database: Prepared) -> None:
    console = Console(width=160)
    with connect(database_url(database.settings), application_name="demo") as connection:
        for name, title in _TABLES.items():
            cursor = connection.execute(_SQL[name])
            table = Table(title=title, title_justify="left")
            for column in cursor.description or ():
                table.add_column(column.name, no_wrap=True)
            for row in cursor:
                table.add_row(*("" if value is None else str(value) for value in row))
            console.print(table)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
