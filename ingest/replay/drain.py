"""What became of replayed items, once they are normalised.

Belongs here: asking the accounting, and waiting until it knows every delivery.
Does not belong here: posting.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg

from database.named_sql import statements

_STATEMENTS = Path(__file__).parent / "sql" / "accounting.sql"


@dataclass(frozen=True, slots=True)
class ItemCounts:
    """Items by their fate. ``items`` is the sum of the others."""

    items: int = 0
    normalised: int = 0
    duplicate: int = 0
    control: int = 0
    dead: int = 0

    def __add__(self, other: ItemCounts) -> ItemCounts:
        """Return both together."""
        return ItemCounts(
            self.items + other.items,
            self.normalised + other.normalised,
            self.duplicate + other.duplicate,
            self.control + other.control,
            self.dead + other.dead,
        )


Accounting = Callable[[Sequence[int]], Mapping[int, ItemCounts]]
"""Says what became of deliveries, by id; a delivery that waits is not in the answer."""


@dataclass(frozen=True, slots=True)
class Drained:
    """What became of a replay's items so far, and how many of its deliveries still wait."""

    counts: ItemCounts
    accounted_deliveries: int
    waiting_deliveries: int


def read_accounting(connection: psycopg.Connection, delivery_ids: Sequence[int]) -> dict[int, ItemCounts]:
    """Read the accounting of deliveries. The connection must be in autocommit, or a later call sees no more."""
    rows = connection.execute(statements(_STATEMENTS)["of_deliveries"], {"delivery_ids": list(delivery_ids)})
    return {row[0]: ItemCounts(*row[1:]) for row in rows}


def wait_for_drain(
    accounting: Accounting,
    delivery_ids: Sequence[int],
    *,
    timeout_seconds: float,
    poll_seconds: float = 0.5,
    on_progress: Callable[[Drained], None] = lambda _: None,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Drained:
    """Wait until every delivery is accounted for, or until ``timeout_seconds`` have passed; then say how many wait."""
    waiting = sorted(set(delivery_ids))
    known: dict[int, ItemCounts] = {}
    give_up_at = clock() + timeout_seconds
    while True:
        known |= accounting(waiting) if waiting else {}
        waiting = [delivery for delivery in waiting if delivery not in known]
        drained = Drained(sum(known.values(), ItemCounts()), len(known), len(waiting))
        on_progress(drained)
        if not waiting or clock() >= give_up_at:
            return drained
        sleep(poll_seconds)
