"""Repeatable chance: hashing of integers, rank distributions and snowflake arithmetic.

*Belongs here*: functions that turn integers into other integers or into draws, the same in every process.
*Does not belong here*: anything that knows what a tweet or an author is.
"""

import math
from bisect import bisect_left
from itertools import accumulate
from random import Random

# The snowflake epoch: 2010-11-04T01:42:54.657Z, from the published id generator.
SNOWFLAKE_EPOCH_MS = 1_288_834_974_657
MASK_64 = (1 << 64) - 1
LOW_BITS = 22
LOW_MASK = (1 << LOW_BITS) - 1
# An odd multiplier has an inverse modulo a power of two, so a position can be hidden in the low bits and found again.
SCATTER = 2_654_435_761
GATHER = pow(SCATTER, -1, 1 << LOW_BITS)


def mix(*numbers: int) -> int:
    """Return a well-spread 64-bit number that depends on every argument and on their order."""
    state = 0x9E3779B97F4A7C15
    for number in numbers:
        state = ((state ^ number) * 0xBF58476D1CE4E5B9) & MASK_64
        state ^= state >> 29
        state = (state * 0x94D049BB133111EB) & MASK_64
        state ^= state >> 32
    return state


def share(*numbers: int) -> float:
    """Return a number in [0, 1) that depends on every argument and on their order."""
    return mix(*numbers) / (1 << 64)


def snowflake(created_at_ms: int, low_bits: int) -> int:
    """Return the id of something created at *created_at_ms* (Unix milliseconds, not before the snowflake epoch)."""
    return ((created_at_ms - SNOWFLAKE_EPOCH_MS) << LOW_BITS) | (low_bits & LOW_MASK)


def snowflake_ms(snowflake_id: int) -> int:
    """Return the Unix milliseconds at which a snowflake id was made."""
    return (snowflake_id >> LOW_BITS) + SNOWFLAKE_EPOCH_MS


def dice(seed: int | str) -> Random:
    """Return draws that a seed decides; nothing here is to be kept secret."""
    return Random(seed)  # noqa: S311


class Zipf:
    """Draws of ranks 0 to *size* - 1 whose frequency falls as 1 / (rank + 1) ** *exponent*."""

    def __init__(self, size: int, exponent: float) -> None:
        weights = accumulate(1 / (rank + 1) ** exponent for rank in range(size))
        self._cumulative = list(weights)
        self._total = self._cumulative[-1]
        self._last = size - 1

    def rank(self, uniform: float) -> int:
        """Return the rank that a uniform draw in [0, 1) falls on."""
        return min(bisect_left(self._cumulative, uniform * self._total), self._last)


def normal(uniform_one: float, uniform_two: float) -> float:
    """Return a standard normal draw made of two uniform ones (Box and Muller)."""
    return math.sqrt(-2.0 * math.log(1.0 - uniform_one)) * math.cos(2.0 * math.pi * uniform_two)
