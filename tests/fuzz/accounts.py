"""What must be true after the fire: what was acknowledged is there, and every item that was kept became something.

Belongs here: the zone and the rules, the questions to the database and to the metrics.
Does not belong here: firing, printing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import psycopg

from ingest.outcomes import OUTCOMES, Reason
from tests.fuzz.fire import Tally
from tests.fuzz.mutations import TAG, ZONE

_SERIES = re.compile(r'^ingest_requests_total\{outcome="(\w+)",source="(\w+)"\} ([\d.e+]+)$', re.MULTILINE)


@dataclass(frozen=True)
class Accounts:
    """The items of all deliveries, by what became of them, and everything that does not add up."""

    deliveries: int
    accepted: int
    normalised: int
    duplicate: int
    control: int
    dead: int
    letters: tuple[tuple[str, str, str, int], ...]
    problems: tuple[str, ...]


def add_rules(connection: psycopg.Connection) -> None:
    """Make the zone and the rules that the payloads name."""
    connection.execute("insert into core.zones (name) values (%s), ('other')", (ZONE,))
    connection.execute(
        "insert into core.twitter_rules (zone_id, source, tag, query)"
        " select id, case name when %s then 'twitterapi_io' else 'x_api_v2' end, %s, 'words' from core.zones",
        (ZONE, TAG),
    )


def outcomes(metrics: str) -> dict[Reason, int]:
    """Return how many requests had which outcome, the service's own heart-beats left out."""
    counted = dict.fromkeys(Reason, 0)
    for outcome, source, value in _SERIES.findall(metrics):
        if (source, outcome) != ("heartbeat", Reason.CONTROL.value):
            counted[Reason(outcome)] += int(float(value))
    return counted


def audit(connection: psycopg.Connection, tally: Tally, counted: dict[Reason, int]) -> Accounts:
    """Settle the accounts, once everything was normalised. The connection is the owner's."""
    row = connection.execute(
        """
        select
            count(*),
            coalesce(sum(log.item_count), 0)::bigint,
            coalesce(sum(log.normalised_count), 0)::bigint,
            coalesce(sum(log.duplicate_count), 0)::bigint,
            coalesce(sum(log.control_count), 0)::bigint,
            coalesce(sum(log.dead_count), 0)::bigint,
            count(*) filter (where log.outcome in ('waiting', 'unaccounted')),
            count(*) filter (where log.item_count <>
                log.normalised_count + log.duplicate_count + log.control_count + log.dead_count)
        from raw.delivery_log as log
        where log.source <> 'heartbeat'
        """
    ).fetchone()
    assert row is not None
    deliveries, accepted, normalised, duplicate, control, dead, open_deliveries, unbalanced = row
    rows = connection.execute("select delivery_id, item_count from raw.deliveries where source <> 'heartbeat'")
    kept = dict(rows.fetchall())
    letters = connection.execute(
        "select source, stage, reason, letter_count from raw.dead_letter_report order by letter_count desc"
    ).fetchall()
    dead_items = connection.execute(
        "select count(distinct (delivery_id, item_index)) from raw.dead_letters"
        " where resolved_at is null and stage in ('envelope', 'item')"
    ).fetchone()
    told = {
        f"{open_deliveries} deliveries wait or are unaccounted for": open_deliveries,
        f"{unbalanced} deliveries do not add up": unbalanced,
        "acknowledged deliveries are missing": sum(1 for known in tally.acknowledged if known not in kept),
        "deliveries hold other numbers of items than their senders were told": sum(
            1 for known, items in tally.acknowledged.items() if kept.get(known, items) != items
        ),
        f"{dead} items are dead, but {dead_items} have a letter": int((dead,) != dead_items),
        "more was committed than was counted as accepted": int(
            deliveries != counted[Reason.ACCEPTED] + counted[Reason.CONTROL]
        ),
        "there were internal errors": counted[Reason.INTERNAL_ERROR],
        "answers that nobody counted": sum(
            max(0, answers - sum(number for reason, number in counted.items() if OUTCOMES[reason].status == status))
            for status, answers in tally.statuses.items()
            if status >= 400
        ),
    }
    problems = (*tally.wrong[:20], *(f"{what} ({number})" for what, number in told.items() if number))
    return Accounts(deliveries, accepted, normalised, duplicate, control, dead, tuple(letters), problems)
