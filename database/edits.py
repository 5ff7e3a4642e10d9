"""What people edit by hand: zones, rules and which profiles are followed.

Belongs here: what a zone and a rule may be, and the statements that write them, for every writer alike.
Does not belong here: how a writer shows them, which error it raises for what is not allowed.

Functions take a connection and never commit. Triggers note every change in the audit log, under the name that
``act_as`` gives or else the role of the session.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

from database.named_sql import statements

Connection = psycopg.Connection[Any]

MAX_NAME_CHARACTERS = 255
"""As long as the name in ``?zone=`` of a delivery may be."""

MAX_TAG_CHARACTERS = 255

MAX_QUERY_CHARACTERS = {"twitterapi_io": 255, "x_api_v2": 2_048}
"""By source. X takes 1,024 characters on its cheaper plans and says so itself when a rule is sent."""

SHORTEST_INTERVAL_SECONDS = Decimal("0.05")
LONGEST_INTERVAL_SECONDS = Decimal(86_400)
"""What twitterapi.io offers between two looks at a rule."""

_SQL = statements(Path(__file__).parent / "sql" / "edits.sql")


def complaint_about_zone_name(name: str) -> str | None:
    """Return why no zone can have this name, None where one can."""
    if 1 <= len(name) <= MAX_NAME_CHARACTERS and name.isprintable():
        return None
    return f"a zone's name has 1 to {MAX_NAME_CHARACTERS} characters and no control characters, unlike {name!r}"


def complaint_about_rule(source: str, tag: str, query: str, interval_seconds: Decimal) -> str | None:
    """Return why the provider would not take such a rule, None where it would."""
    if source not in MAX_QUERY_CHARACTERS:
        known = ", ".join(map(repr, MAX_QUERY_CHARACTERS))
        return f"{source!r} has no rules; sources with rules are {known}"
    return (
        _complaint_about_text("tag", tag, MAX_TAG_CHARACTERS, source)
        or _complaint_about_text("query", query, MAX_QUERY_CHARACTERS[source], source)
        or _complaint_about_interval(interval_seconds)
    )


def act_as(connection: Connection, actor: str) -> None:
    """Name who makes the changes that follow in this transaction."""
    connection.execute(_SQL["act_as"], {"actor": actor})


def insert_zone(connection: Connection, *, name: str, timezone: str, description: str | None) -> UUID | None:
    """Add a zone; return its id, None where the name is taken."""
    return _id(connection, "insert_zone", name=name, timezone=timezone, description=description)


def update_zone(
    connection: Connection,
    zone_id: UUID,
    *,
    description: str | None = None,
    timezone: str | None = None,
    is_active: bool | None = None,
) -> UUID | None:
    """Change what is given; return None where there is no such zone."""
    values = {"description": description, "timezone": timezone, "is_active": is_active}
    return _id(connection, "update_zone", zone_id=zone_id, **values)


def insert_rule(
    connection: Connection,
    zone_id: UUID,
    *,
    source: str,
    tag: str,
    query: str,
    interval_seconds: Decimal,
    external_rule_id: str | None = None,
    created_by: str | None = None,
) -> UUID | None:
    """Add an active rule; return its id, None where the zone has the tag already."""
    values = {"source": source, "tag": tag, "query": query, "interval_seconds": interval_seconds}
    given = {"zone_id": zone_id, "external_rule_id": external_rule_id, "created_by": created_by}
    return _id(connection, "insert_rule", **values, **given)


def update_rule(
    connection: Connection,
    rule_id: UUID,
    *,
    query: str | None = None,
    interval_seconds: Decimal | None = None,
    is_active: bool | None = None,
) -> UUID | None:
    """Change what is given; return None where there is no such rule."""
    values = {"query": query, "interval_seconds": interval_seconds, "is_active": is_active}
    return _id(connection, "update_rule", rule_id=rule_id, **values)


def set_monitored(connection: Connection, profile_ids: Iterable[int], *, is_monitored: bool) -> int:
    """Follow these profiles, or stop; return how many that changed."""
    values = {"profile_ids": list(profile_ids), "is_monitored": is_monitored}
    return connection.execute(_SQL["set_monitored"], values).rowcount


def _id(connection: Connection, statement: str, **values: object) -> UUID | None:
    row = connection.execute(_SQL[statement], values).fetchone()
    return None if row is None else row[0]


def _complaint_about_text(what: str, text: str, longest: int, source: str) -> str | None:
    if not text.strip():
        return f"the {what} is empty"
    if len(text) > longest:
        return f"the {what} has {len(text)} characters; {source} takes {longest}"
    if "\x00" in text:
        return f"the {what} holds a NUL character, which no database stores"
    return None


def _complaint_about_interval(seconds: Decimal) -> str | None:
    if SHORTEST_INTERVAL_SECONDS <= seconds <= LONGEST_INTERVAL_SECONDS:
        return None
    return (
        f"the interval must lie between {SHORTEST_INTERVAL_SECONDS} and {LONGEST_INTERVAL_SECONDS} seconds; "
        f"{seconds} does not"
    )
