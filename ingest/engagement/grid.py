"""When a tweet's engagement is due: a fixed grid of ages, and nothing else.

Belongs here: the tiers, which tweets a span of time makes due, what became of each due snapshot.
Does not belong here: the present time, the database, the provider.

A snapshot is due at the tweet's creation plus an age of the grid, never at "the last one plus an interval", which
drifts, and starves after an outage (T33). Ids are times, so that the tweets that are due in a span are a few ranges of
ids: they are found through the primary key, however many tweets exist, without a schedule that must be kept.

Times and ages are Unix milliseconds and milliseconds.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum

from database import snowflake

HOUR_MS = 3_600_000


class Tier(StrEnum):
    """How often a tweet of some age is looked at."""

    HOURLY = "hourly"
    SIX_HOURLY = "six_hourly"
    DAILY = "daily"


_AGES_HOURS: tuple[tuple[Tier, range], ...] = (
    (Tier.HOURLY, range(1, 24 + 1)),
    (Tier.SIX_HOURLY, range(30, 72 + 1, 6)),
    (Tier.DAILY, range(96, 168 + 1, 24)),
)
"""Hourly to 24 h, every six hours to 72 h, daily to seven days; then the tweet is cold. The look at collection
comes with the delivery."""

AGES: tuple[int, ...] = tuple(hours * HOUR_MS for _, ages in _AGES_HOURS for hours in ages)
"""The ages at which a tweet is due, ascending."""

_TIERS: tuple[Tier, ...] = tuple(tier for tier, ages in _AGES_HOURS for _ in ages)

COLD_AGE_MS = AGES[-1]


class Outcome(Enum):
    """What became of a due snapshot."""

    TAKEN = "taken"
    ABSENT = "absent"
    MISSED = "missed"


@dataclass(frozen=True)
class Due:
    """A snapshot that is due: when, until when an observation counts for it, and in which tier."""

    at_ms: int
    until_ms: int
    tier: Tier


@dataclass(frozen=True)
class IdRange:
    """Tweet ids with ``lower <= id < upper``."""

    lower: int
    upper: int


def due_in(created_ms: int, after_ms: int, until_ms: int) -> list[Due]:
    """Return the snapshots of a tweet that fall due in ``(after, until]``, oldest first."""
    first = bisect_right(AGES, after_ms - created_ms)
    end = bisect_right(AGES, until_ms - created_ms)
    return [_due(created_ms, step) for step in range(first, end)]


def _due(created_ms: int, step: int) -> Due:
    at_ms = created_ms + AGES[step]
    # The last snapshot stands open: whatever is observed later counts for it.
    following = created_ms + AGES[step + 1] if step + 1 < len(AGES) else 1 << 62
    return Due(at_ms, following, _TIERS[step])


def created_ranges(after_ms: int, until_ms: int) -> list[tuple[int, int]]:
    """Return when the tweets were created that have a snapshot due in ``(after, until]``.

    The spans ``[since, before)`` are disjoint and newest last. A tweet lies in one of them if and only if ``due_in``
    returns something for it.
    """
    spans = sorted((after_ms - age + 1, until_ms - age + 1) for age in AGES) if until_ms > after_ms else []
    merged: list[tuple[int, int]] = []
    for since, before in spans:
        if merged and since <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(before, merged[-1][1]))
        else:
            merged.append((since, before))
    return merged


def due_ids(after_ms: int, until_ms: int) -> list[IdRange]:
    """Return the ids of the tweets that have a snapshot due in ``(after, until]``. Ids without a time are cold."""
    ranges = (
        IdRange(max(_floor(since), snowflake.FIRST_SNOWFLAKE_TWEET_ID), _floor(before))
        for since, before in created_ranges(after_ms, until_ms)
    )
    return [span for span in ranges if span.lower < span.upper]


def _floor(unix_ms: int) -> int:
    return max(0, unix_ms - snowflake.EPOCH_MS) << snowflake.SEQUENCE_BITS


def outcomes(dues: Sequence[Due], observed_ms: Sequence[int], absent_ms: Iterable[int]) -> list[Outcome]:
    """Return what became of each due snapshot, given when the tweet was observed, and when it was found absent.

    An observation counts for the snapshot that was due last before it. ``observed_ms`` is ascending.
    """
    absences = sorted(absent_ms)
    return [
        Outcome.TAKEN if _any_in(observed_ms, due) else Outcome.ABSENT if _any_in(absences, due) else Outcome.MISSED
        for due in dues
    ]


def _any_in(moments: Sequence[int], due: Due) -> bool:
    index = bisect_left(moments, due.at_ms)
    return index < len(moments) and moments[index] < due.until_ms
