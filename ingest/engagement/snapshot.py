"""One run of engagement snapshots: find what is due, ask, write, settle.

Belongs here: the order of these steps and what a failure in each of them means.
Does not belong here: the grid, HTTP, Dagster, the statements that write observations.

A run covers the span since the last settled moment. Each due tweet is asked for once, however many of its snapshots
fell due in the span: after an outage that is one catch-up, and the others count as missed. What was observed stays
written whatever happens afterwards; the span is settled, and counted, in one transaction, once the provider answered
for all of it. A run that dies or a provider that fails therefore changes nothing about what is due, and the next
run does not ask again for what was observed meanwhile.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from psycopg import errors

from database import named_sql, snowflake
from ingest.engagement import grid, observe
from ingest.engagement.grid import Due, Outcome, Tier
from ingest.normalise import write as normaliser
from ingest.provider import health, lookup
from ingest.provider.budget import Budget, BudgetExhausted
from ingest.provider.lookup import Answers
from ingest.provider.protocol import FoundTweet, Provider, ProviderFailed, TweetAnswer

TICK = timedelta(minutes=15)
"""How often a run is meant to happen. The grid's smallest step is an hour: a snapshot is at most a quarter late."""

PORTION = 5_000
"""Tweets that are asked for and written in one transaction: 50 calls. Larger ones are hardly faster (38,000 rows a
second of one core's time at 2,000, 44,000 at 10,000), and a run that dies loses the answers of one at most."""

STRIDE = 3
"""Neighbours in a page of counters are written in three transactions instead of one: a page that is 70 % full has room
for new versions of 43 % of its rows, and for those of the next third once the last third's old ones are gone. Measured:
42 % HOT updates in one go, and index entries, with as many versions again to vacuum, for the rest."""

CONTROLS = 5
CONTROL_AGE = timedelta(hours=24)
"""Tweets of the last day that are asked for beside doubtful ones."""

PATIENCE = timedelta(hours=1)
"""How long a span stays open for the sake of a few calls that fail while others are answered: what makes them fail may
be in what they ask for, and must not keep everything else from being counted."""

RETRIES = 5

ONE_AT_A_TIME = 7_203_101
"""Advisory lock of a run."""

_SQL = named_sql.statements(Path(__file__).parent / "sql" / "engagement.sql")


@dataclass(frozen=True)
class Candidate:
    """A tweet with snapshots due in the span, and what is known of them already."""

    tweet_id: int
    dues: tuple[Due, ...]
    observed_ms: tuple[int, ...]
    absent_ms: tuple[int, ...]

    @property
    def is_open(self) -> bool:
        """Tell whether the latest due snapshot still has to be asked for."""
        return grid.outcomes(self.dues[-1:], self.observed_ms, self.absent_ms) == [Outcome.MISSED]


@dataclass
class TierReport:
    """What became of the snapshots of a tier that were due in a run's span."""

    due: int = 0
    taken: int = 0
    absent: int = 0
    missed: int = 0
    over_budget: int = 0


@dataclass
class Report:
    """What a run did. ``is_settled`` is false where the provider failed: then the next run covers the span again."""

    after: datetime
    until: datetime
    is_settled: bool = False
    failure: ProviderFailed | None = None
    due_tweets: int = 0
    asked: int = 0
    found: int = 0
    absent: int = 0
    over_budget: int = 0
    calls: int = 0
    credits: int = 0
    history_rows: int = 0
    seconds: float = 0.0
    by_tier: dict[Tier, TierReport] = field(default_factory=lambda: {tier: TierReport() for tier in Tier})


class AlreadyRunning(RuntimeError):  # noqa: N818 -- the name says what happened
    """Another run is at work; its span includes what this one would have done."""


