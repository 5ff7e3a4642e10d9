"""P8 and P9: every query pattern of the data layer, timed warm, beside what was promised.

Belongs here: filling a database with generated rows, asking, printing.
Does not belong here: the queries themselves (``datalayer/``).

    SCALE=5000000 python -m bench.queries            # an embedded server of its own, removed afterwards
    python -m bench.queries --database-url URL --keep   # fill once, time as often as wanted

The marts are a plain recount (``marts.sql``), so that nothing but the data layer is timed.
"""

from __future__ import annotations

import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import psycopg

from bench import marts
from database import embedded
from database.connections import ROLES, connect
from database.migrate import migrate
from database.named_sql import statements
from database.roles import ensure_roles
from datalayer import analytics, embedded_redis, engagement, entities, profiles, trending, tweets
from datalayer.cache import Cache
from datalayer.cache import connect as connect_redis
from datalayer.cached import CachedReads
from datalayer.tweets import Filters
from datalayer.windows import Span

REPEATS = 60
WARM_UP = 8
CHUNK = 250_000
WITH_MEDIA = Filters(has_media=True)

_WORLD = statements(Path(__file__).parent / "queries_world.sql")


@dataclass(frozen=True)
class Timing:
    """One line of the table; milliseconds."""

    name: str
    target_ms: float
    p50_ms: float
    p95_ms: float

    @property
    def is_met(self) -> bool:
        return self.p95_ms < self.target_ms


@dataclass
class Questions:
    """Draws the parameters of each question anew: big and small zones, loud and quiet authors, all words."""

    connection: psycopg.Connection[Any]
    now: datetime
    chance: random.Random

    def __post_init__(self) -> None:
        rows = self.connection.execute("select id from core.zones order by name").fetchall()
        self.zones = [zone for (zone,) in rows]
        newest = self.connection.execute("select tweet_id from core.twitter_tweets order by tweet_id desc limit 200000")
        self.tweets = [tweet_id for (tweet_id,) in newest.fetchall()][::997]

    def zone(self) -> Any:
        return self.chance.choice(self.zones)

    def rank(self, size: int) -> int:
        return max(2, int(size ** self.chance.random()))

    def word(self, low: int, high: int) -> str:
        return f"w{self.chance.randint(low, high) * 7919:x}"

    def phrase(self) -> str:
        return f'"{self.word(2, 4)} {self.word(2, 4)}"'

    def tag(self) -> str:
        return f"tag{self.rank(200)}"

    def author(self) -> Filters:
        return Filters(author_id=1000 + self.rank(300))


