"""``python -m ingest zones``: the topic areas that tweets are collected for.

Belongs here: options and printing.
Does not belong here: what a zone may be (``ingest.zones``).
"""

from __future__ import annotations

from collections.abc import Sequence

import click

from ingest import zones as actions
from ingest.commands.session import show, transaction

_COLUMNS = ("id", "name", "time zone", "active", "rules", "description")


@click.group()
def zones() -> None:
    """Add, list and switch zones: the topic areas that tweets are collected for."""


@zones.command("add")
@click.argument("name")
@click.option("--timezone", default="UTC", show_default=True, help="Where the zone's days begin, such as Europe/Paris.")
@click.option("--description", help="What the zone is about.")
def add(name: str, timezone: str, description: str | None) -> None:
    """Add the zone NAME."""
    with transaction() as connection:
        zone = actions.add(connection, name, timezone=timezone, description=description)
    _print("Added", [zone])


@zones.command("list")
def list_() -> None:
    """Show every zone."""
    with transaction() as connection:
        found = actions.every(connection)
    _print("Zones", found)


@zones.command("disable")
@click.argument("name")
def disable(name: str) -> None:
    """Switch the zone NAME off; its tweets stay."""
    with transaction() as connection:
        zone = actions.set_active(connection, name, is_active=False)
    _print("Disabled", [zone])


@zones.command("enable")
@click.argument("name")
def enable(name: str) -> None:
    """Switch the zone NAME on again."""
    with transaction() as connection:
        zone = actions.set_active(connection, name, is_active=True)
    _print("Enabled", [zone])


def _print(title: str, found: Sequence[actions.Zone]) -> None:
    if not found:
        click.echo("There are no zones yet: `python -m ingest zones add NAME`.")
        return
    rows = ((zone.id, zone.name, zone.timezone, zone.is_active, zone.rule_count, zone.description) for zone in found)
    show(title, _COLUMNS, rows)
