"""The ledger of incidents: opened once, told once, told again when it is over.

Belongs here: opening and closing incidents, telling what was not told yet.
Does not belong here: finding out what is wrong (``watching``), how a message travels (``sending``).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg

from database import named_sql

MOST_MESSAGES = 20
"""In one look; the others follow with the next."""

_SQL = named_sql.statements(Path(__file__).parent / "sql" / "incidents.sql")


@dataclass(frozen=True)
class Problem:
    """Something that is wrong. ``subject`` begins with its kind: ``run:``, ``check:``, ``stale:``, ``budget:``."""

    subject: str
    title: str
    detail: str


@dataclass(frozen=True)
class Message:
    """What people are told: of an incident, or that it is over."""

    subject: str
    title: str
    detail: str
    opened_at: datetime
    recovered_at: datetime | None

    @property
    def is_recovery(self) -> bool:
        """Tell whether it is good news."""
        return self.recovered_at is not None

    @property
    def text(self) -> str:
        """Return the message as one line for people."""
        if self.recovered_at is None:
            return f"{self.title}: {self.detail}"
        return f"Over: {self.title}, from {self.opened_at:%Y-%m-%d %H:%M}Z to {self.recovered_at:%H:%M}Z"


Send = Callable[[Message], None]


def update(
    connection: psycopg.Connection[Any],
    problems: Sequence[Problem],
    *,
    well: Collection[str],
    states: Collection[str],
    now: datetime,
) -> None:
    """Open an incident for each problem that has none, and close those that are over.

    ``well``: subjects that were seen to be well. ``states``: kinds of which every present problem is in ``problems``.
    """
    with connection.transaction():
        closing = {
            "now": now,
            "well": list(well),
            "states": list(states),
            "failing": [each.subject for each in problems],
        }
        connection.execute(_SQL["recover"], closing)
        for problem in problems:
            opening = {"subject": problem.subject, "title": problem.title, "detail": problem.detail, "now": now}
            connection.execute(_SQL["open"], opening)


def tell(connection: psycopg.Connection[Any], senders: Sequence[Send], *, now: datetime) -> list[Message]:
    """Tell what was not told yet, oldest first, and return it. What cannot be sent is tried again by the next call.

    A message counts as told once every sender took it. Without senders incidents are only written down. Raises what a
    sender raises.
    """
    told = []
    for incident_id, *fields in connection.execute(_SQL["untold"], {"limit": MOST_MESSAGES}).fetchall():
        message = Message(*fields)
        for send in senders:
            send(message)
        connection.execute(_SQL["note_told"], {"incident_id": incident_id, "now": now})
        told.append(message)
    return told


def nearly_spent(connection: psycopg.Connection[Any], share: float, now: datetime) -> list[Problem]:
    """Return the budgets of the present day and month of which ``share`` or more is spent."""
    rows = connection.execute(_SQL["spending"], {"share": share, "today": now.date()})
    return [
        Problem(
            f"budget:{source}:{period}:{starts_on}",
            f"The {period}'s budget at {source} is nearly spent",
            f"{spent:,} of {limit:,} credits. What is left out is counted in ops.engagement_coverage; raise the limit "
            "in the settings, or collect less",
        )
        for source, period, starts_on, spent, limit in rows
    ]
