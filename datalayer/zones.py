"""Zones: looking them up, and the writes that modules need.

Belongs here: a zone as people edit it.
Does not belong here: its rules (``rules``), its numbers (``analytics``).

Writers call ``act_as`` for the audit log: triggers note who changed what, whichever program wrote.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from database import edits
from datalayer import rows
from datalayer.errors import ConflictError, InvalidQueryError, NotFoundError
from datalayer.rows import Connection


@dataclass(frozen=True, slots=True)
class Zone:
    """A topic area that rules collect tweets for. ``timezone`` is what its local days are counted in."""

    zone_id: UUID
    name: str
    description: str | None
    timezone: str
    is_active: bool
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who changed what by hand, and how it was before."""

    changed_at: datetime
    actor: str
    action: str
    subject: str
    subject_id: str
    old_values: dict[str, Any] | None
    new_values: dict[str, Any] | None


def get_zones(connection: Connection) -> tuple[Zone, ...]:
    """Return every zone, by name."""
    return tuple(rows.all_records(connection, Zone, "zones", "all", {}))


def get_zone(connection: Connection, name_or_id: str) -> Zone:
    """Return a zone by its name or its id. Raises ``NotFoundError``."""
    found = rows.all_records(connection, Zone, "zones", "one", {"name_or_id": name_or_id.replace("\0", "")})
    if not found:
        raise NotFoundError(f"there is no zone {name_or_id!r}")
    return found[0]


def create_zone(
    connection: Connection, name: str, *, actor: str, description: str | None = None, timezone: str = "UTC"
) -> Zone:
    """Add a zone. Raises ``ConflictError`` where the name is taken. The caller commits."""
    name = name.strip()
    complaint = edits.complaint_about_zone_name(name)
    if complaint is not None:
        raise InvalidQueryError(complaint)
    _check_timezone(connection, timezone)
    act_as(connection, actor)
    zone_id = edits.insert_zone(connection, name=name, timezone=timezone, description=description)
    if zone_id is None:
        raise ConflictError(f"there is a zone {name!r} already")
    return get_zone(connection, str(zone_id))


def update_zone(
    connection: Connection,
    zone_id: UUID,
    *,
    actor: str,
    description: str | None = None,
    timezone: str | None = None,
    is_active: bool | None = None,
) -> Zone:
    """Change what is given, leave the rest; ``is_active=False`` ends a zone, nothing deletes it. The caller commits."""
    if timezone is not None:
        _check_timezone(connection, timezone)
    act_as(connection, actor)
    edits.update_zone(connection, zone_id, description=description, timezone=timezone, is_active=is_active)
    return get_zone(connection, str(zone_id))


def get_audit_log(connection: Connection, *, limit: int = 100) -> tuple[AuditEntry, ...]:
    """Return the latest changes of zones, rules and monitored profiles, the newest first."""
    return tuple(rows.all_records(connection, AuditEntry, "zones", "audit_log", {"limit": limit}))


def act_as(connection: Connection, actor: str) -> None:
    """Name who makes the changes that follow in this transaction."""
    if not actor.strip():
        raise InvalidQueryError("say who makes the change (actor)")
    edits.act_as(connection, actor)


def _check_timezone(connection: Connection, timezone: str) -> None:
    row = rows.one_row(connection, "zones", "timezone_exists", {"timezone": timezone})
    if row is None or not row["does"]:
        raise InvalidQueryError(f"{timezone!r} is no time zone: use a name such as Europe/Berlin")
