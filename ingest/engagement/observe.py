"""Writing what a look-up observed, by the rules that deliveries are written by.

Belongs here: bringing observations of known tweets into ``core`` through the normaliser's own statements.
Does not belong here: asking the provider, deciding what is due, committing.

A look-up brings counters and profiles, never content: the content of a tweet comes from its deliveries, which are kept
in ``raw`` and can be read again; look-ups are not. So the statements that write tweets are left out here, and those
that write counters are the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from database import named_sql, snowflake
from ingest.normalise import mapping, payload
from ingest.normalise import write as normaliser
from ingest.normalise.batch import Batch, NewestProfile, larger
from ingest.normalise.records import UNKNOWN, Counters, Profile, content_hash

Observations = dict[tuple[int, int], Counters]
"""Counters by tweet and time of observation (Unix ms)."""

_NORMALISER_SQL = named_sql.statements(Path(normaliser.__file__).parent / "sql" / "write.sql")
_SQL = named_sql.statements(Path(__file__).parent / "sql" / "engagement.sql")

_COUNTER_TYPES = ("int8",) * 6


@dataclass(frozen=True)
class Observed:
    """What writing observations changed."""

    known_tweets: int
    history_rows: int
    changed_metrics: int


def prepare(connection: psycopg.Connection[Any]) -> None:
    """Create the session's temporary tables. Call once for each connection, outside a transaction."""
    normaliser.prepare(connection)


def counters_of(tweets: Iterable[payload.Tweet], observed_ms: int) -> Observations:
    """Return the counters that tweets show, those of embedded originals included. Unknown ones are left out."""
    observations: Observations = {}
    for tweet in tweets:
        item = mapping.item_of(tweet, observed_ms=observed_ms, received_ms=observed_ms)
        for sighting in item.sightings:
            if sighting.counters != UNKNOWN:
                key = (sighting.tweet.tweet_id, observed_ms)
                observations[key] = larger(observations.get(key), sighting.counters)
    return observations


def profiles_of(users: Iterable[tuple[payload.User, int]]) -> Batch:
    """Return a batch of nothing but accounts, each as it was at a time (Unix ms). A nameless one says nothing new."""
    batch = Batch()
    for user, observed_ms in users:
        profile = mapping.profile_of(user)
        if profile.username is not None:
            _add_profile(batch, profile, observed_ms)
    return batch


def _add_profile(batch: Batch, profile: Profile, observed_ms: int) -> None:
    moment = (observed_ms, content_hash(profile))
    known = batch.profiles.get(profile.twitter_user_id)
    if known is None or known.moment < moment:
        batch.profiles[profile.twitter_user_id] = NewestProfile(profile, moment, observed_ms, observed_ms)


def write_observations(connection: psycopg.Connection[Any], observations: Observations) -> Observed:
    """Write counters of known tweets, their history and the marks, in the caller's transaction. Idempotent.

    Locks the metrics rows by ascending id, as the normaliser does. Tweets that are not in ``core`` are passed over.
    """
    moments = {ms: snowflake.from_unix_ms(ms) for ms in {ms for _, ms in observations}}
    observed_again = _observed_again(observations)
    with connection.cursor() as cursor:
        cursor.execute(_NORMALISER_SQL["plan_for_a_batch"])
        with cursor.copy(_SQL["copy_history"]) as copy:
            copy.set_types(("int8", "timestamptz", *_COUNTER_TYPES))
            for (tweet_id, observed_ms), counters in observations.items():
                copy.write_row((tweet_id, moments[observed_ms], *counters))
        cursor.execute(_SQL["take_single_observations"], {"observed_again": list(observed_again)})
        with cursor.copy(_SQL["copy_latest"]) as copy:
            copy.set_types(("int8", "timestamptz", "timestamptz", *_COUNTER_TYPES))
            for tweet_id, (first_ms, last_ms, counters) in observed_again.items():
                copy.write_row((tweet_id, moments[last_ms], moments[first_ms], *counters))
        known = cursor.execute(_NORMALISER_SQL["lock_known_tweets"]).rowcount
        if known < len({tweet_id for tweet_id, _ in observations}):
            cursor.execute(_SQL["forget_unknown_observations"])
        history_rows = cursor.execute(_NORMALISER_SQL["insert_history"], {"authoritative": False}).rowcount
        changed = normaliser.update_metrics(cursor, known, authoritative=False)
        cursor.execute(_NORMALISER_SQL["mark_changed_tweets"])
        cursor.execute(_SQL["return_batch_tables"])
    return Observed(known, history_rows, changed)


def _observed_again(observations: Observations) -> dict[int, tuple[int, int, Counters]]:
    """Return, of tweets observed more than once, the first and last time and the newest known value of each counter."""
    times = Counter(tweet_id for tweet_id, _ in observations)
    latest: dict[int, tuple[int, int, Counters]] = {}
    if len(times) == len(observations):
        return latest
    for (tweet_id, observed_ms), counters in sorted(item for item in observations.items() if times[item[0][0]] > 1):
        first_ms, _, known = latest.get(tweet_id, (observed_ms, observed_ms, UNKNOWN))
        latest[tweet_id] = (first_ms, observed_ms, _newer(known, counters))
    return latest


def _newer(known: Counters, newer: Counters) -> Counters:
    return tuple(  # type: ignore[return-value]
        old if new is None else new for old, new in zip(known, newer, strict=True)
    )
