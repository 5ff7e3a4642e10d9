"""The stand-in's clock: real time, shifted, sped up or held still.

*Belongs here*: the one place of this package that reads the time.
*Does not belong here*: anything that happens at a time.
"""

import time


class Clock:
    """A clock that can be set; *speed* is how many of its seconds pass in a real one, 0 while it is held still."""

    def __init__(self, speed: float = 1.0) -> None:
        self.speed = speed
        self._set_at = time.monotonic()
        self._reads_ms = time.time() * 1000

    def now_ms(self) -> int:
        """Return the time in Unix milliseconds."""
        return int(self._reads_ms + (time.monotonic() - self._set_at) * 1000 * self.speed)

    def set(self, now_ms: float, speed: float | None = None) -> None:
        """Make the clock read *now_ms* now and run at *speed* from here on (unchanged where None)."""
        self._set_at = time.monotonic()
        self._reads_ms = now_ms
        self.speed = self.speed if speed is None else speed
