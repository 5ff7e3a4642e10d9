"""Purging: after a time of grace, what is suppressed loses its content and keeps its ids.

Belongs here: which tweets and accounts are due, and what goes with them in ``core`` and ``raw``.
Does not belong here: suppression itself (``suppress``), erasing at somebody's request (``erase``).

The grace lets a suspension or a deletion of an account be undone without a loss (T35). A version of a tweet that was
edited keeps its content: it is not shown because a later one is. Of the raw deliveries those are rewritten that the
present content came from; older copies of the same tweet go with the raw retention.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg

from database import named_sql
from database.codec import Codec, UnreadableFrameError
from ingest.compliance import block_list
from ingest.compliance.redact import TWEET

PORTION = 500
"""Tweets that are purged in one transaction, with the deliveries they came in."""

_SQL = named_sql.statements(Path(__file__).parent / "sql" / "purge.sql")
_CLAIM_SQL = named_sql.statements(Path(__file__).parents[1] / "normalise" / "sql" / "claim.sql")


@dataclass(frozen=True)
class Purged:
    """How many tweets and accounts lost their content, or would, and how many deliveries were rewritten."""

    tweets: int = 0
    profiles: int = 0
    deliveries: int = 0


def due(connection: psycopg.Connection[Any], before: datetime) -> Purged:
    """Return what a purge of everything suppressed before a moment would touch."""
    row = connection.execute(_SQL["due"], {"before": before}).fetchone()
    return Purged(*row) if row else Purged()


def purge(connection: psycopg.Connection[Any], before: datetime) -> Purged:
    """Purge what was suppressed before a moment. Needs autocommit: each portion is a transaction. Idempotent."""
    codec = Codec(dict(connection.execute(_CLAIM_SQL["dictionaries"]).fetchall()))
    tweets = deliveries = 0
    while True:
        with connection.transaction():
            chosen = connection.execute(_SQL["choose"], {"before": before, "limit": PORTION}).fetchall()
            if chosen:
                tweets += _purge_tweets(connection, [tweet_id for tweet_id, _ in chosen], before)
                deliveries += _purge_deliveries(connection, codec, chosen)
        if len(chosen) < PORTION:
            break
    profiles = connection.execute(_SQL["purge_profiles"], {"before": before}).rowcount
    return Purged(tweets, profiles, deliveries)


def _purge_tweets(connection: psycopg.Connection[Any], tweet_ids: list[int], before: datetime) -> int:
    parameters = {"tweet_ids": tweet_ids, "before": before}
    connection.execute(_SQL["lock_tweets"], parameters)
    count = connection.execute(_SQL["purge_tweets"], parameters).rowcount
    for name in ("purge_entities", "purge_objects"):
        connection.execute(_SQL[name], parameters)
    return count


def _purge_deliveries(connection: psycopg.Connection[Any], codec: Codec, chosen: list[tuple[int, int]]) -> int:
    named = block_list.of(connection, [(TWEET, str(tweet_id)) for tweet_id, _ in chosen])
    delivery_ids = sorted({delivery_id for _, delivery_id in chosen})
    count = 0
    for delivery_id, dictionary_id, frame in connection.execute(
        _SQL["deliveries"], {"delivery_ids": delivery_ids}, binary=True
    ).fetchall():
        try:
            redacted = named.redact(codec.decompress(frame, dictionary_id))
        except UnreadableFrameError:
            continue
        if redacted is not None:
            block_list.rewrite_delivery(connection, delivery_id, redacted, "purge")
            count += 1
    return count
