"""Searching the world newest first, a page at a time, with cursors.

*Belongs here*: walking the world's slots backwards and remembering where a page ended.
*Does not belong here*: reading queries, HTTP parameters, JSON.
"""

from collections.abc import Callable

import msgspec

from ingest.standin.curves import MINUTE_MS
from ingest.standin.world import Tweet, World

PAGE_SIZE = 20
# Slots looked at for one page, about half a second of work; a page that ends by it may be short or empty.
MOST_SCANNED = 4_000
# More than any minute holds, so that a minute is read from its last slot.
MOST_SLOTS = 1 << 22


class CursorError(ValueError):
    """A cursor that was not made here."""


class Position(msgspec.Struct, frozen=True):
    """The slot at which the next page begins."""

    minute: int
    index: int

    def cursor(self) -> str:
        """Return the position as an opaque cursor."""
        return f"DAAC{self.minute:x}g{self.index:x}"

    @classmethod
    def of(cls, cursor: str) -> "Position":
        """Return the position of a cursor, or raise CursorError."""
        minute, _, index = cursor.removeprefix("DAAC").partition("g")
        try:
            return cls(int(minute, 16), int(index, 16))
        except ValueError:
            raise CursorError(f"the cursor {cursor!r} is not one of this provider's") from None


class Page(msgspec.Struct, frozen=True):
    """Some results and where to go on; *rest* is None at the end."""

    tweets: list[Tweet]
    rest: Position | None


def page(
    world: World, matches: Callable[[Tweet], bool], since_ms: int, until_ms: int, now_ms: int, at: Position | None
) -> Page:
    """Return the next page of the tweets in [since, until) that match and can be seen at *now_ms*, newest first."""
    until_ms = min(until_ms, now_ms + 1)
    minute, index = (at.minute, at.index) if at else ((until_ms - 1) // MINUTE_MS, MOST_SLOTS)
    found: list[Tweet] = []
    scanned = 0
    while minute >= since_ms // MINUTE_MS:
        for slot in range(min(index, world.slots_in(minute) - 1), -1, -1):
            if len(found) == PAGE_SIZE or scanned == MOST_SCANNED:
                return Page(found, Position(minute, slot))
            scanned += 1
            tweet = world.slot(minute, slot)
            if since_ms <= tweet.created_at_ms < until_ms and matches(tweet) and world.is_visible(tweet, now_ms):
                found.append(tweet)
        minute, index = minute - 1, MOST_SLOTS
    return Page(found, None)
