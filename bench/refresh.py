"""P6: bringing the three marts up to date after a quarter of an hour, beside refreshing the design document's views.

Belongs here: that comparison, in the database's time: what each side's statements take on an open connection.
Does not belong here: dbt's own time between its statements, and parsing; the marts themselves (``dbt_project/``).

A real dbt run is recorded once, and then every statement that it sent for a model is sent again, look-ups, comments and
grants included. Both sides get the same changes, one after the other, and stand in the same database.
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

from bench.figures import Figure, at_least
from bench.ground import Connection, Ground, add_tweets, change_counters, fill
from database import named_sql
from database.connections import connect
from orchestration.marts import ledger
from orchestration.marts.project import EXECUTABLE, PROJECT_DIR, environment

REPEATS = 3
QUARTER = timedelta(minutes=15)
VIEWS = ("twitter_zone_stats_hourly", "twitter_top_profiles_by_zone", "twitter_trending_hashtags")
LARGE = 500_000
"""From so many stored tweets on, the larger changes are measured too; below, they would be most of what there is."""

_SQL = named_sql.statements(Path(__file__).parent / "sql" / "views.sql")


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
    """The five models in one session of the role ``pipeline``: statements as a run of dbt sent them."""

    connection: Connection
    statements: Mapping[str, Sequence[str]]
    seconds: dict[str, list[float]] = field(default_factory=dict)

    def build(self) -> float:
        """Build every model and return the seconds it took."""
        total = 0.0
        for model in ledger.MODELS:
            began = time.perf_counter()
            for statement in self.statements[model]:
                self.connection.execute(statement.encode())
            taken = time.perf_counter() - began
            self.seconds.setdefault(model, []).append(taken)
            total += taken
            self.connection.execute("discard temp")
        return total

    def drain(self) -> None:
        """Build until no mark waits."""
        while max(ledger.waiting(self.connection).values()):
            self.build()
        self.seconds.clear()


def measure(ground: Ground) -> Iterator[Figure]:
    """Return the figures of P6."""
    with ExitStack() as stack:
        url = ground.database("marts")
        stack.callback(ground.drop, "marts")
        owner = stack.enter_context(connect(url, application_name="bench", autocommit=True))
        fill(owner, count=ground.scale.stored, until=ground.now)
        ledger.set_as_of(owner, ground.now)
        pipeline_url = ground.as_role(url, "pipeline")
        marts = Marts(
            stack.enter_context(connect(pipeline_url, application_name="marts", autocommit=True)),
            recorded(pipeline_url, ground.directory / "dbt"),
        )
        marts.drain()
        for statement in _SQL["views"].split(";\n"):
            owner.execute(statement.encode())
        owner.execute("vacuum analyze")
        yield from _measured(ground, owner, marts)


def recorded(url: str, directory: Path) -> dict[str, list[str]]:
    """Run dbt twice and return what it sent the second time, by model: the first time it makes the tables."""
    for attempt in ("first", "second"):
        _dbt(url, directory / attempt)
    sent: dict[str, list[str]] = {}
    for line in (directory / "second" / "dbt.log").read_text().splitlines():
        event = json.loads(line)
        if event["info"]["name"] == "SQLQuery":
            model = event["data"].get("node_info", {}).get("node_name", "")
            sent.setdefault(model, []).append(event["data"]["sql"])
    return {model: sent[model] for model in ledger.MODELS}


def _dbt(url: str, logs: Path) -> None:
    command = [
        *(str(EXECUTABLE), "--no-use-colors", "--log-level-file", "debug", "--log-format-file", "json", "run"),
        *("--project-dir", str(PROJECT_DIR), "--profiles-dir", str(PROJECT_DIR)),
        *("--target-path", str(logs.parent / "target"), "--log-path", str(logs)),
    ]
    variables = {**os.environ, **environment(url), "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}
    result = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise RuntimeError(f"dbt failed:\n{result.stdout[-4_000:]}")


def _measured(ground: Ground, owner: Connection, marts: Marts) -> Iterator[Figure]:
    now = ground.now
    is_large = ground.scale.stored >= LARGE
    for change in (*CHANGES, *LARGE_CHANGES) if is_large else CHANGES:
        ours: list[float] = []
        by_view: dict[str, list[float]] = {view: [] for view in VIEWS}
        marts.seconds.clear()
        for _ in range(REPEATS):
            now = _happen(owner, change, now)
            ours.append(marts.build())
            for view, seconds in by_view.items():
                seconds.append(_refreshed(owner, view))
        theirs = [sum(seconds) for seconds in zip(*by_view.values(), strict=True)]
        yield from _figures(ground, change, ours, theirs, _by_table(marts.seconds), _by_table(by_view))
    row = owner.execute(_SQL["differences"]).fetchone()
    yield Figure("P6", "top profiles that differ between the two sides", row[0] if row else 0, "rows", "0", row == (0,))


def _happen(owner: Connection, change: Change, now: datetime) -> datetime:
    """Let a quarter of an hour pass with its changes; return its end."""
    end = now + max(QUARTER, change.tweets * timedelta(milliseconds=360))
    add_tweets(owner, count=change.tweets, until=end)
    if change.updates:
        change_counters(owner, count=change.updates, within=change.within, now=end)
    ledger.set_as_of(owner, end)
    return end


def _figures(
    ground: Ground, change: Change, ours: list[float], theirs: list[float], own_note: str, their_note: str
) -> Iterator[Figure]:
    our_ms, their_ms = 1000 * statistics.median(ours), 1000 * statistics.median(theirs)
    yield Figure("P6", f"{change.name}: the marts", our_ms, "ms", note=own_note)
    yield Figure("P6", f"{change.name}: REFRESH … CONCURRENTLY", their_ms, "ms", note=their_note)
    name, ratio = f"{change.name}: ratio at {ground.scale.stored:,} tweets", their_ms / our_ms
    if change is not CHANGES[0]:
        yield Figure("P6", name, ratio, "×")
    elif ground.scale.stored >= 1_000_000:
        yield at_least("P6", name, ratio, "×", 100 if ground.scale.stored >= 4_000_000 else 50)
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
