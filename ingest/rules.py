"""Rules: what the provider is asked to deliver, and for which zone.

Belongs here: adding, listing, switching off, with clear answers where something may not.
Does not belong here: what a rule may be (``database.edits``), telling the provider (the job ``sync_rules``).

Every function takes a connection and never commits.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from database import edits
from database.named_sql import statements
from ingest import zones
from ingest.errors import InvalidRequestError

_SQL = statements(Path(__file__).parent / "sql" / "rules.sql")


@dataclass(frozen=True)
class Rule:
    """A rule. ``external_rule_id`` is the provider's own id of it, once it was told."""

    id: UUID
    zone: str
    source: str
    tag: str
    query: str
    interval_seconds: Decimal
    external_rule_id: str | None
    is_active: bool
    last_triggered_at: datetime | None


def add(
    connection: psycopg.Connection,
    *,
    zone: str,
    tag: str,
    query: str,
    interval_seconds: Decimal = Decimal(60),
    source: str = "twitterapi_io",
    external_rule_id: str | None = None,
) -> Rule:
    """Add an active rule to a zone. Raises ``InvalidRequestError`` for what the provider would not take."""
    tag, query = tag.strip(), query.strip()
    complaint = edits.complaint_about_rule(source, tag, query, interval_seconds)
    if complaint is not None:
        raise InvalidRequestError(f"{complaint}.")
    found = zones.named(connection, zone)
    if external_rule_id is not None:
        _check_external_id_is_free(connection, source, external_rule_id)
    rule_id = edits.insert_rule(
        connection,
        found.id,
        source=source,
        tag=tag,
        query=query,
        interval_seconds=interval_seconds,
        external_rule_id=external_rule_id,
    )
    if rule_id is None:
        raise InvalidRequestError(
            f"the zone {zone!r} has a rule with the tag {tag!r} already; tags are unique in a zone."
        )
    return _tagged(connection, found, tag)


def every(connection: psycopg.Connection, *, zone: str | None = None) -> list[Rule]:
    """Return all rules, or those of one zone, by zone and tag. Raises ``InvalidRequestError`` for an unknown zone."""
    zone_id = None if zone is None else zones.named(connection, zone).id
    return _select(connection, zone_id, None)


def set_active(connection: psycopg.Connection, *, zone: str, tag: str, is_active: bool) -> Rule:
    """Switch a rule on or off; doing so twice changes nothing. Raises ``InvalidRequestError`` for an unknown one."""
    found = zones.named(connection, zone)
    edits.update_rule(connection, _tagged(connection, found, tag).id, is_active=is_active)
    return _tagged(connection, found, tag)


def _check_external_id_is_free(connection: psycopg.Connection, source: str, external_rule_id: str) -> None:
    values = {"source": source, "external_rule_id": external_rule_id}
    holder = connection.execute(_SQL["holder_of_external_id"], values).fetchone()
    if holder is not None:
        raise InvalidRequestError(
            f"the rule {external_rule_id!r} of {source} belongs to the zone {holder[0]!r} already, as {holder[1]!r}."
        )


def _tagged(connection: psycopg.Connection, zone: zones.Zone, tag: str) -> Rule:
    found = _select(connection, zone.id, tag)
    if not found:
        tags = [rule.tag for rule in _select(connection, zone.id, None)]
        there_are = f"It has: {zones.listed(tags)}." if tags else "It has none."
        raise InvalidRequestError(f"the zone {zone.name!r} has no rule with the tag {tag!r}. {there_are}")
    return found[0]


def _select(connection: psycopg.Connection, zone_id: UUID | None, tag: str | None) -> list[Rule]:
    with connection.cursor(row_factory=class_row(Rule)) as cursor:
        return cursor.execute(_SQL["all"], {"zone_id": zone_id, "tag": tag}).fetchall()
