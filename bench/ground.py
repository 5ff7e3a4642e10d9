"""What the parts stand on: one durable server for the run, databases in it, payloads, a core that is already full.

Belongs here: everything that is made before the clock starts.
Does not belong here: timing.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from database import embedded, named_sql, snowflake
from database.codec import Codec
from database.connections import ROLES, Role, connect, with_database, with_login
from database.migrate import migrate
from database.roles import ensure_roles
from ingest import dictionaries
from ingest import rules as rule_registry
from ingest import zones as zone_registry
from ingest.replay import archive
from ingest.standin.rules import Rule
from ingest.standin.stream import SyntheticDay

Connection = psycopg.Connection[Any]

SEED = 77
"""Not the seed of the world that the compression dictionary is trained on: that would flatter the size of bodies."""

BATCH = 20
"""Tweets in a delivery, as the goals have it."""

REAL_ZONE = "archive"
PORT = 54_650
TEMPLATE = "migrated"
CHUNK = 250_000

_WORLD = named_sql.statements(Path(__file__).parent / "sql" / "world.sql")
_CHECKPOINT = "checkpoint"


@dataclass(frozen=True)
class Scale:
    """How much is measured. ``stored``: tweets that are there already; ``payloads``: tweets that are delivered."""

    name: str
    stored: int
    payloads: int
    seconds: float


@dataclass(frozen=True)
class Ground:
    """The server of a run."""

    url: str
    directory: Path
    passwords: dict[Role, str]
    scale: Scale
    now: datetime

    def database(self, name: str, *, is_migrated: bool = True) -> str:
        """Make a database anew and return the owner's URL; migrated, with zones, rules and a dictionary."""
        template = self._template() if is_migrated else "template1"
        self._create(name, template)
        return with_database(self.url, name)

    def _template(self) -> str:
        """Make the migrated database that others are copied from, once."""
        with connect(self.url, application_name="bench", autocommit=True) as connection:
            found = connection.execute("select 1 from pg_database where datname = %s", (TEMPLATE,)).fetchone()
        if found is None:
            self._create(TEMPLATE, "template1")
            url = with_database(self.url, TEMPLATE)
            # Partitions for what is stored: ten thousand tweets an hour until now.
            migrate(url, now=self.now, first_month=self.now - timedelta(milliseconds=360 * self.scale.stored))
            with connect(url, application_name="bench") as connection:
                dictionaries.ensure(connection)
                _register(connection, synthetic_rules())
        return TEMPLATE

    def _create(self, name: str, template: str) -> None:
        self.drop(name)
        statement = sql.SQL("create database {} template {}").format(sql.Identifier(name), sql.Identifier(template))
        with connect(self.url, application_name="bench", autocommit=True) as connection:
            connection.execute(statement)

    def drop(self, name: str) -> None:
        """Give the disk back."""
        with connect(self.url, application_name="bench", autocommit=True) as connection:
            connection.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))

    def as_role(self, url: str, role: Role) -> str:
        """Return ``url`` with the login of ``role``."""
        return with_login(url, role, self.passwords[role])


