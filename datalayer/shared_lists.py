"""The newest tweets of a zone with a hashtag, a mention or a link's host, or of an author, in bounded time.

Belongs here: how two lists, the tweets of a zone and those of a kind, become the list of what is in both.
Does not belong here: normal forms, the rows of the tweets found (``tweets``).

Both lists are indexes in the order of ids. Where one is short for its time, its entries are looked up in the other, one
by one: a rare tag in a big zone, a common tag in a tiny one. Otherwise both are read side by side: an entry read in
order costs a thirtieth of one looked up. The first few entries of each tell which it is.
"""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from datalayer import rows
from datalayer.rows import Connection
from datalayer.search import Matches
from datalayer.windows import IdRange

Kind = Literal["hashtag", "mention", "url", "author"]

_SAMPLE = 60
"""Entries that are looked at first: 0.3 ms, and every second question is answered."""

_LOOKUP_MICROSECONDS = 4.0
_MERGE_MICROSECONDS = 0.12
"""What an entry costs on a warm server, measured at 5 million tweets."""

_SPARE = 2
"""As many again as are expected to do: look-ups end by themselves, another round costs a quarter of a millisecond."""

_FEWEST_LOOKED_UP = 60
_MOST_LOOKED_UP = 4_000
_STEP_MICROSECONDS = 20_000
_PAGE_MICROSECONDS = 50_000
"""What a step and a page may cost; then a page ends early, with a cursor to go on."""


def newest_ids(connection: Connection, zone_id: UUID, kind: Kind, value: str, ids: IdRange, limit: int) -> Matches:
    """Return the newest ``limit`` tweets of a zone within ``ids`` that are of a kind; a url is given by its host."""
    search = _Search(connection, zone_id, kind, value, ids, limit)
    search.run()
    return search.matches()


class _Search:
    """One search going back in time: what was found, where it stands, how dense the two lists are."""

    def __init__(self, connection: Connection, zone_id: UUID, kind: Kind, value: str, ids: IdRange, limit: int) -> None:
        self._connection = connection
        self._given = {"zone_id": zone_id, "kind": kind, "value": value}
        self._first = ids.first
        self._end: int | None = ids.end
        self._limit = limit
        self._found: list[int] = []
        self._of_kind_seen = 0.0
        self._ids_per_use = 1.0
        self._ids_per_zone_tweet = 1.0
        self._cost = 0.0

    def run(self) -> None:
        """Go back until there are enough matches, nothing any more, or too much was read."""
        self._sample()
        while self._end is not None and len(self._found) < self._limit and self._cost < _PAGE_MICROSECONDS:
            # Half a match stands for "none was seen", so that nothing is divided by zero.
            uses = (self._limit - len(self._found)) * self._of_kind_seen / max(len(self._found), 0.5)
            zone_tweets = uses * self._ids_per_use / self._ids_per_zone_tweet
            by_merging = (uses + zone_tweets) * _MERGE_MICROSECONDS
            if by_merging < min(uses, zone_tweets) * _LOOKUP_MICROSECONDS:
                self._merge()
            elif uses <= zone_tweets:
                self._look_up("kind_looked_up", uses, seen_for_each=1.0)
            else:
                self._look_up("zone_looked_up", zone_tweets, seen_for_each=uses / zone_tweets)

    def matches(self) -> Matches:
        """Return what was found."""
        if len(self._found) == self._limit:
            return Matches(tuple(self._found), self._found[-1])
        return Matches(tuple(self._found), self._end)

    def _sample(self) -> None:
        scan_limit = max(_SAMPLE, self._limit * 2)
        row = self._asked("sample", self._first, scan_limit=scan_limit)
        self._take(row["ids"], row["scanned_count"], row["last_id"] if row["scanned_count"] == scan_limit else None)
        if self._end is not None and row["zone_scanned_count"]:
            newest = max(row["newest_id"], row["zone_newest_id"])
            self._ids_per_use = max(1.0, (newest - row["last_id"]) / row["scanned_count"])
            self._ids_per_zone_tweet = max(1.0, (newest - row["zone_last_id"]) / row["zone_scanned_count"])
        elif row["zone_scanned_count"] == 0:
            self._end = None

    def _look_up(self, statement: str, wanted: float, *, seen_for_each: float) -> None:
        scan_limit = int(min(max(_FEWEST_LOOKED_UP, _SPARE * wanted), _MOST_LOOKED_UP))
        row = self._asked(statement, self._first, scan_limit=scan_limit)
        self._cost += row["scanned_count"] * _LOOKUP_MICROSECONDS
        reached = row["last_id"] if row["scanned_count"] == scan_limit else None
        self._take(row["ids"], row["scanned_count"] * seen_for_each, reached)

    def _merge(self) -> None:
        assert self._end is not None  # noqa: S101 -- run() said so
        microseconds_per_id = _MERGE_MICROSECONDS * (1 / self._ids_per_use + 1 / self._ids_per_zone_tweet)
        first = max(self._first, self._end - int(_STEP_MICROSECONDS / microseconds_per_id))
        row = self._asked("merged", first)
        depth = self._end - (row["ids"][-1] if len(row["ids"]) == self._limit - len(self._found) else first)
        self._cost += depth * microseconds_per_id
        self._take(row["ids"], depth / self._ids_per_use, first if first > self._first else None)

    def _take(self, ids: list[int], of_kind_seen: float, reached: int | None) -> None:
        # A tag that occurs twice in a tweet comes twice, side by side.
        self._found += dict.fromkeys(ids)
        self._of_kind_seen += of_kind_seen
        self._end = reached

    def _asked(self, statement: str, first: int, **limits: object) -> dict[str, Any]:
        span = {"first": first, "end": self._end, "limit": self._limit - len(self._found)}
        row = rows.one_row(self._connection, "shared_lists", statement, {**self._given, **span, **limits})
        assert row is not None  # noqa: S101 -- these statements have one row whatever they find
        return row
