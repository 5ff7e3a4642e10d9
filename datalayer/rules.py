"""Rules: what the provider is asked to deliver for a zone.

Belongs here: a rule as people edit it.
Does not belong here: telling the provider (the job ``sync_rules``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from database import edits
from datalayer import rows
from datalayer.errors import ConflictError, InvalidQueryError, NotFoundError
from datalayer.rows import Connection
from datalayer.zones import act_as


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
    return tuple(rows.all_records(connection, Rule, "zones", "rules", {"zone_id": zone_id, "rule_id": None}))


def get_rule(connection: Connection, rule_id: UUID) -> Rule:
    """Return one rule. Raises ``NotFoundError``."""
    found = rows.all_records(connection, Rule, "zones", "rules", {"zone_id": None, "rule_id": rule_id})
    if not found:
        raise NotFoundError(f"there is no rule {rule_id}")
    return found[0]


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
    tag, query = tag.strip(), query.strip()
    _check(source, tag, query, interval_seconds)
    act_as(connection, actor)
    rule_id = edits.insert_rule(
        connection,
        zone_id,
        source=source,
        tag=tag,
        query=query,
        interval_seconds=Decimal(str(interval_seconds)),
        created_by=actor,
    )
    if rule_id is None:
        raise ConflictError(f"the zone has a rule with the tag {tag!r} already")
    return get_rule(connection, rule_id)


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
    present = get_rule(connection, rule_id)
    wanted = present.query if query is None else query.strip()
    seconds = present.interval_seconds if interval_seconds is None else interval_seconds
    _check(present.source, present.tag, wanted, seconds)
    act_as(connection, actor)
    edits.update_rule(connection, rule_id, query=wanted, interval_seconds=Decimal(str(seconds)), is_active=is_active)
    return get_rule(connection, rule_id)


def _check(source: str, tag: str, query: str, interval_seconds: float) -> None:
    complaint = edits.complaint_about_rule(source, tag, query, Decimal(str(interval_seconds)))
    if complaint is not None:
        raise InvalidQueryError(complaint)
