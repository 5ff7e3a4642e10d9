"""How many deliveries one sender may make, and which signed ones it made already.

Belongs here: a bucket of tokens for each sender, a bounded memory of messages.
Does not belong here: who a sender is (``sources``), answers.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

Sender = tuple[str, bytes]
"""A source, and what tells its senders apart."""

Committed = tuple[int, int]
"""The id of a delivery, and the number of its items."""

MAX_REMEMBERED = 50_000
"""Signed messages that are remembered: ten minutes at 80 a second, some 15 MB."""


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_at: float


class Rates:
    """A bucket of ``burst`` tokens for each sender, filled by ``per_second``. Only senders that proved who they are
    may be asked about, so that there are no more of them than keys.
    """

    def __init__(self, per_second: float | None, burst: int) -> None:
        self._per_second = per_second
        self._burst = burst
        self._buckets: dict[Sender, _Bucket] = {}

    def spend(self, sender: Sender, now: float) -> float:
        """Take a token and return 0; or take none and return the seconds until there is one."""
        if self._per_second is None:
            return 0.0
        bucket = self._buckets.setdefault(sender, _Bucket(self._burst, now))
        bucket.tokens = min(self._burst, bucket.tokens + max(0.0, now - bucket.filled_at) * self._per_second)
        bucket.filled_at = now
        if bucket.tokens < 1:
            return (1 - bucket.tokens) / self._per_second
        bucket.tokens -= 1
        return 0.0


class Remembered:
    """Signed messages that were committed, and as what, for as long as their signatures are believed.

    What is forgotten early, because there is too much of it or the service began anew, and is sent again, is committed
    again: doubles are merged by tweet id, so that this spares work and nothing depends on it.
    """

    def __init__(self, seconds: float, most: int = MAX_REMEMBERED) -> None:
        self._seconds = seconds
        self._most = most
        self._known: OrderedDict[bytes, tuple[Committed, float]] = OrderedDict()

    def committed(self, message: bytes, now: float) -> Committed | None:
        """Return as what a message was committed."""
        self._forget(now)
        known = self._known.get(message)
        return None if known is None else known[0]

    def remember(self, message: bytes, committed: Committed, now: float) -> None:
        """Note that a message was committed."""
        self._known.setdefault(message, (committed, now))
        self._forget(now)

    def _forget(self, now: float) -> None:
        while self._known:
            oldest = next(iter(self._known))
            if len(self._known) <= self._most and now - self._known[oldest][1] <= self._seconds:
                return
            del self._known[oldest]

    def __len__(self) -> int:
        return len(self._known)
