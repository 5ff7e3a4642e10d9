"""Rules as the provider keeps them, and the default ones of a world.

*Belongs here*: a rule, what may be in one, the four rules a stand-in starts with.
*Does not belong here*: delivering what a rule matches; the project's own table of rules.
"""

from functools import lru_cache
from hashlib import blake2b

import msgspec

from ingest.standin.people import STEADY_AUTHORS, People
from ingest.standin.query import Predicate, QueryError, compiled
from ingest.standin.topics import TOPICS

LONGEST_TAG = 255
LONGEST_VALUE = 255
SHORTEST_INTERVAL_SECONDS = 0.05
LONGEST_INTERVAL_SECONDS = 86_400.0
DEFAULT_INTERVAL_SECONDS = 60.0
WATCHED_AUTHORS = 8


class Rule(msgspec.Struct, frozen=True):
    """One rule; *is_effect* is the provider's word for being active, *rule_id* has 32 hexadecimal characters."""

    rule_id: str
    tag: str
    value: str
    interval_seconds: float = DEFAULT_INTERVAL_SECONDS
    is_effect: bool = False
    created_at_ms: int = 0

    @property
    def matches(self) -> Predicate:
        """Return the predicate of the rule's value."""
        return cached_predicate(self.value)


@lru_cache(maxsize=2_000)
def cached_predicate(value: str) -> Predicate:
    """Return the predicate of a query, read once."""
    return compiled(value)


def rule_id(seed: int, number: int) -> str:
    """Return the id of the *number*-th rule of a stand-in."""
    return blake2b(f"rule {number} of world {seed}".encode(), digest_size=16).hexdigest()


def fault_in(tag: str, value: str, interval_seconds: float) -> str | None:
    """Return why the provider refuses these fields, or None where it takes them."""
    if not 0 < len(tag) <= LONGEST_TAG:
        return f"tag must have 1 to {LONGEST_TAG} characters"
    if not 0 < len(value) <= LONGEST_VALUE:
        return f"value must have 1 to {LONGEST_VALUE} characters"
    if not SHORTEST_INTERVAL_SECONDS <= interval_seconds <= LONGEST_INTERVAL_SECONDS:
        return f"interval_seconds must be between {SHORTEST_INTERVAL_SECONDS} and {LONGEST_INTERVAL_SECONDS:.0f}"
    try:
        cached_predicate(value)
    except QueryError as fault:
        return str(fault)
    return None


def default_rules(seed: int, people: People, created_at_ms: int = 0) -> tuple[Rule, ...]:
    """Return four active rules: one for each topic area, and one that follows the busiest authors and so overlaps.

    Together they match about 93 % of the world's tweets. Ids depend on the seed alone.
    """
    values = [
        (topic.name, " OR ".join([*topic.anchors, *(f"#{tag}" for tag in topic.main_tags)]), interval)
        for topic, interval in zip(TOPICS, (10.0, 15.0, 20.0), strict=True)
    ]
    steady = range(min(WATCHED_AUTHORS, STEADY_AUTHORS, people.count))
    values.append(("busiest", " OR ".join(f"from:{people.handle(index, 0)}" for index in steady), 30.0))
    return tuple(
        Rule(rule_id(seed, number), tag, value, interval, is_effect=True, created_at_ms=created_at_ms)
        for number, (tag, value, interval) in enumerate(values)
    )
