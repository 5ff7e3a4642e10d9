"""What must not be shown leaves everything that is read, whatever order its tweet and the events about it come in.

Belongs here: the verdict worked out by brute force, and the applier among other transactions.
Does not belong here: the marts (``tests/dbt``), erasure (``test_erasure.py``).
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from database import snowflake
from ingest.normalise.worker import Worker
from tests.conftest import _own_database as own_database
from tests.ingest import landing
from tests.ingest.landing import HOUR_AGO, NOW, Connection, one
from tests.unit import payloads
from tests.waiting import wait_until

AUTHORS = (700, 701, 702)
POSTED = NOW - timedelta(hours=3)
IDS = {number: payloads.tweet_id(POSTED, number) for number in range(1, 5)}
AUTHOR_OF = {number: AUTHORS[number % 3] for number in IDS}
UNDONE_BY = {"user_delete": "user_undelete", "user_suspend": "user_unsuspend", "user_protect": "user_unprotect"}


@dataclass(frozen=True)
class Sighting:
    """Tweet ``number`` as a delivery shows it, perhaps as a retweet of a tweet before it, perhaps with versions."""

    number: int
    retweeted: int | None = None
    versions: tuple[int, ...] = ()

    def payload(self) -> dict[str, Any]:
        fields: dict[str, Any] = {"author": payloads.user(AUTHOR_OF[self.number])}
        if self.versions:
            fields["editHistoryTweetIds"] = [str(IDS[number]) for number in self.versions]
        if self.retweeted is not None:
            fields["retweeted_tweet"] = Sighting(self.retweeted).payload()
        return payloads.tweet(POSTED, sequence=self.number, **fields)

    def land(self, connection: Connection, received: datetime) -> None:
        landing.land(connection, landing.delivery(self.payload(), sent=HOUR_AGO), received=received)


@dataclass(frozen=True)
class Event:
    """A notice of the compliance stream about a tweet or an account, at a minute of the last hour."""

    event_type: str
    subject: int
    minute: int

    @property
    def at(self) -> datetime:
        return HOUR_AGO + timedelta(minutes=self.minute)

    def payload(self) -> dict[str, Any]:
        told = str(snowflake.to_unix_ms(self.at))
        match self.event_type:
            case "delete":
                return payloads.deletion(IDS[self.subject], self.at)
            case "withheld" | "unwithheld":
                countries = ["XY"] if self.event_type == "withheld" else []
                about = {"id": IDS[self.subject], "timestamp_ms": told, "withheld_in_countries": countries}
                return {"status_withheld": about}
            case _:
                return {self.event_type: {"id": self.subject, "timestamp_ms": told}}

    def land(self, connection: Connection, received: datetime) -> None:
        landing.land(connection, payloads.encoded(self.payload()), source="v1_1", zone="alpha", received=received)


sightings = st.builds(Sighting, st.integers(1, 4)) | st.integers(1, 3).flatmap(
    lambda number: st.builds(Sighting, st.just(4), st.just(number))
)
edited = st.sampled_from([Sighting(2, None, (1, 2)), Sighting(3, None, (1, 2, 3))])
tweet_events = st.builds(
    Event, st.sampled_from(["delete", "withheld", "unwithheld"]), st.integers(1, 4), st.integers(0, 9)
)
user_events = st.builds(
    Event, st.sampled_from([*UNDONE_BY, *UNDONE_BY.values()]), st.sampled_from(AUTHORS), st.integers(0, 9)
)
worlds = st.lists(sightings | edited | tweet_events | user_events, min_size=1, max_size=9)


def hidden(events: list[Event], hides: str, shows: str, subject: int) -> datetime | None:
    """Return since when one pair of events hides a subject: the latest decides, of two at once the one that hides."""
    told = [
        (each.at, each.event_type == hides)
        for each in events
        if each.subject == subject and each.event_type in (hides, shows)
    ]
    return max(told)[0] if told and max(told)[1] else None


def expected(world: list[Any]) -> dict[int, tuple[datetime | None, str | None]]:
    """Work out, tweet by tweet, since when it is hidden and why."""
    events = [each for each in world if isinstance(each, Event)]
    seen = [each for each in world if isinstance(each, Sighting)]
    retweets = {4: {each.retweeted for each in seen if each.retweeted is not None}}
    present = {each.number for each in seen} | retweets[4]
    chains = [set(each.versions) for each in seen if each.versions]
    chain = set().union(*chains) if chains else set()
    verdicts = {}
    for number in present:
        original = newest_original(seen) if number == 4 else None
        reasons: list[tuple[datetime, str]] = []
        for concerned in {number, original} - {None}:
            assert concerned is not None
            for version in chain if concerned in chain else {concerned}:
                for hides, shows in (("delete", "undelete"), ("withheld", "unwithheld")):
                    reasons.append((hidden(events, hides, shows, version), hides))  # type: ignore[arg-type]
            for hides, shows in UNDONE_BY.items():
                reasons.append((hidden(events, hides, shows, AUTHOR_OF[concerned]), hides))  # type: ignore[arg-type]
        later = [other for other in chain & present if other > number] if number in chain else []
        if later:
            reasons.append((snowflake.at(IDS[min(later)]), "edited"))
        known = [reason for reason in reasons if reason[0] is not None]
        verdicts[IDS[number]] = min(known) if known else (None, None)
    return verdicts


def newest_original(seen: list[Sighting]) -> int | None:
    """Every sighting is of one moment, so that the content with the larger hash counts; the worlds below avoid ties."""
    originals = {each.retweeted for each in seen if each.number == 4}
    assert len(originals) <= 1
    return next(iter(originals), None)


def without_ties(world: list[Any]) -> list[Any]:
    """Leave out what would let two contents of tweet 4, or two histories of one chain, be true at one moment."""
    originals = [each.retweeted for each in world if isinstance(each, Sighting) and each.number == 4]
    return [
        each
        for each in world
        if not (isinstance(each, Sighting) and each.number == 4 and each.retweeted != originals[0])
    ]


@pytest.fixture(scope="module")
def module_database_url(server_url: str, template_database: str) -> Iterator[str]:
    yield from own_database(server_url, template_database)


@pytest.fixture(scope="module")
def db(module_database_url: str) -> Iterator[Connection]:
    """A connection that all examples share; each empties the tables before it begins."""
    with landing.fresh(module_database_url) as connection:
        yield connection


def verdicts(connection: Connection) -> dict[int, tuple[datetime | None, str | None]]:
    found = connection.execute("select tweet_id, suppressed_at, suppression_reason from core.twitter_tweets")
    return {tweet_id: (since, reason) for tweet_id, since, reason in found}


@given(worlds.map(without_ties), st.integers(0, 2**32))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_order_of_tweets_and_events_ends_in_the_same_verdicts(db: Connection, world: list[Any], seed: int) -> None:
    """T34, T35."""
    chance = random.Random(seed)
    landing.empty(db)
    landing.add_rules(db)
    worker = Worker(db)
    arrivals = chance.sample(world, len(world)) + chance.choices(world, k=1)
    for index, arrival in enumerate(arrivals):
        arrival.land(db, NOW + timedelta(seconds=index))
        if chance.random() < 0.5:
            worker.drain()
    worker.drain()
    assert verdicts(db) == expected(world)
    links = "select tweet_id, suppressed_at from core.twitter_tweet_zones"
    assert all(verdicts(db)[tweet_id][0] == since for tweet_id, since in db.execute(links))
    accounts = {
        author: min(
            ((since, hides) for hides, shows in UNDONE_BY.items() if (since := hidden(
                [each for each in world if isinstance(each, Event)], hides, shows, author
            ))), default=(None, None),
        )
        for author in AUTHORS
    }  # fmt: skip
    profiles = "select twitter_user_id, suppressed_at, suppression_reason from core.twitter_profiles"
    assert all(accounts[author] == (since, why) for author, since, why in db.execute(profiles))


def test_a_tweet_that_was_being_written_when_its_event_was_applied_is_suppressed_once_it_is_there(
    db: Connection, module_database_url: str
) -> None:
    """Neither transaction sees the other's rows: the mark is looked at again when the writer has ended."""
    landing.empty(db)
    landing.add_rules(db)
    with landing.another(module_database_url) as writer:
        slow, quick = Worker(writer), Worker(db)
        Sighting(1).land(db, NOW)
        with writer.transaction():
            slow.run_batch()
            Event("delete", 1, 1).land(db, NOW)
            quick.drain()
            assert one(db, "select count(*) from ops.suppression_queue where settles_after is not null") == 1
            assert verdicts(db) == {}
    assert verdicts(db) == {IDS[1]: (None, None)}
    suppressed = {IDS[1]: (HOUR_AGO + timedelta(minutes=1), "delete")}

    def is_suppressed() -> bool:
        quick.drain()
        return verdicts(db) == suppressed

    # Transactions of other databases of the server, too, may still be running: only their end settles a mark.
    wait_until(is_suppressed)


def test_an_event_that_a_person_takes_back_is_as_if_it_had_never_come(db: Connection) -> None:
    landing.empty(db)
    landing.add_rules(db)
    for arrival in (Event("delete", 1, 1), Sighting(4, retweeted=1)):
        arrival.land(db, NOW)
    Worker(db).drain()
    assert {reason for _, reason in verdicts(db).values()} == {"delete"}
    db.execute("delete from core.twitter_compliance_events")
    landing.marks(db)
    before = one(db, "select changed_at from ops.suppression_state")
    Worker(db).drain()
    assert {reason for _, reason in verdicts(db).values()} == {None}
    assert landing.marks(db) == {IDS[1], IDS[4]}
    assert one(db, "select changed_at from ops.suppression_state") > before
