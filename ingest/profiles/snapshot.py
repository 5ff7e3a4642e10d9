"""One run of profile snapshots: the monitored profiles and the tops of each zone.

Belongs here: who is due, asking, writing what was seen.
Does not belong here: HTTP, Dagster, how a profile is merged (``ingest.normalise``).

Due moments are multiples of an interval since 1970, in UTC, never "the last one plus an interval" (T33): a profile is
due when it has no snapshot since the latest of them. So it is asked for once, also after an outage, and a run that is
repeated asks for nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from database import edits, named_sql, snowflake
from ingest.engagement import observe
from ingest.normalise import mapping
from ingest.normalise import write as normaliser
from ingest.normalise.records import Profile
from ingest.provider import health, lookup
from ingest.provider.budget import Budget, BudgetExhausted
from ingest.provider.lookup import Answers
from ingest.provider.protocol import FoundUser, Provider, ProviderFailed, UserAnswer

MONITORED_EVERY = timedelta(hours=6)
"""A day's growth is then told by four intervals, and a rename is noticed within six hours."""

TOPS_EVERY = timedelta(hours=24)

TOPS_PER_ZONE = 100

PORTION = 1_000
CONTROLS = 5
CONTROL_AGE = timedelta(hours=24)

ONE_AT_A_TIME = 7_203_102
"""Advisory lock of a run."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_SQL = named_sql.statements(Path(__file__).parent / "sql" / "profiles.sql")


@dataclass
class Report:
    """What a run did. After a failure the profiles that were not answered for are still due."""

    due: int = 0
    asked: int = 0
    taken: int = 0
    missing: int = 0
    over_budget: int = 0
    calls: int = 0
    credits: int = 0
    failure: ProviderFailed | None = None
    seconds: float = 0.0


class AlreadyRunning(RuntimeError):  # noqa: N818 -- the name says what happened
    """Another run is at work."""


def grid_moment(now: datetime, every: timedelta) -> datetime:
    """Return the latest due moment at or before ``now``."""
    return _EPOCH + (now - _EPOCH) // every * every


class ProfileSnapshots:
    """Profile snapshots through one connection, which must be in autocommit mode and belong to ``pipeline``."""

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        provider: Provider,
        budget: Budget,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        tops_per_zone: int = TOPS_PER_ZONE,
    ) -> None:
        self._connection = connection
        self._provider = provider
        self._budget = budget
        self._now = now
        self._tops_per_zone = tops_per_zone
        normaliser.prepare(connection)

    def run(self) -> Report:
        """Take every snapshot that is due, monitored profiles first. Raises ``AlreadyRunning``."""
        began = time.perf_counter()
        report = Report()
        with self._alone():
            due = self._due()
            report.due = len(due)
            for start in range(0, len(due), PORTION):
                try:
                    is_answered = self._take(due[start : start + PORTION], report)
                except BudgetExhausted:
                    report.over_budget = len(due) - start
                    break
                if not is_answered:
                    break
            if report.failure is not None:
                health.note_failure(self._connection, report.failure, self._now())
        report.seconds = time.perf_counter() - began
        return report

    @contextmanager
    def _alone(self) -> Iterator[None]:
        row = self._connection.execute(_SQL["try_lock"], {"key": ONE_AT_A_TIME}).fetchone()
        if not row or not row[0]:
            raise AlreadyRunning("another run takes profile snapshots at this moment")
        try:
            yield
        finally:
            self._connection.execute(_SQL["unlock"], {"key": ONE_AT_A_TIME})

    def _due(self) -> list[int]:
        monitored = self._ids("due_monitored", {"due_at": grid_moment(self._now(), MONITORED_EVERY)})
        row = self._connection.execute(_SQL["has_top_profiles"]).fetchone()
        if not row or not row[0]:
            return monitored
        tops = self._ids("due_tops", {"due_at": grid_moment(self._now(), TOPS_EVERY), "per_zone": self._tops_per_zone})
        return list(dict.fromkeys([*monitored, *tops]))

    def _ids(self, statement: str, parameters: dict[str, Any]) -> list[int]:
        return [row[0] for row in self._connection.execute(_SQL[statement], parameters)]

    def _take(self, profile_ids: Sequence[int], report: Report) -> bool:
        """Ask for a portion and write what was answered; return whether anything was."""
        asked_at = self._now()
        answers = lookup.look_users_up(self._provider, self._budget, profile_ids, asked_at)
        report.calls += answers.calls
        report.asked += len(profile_ids)
        report.failure = report.failure or answers.failure
        missing = list(answers.missing())
        known_absent = frozenset(self._ids("known_absent", {"profile_ids": missing})) if missing else frozenset()
        if not lookup.is_credible(answers.by_id, known_absent) and not self._controls_are_shown(missing, report):
            report.failure = report.failure or ProviderFailed(
                self._provider.source,
                f"it answered, but without {len(missing)} accounts that it showed before",
                is_retryable=True,
                may_be_billed=True,
            )
            answers.forget(missing)
        self._write(answers, asked_at, report)
        return bool(answers.by_id)

    def _controls_are_shown(self, doubted: Sequence[int], report: Report) -> bool:
        """Ask for accounts that posted a moment ago: if they are missing too, the answer before was wrong."""
        since = snowflake.floor(self._now() - CONTROL_AGE)
        parameters = {"since_id": since, "doubted": list(doubted), "limit": CONTROLS}
        controls = list(dict.fromkeys(self._ids("control_profiles", parameters)))
        if not controls:
            return False
        asked_at = self._now()
        answers = lookup.look_users_up(self._provider, self._budget, controls, asked_at)
        report.calls += answers.calls
        report.credits += answers.credits
        self._budget.settle(answers.reserved, answers.credits, now=asked_at)
        return any(isinstance(answer, FoundUser) for answer, _ in answers.by_id.values())

    def _write(self, answers: Answers[UserAnswer], asked_at: datetime, report: Report) -> None:
        """Write snapshots, profiles, absences and what it cost, in one transaction."""
        found = [(answer.user, at) for answer, at in answers.by_id.values() if isinstance(answer, FoundUser)]
        profiles = observe.profiles_of(found)
        missing = answers.missing()
        with self._connection.transaction():
            self._connection.execute(
                _SQL["insert_snapshots"], _snapshot_columns([(mapping.profile_of(user), at) for user, at in found])
            )
            normaliser.write(self._connection, profiles)
            if missing:
                parameters = {
                    "profile_ids": list(missing),
                    "reasons": list(missing.values()),
                    "observed_at": self._now(),
                }
                self._connection.execute(_SQL["note_absences"], parameters)
            self._connection.execute(_SQL["forget_absences"], {"profile_ids": [int(user.id) for user, _ in found]})
            self._budget.settle(answers.reserved, answers.credits, now=asked_at)
            if found:
                health.note_success(self._connection, self._provider.source, self._now())
        report.taken += len(found)
        report.missing += len(missing)
        report.credits += answers.credits


@dataclass(frozen=True)
class Freshness:
    """How many monitored profiles there are, with a snapshot of the present interval, and known to be gone."""

    monitored: int
    fresh: int
    absent: int


def freshness(connection: psycopg.Connection[Any], now: datetime) -> Freshness:
    """Tell how many monitored profiles were seen in the interval before the present one, or since."""
    due_at = grid_moment(now, MONITORED_EVERY) - MONITORED_EVERY
    row = connection.execute(_SQL["freshness"], {"due_at": due_at}).fetchone() or (0, 0, 0)
    return Freshness(*row)


def set_monitored(connection: psycopg.Connection[Any], username: str, *, is_monitored: bool) -> int:
    """Follow the profile of this name, or stop; return how many were changed. Never commits."""
    found = connection.execute(_SQL["ids_of_username"], {"username": username.removeprefix("@")})
    return edits.set_monitored(connection, [profile_id for (profile_id,) in found], is_monitored=is_monitored)


def _snapshot_columns(seen: Sequence[tuple[Profile, int]]) -> dict[str, list[Any]]:
    return {
        "profile_ids": [profile.twitter_user_id for profile, _ in seen],
        "snapshot_at": [snowflake.from_unix_ms(at) for _, at in seen],
        "followers": [profile.followers_count for profile, _ in seen],
        "following": [profile.following_count for profile, _ in seen],
        "tweets": [profile.tweets_count for profile, _ in seen],
        "favourites": [profile.favourites_count for profile, _ in seen],
    }
