"""Rules: what the provider is asked to deliver for a zone.

Belongs here: a rule as people edit it.
Does not belong here: telling the provider (the job ``sync_rules``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from datalayer import rows
from datalayer.errors import ConflictError, InvalidQueryError, NotFoundError
from datalayer.rows import Connection
from datalayer.zones import act_as

SHORTEST_INTERVAL_SECONDS = 0.05
LONGEST_INTERVAL_SECONDS = 86_400
"""What the provider offers for polling a rule."""

MAX_TAG_LENGTH = 255


@dataclass(frozen=True, slots=True)
class Rule:
    """A query whose tweets belong to a zone. ``external_rule_id`` is the provider's, once it knows the rule."""

    rule_id: UUID
    zone_id: UUID
    source: str
    tag: str
    query: str
    interval_seconds: float
    external_rule_id: str | None
    is_active: bool
    last_triggered_at: datetime | None
    created_by: str | None
    created_at: datetime
    updated_at: datetime


def get_rules(connection: Connection, zone_id: UUID) -> tuple[Rule, ...]:
    """Return a zone's rules, by tag."""
    return tuple(rows.all_records(connection, Rule, "zones", "rules_of", {"zone_id": zone_id}))


def create_rule(
    connection: Connection,
    zone_id: UUID,
    *,
    tag: str,
    query: str,
    actor: str,
    interval_seconds: float = 60,
    source: str = "twitterapi_io",
) -> Rule:
    """Add a rule. Raises ``ConflictError`` where the zone has the tag already. The caller commits."""
    if not 1 <= len(tag) <= MAX_TAG_LENGTH:
        raise InvalidQueryError(f"a tag has 1 to {MAX_TAG_LENGTH} characters")
    _check(query, interval_seconds)
    act_as(connection, actor)
    parameters = {
        "zone_id": zone_id,
        "source": source,
        "tag": tag,
        "query": query,
        "interval_seconds": interval_seconds,
        "actor": actor,
    }
    found = rows.all_records(connection, Rule, "zones", "insert_rule", parameters)
    if not found:
        raise ConflictError(f"the zone has a rule with the tag {tag!r} already")
    return found[0]


def update_rule(
    connection: Connection,
    rule_id: UUID,
    *,
    actor: str,
    query: str | None = None,
    interval_seconds: float | None = None,
    is_active: bool | None = None,
) -> Rule:
    """Change what is given and leave the rest; ``is_active=False`` disables a rule. The caller commits."""
    _check(query, interval_seconds)
    act_as(connection, actor)
    parameters = {"rule_id": rule_id, "query": query, "interval_seconds": interval_seconds, "is_active": is_active}
    found = rows.all_records(connection, Rule, "zones", "update_rule", parameters)
    if not found:
        raise NotFoundError(f"there is no rule {rule_id}")
    return found[0]


def _check(query: str | None, interval_seconds: float | None) -> None:
    if query is not None and not query.strip():
        raise InvalidQueryError("a rule needs a query")
    if interval_seconds is not None and not SHORTEST_INTERVAL_SECONDS <= interval_seconds <= LONGEST_INTERVAL_SECONDS:
        raise InvalidQueryError(
            f"interval_seconds lies between {SHORTEST_INTERVAL_SECONDS} and {LONGEST_INTERVAL_SECONDS}"
        )
