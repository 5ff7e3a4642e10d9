"""Zones: adding, finding, switching off.

Belongs here: what may be a zone, and clear answers where something may not.
Does not belong here: the command line, rules.

Every function takes a connection and never commits.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from database import edits
from database.named_sql import statements
from ingest.errors import InvalidRequestError

_SQL = statements(Path(__file__).parent / "sql" / "zones.sql")


@dataclass(frozen=True)
class Zone:
    """A zone. ``rule_count`` counts the active rules that collect for it."""

    id: UUID
    name: str
    timezone: str
    description: str | None
    is_active: bool
    created_at: datetime
    rule_count: int


def add(connection: psycopg.Connection, name: str, *, timezone: str = "UTC", description: str | None = None) -> Zone:
    """Add a zone. Raises ``InvalidRequestError`` for a name that is taken or unfit, or a time zone that is unknown."""
    name = name.strip()
    complaint = edits.complaint_about_zone_name(name)
    if complaint is not None:
        raise InvalidRequestError(f"{complaint}.")
    timezone = known_timezone(connection, timezone)
    if edits.insert_zone(connection, name=name, timezone=timezone, description=description) is None:
        raise InvalidRequestError(f"there is a zone {name!r} already; `zones list` shows it.")
    return named(connection, name)


def every(connection: psycopg.Connection) -> list[Zone]:
    """Return all zones by name."""
    return _select(connection, None)


def named(connection: psycopg.Connection, name: str) -> Zone:
    """Return the zone of that name. Raises ``InvalidRequestError``, naming the zones there are."""
    found = _select(connection, name)
    if not found:
        raise InvalidRequestError(_no_such_zone(name, [zone.name for zone in every(connection)]))
    return found[0]


def set_active(connection: psycopg.Connection, name: str, *, is_active: bool) -> Zone:
    """Switch a zone on or off; doing so twice changes nothing. Its tweets stay. Raises ``InvalidRequestError``."""
    edits.update_zone(connection, named(connection, name).id, is_active=is_active)
    return named(connection, name)


def known_timezone(connection: psycopg.Connection, timezone: str) -> str:
    """Return a time zone as PostgreSQL spells it. Raises ``InvalidRequestError``, with names that are near."""
    names: set[str] = {name for (name,) in connection.execute(_SQL["timezones"])}
    if timezone in names:
        return timezone
    by_folded = {name.casefold(): name for name in sorted(names)}
    if timezone.casefold() in by_folded:
        return by_folded[timezone.casefold()]
    raise InvalidRequestError(f"PostgreSQL knows no time zone {timezone!r}{_meant(timezone, by_folded)}")


def _meant(timezone: str, by_folded: dict[str, str]) -> str:
    """Return near names: those that end in the same city, else those that are spelt alike."""
    wanted = timezone.casefold().replace(" ", "_")
    city = [name for folded, name in by_folded.items() if folded.rpartition("/")[2] == wanted.rpartition("/")[2]]
    near = city or [by_folded[folded] for folded in difflib.get_close_matches(wanted, by_folded, n=3, cutoff=0.6)]
    if near:
        return f". Did you mean {listed(near[:3], ' or ')}?"
    return ": names look like Europe/Paris or America/New_York, and UTC is one."


def listed(names: Iterable[str], joint: str = ", ") -> str:
    """Return names as a sentence shows them."""
    return joint.join(repr(name) for name in names)


def _select(connection: psycopg.Connection, name: str | None) -> list[Zone]:
    with connection.cursor(row_factory=class_row(Zone)) as cursor:
        return cursor.execute(_SQL["all"], {"name": name}).fetchall()


def _no_such_zone(name: str, names: Collection[str]) -> str:
    if not names:
        return f"there is no zone {name!r}, and none at all yet: add it with `zones add`."
    return f"there is no zone {name!r}. There are: {listed(names)}. Add one with `zones add`."