def timings(connection: psycopg.Connection[Any], now: datetime) -> Iterator[Timing]:
    """Time each pattern, one after the other."""
    ask = Questions(connection, now, random.Random(1))
    deep = tweets.get_feed(connection, ask.zones[0], limit=1, span=Span(until=now - timedelta(days=3))).next_cursor

    link = connection
    patterns: list[tuple[str, float, Callable[[], object]]] = [
        ("feed, first page", 5, lambda: tweets.get_feed(link, ask.zone())),
        ("feed, a page three days deep", 5, lambda: tweets.get_feed(link, ask.zones[0], cursor=deep)),
        ("feed, with media", 5, lambda: tweets.get_feed(link, ask.zone(), filters=WITH_MEDIA)),
        ("feed, one author", 5, lambda: tweets.get_feed(link, ask.zone(), filters=ask.author())),
        ("top engaged of 24 h", 5, lambda: tweets.get_top_engaged_tweets(link, ask.zone(), now=now)),
        ("profile tweets", 5, lambda: tweets.get_profile_tweets(link, 1000 + ask.rank(30_000))),
        ("hashtag", 5, lambda: tweets.search_by_hashtag(link, ask.zone(), f"tag{ask.rank(2_000)}")),
        ("mention", 5, lambda: tweets.search_by_mention(link, ask.zone(), f"author_{ask.rank(2_000)}")),
        ("link host", 5, lambda: tweets.search_by_url_host(link, ask.zone(), f"site{ask.rank(2_000)}.example")),
        ("text, common words (> 5 %)", 30, lambda: tweets.search_text(link, ask.zone(), ask.word(2, 25))),
        ("text, medium words (0.3-5 %)", 30, lambda: tweets.search_text(link, ask.zone(), ask.word(30, 400))),
        ("text, uncommon words (0.02-0.3 %)", 30, lambda: tweets.search_text(link, ask.zone(), ask.word(500, 8_000))),
        ("text, rare words (< 0.02 %)", 30, lambda: tweets.search_text(link, ask.zone(), ask.word(8_000, 19_999))),
        ("text, a word that never occurs", 30, lambda: tweets.search_text(link, ask.zone(), "nowhere")),
        ("text, a phrase of common words", 30, lambda: tweets.search_text(link, ask.zone(), ask.phrase())),
        ("engagement curve", 5, lambda: engagement.get_engagement_curve(link, ask.chance.choice(ask.tweets))),
        ("viral of 24 h", 50, lambda: engagement.get_viral_tweets(link, ask.zone(), now=now)),
        ("conversation", 5, lambda: tweets.get_conversation(link, ask.chance.choice(ask.tweets))),
        ("volume chart, 24 h", 5, lambda: analytics.get_volume_chart(link, ask.zone(), now=now)),
        ("volume chart, 30 d", 50, lambda: analytics.get_daily_volume_chart(link, ask.zone(), now=now)),
        ("top users", 5, lambda: analytics.get_top_users(link, ask.zone())),
        ("top users of 24 h", 100, lambda: analytics.get_top_users_of_window(link, ask.zone(), now=now)),
        ("trending, 24 h, with lift", 50, lambda: trending.get_trending_hashtags(link, ask.zone(), now=now)),
        ("trending, 1 h, with lift", 50, lambda: _trending_of_an_hour(link, ask.zone(), now)),
        ("co-occurring hashtags", 50, lambda: entities.get_co_occurring_hashtags(link, ask.zone(), ask.tag())),
        ("profile search", 50, lambda: profiles.search_profiles(link, f"author_{ask.rank(300)}")),
        ("profile growth", 5, lambda: profiles.get_profile_growth(link, 1001, since=now - timedelta(days=30))),
        ("dashboard's whole data, no cache", 100, lambda: _dashboard(link, ask.zone(), now)),
    ]  # fmt: skip
    for name, target, question in patterns:
        yield _timed(name, target, question)


def read_into_memory(url: str) -> None:
    """Read every table and index, so that the disk is not what is timed; say so where the server cannot.

    Twice: what was read once is the first that an operating system drops.
    """
    with connect(url, application_name="bench", autocommit=True) as connection:
        try:
            connection.execute(_WORLD["prewarm"])
        except psycopg.errors.FeatureNotSupported:
            click.echo("pg_prewarm is not installed: the first questions read from the disk", err=True)
            return
        connection.execute(_WORLD["read"])
        row = connection.execute(_WORLD["read"]).fetchone()
        click.echo(f"{row[0] if row else 0} MB of tables and indexes read into memory", err=True)


def cached_timings(url: str, redis_url: str) -> Iterator[Timing]:
    """Time cached reads, warm."""
    with connect(url, application_name="bench", autocommit=True) as connection:

        @contextmanager
        def lent() -> Iterator[psycopg.Connection[Any]]:
            yield connection

        reads = CachedReads(lent, Cache(connect_redis(redis_url)))
        zones = [zone.zone_id for zone in reads.get_zones().value]
        chance = random.Random(2)
        for zone in zones:
            for read in (
                reads.get_volume_chart, reads.get_top_users, reads.get_trending_hashtags, reads.get_recent_tweets
            ):  # fmt: skip
                read(zone)
        yield _timed("cached volume chart", 1, lambda: reads.get_volume_chart(chance.choice(zones)))
        yield _timed("cached top users", 1, lambda: reads.get_top_users(chance.choice(zones)))
        yield _timed("cached trending", 1, lambda: reads.get_trending_hashtags(chance.choice(zones)))
        yield _timed("cached first page of the feed", 1, lambda: reads.get_recent_tweets(chance.choice(zones)))


def _trending_of_an_hour(connection: psycopg.Connection[Any], zone: Any, now: datetime) -> object:
    return trending.get_trending_hashtags(connection, zone, now=now, window="1h")


