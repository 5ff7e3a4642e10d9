"""Full text: the newest tweets of a zone that match, in bounded time whatever the words.

Belongs here: how a question becomes steps over the index or over the zone's tweets.
Does not belong here: what is indexed (``core.search_vector``), the rows of the tweets found (``tweets``).

Two ways lead to the newest matches. Reading the zone's newest tweets one by one finds common words at once. The index
gives the matches of a span of time, in every zone: cheap where the word is rare. A short walk tells how many matches
there are in a span, so how far back the wanted ones reach, and which way is cheaper.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from database import partitions, snowflake
from datalayer import rows
from datalayer.errors import InvalidQueryError
from datalayer.rows import Connection
from datalayer.windows import IdRange

_FIRST_WALK = 250
_SAMPLE = 1_000
_SAMPLE_WITHOUT_PATTERNS = 300
"""Tweets walked over before the ways are compared: 3 µs each with patterns, 10 µs without (every text is parsed)."""

_WALK_LIMIT = 4_000
_WORK_LIMIT = 60_000
"""Tweets that one page walks over before it ends early, with a cursor to go on."""

_INDEX_COST = 2.0
"""An index match, fetched to see its id, costs as much as this many tweets walked over."""

_SPAN_BITS = 47
"""The index knows of each tweet its id without the last 47 bits: 9.3 hours (``core.search_entry``)."""

_MOST_SPANS = 20
"""Longer ranges of a month are left to the bounds of the ids: the index is asked for the whole month."""

MAX_RANKED = 300

MAX_WORDS_LENGTH = 500

UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\u0e00-\u0e7f"
"""Scripts without spaces between words: the same ranges as in ``core.bigrams``."""

_UNSPACED_RUN = re.compile(f"[{UNSPACED}]+")
_OPERATORS = re.compile(r"-|\bor\b", re.IGNORECASE)
_FOLLOWED_BY = re.compile(r"('(?:[^']|'')*')|<(?:-|\d+)>")


@dataclass(frozen=True)
class Question:
    """What is searched for.

    ``query`` is all of it, as a tsquery. ``index_query`` is what the index is asked; what it cannot tell, the order of
    words, is left to ``residual_query`` (None if nothing is left). Every matching text fulfils ``patterns``.
    """

    query: str
    index_query: str
    residual_query: str | None
    patterns: tuple[str, ...]


@dataclass(frozen=True)
class Matches:
    """Ids, newest first. ``continues_below`` is where older ones begin, None where there are none."""

    ids: tuple[int, ...]
    continues_below: int | None


def parse(connection: Connection, words: str) -> Question:
    """Return what the words of a search box mean. Raises ``InvalidQueryError`` where nothing can be looked up."""
    if len(words) > MAX_WORDS_LENGTH:
        raise InvalidQueryError(f"a search has at most {MAX_WORDS_LENGTH} characters")
    words = words.replace("\0", " ")
    pairs = [pair for run in _UNSPACED_RUN.findall(words) for pair in _pairs(run)]
    spaced = _UNSPACED_RUN.sub(" ", words)
    row = rows.one_row(connection, "search", "parse", {"words": spaced})
    assert row is not None  # noqa: S101 -- the statement has one row whatever the words
    query = " & ".join([*([f"({row['query']})"] if row["query"] else []), *(f"'{pair}'" for pair in pairs)])
    if not query:
        raise InvalidQueryError("the search holds no word: letters and digits are looked up, signs are not")
    has_operators = _OPERATORS.search(spaced) is not None
    lexemes = [] if has_operators else row["lexemes"]
    patterns = tuple(_like(lexeme) for lexeme in [*lexemes, *pairs])
    index_query = query if "!" in query else _FOLLOWED_BY.sub(lambda match: match.group(1) or "&", query)
    return Question(query, index_query, query if index_query != query else None, patterns)


def newest_ids(connection: Connection, zone_id: UUID, words: str, ids: IdRange, limit: int) -> Matches:
    """Return the newest ``limit`` matches of a zone within ``ids``."""
    search = _Search(connection, zone_id, parse(connection, words), ids, limit)
    search.run()
    return search.matches()


def ranked_ids(connection: Connection, zone_id: UUID, words: str, ids: IdRange, limit: int) -> list[int]:
    """Return the best ``limit`` of the newest 300 matches of a zone, the best first."""
    question = parse(connection, words)
    search = _Search(connection, zone_id, question, ids, MAX_RANKED)
    search.run()
    parameters = {"ids": list(search.matches().ids), "query": question.query, "limit": limit}
    return [row["tweet_id"] for row in rows.all_rows(connection, "search", "rank", parameters)]


class _Search:
    """One search going back in time: what was found, where it stands, what it has seen."""

    def __init__(self, connection: Connection, zone_id: UUID, question: Question, ids: IdRange, limit: int) -> None:
        self._connection = connection
        self._zone_id = zone_id
        self._question = question
        self._first = ids.first
        self._end: int | None = ids.end
        self._limit = limit
        self._found: list[int] = []
        self._walked = 0
        self._walked_ids = 0
        self._covered_ids = 0
        self._passed = 0

    def run(self) -> None:
        """Go back until there are enough matches, no tweets any more, or too many looked at."""
        while len(self._found) < self._limit and self._walked < _WORK_LIMIT and self._skip_to_newest():
            if self._walking_is_cheaper():
                self._walk()
            else:
                self._ask_the_index()

    def matches(self) -> Matches:
        """Return what was found."""
        if len(self._found) == self._limit:
            return Matches(tuple(self._found), self._found[-1])
        return Matches(tuple(self._found), self._end)

    def _skip_to_newest(self) -> bool:
        """Go to the zone's newest tweet below the present place; tell whether there is one."""
        if self._end is None or self._end <= self._first:
            return False
        newest = self._one("tweets", "newest_id", {"end": self._end})["tweet_id"]
        self._end = None if newest is None else newest + 1
        return self._end is not None

    def _walking_is_cheaper(self) -> bool:
        return self._walked < self._sample() or self._to_walk() < self._to_fetch() * _INDEX_COST

    def _ids_to_go(self) -> int:
        """Return how far back the wanted matches reach. Half a match stands for none, so that nothing is infinite."""
        return int((self._limit - len(self._found)) * self._covered_ids / max(len(self._found), 0.5))

    def _to_walk(self) -> int:
        return self._ids_to_go() * self._walked // self._walked_ids

    def _to_fetch(self) -> float:
        assert self._end is not None  # noqa: S101 -- _skip_to_newest said so
        first, size = self._partition()
        share_of_candidates = max(self._passed, 0.5) / self._walked
        return share_of_candidates * size * (self._end - self._slice_begin(first)) / (self._end - first)

    def _sample(self) -> int:
        return _SAMPLE if self._question.patterns else _SAMPLE_WITHOUT_PATTERNS

    def _next_walk(self) -> int:
        if self._walked == 0:
            return _FIRST_WALK
        if self._walked < self._sample():
            return self._sample() - self._walked
        return min(_WALK_LIMIT, self._to_walk() * 3 // 2 + 50)

    def _partition(self) -> tuple[int, int]:
        """Return where the present partition begins and how many tweets it holds: a month's, or the one before all."""
        assert self._end is not None  # noqa: S101 -- _skip_to_newest said so
        month = partitions.month_start(snowflake.at(self._end - 1))
        row = self._one("search", "partition_sizes", {"month": f"core.twitter_tweets_{month:%Y_%m}"})
        if row["of_month"] is not None:
            return snowflake.floor(month), row["of_month"]
        return 0, row["of_history"] or 0

    def _walk(self) -> None:
        question = self._question
        row = self._one(
            "search",
            "walk",
            {
                "query": question.query,
                "patterns": list(question.patterns),
                "end": self._end,
                "limit": self._limit - len(self._found),
                "scan_limit": self._next_walk(),
            },
        )
        assert self._end is not None  # noqa: S101 -- _skip_to_newest said so
        self._walked += row["scanned_count"]
        self._walked_ids += self._end - row["last_id"]
        self._take(row["ids"], row["last_id"])
        # What the index would return: texts with all the words. Without patterns the matches themselves say it.
        self._passed += row["passing_count"] if question.residual_query else len(row["ids"])

    def _ask_the_index(self) -> None:
        assert self._end is not None  # noqa: S101 -- _skip_to_newest said so
        first = max(self._first, self._slice_begin(self._partition()[0]))
        row = self._one(
            "search",
            "slice",
            {
                "index_query": _within(self._question.index_query, first, self._end),
                "residual_query": self._question.residual_query,
                "first": first,
                "end": self._end,
                "limit": self._limit - len(self._found),
            },
        )
        self._take(row["ids"], first)

    def _slice_begin(self, partition_first: int) -> int:
        """Return where the next slice begins: a whole span. What is older than the first month is one slice."""
        assert self._end is not None  # noqa: S101 -- _skip_to_newest said so
        if partition_first == 0:
            return 0
        wanted = self._end - self._ids_to_go() * 3 // 2
        return max(partition_first, min(wanted, self._end - 1) >> _SPAN_BITS << _SPAN_BITS)

    def _take(self, ids: Sequence[int], reached: int) -> None:
        assert self._end is not None  # noqa: S101 -- _skip_to_newest said so
        self._found += ids
        self._covered_ids += self._end - reached
        self._end = reached if reached > self._first else None

    def _one(self, module: str, name: str, parameters: dict[str, object]) -> dict[str, Any]:
        given = {"zone_id": self._zone_id, "first": self._first, **parameters}
        # The slice is planned each time: only with its values in view is the index of the words the obvious one.
        row = rows.one_row(self._connection, module, name, given, prepare=name != "slice")
        assert row is not None  # noqa: S101 -- these statements have one row whatever they find
        return row


def _within(index_query: str, first: int, end: int) -> str:
    """Return the query for the spans of a range of ids as well, where they are few enough to be named."""
    spans = range(first >> _SPAN_BITS, (end - 1 >> _SPAN_BITS) + 1)
    if len(spans) > _MOST_SPANS:
        return index_query
    named = " | ".join(f"'@{span}'" for span in spans)
    return f"({index_query}) & ({named})"


def _pairs(run: str) -> list[str]:
    return [run] if len(run) == 1 else [run[place : place + 2] for place in range(len(run) - 1)]


def _like(lexeme: str) -> str:
    escaped = lexeme.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"
