"""A small, honest subset of the search syntax that rules and searches are written in.

Understood: words, "phrases", #tags, @names, from:name, to:name, lang:xx, filter:replies, filter:retweets,
filter:quote, filter:media, since_time:N and until_time:N (Unix seconds), OR, a leading minus, parentheses.
Terms beside each other must all match. Matching ignores case.

*Belongs here*: reading a query and matching it against what a tweet says of itself.
*Does not belong here*: finding tweets, knowing rules.
"""

import re
from collections.abc import Callable

import msgspec


class QueryError(ValueError):
    """A query that cannot be read; the message says which part and why."""


class Searchable(msgspec.Struct, frozen=True, gc=False):
    """What of a tweet can be searched; everything is case-folded, *kind* is tweet, reply, quote or retweet."""

    author: str
    to: str
    lang: str
    kind: str
    has_media: bool
    created_at_ms: int
    text: str
    words: frozenset[str]
    tags: frozenset[str]
    mentions: frozenset[str]


Predicate = Callable[[Searchable], bool]
TOKEN = re.compile(r'\s*(-?"[^"]*"|-?\(|\)|[^\s()]+)')
FILTERS = {"replies": "reply", "retweets": "retweet", "nativeretweets": "retweet", "quote": "quote"}


def compiled(query: str) -> Predicate:
    """Return the predicate a query stands for, or raise QueryError."""
    tokens = TOKEN.findall(query)
    if not tokens:
        raise QueryError("the query is empty; write at least one word, #tag or from:name")
    predicate, rest = _any_of(tokens)
    if rest:
        raise QueryError(f"the query has a {rest[0]!r} too many: {query!r}")
    return predicate


def _any_of(tokens: list[str]) -> tuple[Predicate, list[str]]:
    first, rest = _all_of(tokens)
    choices = [first]
    while rest and rest[0] == "OR":
        choice, rest = _all_of(rest[1:])
        choices.append(choice)
    if len(choices) == 1:
        return first, rest
    return (lambda tweet: any(choice(tweet) for choice in choices)), rest


def _all_of(tokens: list[str]) -> tuple[Predicate, list[str]]:
    terms: list[Predicate] = []
    rest = tokens
    while rest and rest[0] not in ("OR", ")"):
        term, rest = _one(rest)
        terms.append(term)
    if not terms:
        raise QueryError("the query has an OR, or a pair of parentheses, with nothing to match beside it")
    if len(terms) == 1:
        return terms[0], rest
    return (lambda tweet: all(term(tweet) for term in terms)), rest


def _one(tokens: list[str]) -> tuple[Predicate, list[str]]:
    part, rest = tokens[0], tokens[1:]
    if part in ("(", "-("):
        inner, rest = _any_of(rest)
        if not rest or rest[0] != ")":
            raise QueryError("the query opens a parenthesis and does not close it")
        return (_negated(inner) if part == "-(" else inner), rest[1:]
    if part.startswith("-") and len(part) > 1:
        return _negated(_term(part[1:])), rest
    return _term(part), rest


def _negated(predicate: Predicate) -> Predicate:
    return lambda tweet: not predicate(tweet)


def _term(part: str) -> Predicate:
    folded = part.casefold()
    if folded.startswith('"'):
        phrase = folded.strip('"')
        return lambda tweet: phrase in tweet.text
    if folded.startswith(("#", "\uff03")):
        tag = folded[1:]
        return lambda tweet: tag in tweet.tags
    if folded.startswith("@"):
        name = folded[1:]
        return lambda tweet: name in tweet.mentions
    operator, colon, value = folded.partition(":")
    if colon and value:
        return _operator(operator, value, part)
    return lambda tweet: folded in tweet.words


def _operator(operator: str, value: str, part: str) -> Predicate:
    if operator == "from":
        name = value.removeprefix("@")
        return lambda tweet: tweet.author == name
    if operator == "to":
        name = value.removeprefix("@")
        return lambda tweet: tweet.to == name
    if operator == "lang":
        return lambda tweet: tweet.lang == value
    if operator in ("since_time", "until_time"):
        return _time_bound(operator, value, part)
    if operator == "filter" and value in FILTERS:
        kind = FILTERS[value]
        return lambda tweet: tweet.kind == kind
    if operator == "filter" and value == "media":
        return lambda tweet: tweet.has_media
    raise QueryError(f"the operator in {part!r} is not known here")


def _time_bound(operator: str, value: str, part: str) -> Predicate:
    if not value.isascii() or not value.isdigit():
        raise QueryError(f"{part!r} needs a number of Unix seconds")
    bound_ms = int(value) * 1000
    if operator == "since_time":
        return lambda tweet: tweet.created_at_ms >= bound_ms
    return lambda tweet: tweet.created_at_ms < bound_ms


def time_bounds_ms(query: str) -> tuple[int | None, int | None]:
    """Return the since_time and until_time that bound a query as a whole, in milliseconds, each None where absent."""
    depth = 0
    outside = []
    for part in TOKEN.findall(query):
        depth += part in ("(", "-(")
        if depth == 0:
            outside.append(part.casefold() if part != "OR" else part)
        depth -= part == ")"
    if "OR" in outside:
        return None, None
    pairs = [part.partition(":") for part in outside]
    found = {name: int(value) * 1000 for name, _, value in pairs if value.isascii() and value.isdigit()}
    return found.get("since_time"), found.get("until_time")
