"""``python -m ingest dead-letters``: what could not be read, and having it read again.

Belongs here: options and printing.
Does not belong here: choosing and replaying (``ingest.dead_letters``).
"""

from __future__ import annotations

from datetime import UTC, datetime

import click

from database.connections import connect, role_url
from database.settings import DatabaseSettings
from ingest import dead_letters as actions
from ingest.commands.session import show, transaction
from ingest.dead_letters import Filter

_COLUMNS = ("source", "stage", "reason", "letters", "first seen", "last seen", "latest detail")


@click.group("dead-letters")
def dead_letters() -> None:
    """Look at what could not be read, and have it read again."""


@dead_letters.command("list")
def list_() -> None:
    """Show open dead letters by reason."""
    with transaction() as connection:
        found = actions.report(connection)
    rows = [
        (each.source, each.stage, each.reason, each.letter_count, each.first_seen_at, each.last_seen_at,
         each.latest_detail)
        for each in found
    ]  # fmt: skip
    show("Open dead letters", _COLUMNS, rows)


@dead_letters.command("replay")
@click.option("--source", help="Only of this source, such as twitterapi_io.")
@click.option("--reason", help="Only for this reason, such as unknown_rule.")
@click.option("--since", type=click.DateTime(), help="Only those received since, UTC.")
@click.option("--dry-run/--for-real", default=True, show_default=True, help="Only count them, or replay them.")
def replay(source: str | None, reason: str | None, since: datetime | None, *, dry_run: bool) -> None:
    """Read the deliveries of open dead letters again. Idempotent: what still cannot be read stays a letter."""
    chosen = Filter(source, reason, since.replace(tzinfo=UTC) if since else None)
    with transaction() as connection:
        letters, deliveries = actions.count(connection, chosen)
    click.echo(f"{letters} open dead letters in {deliveries} deliveries match")
    if dry_run:
        click.echo("nothing was done; give --for-real to read them again")
        return
    url = role_url(DatabaseSettings(), "pipeline")
    with connect(url, application_name="replay dead letters", autocommit=True) as pipeline:
        written = actions.replay(pipeline, chosen)
        left, _ = actions.count(pipeline, chosen)
    click.echo(f"{written.new_tweets} new tweets, {written.new_links} new zone links; {left} letters are still open")
