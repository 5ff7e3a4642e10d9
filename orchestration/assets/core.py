"""The layer ``core``: one multi-asset that normalises what waits, and keeps on while more comes.

Belongs here: how normalising looks from Dagster: its assets, its window, what it reports.
Does not belong here: normalising itself (``ingest.normalise``).

A Dagster run costs seconds to start, far too many for one run a delivery. So a run stays for a window of time, waits
for notifications, and reports a materialisation now and then; a sensor starts its successor before it ends. An advisory
lock makes the successor wait until it has, and a run goes on past its window until a successor waits: however long a
busy machine takes to start one, somebody is at work. There is no retry policy: a run that dies changes nothing, the
sensor starts the next one, and a retry would outlive the signal that told the run to stop.
"""

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
from pydantic import Field

import ingest.normalise
from database import named_sql
from ingest.normalise.crew import Crew
from ingest.normalise.settings import NormaliseSettings
from ingest.normalise.worker import Progress
from orchestration.catalog import table_spec
from orchestration.resources import PipelineDatabase

WINDOW_SECONDS = 600.0
"""A run's window: 150 runs a day instead of one a delivery, and logs that stay readable."""

REPORT_SECONDS = 60.0
"""How often a run reports. Each report is an event for each asset, kept in Dagster's database."""

HANDOVER_POLL_SECONDS = 0.25

LONGEST_OVERTIME_SECONDS = 600.0
"""How long past its window a run waits for a successor; longer means that nobody starts one any more."""

AT_WORK = 7_203_002
"""Advisory lock of the run that stays. Draining by hand needs none: any number of workers may share the work."""

NEXT_IN_LINE = 7_203_003
"""Advisory lock of the run that waits to take over."""

DELIVERIES = dg.AssetKey(["raw", "deliveries"])

_SQL = named_sql.statements(Path(__file__).parent.parent / "sql" / "pipeline.sql")

_ALIVE = dg.FreshnessPolicy.time_window(fail_window=timedelta(minutes=20), warn_window=timedelta(minutes=5))

_DESCRIPTIONS = {
    "twitter_profiles": "One row per account, as last observed. Older observations never overwrite newer ones.",
    "twitter_tweets": "One row per tweet, delivered by a rule or embedded in a retweet or a quote. Content only.",
    "twitter_tweet_zones": "One row per tweet and zone that collected it, with the rules it came through.",
    "twitter_tweet_metrics": "One row per tweet: the latest known counters. NULL is unknown, never 0.",
    "twitter_engagement_history": "One row per tweet and observation of its counters, the one at collection first.",
    "twitter_entities": "One row per hashtag, mention or link in a tweet, at its position in code points.",
    "twitter_compliance_events": "One row per notice that a tweet was deleted, withheld or restored.",
}

SPECS = tuple(
    table_spec("core", table, description, deps=(DELIVERIES,), freshness=_ALIVE)
    for table, description in _DESCRIPTIONS.items()
)


class NormalizeConfig(dg.Config):
    """How long a run of ``normalize`` works."""

    once: bool = Field(
        default=True,
        description="Drain what waits and end. The sensor sets this to false: then the run stays for its window.",
    )
    window_seconds: float = Field(default=WINDOW_SECONDS, gt=0, description="How long a run stays, in seconds.")


@dg.multi_asset(
    name="normalize_deliveries",
    specs=SPECS,
    code_version="1",
)
def normalize(
    context: dg.AssetExecutionContext, config: NormalizeConfig, database: PipelineDatabase
) -> Iterator[dg.MaterializeResult[Any]]:
    """Turn raw deliveries into rows of ``core``, exactly once, in any order, and mark every bucket they change."""
    with (
        database.connect(application_name="normalize") as connection,
        Crew(connection, NormaliseSettings().normalize_workers) as crew,
    ):
        report = _Reporter(context, connection)
        if config.once:
            crew.drain()
        else:
            _take_over(connection, context)
            end = _end_of_window(connection, config.window_seconds)
            unchanged = _watch_code()
            crew.worker.follow(until=lambda: report.is_done(crew.progress, end) or not unchanged())
            crew.dismiss()
        yield from report.results(crew.progress)


