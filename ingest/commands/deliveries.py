"""``python -m ingest deliveries``: find a delivery by its id, its time, or what became of it.

Belongs here: options and printing.
Does not belong here: searching (``ingest.delivery_log``).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click

from ingest import delivery_log
from ingest.commands.session import show, transaction

_TIME = click.DateTime(["%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d"])
_COLUMNS = ("id", "received (UTC)", "source", "zone", "items", "bytes", "outcome", "n/d/c/dead", "open dead letters")

DEFAULT_SPAN = timedelta(days=1)


@click.command()
@click.argument("ids", nargs=-1, type=click.IntRange(min=1))
@click.option("--since", type=_TIME, help="Received from then on, UTC. By default a day before --until.")
@click.option("--until", type=_TIME, help="Received before then, UTC. By default now.")
@click.option("--source", help="From this source only.")
@click.option("--outcome", type=click.Choice(delivery_log.OUTCOMES), help="What became of it.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
def deliveries(
    ids: tuple[int, ...],
    since: datetime | None,
    until: datetime | None,
    source: str | None,
    outcome: str | None,
    limit: int,
) -> None:
    """Show committed deliveries, newest first: those with the given IDS, or those of a span of time.

    The counts are of items: normalised, duplicate, control and dead. What was refused is in the service's log.
    """
    end = until.replace(tzinfo=UTC) if until else datetime.now(UTC) + timedelta(minutes=1)
    start = since.replace(tzinfo=UTC) if since else end - DEFAULT_SPAN
    with transaction() as connection:
        if ids:
            found = delivery_log.of_ids(connection, ids)
        else:
            found = delivery_log.find(connection, since=start, until=end, source=source, outcome=outcome, limit=limit)
    show("Deliveries", _COLUMNS, (_row(delivery) for delivery in found))


def _row(delivery: delivery_log.LoggedDelivery) -> tuple[object, ...]:
    counts = (
        delivery.normalised_count,
        delivery.duplicate_count,
        delivery.control_count,
        delivery.dead_count,
    )
    return (
        delivery.delivery_id,
        f"{delivery.received_at:%Y-%m-%d %H:%M:%S}",
        delivery.source,
        delivery.zone,
        delivery.item_count,
        delivery.body_bytes,
        delivery.outcome,
        None if delivery.normalised_at is None else "/".join(map(str, counts)),
        delivery.open_letters,
    )