class Snapshots:
    """Engagement snapshots through one connection, which must be in autocommit mode and belong to ``pipeline``."""

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        provider: Provider,
        budget: Budget,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._connection = connection
        self._provider = provider
        self._budget = budget
        self._now = now
        observe.prepare(connection)

    def run(self) -> Report:
        """Take every snapshot that is due. Raises ``AlreadyRunning``; a failing provider is part of the report."""
        began = time.perf_counter()
        with self._alone():
            until = self._now()
            report = Report(self._settled_through(until), until)
            candidates = self.candidates(report.after, until)
            report.due_tweets = len(candidates)
            answered, left_out = self._take(candidates, report)
            if report.failure is not None:
                health.note_failure(self._connection, report.failure, self._now())
            if report.failure is None or (answered and until - report.after >= PATIENCE):
                self._settle(report, candidates, answered, left_out)
        report.seconds = time.perf_counter() - began
        return report

    @contextmanager
    def _alone(self) -> Iterator[None]:
        row = self._connection.execute(_SQL["try_lock"], {"key": ONE_AT_A_TIME}).fetchone()
        if not row or not row[0]:
            raise AlreadyRunning("another run takes engagement snapshots at this moment; it covers this one's span")
        try:
            yield
        finally:
            self._connection.execute(_SQL["unlock"], {"key": ONE_AT_A_TIME})

    def _settled_through(self, until: datetime) -> datetime:
        """Return the beginning of the span; the first run of all looks back one tick."""
        self._connection.execute(_SQL["begin_progress"], {"settled_through": until - TICK})
        row = self._connection.execute(_SQL["settled_through"]).fetchone()
        settled: datetime = row[0] if row else until
        return min(settled, until)

    def candidates(self, after: datetime, until: datetime) -> list[Candidate]:
        """Return the collected tweets with snapshots due in ``(after, until]``. Reads only ranges of their ids."""
        after_ms, until_ms = snowflake.to_unix_ms(after), snowflake.to_unix_ms(until)
        found = []
        for span in grid.due_ids(after_ms, until_ms):
            bounds = {"after": after, "lower": span.lower, "upper": span.upper}
            # Planned for the bounds at hand: a generic plan would have to prepare for every partition.
            for row in self._connection.execute(_SQL["candidates"], bounds, prepare=False):
                candidate = _candidate(row, after_ms, until_ms)
                if candidate is not None:
                    found.append(candidate)
        return found

    def _take(self, candidates: Sequence[Candidate], report: Report) -> tuple[dict[int, bool], set[int]]:
        """Ask for the open candidates, portion by portion.

        Return which tweets were answered for (true: shown), and which were left out for want of budget.
        """
        wanted = [candidate for candidate in candidates if candidate.is_open]
        chosen = self._within_budget(wanted)
        left_out = {candidate.tweet_id for candidate in wanted} - set(chosen)
        answered: dict[int, bool] = {}
        for start in range(0, len(chosen), PORTION):
            portion = chosen[start : start + PORTION]
            try:
                answers = self._ask(portion, report)
            except BudgetExhausted:
                left_out.update(chosen[start:])
                break
            missing = answers.missing()
            answered |= {tweet_id: tweet_id not in missing for tweet_id in answers.by_id}
            if not answers.by_id:
                break
        report.over_budget = len(left_out)
        return answered, left_out

    def _within_budget(self, wanted: Sequence[Candidate]) -> list[int]:
        """Return the ids to ask for: all of them, or the most informative ones where the budget is too small.

        Those are the youngest tier's, and within a tier the tweets that gain engagement fastest; a tweet whose speed
        is unknown, since it was observed but once, comes first.
        """
        ids = interleaved([candidate.tweet_id for candidate in wanted])
        allowance = self._budget.allowance(self._now(), lead=TICK)
        if allowance is None or lookup.cost_of_tweets(self._provider, len(ids)) <= allowance:
            return ids
        velocities = dict(self._connection.execute(_SQL["velocities"], {"tweet_ids": ids}).fetchall())
        order = list(Tier)

        def worth(candidate: Candidate) -> tuple[int, float, int]:
            velocity = velocities.get(candidate.tweet_id)
            speed = float("inf") if velocity is None else float(velocity)
            return (order.index(candidate.dues[-1].tier), -speed, -candidate.tweet_id)

        affordable = lookup.affordable_tweets(self._provider, allowance)
        return [candidate.tweet_id for candidate in sorted(wanted, key=worth)[:affordable]]

    def _ask(self, tweet_ids: Sequence[int], report: Report) -> Answers[TweetAnswer]:
        """Ask for a portion and write what was answered."""
        asked_at = self._now()
        answers = lookup.look_tweets_up(self._provider, self._budget, tweet_ids, asked_at)
        report.calls += answers.calls
        report.asked += len(tweet_ids)
        report.failure = report.failure or answers.failure
        if not self._is_credible(answers):
            doubted = list(answers.missing())
            failure = self._doubt(doubted, report)
            if failure is not None:
                report.failure = report.failure or failure
                answers.forget(doubted)
        self._write(answers, asked_at, report)
        return answers

    def _is_credible(self, answers: Answers[TweetAnswer]) -> bool:
        missing = list(answers.missing())
        if not missing:
            return True
        rows = self._connection.execute(_SQL["known_absent"], {"tweet_ids": missing}).fetchall()
        return lookup.is_credible(answers.by_id, frozenset(row[0] for row in rows))

    def _doubt(self, doubted: Sequence[int], report: Report) -> ProviderFailed | None:
        """Ask again beside tweets that were on show a moment ago; return the failure if those are missing as well.

        An outage that looks like a successful, empty answer must not look like mass deletion.
        """
        since = snowflake.floor(self._now() - CONTROL_AGE)
        parameters = {"since_id": since, "doubted": list(doubted), "limit": CONTROLS}
        controls = [row[0] for row in self._connection.execute(_SQL["control_tweets"], parameters)]
        failure = ProviderFailed(
            self._provider.source,
            f"it answered, but without {len(doubted)} tweets that it showed before, nor any of {len(controls)} others "
            "that were asked for to make sure",
            is_retryable=True,
            may_be_billed=True,
        )
        if not controls:
            return failure
        asked_at = self._now()
        again = lookup.look_tweets_up(self._provider, self._budget, controls, asked_at)
        report.calls += again.calls
        self._write(again, asked_at, report, is_control=True)
        shown = any(isinstance(answer, FoundTweet) for answer, _ in again.by_id.values())
        return None if shown else again.failure or failure

    def _write(
        self, answers: Answers[TweetAnswer], asked_at: datetime, report: Report, *, is_control: bool = False
    ) -> None:
        found = [(answer.tweet, at) for answer, at in answers.by_id.values() if isinstance(answer, FoundTweet)]
        observations: observe.Observations = {}
        for tweet, observed_ms in found:
            observations |= observe.counters_of([tweet], observed_ms)
        profiles = observe.profiles_of((tweet.author, at) for tweet, at in found if tweet.author is not None)
        missing = {} if is_control else answers.missing()

        def store() -> observe.Observed:
            with self._connection.transaction():
                written = observe.write_observations(self._connection, observations)
                normaliser.write(self._connection, profiles)
                self._note_absences(missing, [int(tweet.id) for tweet, _ in found], self._now())
                self._budget.settle(answers.reserved, answers.credits, now=asked_at)
                if found:
                    health.note_success(self._connection, self._provider.source, self._now())
                return written

        report.history_rows += _retrying(store).history_rows
        report.credits += answers.credits
        if not is_control:
            report.found += len(found)
            report.absent += len(missing)

    def _note_absences(self, missing: dict[int, str], found: Sequence[int], observed_at: datetime) -> None:
        if missing:
            parameters = {
                "tweet_ids": list(missing),
                "reasons": list(missing.values()),
                "observed_at": observed_at,
            }
            self._connection.execute(_SQL["note_absences"], parameters)
        self._connection.execute(_SQL["forget_absences"], {"tweet_ids": list(found)})
        self._connection.execute(_SQL["queue_returned"], {"tweet_ids": list(found)})

    def _settle(
        self, report: Report, candidates: Sequence[Candidate], answered: dict[int, bool], left_out: set[int]
    ) -> None:
        """Count what became of every due snapshot and move on, in one transaction."""
        counted: Counter[tuple[date, Tier, Outcome, bool]] = Counter()
        for candidate in candidates:
            is_left_out = candidate.tweet_id in left_out
            for due, outcome in zip(candidate.dues, _outcomes(candidate, answered), strict=True):
                is_over_budget = is_left_out and outcome is Outcome.MISSED and due == candidate.dues[-1]
                counted[snowflake.from_unix_ms(due.at_ms).date(), due.tier, outcome, is_over_budget] += 1
        with self._connection.transaction():
            for row in _coverage_rows(counted):
                self._connection.execute(_SQL["add_coverage"], row)
            self._connection.execute(_SQL["advance_progress"], {"settled_through": report.until})
        for (_, tier, outcome, is_over_budget), count in counted.items():
            _add(report.by_tier[tier], outcome, count, is_over_budget=is_over_budget)
        report.is_settled = True


