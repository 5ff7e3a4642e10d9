"""A stand-in provider behind real HTTP with a clock that tests set, and a way from it into core.

Belongs here: what the tests of look-ups, snapshots and rules share.
Does not belong here: any expectation.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs

import psycopg
import uvicorn
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from database import snowflake
from database.codec import Codec
from database.connections import connect
from ingest.normalise.worker import Worker
from ingest.provider import connect as provider_connect
from ingest.provider.budget import Budget, Limits
from ingest.provider.protocol import Provider
from ingest.provider.settings import ProviderSettings
from ingest.provider.transport import Time
from ingest.standin.clock import Clock
from ingest.standin.provider import OutageKind
from ingest.standin.provider import Provider as StandIn
from ingest.standin.server import build_app
from ingest.standin.settings import StandinSettings
from ingest.standin.world import Tweet

KEY = "a-key"
PATIENCE_SECONDS = 30
HOUR_MS = 3_600_000
MINUTE_MS = 60_000
TAG = "everything"


@dataclass
class ProviderWorld:
    """A stand-in whose clock stands still until it is set, and where it can be reached."""

    standin: StandIn
    url: str
    slept: list[float]
    asked: list[tuple[int, int]]
    """Every look-up of a tweet: when, by the stand-in's clock, and its id."""

    @property
    def now_ms(self) -> int:
        return self.standin.clock.now_ms()

    def now(self) -> datetime:
        return snowflake.from_unix_ms(self.now_ms)

    def set_clock(self, now_ms: int) -> None:
        self.standin.clock.set(now_ms)

    def go_on(self, milliseconds: int) -> None:
        self.set_clock(self.now_ms + milliseconds)

    def fail(self, hours: float, kind: OutageKind) -> None:
        self.standin.fail_for(hours * 3600, kind)

    def tweets(self, since_ms: int, until_ms: int) -> list[Tweet]:
        """Return the tweets that were posted in a span and can be seen now."""
        world = self.standin.world
        return [tweet for tweet in world.between(since_ms, until_ms) if world.is_visible(tweet, self.now_ms)]

    def settings(self, **given: Any) -> ProviderSettings:
        chosen = {
            "twitterapi_io_key": KEY,
            "twitterapi_io_url": self.url,
            "twitterapi_io_calls_per_second": 10_000,
            "twitterapi_io_credits_per_day": None,
        }
        return ProviderSettings.model_validate(chosen | given)

    def timing(self) -> Time:
        """Return a time whose wall clock is the stand-in's, and in which no sleep takes longer than 0.25 s."""
        return Time(wall=lambda: self.now_ms / 1000, sleep=self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        time.sleep(min(seconds, 0.25))

    @contextmanager
    def client(self, **given: Any) -> Iterator[Provider]:
        with provider_connect.connected(self.settings(**given), timing=self.timing()) as provider:
            yield provider


@contextmanager
def provider_world(start_ms: int, **given: Any) -> Iterator[ProviderWorld]:
    """Serve a small world on a free port of this machine, its clock held still at ``start_ms``."""
    small = {"seed": 7, "tweets_per_hour": 60, "authors": 400, "api_key": KEY, "push": False, "speed": 0}
    settings = StandinSettings.model_validate(small | given)
    standin = StandIn(settings, Clock(0.0))
    standin.clock.set(start_ms, 0.0)
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        asked: list[tuple[int, int]] = []
        config = uvicorn.Config(
            _recording(build_app(standin), standin.clock, asked),
            log_level="error",
            lifespan="off",
            timeout_graceful_shutdown=1,
            ws="none",
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        try:
            deadline = time.monotonic() + PATIENCE_SECONDS
            while not server.started:
                assert time.monotonic() < deadline, "the stand-in did not start"
                time.sleep(0.01)
            yield ProviderWorld(standin, f"http://127.0.0.1:{bound.getsockname()[1]}", [], asked)
        finally:
            server.should_exit = True
            thread.join()


def _recording(app: Starlette, clock: Clock, asked: list[tuple[int, int]]) -> ASGIApp:
    """Note the ids of every look-up on its way to the stand-in."""

    async def noting(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == "/twitter/tweets":
            ids = parse_qs(scope["query_string"].decode())["tweet_ids"][0].split(",")
            asked.extend((clock.now_ms(), int(number)) for number in ids)
        await app(scope, receive, send)

    return noting


class Pipeline:
    """What stands between a provider and core in these tests: landing and normalising, on one connection."""

    def __init__(self, connection: psycopg.Connection[Any], world: ProviderWorld) -> None:
        self.connection = connection
        self.world = world
        self._worker = Worker(connection)
        self._codec = Codec({})
        self._sequence = 0

    def add_zone(self, name: str = "kelmora", tag: str = TAG) -> None:
        self.connection.execute(
            """
            with zone as (insert into core.zones (name) values (%s) returning id)
            insert into core.twitter_rules (zone_id, tag, query) select zone.id, %s, 'kelmora' from zone
            """,
            (name, tag),
        )

    def collect(self, tweets: list[Tweet], tag: str = TAG) -> None:
        """Deliver tweets as they are now, and normalise them."""
        if not tweets:
            return
        self._sequence += 1
        received_ms = self.world.now_ms
        body = self.world.standin.renderer.envelope("", tag, "kelmora", tweets, received_ms)
        delivery_id = snowflake.floor(self.world.now()) + self._sequence
        self.connection.execute(
            """
            with landed as (
                insert into raw.deliveries (delivery_id, received_at, body_bytes, item_count, source, body)
                values (%s, %s, %s, %s, 'twitterapi_io', %s)
                returning delivery_id
            )
            insert into raw.delivery_queue (delivery_id) select landed.delivery_id from landed
            """,
            (delivery_id, self.world.now(), len(body), len(tweets), self._codec.compress(body)),
        )
        self._worker.drain()

    def budget(self, per_day: int | None = None) -> Budget:
        return Budget(self.connection, "twitterapi_io", Limits(per_day, None))


@contextmanager
def pipeline(url: str, world: ProviderWorld) -> Iterator[Pipeline]:
    """Open a pipeline as the role that runs it."""
    with connect(url, application_name="tests", autocommit=True) as connection:
        yield Pipeline(connection, world)
