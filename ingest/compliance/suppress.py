"""Suppression: what the events say about tweets and accounts, applied to the rows that readers filter by.

Belongs here: taking marks off the suppression queue and deciding anew whether their tweets may be shown.
Does not belong here: which event says what (``core.suppression_of_tweet``), where events come from, purging.

The verdict about a tweet is a function of the events and of what is in ``core``, never of the order in which they
came: an event before its tweet, a notice read twice, an undo before what it undoes all end in the same state.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from database import named_sql

MARKS_AT_ONCE = 5_000
"""Marks decided in one transaction. 3,000 notices without a tweet, as archives are full of, take about 60 ms."""

_SQL = named_sql.statements(Path(__file__).parent / "sql" / "suppress.sql")


@dataclass(frozen=True)
class Suppressed:
    """How many tweets and accounts were suppressed or shown again, of how many that were looked at."""

    looked_at: int = 0
    tweets: int = 0
    profiles: int = 0

    def __add__(self, other: Suppressed) -> Suppressed:
        return Suppressed(self.looked_at + other.looked_at, self.tweets + other.tweets, self.profiles + other.profiles)


def prepare(connection: psycopg.Connection[Any]) -> None:
    """Create the session's temporary tables. Call once for each connection, outside a transaction."""
    connection.execute(_SQL["create_tables"])


def is_waiting(connection: psycopg.Connection[Any]) -> bool:
    """Tell whether any mark waits, be it for other transactions to end."""
    row = connection.execute(_SQL["is_waiting"]).fetchone()
    return bool(row and row[0])


def apply(connection: psycopg.Connection[Any]) -> Suppressed:
    """Decide anew about everything that is marked and due. Needs autocommit: each portion is a transaction of its own.

    Returns at once where another process is at it. Marks that other transactions may still bear on stay for later.
    """
    total = Suppressed()
    while True:
        with connection.transaction():
            portion = _apply_portion(connection)
        total += portion
        if portion.looked_at < MARKS_AT_ONCE:
            return total


def _apply_portion(connection: psycopg.Connection[Any]) -> Suppressed:
    with connection.cursor() as cursor:
        locked = cursor.execute(_SQL["try_lock"]).fetchone()
        if not locked or not locked[0]:
            return Suppressed()
        taken = cursor.execute(_SQL["take"], {"limit": MARKS_AT_ONCE}).rowcount
        if not taken:
            return Suppressed()
        cursor.execute(_SQL["plan_for_a_set"])
        subjects = cursor.execute(_SQL["expand"]).rowcount
        tweets = 0
        if subjects:
            cursor.execute(_SQL["lock"])
            tweets = cursor.execute(_SQL["suppress_tweets"]).rowcount
        profiles = cursor.execute(_SQL["suppress_profiles"]).rowcount
        if tweets or profiles:
            cursor.execute(_SQL["note_change"])
    return Suppressed(taken, tweets, profiles)