@contextmanager
def serving(scale: Scale) -> Iterator[Ground]:
    """Start a durable server in a directory of its own; stop and remove it afterwards."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as directory,
        embedded.serving(Path(directory), preferred_port=PORT) as server,
    ):
        passwords = {role: secrets.token_urlsafe(18) for role in ROLES}
        with connect(server.url, application_name="bench", autocommit=True) as connection:
            ensure_roles(connection, dict(passwords))
        yield Ground(server.url, Path(directory), passwords, scale, datetime.now(UTC))


def _register(connection: Connection, rules: Iterable[Rule]) -> None:
    """Add a zone and a rule for each of the synthetic rules, and the zone of archived tweets."""
    zone_registry.add(connection, REAL_ZONE)
    for rule in rules:
        zone_registry.add(connection, rule.tag)
        rule_registry.add(
            connection,
            zone=rule.tag,
            tag=rule.tag,
            query=rule.value,
            interval_seconds=Decimal(str(rule.interval_seconds)),
            external_rule_id=rule.rule_id,
        )


@dataclass(frozen=True)
class Payload:
    """A delivery as bytes."""

    body: bytes
    source: str
    zone: str | None
    item_count: int


@lru_cache(maxsize=1)
def synthetic_rules() -> tuple[Rule, ...]:
    """Return the rules of the synthetic world."""
    return _day(1).rules


def synthetic(tweets: int) -> Iterator[Payload]:
    """Yield deliveries of exactly 20 tweets each, ``tweets`` in all, in the form of twitterapi.io.

    The order of a rule's tweets is kept; repetitions and the overlap of rules are as the world has them.
    """
    day = _day(tweets)
    yielded = 0
    open_deliveries: dict[str, list[Any]] = {rule.rule_id: [] for rule in day.rules}
    for delivery in day.deliveries():
        rule, tweet_list = delivery.rule, open_deliveries[delivery.rule.rule_id]
        tweet_list.extend(delivery.tweets)
        while len(tweet_list) >= BATCH:
            chosen = [tweet_list.pop(0) for _ in range(BATCH)]
            if (yielded := yielded + BATCH) > tweets:
                return
            body = day.renderer.envelope(rule.rule_id, rule.tag, rule.value, chosen, delivery.sent_at_ms)
            yield Payload(body, "twitterapi_io", None, BATCH)


def _day(tweets: int) -> SyntheticDay:
    """Return a day whose rules deliver about ``tweets``: they match seven of ten, and some twice."""
    start = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
    return SyntheticDay(SEED, snowflake.to_unix_ms(start), 24, int(tweets * 1.45) + 400)


def real(directory: Path, tweets: int) -> Iterator[Payload]:
    """Yield archived v1.1 tweets, 20 a delivery, until about ``tweets`` of them were yielded.

    Notices of deletion are left out: they are half of a stream's lines, and next to no work for either side.
    """
    count = 0
    for path in sorted(directory.rglob("*.json.bz2")):
        with archive.Archive(path) as opened:
            records = (record for record in opened.records("v1_1") if not record.data.startswith(b'{"delete"'))
            for batch in archive.batches(records, BATCH, 1 << 22):
                if count >= tweets:
                    return
                count += len(batch.records)
                yield Payload(archive.body(batch, None), "v1_1", REAL_ZONE, len(batch.records))


def real_directory() -> Path | None:
    """Return where archived tweets lie, if ``REAL_DATA_DIR`` says so."""
    given = os.environ.get("REAL_DATA_DIR")
    return Path(given) if given else None


class Lander:
    """Puts deliveries into a database as the service does, without its HTTP."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._next_id = snowflake.floor(now)
        self._received = now
        rows = connection.execute("select dictionary_id, dictionary from raw.compression_dictionaries").fetchall()
        newest = max((dictionary_id for dictionary_id, _ in rows), default=0)
        self._codecs = {"twitterapi_io": (newest, Codec(dict(rows), current=newest)), "v1_1": (0, Codec({}))}

    def land(self, payloads: Iterable[Payload]) -> int:
        """Land and queue deliveries in one transaction; return the number of items."""
        items = 0
        with self._connection.transaction(), self._connection.cursor() as cursor:
            for payload in payloads:
                dictionary_id, codec = self._codecs[payload.source]
                self._next_id += 1
                items += payload.item_count
                cursor.execute(
                    _WORLD["land"],
                    {
                        "delivery_id": self._next_id,
                        "received_at": self._received,
                        "body_bytes": len(payload.body),
                        "item_count": payload.item_count,
                        "dictionary_id": dictionary_id,
                        "source": payload.source,
                        "zone": payload.zone,
                        "body": codec.compress(payload.body),
                    },
                )
        return items


def fill(connection: Connection, *, count: int, until: datetime) -> None:
    """Store generated tweets, ten thousand an hour until a moment, with links, counters, history and entities.

    Nothing is marked on the ledger: whoever wants marts of them builds those from scratch.
    """
    connection.execute("set ledger.marks = 'explicit'")
    connection.execute("set work_mem = '128MB'")
    for name in ("zones", "profiles"):
        connection.execute(_WORLD[name], {})
    for first in range(0, count, CHUNK):
        add_tweets(connection, count=min(CHUNK, count - first), until=until - timedelta(milliseconds=360) * first)
    connection.execute("reset ledger.marks")
    connection.execute("reset work_mem")
    connection.execute("vacuum analyze")
    connection.execute(_CHECKPOINT)


def add_tweets(connection: Connection, *, count: int, until: datetime) -> None:
    """Store tweets, one each 360 ms before ``until``, each table in a statement of its own."""
    span = {"count": count, "until": until}
    for name in ("tweets", "links", "metrics", "history", "entities"):
        connection.execute(_WORLD[name], span)


def tweets_arrive(connection: Connection, *, count: int, until: datetime) -> None:
    """Store tweets and mark each once, as the normaliser does; triggers would mark it for each of its tables."""
    connection.execute("set ledger.marks = 'explicit'")
    add_tweets(connection, count=count, until=until)
    connection.execute(_WORLD["marks"], {"count": count, "until": until})
    connection.execute("reset ledger.marks")


def change_counters(connection: Connection, *, count: int, within: timedelta, now: datetime) -> int:
    """Observe some tweets of the last hours or days again, with larger counters; return how many."""
    parameters = {"count": count, "since": now - within, "now": now}
    return connection.execute(_WORLD["change_counters"], parameters).rowcount