def interleaved(ids: Sequence[int]) -> list[int]:
    """Return ids so that those that lie beside one another are written by different transactions (``STRIDE``)."""
    return [number for offset in range(STRIDE) for number in ids[offset::STRIDE]]


def coverage_since(connection: psycopg.Connection[Any], since: date) -> dict[Tier, TierReport]:
    """Return what became of the snapshots that were due since a UTC day, by tier. Tiers without any are left out."""
    rows = connection.execute(_SQL["coverage_since"], {"since": since}).fetchall()
    return {Tier(tier): TierReport(*counts) for tier, *counts in rows}


def _candidate(row: Sequence[Any], after_ms: int, until_ms: int) -> Candidate | None:
    """Return a candidate, or ``None`` if it was collected after all that is due: that observation was the snapshot."""
    tweet_id, first_matched_at, observed_at, absent_at = row
    first_matched_ms = snowflake.to_unix_ms(first_matched_at)
    dues = grid.due_in(snowflake.unix_ms(tweet_id), max(after_ms, first_matched_ms), until_ms)
    if not dues:
        return None
    return Candidate(
        tweet_id,
        tuple(dues),
        tuple(snowflake.to_unix_ms(moment) for moment in observed_at or ()),
        () if absent_at is None else (snowflake.to_unix_ms(absent_at),),
    )


