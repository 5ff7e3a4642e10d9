"""P6: bringing the three marts up to date after a quarter of an hour, beside refreshing the design document's views.

Belongs here: that comparison, in the database's time: what each side's statements take on an open connection.
Does not belong here: dbt's own time between its statements, and parsing; the marts themselves (``dbt_project/``).

A real dbt run is recorded once, and then every statement that it sent for a model is sent again, look-ups, comments and
grants included. Both sides get the same changes, one after the other, and stand in the same database. It is measured at
several sizes of the history in one run, so that what grows with it shows.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from bench.figures import Figure, at_least, at_most
from bench.ground import Connection, Ground, change_counters, fill, tweets_arrive
from database import named_sql
from database.connections import connect
from orchestration.marts import ledger
from orchestration.marts.project import EXECUTABLE, PROJECT_DIR, environment
from orchestration.marts.verification import TOP_PROFILES, TRENDING, ZONE_STATS, verify

REPEATS = 5
"""One of four quarters of an hour begins an hour, and moves the windows."""

SIZES = (250_000, 1_000_000, 4_000_000)
"""Tweets stored, as far as the run's scale goes."""

QUARTER = timedelta(minutes=15)
VIEWS = ("twitter_zone_stats_hourly", "twitter_top_profiles_by_zone", "twitter_trending_hashtags")
LARGE = 500_000
"""From so many stored tweets on, the larger changes are measured too; below, they would be most of what there is."""

_SQL = named_sql.statements(Path(__file__).parent / "sql" / "views.sql")
_HOURS = named_sql.statements(Path(__file__).parent / "sql" / "hours.sql")
_ROWS = named_sql.statements(Path(__file__).parent / "sql" / "rows.sql")


@dataclass(frozen=True)
class Change:
    """What happens before both sides are brought up to date."""

    name: str
    tweets: int
    updates: int = 0
    within: timedelta = timedelta(hours=24)


CHANGES = (Change("2,500 new", 2_500), Change("2,500 new, 2,500 engagement updates", 2_500, 2_500))
LARGE_CHANGES = (
    Change("28,000 new", 28_000),
    Change("2,500 new, 90,000 engagement updates", 2_500, 90_000, timedelta(days=7)),
)


@dataclass
class Marts:
    """The models of the three marts in one session of the role ``pipeline``: statements as a run of dbt sent them."""

    connection: Connection
    statements: Mapping[str, Sequence[str]]
    seconds: dict[str, list[float]] = field(default_factory=dict)

    def bring_up_to_date(self) -> float:
        """Build until no mark waits, and return the seconds it took; a build takes so many marks at once."""
        by_model = dict.fromkeys(self.statements, 0.0)
        self._build(by_model)
        while max(ledger.waiting(self.connection, list(self.statements)).values()):
            self._build(by_model)
        for model, seconds in by_model.items():
            self.seconds.setdefault(model, []).append(seconds)
        return sum(by_model.values())

    def _build(self, by_model: dict[str, float]) -> None:
        for model, statements in self.statements.items():
            began = time.perf_counter()
            for statement in statements:
                self.connection.execute(statement.encode())
            by_model[model] += time.perf_counter() - began
            self.connection.execute("discard temp")


def measure(ground: Ground) -> Iterator[Figure]:
    """Return the figures of P6."""
    costs: dict[int, float] = {}
    for stored in [size for size in SIZES if size <= ground.scale.stored] or [ground.scale.stored]:
        for figure in _measured_at(ground, stored):
            if figure.name == f"{CHANGES[0].name} at {stored:,}: the marts" and figure.value:
                costs[stored] = figure.value
            yield figure
    if len(costs) > 1:
        shortest, longest = min(costs), max(costs)
        ratio = costs[longest] / costs[shortest]
        yield at_most("P6", f"{CHANGES[0].name}: cost at {longest:,} beside that at {shortest:,}", ratio, "×", 1.3)


def _measured_at(ground: Ground, stored: int) -> Iterator[Figure]:
    with ExitStack() as stack:
        url = ground.database("marts")
        stack.callback(ground.drop, "marts")
        pipeline_url = ground.as_role(url, "pipeline")
        owner = stack.enter_context(connect(url, application_name="bench", autocommit=True))
        ledger.set_as_of(owner, ground.now)
        statements = recorded(pipeline_url, ground.directory / f"dbt-{stored}")
        # Full text search is no part of this, and half of the time that it takes to fill the tables.
        owner.execute("drop index core.idx_twitter_tweets_text_search")
        fill(owner, count=stored, until=ground.now)
        pipeline = stack.enter_context(connect(pipeline_url, application_name="marts", autocommit=True))
        marts = Marts(pipeline, statements)
        _count(owner, ground.now)
        marts.bring_up_to_date()
        for statement in _SQL["views"].split(";\n"):
            owner.execute(statement.encode())
        owner.execute("vacuum analyze")
        yield from _measured(ground, stored, owner, marts)


def _count(owner: Connection, now: datetime) -> None:
    """Count the tweets and the hours of authors and tags in one pass, without triggers; mark everything above them."""
    owner.execute("set work_mem = '256MB'")
    owner.execute("set session_replication_role = replica")
    for name in ("tweets", "authors", "tags"):
        owner.execute(_HOURS[name].encode())
    owner.execute("reset session_replication_role")
    owner.execute(_HOURS["marks"].encode(), {"as_of": now})
    owner.execute("reset work_mem")
    owner.execute("vacuum analyze")


