"""Deletions that nobody told of: tweets that look-ups do not show any more, told apart by asking for their authors.

Belongs here: when a missing tweet counts as deleted, and what an author's state says instead.
Does not belong here: looking tweets up and counting misses (``ingest.engagement``), applying events (``suppress``).

Missing once is not deleted. A tweet counts after ``MISSES`` look-ups in a row that answered and did not show it; an
outage leaves no misses. Then its author is asked for, beside accounts that were seen a moment ago: if none of those is
shown, nothing is believed. An author who is gone, suspended or protected explains the tweet, and hides all others; one
who is there leaves only that the tweet was deleted. Accounts found gone are asked for again, and come back if shown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from database import named_sql
from ingest.compliance import suppress
from ingest.provider import lookup
from ingest.provider.budget import Budget
from ingest.provider.protocol import Absent, FoundUser, Provider, ProviderFailed, Unavailable, UserAnswer

MISSES = 3
"""Look-ups in a row: at the youngest tier's pace three hours, at the oldest's three days."""

MOST_TWEETS = 10_000
MOST_ACCOUNTS = 500
CONTROLS = 5

_STATES = (
    ("suspend", "user_suspend"),
    ("protect", "user_protect"),
    ("deactivat", "user_delete"),
    ("delet", "user_delete"),
)
_UNDONE_BY = {"user_suspend": "user_unsuspend", "user_protect": "user_unprotect", "user_delete": "user_undelete"}

_SQL = named_sql.statements(Path(__file__).parent / "sql" / "absences.sql")


@dataclass
class Findings:
    """What a run concluded. After a failure, or without a control that was shown, nothing at all."""

    missing_tweets: int = 0
    deleted_tweets: int = 0
    gone_accounts: int = 0
    returned_accounts: int = 0
    undecided_tweets: int = 0
    failure: ProviderFailed | None = None


def conclude(
    connection: psycopg.Connection[Any],
    provider: Provider,
    budget: Budget,
    *,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Findings:
    """Turn misses into events, and apply them. Needs autocommit; raises ``BudgetExhausted`` before asking anything."""
    findings = Findings()
    missing = connection.execute(_SQL["missing_tweets"], {"misses": MISSES, "limit": MOST_TWEETS}).fetchall()
    gone = connection.execute(_SQL["gone_accounts"], {"limit": MOST_ACCOUNTS}).fetchall()
    findings.missing_tweets = len(missing)
    authors = list(dict.fromkeys([author for _, _, author in missing] + [user_id for user_id, _ in gone]))
    authors = authors[:MOST_ACCOUNTS]
    if not authors:
        return findings
    controls = [
        row[0] for row in connection.execute(_SQL["controls"], {"asked": authors, "limit": CONTROLS}).fetchall()
    ]
    asked_at = now()
    answers = lookup.look_users_up(provider, budget, [*authors, *controls], asked_at)
    budget.settle(answers.reserved, answers.credits, now=asked_at)
    shown = {user_id: answer for user_id, (answer, _) in answers.by_id.items()}
    findings.failure = answers.failure
    if not any(isinstance(shown.get(control), FoundUser) for control in controls):
        findings.undecided_tweets = len(missing)
        return findings
    tweets: list[tuple[int, datetime, int]] = []
    accounts: dict[tuple[int, str], None] = {}
    for tweet_id, first_missed_at, author in missing:
        state = _state_of(shown.get(author))
        if state == "shown":
            tweets.append((tweet_id, first_missed_at, author))
        elif state is None:
            findings.undecided_tweets += 1
        else:
            accounts[author, state] = None
    findings.deleted_tweets, findings.gone_accounts = len(tweets), len(accounts)
    for user_id, event_type in gone:
        if event_type in _UNDONE_BY and _state_of(shown.get(user_id)) == "shown":
            accounts[user_id, _UNDONE_BY[event_type]] = None
            findings.returned_accounts += 1
    _note(connection, tweets, list(accounts), asked_at)
    suppress.prepare(connection)
    suppress.apply(connection)
    return findings


def _state_of(answer: UserAnswer | None) -> str | None:
    """Return ``shown``, the event that explains why an account is not, or ``None`` where nobody knows."""
    match answer:
        case FoundUser(user=user):
            return "user_protect" if user.is_protected else "shown"
        case Absent():
            return "user_delete"
        case Unavailable(reason=reason):
            return next((event for word, event in _STATES if word in reason.lower()), None)
        case _:
            return None


def _note(
    connection: psycopg.Connection[Any],
    tweets: list[tuple[int, datetime, int]],
    accounts: list[tuple[int, str]],
    now: datetime,
) -> None:
    with connection.transaction():
        if tweets:
            connection.execute(
                _SQL["note_tweets"],
                {
                    "tweet_ids": [tweet_id for tweet_id, _, _ in tweets],
                    "moments": [moment for _, moment, _ in tweets],
                    "user_ids": [author for _, _, author in tweets],
                    "now": now,
                },
            )
        if accounts:
            connection.execute(
                _SQL["note_accounts"],
                {
                    "user_ids": [user_id for user_id, _ in accounts],
                    "event_types": [event_type for _, event_type in accounts],
                    "now": now,
                },
            )
