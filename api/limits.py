"""How often a key may ask: a bucket of tokens each.

Belongs here: the arithmetic.
Does not belong here: HTTP. Buckets are this process's own; with several processes each grants the rate.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Verdict:
    """``wait_seconds`` is 0 where the request may go on; ``remaining`` is how many more could follow at once."""

    wait_seconds: float
    remaining: int


class RateLimit:
    """Threads may share it. There are as many buckets as keys, so that they need no clearing away."""

    def __init__(self, per_minute: int, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_minute / 60
        self._burst = burst
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}
        self._mutex = threading.Lock()

    def ask(self, name: str) -> Verdict:
        """Take a token from the bucket of ``name``."""
        now = self._clock()
        with self._mutex:
            tokens, filled_at = self._buckets.get(name, (float(self._burst), now))
            tokens = min(float(self._burst), tokens + (now - filled_at) * self._per_second)
            may = tokens >= 1
            tokens -= may
            self._buckets[name] = (tokens, now)
        return Verdict(0.0 if may else (1 - tokens) / self._per_second, int(tokens))
