"""What may be spent at a provider, and what was.

Belongs here: limits, reserving before a call, settling after it, and pacing over a day.
Does not belong here: what a call costs (the clients), which calls are worth it.

A call is paid for before it is made, in a transaction of its own, so that no number of processes can overspend and a
process that dies has not spent in secret. What it really cost is settled in the transaction that stores its results.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from database import named_sql

_DAY = timedelta(days=1)

_SQL = named_sql.statements(Path(__file__).parent / "sql" / "budget.sql")


class BudgetExhausted(RuntimeError):  # noqa: N818 -- the name says what happened
    """The limit of a period leaves no room for a call; nothing was asked."""

    def __init__(self, source: str, period: str, limit: int, spent: int, wanted: int) -> None:
        super().__init__(
            f"{source}: the budget of this {period} is spent: {spent:,} of {limit:,} credits, and {wanted:,} more were "
            "wanted. Raise the limit in the settings, or wait for the next period."
        )
        self.source = source
        self.period = period
        self.limit = limit
        self.spent = spent


@dataclass(frozen=True)
class Limits:
    """Credits that may be spent in a UTC day and in a UTC month; ``None`` is without limit."""

    per_day: int | None
    per_month: int | None


@dataclass(frozen=True)
class Spending:
    """What was spent in a period so far."""

    period: str
    credit_limit: int | None
    spent_credits: int
    call_count: int


class Budget:
    """One source's budget. The connection must be in autocommit mode."""

    def __init__(self, connection: psycopg.Connection[Any], source: str, limits: Limits) -> None:
        self._connection = connection
        self.source = source
        self.limits = limits

    def reserve(self, amount: int, *, calls: int, now: datetime) -> None:
        """Pay for calls that are about to be made. Raises ``BudgetExhausted``, and then nothing is paid."""
        with self._connection.transaction():
            for period, starts_on, limit in self._periods(now):
                row = self._connection.execute(
                    _SQL["add"],
                    {
                        "source": self.source,
                        "period": period,
                        "starts_on": starts_on,
                        "credit_limit": limit,
                        "credits": amount,
                        "calls": calls,
                    },
                ).fetchone()
                spent = int(row[0]) if row else 0
                if limit is not None and spent > limit:
                    raise BudgetExhausted(self.source, period, limit, spent - amount, amount)

    def settle(self, reserved: int, actual: int, *, now: datetime) -> None:
        """Correct what was reserved to what it cost, within the caller's transaction. ``now``: as when reserving."""
        for period, starts_on, _ in self._periods(now):
            self._connection.execute(
                _SQL["correct"],
                {
                    "source": self.source,
                    "period": period,
                    "starts_on": starts_on,
                    "credits": actual - reserved,
                },
            )

    def spending(self, now: datetime) -> list[Spending]:
        """Return what was spent in the present day and month."""
        rows = []
        for period, starts_on, limit in self._periods(now):
            place = {"source": self.source, "period": period, "starts_on": starts_on}
            spent, calls = self._connection.execute(_SQL["spent"], place).fetchone() or (0, 0)
            rows.append(Spending(period, limit, int(spent), int(calls)))
        return rows

    def allowance(self, now: datetime, *, lead: timedelta) -> int | None:
        """Return what a regular task may spend now so that the day's limit lasts until the day's end.

        The limit becomes available evenly over the day; what was not spent early can be spent later, so that a
        catch-up after an outage is possible. ``lead``: the task's own period, whose share is available at its start.
        ``None``: without limit.
        """
        left = [spending for spending in self.spending(now) if spending.credit_limit is not None]
        rooms = [_room(spending, now, lead) for spending in left]
        return min(rooms) if rooms else None

    def _periods(self, now: datetime) -> list[tuple[str, date, int | None]]:
        day = now.astimezone(UTC).date()
        return [("day", day, self.limits.per_day), ("month", day.replace(day=1), self.limits.per_month)]


def _room(spending: Spending, now: datetime, lead: timedelta) -> int:
    limit = spending.credit_limit or 0
    if spending.period == "day":
        day = now.astimezone(UTC)
        gone = timedelta(hours=day.hour, minutes=day.minute, seconds=day.second) + lead
        limit = limit * min(gone, _DAY) // _DAY
    return max(0, limit - spending.spent_credits)