def _dashboard(connection: psycopg.Connection[Any], zone: Any, now: datetime) -> None:
    analytics.get_volume_chart(connection, zone, now=now)
    analytics.get_zone_summary(connection, zone, now=now)
    trending.get_trending_hashtags(connection, zone, now=now, limit=12)
    analytics.get_top_users(connection, zone)
    tweets.get_feed(connection, zone)


def _timed(name: str, target_ms: float, question: Callable[[], object]) -> Timing:
    for _ in range(WARM_UP):
        question()
    taken = []
    for _ in range(REPEATS):
        begin = time.perf_counter()
        question()
        taken.append((time.perf_counter() - begin) * 1000)
    return Timing(name, target_ms, statistics.median(taken), statistics.quantiles(taken, n=20)[-1])


def fill(url: str, scale: int, now: datetime) -> None:
    """Fill a migrated, empty database."""
    with connect(url, application_name="bench", autocommit=True) as connection:
        connection.execute("set work_mem = '256MB'")
        connection.execute("set synchronous_commit = off")
        for name in ("prepare", "zones", "profiles"):
            connection.execute(_WORLD[name], {})
        for first in range(0, scale, CHUNK):
            bounds = {"from": 0, "to": scale, "first": first, "last": min(scale, first + CHUNK), "until": now}
            connection.execute(_WORLD["tweets"], bounds)
            click.echo(f"  {min(scale, first + CHUNK):,} tweets", err=True)
        for name in ("links", "metrics", "entities", "history", "snapshots"):
            connection.execute(_WORLD[name], {})
            click.echo(f"  {name}", err=True)
        connection.execute("vacuum analyze")
        connection.execute("set session_replication_role = origin")
        with connection.transaction():
            marts.build(connection, now)
        connection.execute("vacuum analyze")


@click.command()
@click.option("--scale", envvar="SCALE", default=200_000, show_default=True, help="Tweets.")
@click.option("--database-url", help="Owner's URL of an empty or an already filled database; embedded otherwise.")
@click.option("--out", type=click.Path(path_type=Path), help="Write the figures here, as JSON.")
def main(scale: int, database_url: str | None, out: Path | None) -> None:
    """Time the data layer's queries on SCALE generated tweets."""
    now = datetime.now(UTC)
    with ExitStack() as stack:
        state_dir = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tweet-pipeline-bench-")))
        if database_url is None:
            database_url = stack.enter_context(embedded.serving(state_dir)).url
        with connect(database_url, application_name="bench", autocommit=True) as connection:
            ensure_roles(connection, dict.fromkeys(ROLES))
        migrate(database_url, now=now, first_month=now - timedelta(milliseconds=360 * scale))
        with connect(database_url, application_name="bench", autocommit=True) as connection:
            row = connection.execute("select exists (select from core.twitter_tweets)").fetchone()
            is_filled = row is not None and row[0]
        if not is_filled:
            fill(database_url, scale, now)
        read_into_memory(database_url)
        with connect(database_url, application_name="bench", autocommit=True) as connection:
            built = connection.execute("select max(as_of) from ops.mart_state").fetchone()
            found = list(_shown(timings(connection, built[0] if built and built[0] else now)))
        redis = stack.enter_context(embedded_redis.serving(state_dir))
        if isinstance(redis, embedded_redis.NotServed):
            click.echo(f"cached reads were not timed: {redis.reason}")
        else:
            found += _shown(cached_timings(database_url, redis.url))
    if out is not None:
        out.write_text(json.dumps([asdict(timing) for timing in found], indent=2))


def _shown(timed: Iterator[Timing]) -> Iterator[Timing]:
    click.echo(f"{'':40} {'p50 ms':>9} {'p95 ms':>9} {'promised':>9}")
    for timing in timed:
        verdict = "" if timing.is_met else "  missed"
        click.echo(
            f"{timing.name:40} {timing.p50_ms:9.2f} {timing.p95_ms:9.2f} {'< ' + str(timing.target_ms):>9}{verdict}"
        )
        yield timing


if __name__ == "__main__":
    main()
