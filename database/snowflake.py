"""Snowflake ids and the times inside them.

Belongs here: the arithmetic of 63-bit ids that begin with a millisecond clock, for tweets and for deliveries.
Does not belong here: anything that knows a database, a payload or the present time.

A snowflake is ``(milliseconds since the epoch below) << 22 | 22 bits of machine and sequence``. Source of the
layout and of the epoch: Twitter's ``snowflake`` release ``scala_28``, ``IdWorker.scala``.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

EPOCH_MS = 1_288_834_974_657
"""2010-11-04T01:42:54.657Z, in Unix milliseconds."""

SEQUENCE_BITS = 22

FIRST_SNOWFLAKE_TWEET_ID = 29_700_859_247
"""Tweet ids below this one were counted, not clocked: they hold no time (oduwsdl/tweetedat)."""

MAX_ID = (1 << 63) - 1

_UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def has_time(tweet_id: int) -> bool:
    """Tell whether the id of a tweet holds the time of its creation."""
    return tweet_id >= FIRST_SNOWFLAKE_TWEET_ID


def unix_ms(snowflake: int) -> int:
    """Return the Unix time in milliseconds that a snowflake holds."""
    return (snowflake >> SEQUENCE_BITS) + EPOCH_MS


def at(snowflake: int) -> datetime:
    """Return the UTC time that a snowflake holds, exact to the millisecond."""
    return from_unix_ms(unix_ms(snowflake))


def floor(moment: datetime) -> int:
    """Return the smallest snowflake of the millisecond that holds ``moment``; 0 before the epoch, at most ``MAX_ID``.

    ``floor(a) <= id < floor(b)`` is therefore the same as ``a <= at(id) < b`` for whole milliseconds until July 2080,
    when the ids end.
    """
    return min(max(0, to_unix_ms(moment) - EPOCH_MS) << SEQUENCE_BITS, MAX_ID)


def from_unix_ms(milliseconds: int) -> datetime:
    """Return the UTC time of a Unix time in milliseconds, without the rounding of floating point."""
    return _UNIX_EPOCH + timedelta(milliseconds=milliseconds)


def to_unix_ms(moment: datetime) -> int:
    """Return the Unix time in whole milliseconds, rounded down, of an aware ``moment``."""
    return (moment - _UNIX_EPOCH) // timedelta(milliseconds=1)
