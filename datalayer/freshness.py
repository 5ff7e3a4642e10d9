"""How fresh an answer is: the moment each mart was built for, and the newest tweet of a zone.

Belongs here: what a reader needs to trust or to doubt a number.
Does not belong here: alarms.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from datalayer import rows
from datalayer.rows import Connection

NEVER_BUILT = "0"


@dataclass(frozen=True, slots=True)
class MartFreshness:
    """A table that the ledger keeps: the moment its windows end at, when it was last built or changed."""

    model: str
    as_of: datetime
    built_at: datetime


@dataclass(frozen=True, slots=True)
class NewestTweet:
    """The newest tweet of a zone: when it was posted and when it reached us."""

    tweet_id: int
    twitter_created_at: datetime
    collected_at: datetime


def get_mart_freshness(connection: Connection) -> tuple[MartFreshness, ...]:
    """Return every mart that was ever built, by name."""
    return tuple(rows.all_records(connection, MartFreshness, "freshness", "marts", {}))


def get_newest_tweet(connection: Connection, zone_id: UUID) -> NewestTweet | None:
    """Return the newest tweet of a zone, None where it has none."""
    found = rows.all_records(connection, NewestTweet, "freshness", "newest_tweet", {"zone_id": zone_id})
    return found[0] if found else None


def data_versions(connection: Connection) -> Mapping[str, str]:
    """Return the version of each mart: a text that changes with its rows, and when anything is suppressed."""
    suppressed = suppression_version(connection)
    found = rows.all_rows(connection, "freshness", "version", {})
    return {row["model"]: f"{row['built_us']:x}.{row['as_of_us']:x}.{suppressed}" for row in found}


def suppression_version(connection: Connection) -> str:
    """Return a text that changes when a tweet or an account is suppressed, shown again or erased."""
    row = rows.one_row(connection, "freshness", "suppressed", {})
    return NEVER_BUILT if row is None else f"{row['suppressed_us']:x}"