def recorded(url: str, directory: Path) -> dict[str, list[str]]:
    """Run dbt twice and return what it sent the second time, by model: the first time it makes all tables."""
    _dbt(url, directory / "first")
    _dbt(url, directory / "second", "--select", *(f"+{view}" for view in VIEWS))
    sent: dict[str, list[str]] = {}
    for line in (directory / "second" / "dbt.log").read_text().splitlines():
        event = json.loads(line)
        if event["info"]["name"] == "SQLQuery":
            model = event["data"].get("node_info", {}).get("node_name", "")
            sent.setdefault(model, []).append(event["data"]["sql"])
    return {model: sent[model] for model in ledger.MODELS if model in sent}


def _dbt(url: str, logs: Path, *arguments: str) -> None:
    command = [
        *(str(EXECUTABLE), "--no-use-colors", "--log-level-file", "debug", "--log-format-file", "json", "run"),
        *arguments,
        *("--project-dir", str(PROJECT_DIR), "--profiles-dir", str(PROJECT_DIR)),
        *("--target-path", str(logs.parent / "target"), "--log-path", str(logs)),
    ]
    variables = {**os.environ, **environment(url), "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}
    result = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise RuntimeError(f"dbt failed:\n{result.stdout[-4_000:]}")


def _measured(ground: Ground, stored: int, owner: Connection, marts: Marts) -> Iterator[Figure]:
    now = ground.now
    is_large = stored >= LARGE
    for change in (*CHANGES, *LARGE_CHANGES) if is_large else CHANGES:
        ours: list[float] = []
        by_view: dict[str, list[float]] = {view: [] for view in VIEWS}
        marts.seconds.clear()
        for _ in range(REPEATS):
            now = _happen(owner, change, now)
            ours.append(marts.bring_up_to_date())
            for view, seconds in by_view.items():
                seconds.append(_refreshed(owner, view))
        theirs = [sum(seconds) for seconds in zip(*by_view.values(), strict=True)]
        yield from _figures(stored, change, ours, theirs, _by_table(marts.seconds), _by_table(by_view))
        if change is CHANGES[0]:
            limit = _rows_alone(owner, since=now - QUARTER)
            note = f"limit of the ratio: {statistics.median(theirs) / limit:.0f} ×"
            yield Figure("P6", f"{change.name} at {stored:,}: its rows alone", 1000 * limit, "ms", note=note)
    row = owner.execute(_SQL["differences"]).fetchone()
    name = f"top profiles that differ between the two sides at {stored:,}"
    yield Figure("P6", name, row[0] if row else 0, "rows", "0", row == (0,))
    drifted = sum(verify(owner, mart).drifted_bucket_count for mart in (ZONE_STATS, TOP_PROFILES, TRENDING))
    yield Figure("P6", f"buckets that differ from their recount at {stored:,}", drifted, "buckets", "0", drifted == 0)


def _rows_alone(owner: Connection, *, since: datetime) -> float:
    """Write the rows of the tweets from ``since`` on once more, nothing read or summed for it; return the seconds."""
    with owner.transaction(force_rollback=True):
        owner.execute("set local session_replication_role = replica")
        owner.execute("select set_config('bench.since', %s, true)", (since.isoformat(),))
        owner.execute(_ROWS["prepare"].encode())
        began = time.perf_counter()
        for name, statement in _ROWS.items():
            if name != "prepare":
                owner.execute(statement.encode())
        return time.perf_counter() - began


def _happen(owner: Connection, change: Change, now: datetime) -> datetime:
    """Let a quarter of an hour pass with its changes; return its end."""
    end = now + max(QUARTER, change.tweets * timedelta(milliseconds=360))
    tweets_arrive(owner, count=change.tweets, until=end)
    if change.updates:
        change_counters(owner, count=change.updates, within=change.within, now=end)
    ledger.set_as_of(owner, end)
    return end


def _figures(
    stored: int, change: Change, ours: list[float], theirs: list[float], own_note: str, their_note: str
) -> Iterator[Figure]:
    our_ms, their_ms = 1000 * statistics.median(ours), 1000 * statistics.median(theirs)
    at = f"{change.name} at {stored:,}"
    slowest = 1000 * max(ours)
    yield Figure("P6", f"{at}: the marts", our_ms, "ms", note=f"slowest of {len(ours)}: {slowest:.0f}; {own_note}")
    yield Figure("P6", f"{at}: REFRESH … CONCURRENTLY", their_ms, "ms", note=their_note)
    name, ratio = f"{at}: ratio", their_ms / our_ms
    if change is not CHANGES[0]:
        yield Figure("P6", name, ratio, "×")
    elif stored >= 1_000_000:
        yield at_least("P6", name, ratio, "×", 100 if stored >= 4_000_000 else 50)
    else:
        yield Figure("P6", name, ratio, "×", "≥ 50", ratio >= 50, "the goal is stated for 1,000,000")


def _by_table(seconds: Mapping[str, Sequence[float]]) -> str:
    return ", ".join(
        f"{table.removeprefix('twitter_').removeprefix('int_')} {1000 * statistics.median(taken):.0f}"
        for table, taken in seconds.items()
    )


def _refreshed(owner: Connection, view: str) -> float:
    began = time.perf_counter()
    owner.execute(_SQL[view])
    return time.perf_counter() - began
