"""The ids of deliveries, and what is known of a delivery before it is committed.

Belongs here: making ids from a clock that is given.
Does not belong here: HTTP, the database, reading the clock.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from database import snowflake

SEQUENCE_BITS = 12
PROCESS_BITS = snowflake.SEQUENCE_BITS - SEQUENCE_BITS
"""Ten random bits that tell processes apart; two that draw the same ones collide only within one millisecond."""

MAX_STEP_BACK_MS = 60_000
"""A clock that goes back by less (a correction, a leap second) is outwaited; ids go on from the latest.

One that goes back further was wrong before: going on from its time would put deliveries into partitions of a future
that does not exist yet, so that the ids follow the clock, with new random bits.
"""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A delivery on its way into ``raw.deliveries``: ``body`` compressed, ``body_bytes`` counted before that."""

    received_ms: int
    source: str
    zone: str | None
    body: bytes
    body_bytes: int
    item_count: int
    dictionary_id: int


class DeliveryIds:
    """Makes ids that hold their time and grow strictly, as long as the clock is not set back by more than a minute.

    ``draw_process_bits`` gives the bits that tell this process from others; it is asked again after a collision.
    """

    def __init__(self, draw_process_bits: Callable[[], int] = lambda: secrets.randbits(PROCESS_BITS)) -> None:
        self._draw_process_bits = draw_process_bits
        self._latest_ms = 0
        self._sequence = 0
        self._process = 0
        self.renew()

    def renew(self) -> None:
        """Draw other bits: another process turned out to make the same ids.

        The time moves on by a millisecond, so that ids go on growing whatever is drawn.
        """
        self._process = self._draw_process_bits() << SEQUENCE_BITS
        self._latest_ms += 1
        self._sequence = 0

    def next(self, now_ms: int) -> int:
        """Return the next id. ``now_ms``: Unix time in milliseconds."""
        if now_ms < self._latest_ms - MAX_STEP_BACK_MS:
            self._latest_ms = now_ms
            self.renew()
        elif now_ms > self._latest_ms:
            self._latest_ms = now_ms
            self._sequence = 0
        elif self._sequence < (1 << SEQUENCE_BITS) - 1:
            self._sequence += 1
        else:
            self._latest_ms += 1
            self._sequence = 0
        milliseconds = max(0, self._latest_ms - snowflake.EPOCH_MS)
        return milliseconds << snowflake.SEQUENCE_BITS | self._process | self._sequence