class _Reporter:
    """Tells Dagster what a worker has done, often enough to be watched and seldom enough to be stored."""

    def __init__(self, context: dg.AssetExecutionContext, connection: psycopg.Connection[Any]) -> None:
        self._context = context
        self._connection = connection
        self._next_report = time.monotonic() + REPORT_SECONDS

    def is_done(self, progress: Progress, is_over: Callable[[], bool]) -> bool:
        """Report if it is time to; return whether the window is over."""
        now = time.monotonic()
        if now >= self._next_report:
            self._next_report = now + REPORT_SECONDS
            for spec in SPECS:
                metadata = self._metadata(spec.key.path[-1], progress)
                self._context.log_event(dg.AssetMaterialization(asset_key=spec.key, metadata=metadata))
            self._observe_queue()
        return is_over()

    def results(self, progress: Progress) -> Iterator[dg.MaterializeResult[Any]]:
        """Yield the run's last word on each asset."""
        self._observe_queue()
        self._context.log.info(
            "%s deliveries with %s items: %s normalised, %s duplicate, %s control, %s dead; %s new tweets",
            progress.deliveries, progress.items, progress.normalised, progress.duplicates, progress.controls,
            progress.dead, progress.new_tweets,
        )  # fmt: skip
        for spec in SPECS:
            yield dg.MaterializeResult(asset_key=spec.key, metadata=self._metadata(spec.key.path[-1], progress))

    def _metadata(self, table: str, progress: Progress) -> dict[str, Any]:
        (row_count,) = self._connection.execute(_SQL["estimated_row_count"], {"table": f"core.{table}"}).fetchone() or (
            0,
        )
        seconds = progress.seconds_in_batches
        metadata: dict[str, Any] = {
            "dagster/row_count": int(row_count),
            "items_in_run": progress.items,
            "items_per_second": progress.items / seconds if seconds else 0.0,
        }
        if table == "twitter_tweets":
            metadata |= {
                "normalised_in_run": progress.normalised,
                "duplicates_in_run": progress.duplicates,
                "controls_in_run": progress.controls,
                "dead_in_run": progress.dead,
                "new_tweets_in_run": progress.new_tweets,
            }
        if table == "twitter_tweet_zones":
            metadata["new_links_in_run"] = progress.new_links
        return metadata

    def _observe_queue(self) -> None:
        row = self._connection.execute(_SQL["queue_state"]).fetchone()
        waiting, oldest_seconds, lag_seconds = row or (0, None, None)
        metadata: dict[str, Any] = {"waiting_deliveries": int(waiting)}
        if oldest_seconds is not None:
            metadata["oldest_waiting_seconds"] = float(oldest_seconds)
        if lag_seconds is not None:
            metadata["median_seconds_to_core"] = float(lag_seconds)
        for zone, zone_lag_seconds in self._connection.execute(_SQL["zone_lags"]):
            metadata[f"lag_seconds_of_{zone}"] = float(zone_lag_seconds)
        self._context.log_event(dg.AssetObservation(asset_key=DELIVERIES, metadata=metadata))


def _take_over(connection: psycopg.Connection[Any], context: dg.AssetExecutionContext) -> None:
    """Stand in line until the run before has ended. Asks again and again: a blocked statement would hold a snapshot."""
    waiting_since = time.monotonic()
    for lock in (NEXT_IN_LINE, AT_WORK):
        while not _takes(connection, lock):
            time.sleep(HANDOVER_POLL_SECONDS)
    _gives_back(connection, NEXT_IN_LINE)
    context.log.info("took over after %.1f s", time.monotonic() - waiting_since)


def _end_of_window(connection: psycopg.Connection[Any], window_seconds: float) -> Callable[[], bool]:
    """Return a function that tells whether the window is over and somebody waits to take over."""
    deadline = time.monotonic() + window_seconds

    def is_over() -> bool:
        overtime = time.monotonic() - deadline
        return overtime >= 0 and (overtime > LONGEST_OVERTIME_SECONDS or _somebody_waits(connection))

    return is_over


def _somebody_waits(connection: psycopg.Connection[Any]) -> bool:
    if _takes(connection, NEXT_IN_LINE):
        _gives_back(connection, NEXT_IN_LINE)
        return False
    return True


def _takes(connection: psycopg.Connection[Any], lock: int) -> bool:
    row = connection.execute("select pg_try_advisory_lock(%s)", (lock,)).fetchone()
    return bool(row and row[0])


def _gives_back(connection: psycopg.Connection[Any], lock: int) -> None:
    connection.execute("select pg_advisory_unlock(%s)", (lock,))


def _watch_code() -> Callable[[], bool]:
    """Return a function that tells whether the code of the normaliser is still what it was."""
    folder = Path(ingest.normalise.__path__[0])

    def fingerprint() -> bytes:
        digest = blake2b()
        for path in sorted(folder.rglob("*")):
            if path.suffix in {".py", ".sql"}:
                digest.update(str(path.stat().st_mtime_ns).encode())
        return digest.digest()

    started_with = fingerprint()
    return lambda: fingerprint() == started_with
