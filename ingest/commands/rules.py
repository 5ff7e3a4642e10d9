"""``python -m ingest rules``: what the provider is asked to deliver, and for which zone.

Belongs here: options and printing.
Does not belong here: what a rule may be (``ingest.rules``).
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

import click

from database import edits
from ingest import rules as actions
from ingest.commands.session import show, transaction

_COLUMNS = ("id", "zone", "tag", "active", "seconds", "source", "external id", "query")


class _Seconds(click.ParamType[Decimal]):
    name = "seconds"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        try:
            seconds = Decimal(str(value))
        except InvalidOperation:
            self.fail(f"{value!r} is not a number.", param, ctx)
        if not seconds.is_finite():
            self.fail(f"{value!r} is not a number of seconds.", param, ctx)
        return seconds


@click.group()
def rules() -> None:
    """Add, list and switch rules: what the provider is asked to deliver, and for which zone."""


@rules.command("add")
@click.option("--zone", required=True, help="Name of the zone that the tweets belong to.")
@click.option("--tag", required=True, help="The rule's name at the provider, unique in the zone.")
@click.option("--query", required=True, help="What to look for, in the provider's search language.")
@click.option("--interval", type=_Seconds(), default="60", show_default=True, help="Seconds between two looks.")
@click.option(
    "--source", type=click.Choice(sorted(edits.MAX_QUERY_CHARACTERS)), default="twitterapi_io", show_default=True
)
@click.option("--external-id", help="The provider's id, if the rule exists there already.")
def add(zone: str, tag: str, query: str, interval: Decimal, source: str, external_id: str | None) -> None:
    """Add a rule. The job `sync_rules` tells the provider."""
    with transaction() as connection:
        rule = actions.add(
            connection,
            zone=zone,
            tag=tag,
            query=query,
            interval_seconds=interval,
            source=source,
            external_rule_id=external_id,
        )
    _print("Added", [rule])


@rules.command("list")
@click.option("--zone", help="Only the rules of this zone.")
def list_(zone: str | None) -> None:
    """Show every rule."""
    with transaction() as connection:
        found = actions.every(connection, zone=zone)
    _print("Rules", found)


@rules.command("disable")
@click.option("--zone", required=True, help="Name of the rule's zone.")
@click.option("--tag", required=True, help="The rule's tag.")
def disable(zone: str, tag: str) -> None:
    """Switch a rule off. The job `sync_rules` tells the provider."""
    with transaction() as connection:
        rule = actions.set_active(connection, zone=zone, tag=tag, is_active=False)
    _print("Disabled", [rule])


@rules.command("enable")
@click.option("--zone", required=True, help="Name of the rule's zone.")
@click.option("--tag", required=True, help="The rule's tag.")
def enable(zone: str, tag: str) -> None:
    """Switch a rule on again. The job `sync_rules` tells the provider."""
    with transaction() as connection:
        rule = actions.set_active(connection, zone=zone, tag=tag, is_active=True)
    _print("Enabled", [rule])


def _print(title: str, found: Sequence[actions.Rule]) -> None:
    if not found:
        click.echo("There are no rules yet: `python -m ingest rules add --zone NAME --tag TAG --query …`.")
        return
    rows = (
        (
            rule.id,
            rule.zone,
            rule.tag,
            rule.is_active,
            f"{rule.interval_seconds.normalize():f}",
            rule.source,
            rule.external_rule_id,
            rule.query,
        )
        for rule in found
    )
    show(title, _COLUMNS, rows)