def _outcomes(candidate: Candidate, answered: dict[int, bool]) -> list[Outcome]:
    """Return what became of a candidate's due snapshots; this run's answer is about the latest one."""
    outcomes = grid.outcomes(candidate.dues, candidate.observed_ms, candidate.absent_ms)
    is_shown = answered.get(candidate.tweet_id)
    if is_shown is not None:
        outcomes[-1] = Outcome.TAKEN if is_shown else Outcome.ABSENT
    return outcomes


def _coverage_rows(counted: Counter[tuple[date, Tier, Outcome, bool]]) -> Iterator[dict[str, Any]]:
    totals: dict[tuple[date, Tier], TierReport] = {}
    for (day, tier, outcome, is_over_budget), count in counted.items():
        _add(totals.setdefault((day, tier), TierReport()), outcome, count, is_over_budget=is_over_budget)
    for (day, tier), total in sorted(totals.items()):
        yield {
            "due_on": day,
            "tier": tier.value,
            "due_count": total.due,
            "taken_count": total.taken,
            "absent_count": total.absent,
            "missed_count": total.missed,
            "over_budget_count": total.over_budget,
        }


def _add(total: TierReport, outcome: Outcome, count: int, *, is_over_budget: bool) -> None:
    total.due += count
    total.taken += count * (outcome is Outcome.TAKEN)
    total.absent += count * (outcome is Outcome.ABSENT)
    total.missed += count * (outcome is Outcome.MISSED)
    total.over_budget += count * is_over_budget


def _retrying(store: Callable[[], observe.Observed]) -> observe.Observed:
    """Run a transaction again where the normaliser's made it impossible."""
    for attempt in range(1, RETRIES):
        try:
            return store()
        except (errors.DeadlockDetected, errors.SerializationFailure):
            time.sleep(0.05 * attempt)
    return store()
