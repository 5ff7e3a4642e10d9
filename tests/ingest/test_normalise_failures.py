"""Several normalisers at once, and normalisers that die: nothing is lost, nothing is counted twice.

Each test compares with what one worker makes of the same deliveries when nobody disturbs it.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg import sql

from ingest.normalise.worker import Progress, Worker
from tests.conftest import _own_database as own_database
from tests.ingest import landing
from tests.ingest.landing import HOUR_AGO, NOW, Connection, accounts, content, one
from tests.unit import payloads
from tests.waiting import wait_until

TABLES = (
    "core.twitter_profiles",
    "core.twitter_tweet_metrics",
    "core.twitter_tweets",
    "core.twitter_entities",
    "core.twitter_engagement_history",
    "core.twitter_tweet_zones",
    "core.twitter_compliance_events",
    "core.twitter_rules",
    "ops.int_zone_counted_tweets__marks",
    "ops.delivery_accounting",
    "raw.dead_letters",
)


@pytest.fixture(scope="module")
def url(server_url: str, template_database: str) -> Iterator[str]:
    yield from own_database(server_url, template_database)


@pytest.fixture
def db(url: str) -> Iterator[Connection]:
    with landing.fresh(url) as connection:
        yield connection


def land_world(connection: Connection, seed: int, *, deliveries: int) -> int:
    """Land deliveries about few tweets of fewer authors, so that every worker meets every row; return the items."""
    landing.empty(connection)
    landing.add_rules(connection)
    chance = random.Random(seed)
    items = 0
    for _ in range(deliveries):
        size = chance.randint(1, 6)
        items += size
        sent = HOUR_AGO - timedelta(minutes=chance.randint(0, 5))
        if chance.random() < 0.15:
            notices = (payloads.encoded(payloads.deletion(chance.randint(1, 9), sent)) for _ in range(size))
            landing.land(connection, b"\n".join(notices), source="v1_1", zone="alpha", item_count=size)
        else:
            tag = chance.choice(["one", "both", "both", "nobody's"])
            body = landing.delivery(*(some_tweet(chance) for _ in range(size)), tag=tag, sent=sent)
            landing.land(connection, body, item_count=size)
    return items


def some_tweet(chance: random.Random, *, depth: int = 1) -> dict[str, Any]:
    sequence = chance.randint(1, 25)
    author = payloads.user(700 + sequence % 7, followers=chance.randint(1, 5), name=chance.choice("ab"))
    value = landing.tweet(
        sequence,
        text=chance.choice(["words", "other words"]),
        author=author if chance.random() < 0.95 else None,
        entities={"hashtags": [{"text": chance.choice("abc")}]},
        likeCount=chance.choice([None, 1, 2, 3]),
    )
    if depth and chance.random() < 0.3:
        value[chance.choice(["retweeted_tweet", "quoted_tweet"])] = some_tweet(chance, depth=depth - 1)
    return value


def undisturbed(connection: Connection, seed: int, *, deliveries: int) -> dict[str, Any]:
    """Return what one worker makes of a world."""
    land_world(connection, seed, deliveries=deliveries)
    Worker(connection).drain()
    return result(connection)


def result(connection: Connection) -> dict[str, Any]:
    """Return what is in the tables, and what was counted.

    A tweet of two zones is new in both for one item, or for two: who came first decides, within these bounds.
    """
    normalised = sum(normalised for normalised, *_ in accounts(connection).values())
    links, linked = (
        one(connection, f"select count({what}) from core.twitter_tweet_zones") for what in ("*", "distinct tweet_id")
    )
    assert linked <= normalised <= links
    counted = [
        sum(counts)
        for counts in zip(*((n + d, c, dead) for n, d, c, dead in accounts(connection).values()), strict=True)
    ]
    return content(connection) | {
        "counted": counted,
        "letters": sorted(landing.letters(connection)),
        "waiting": one(connection, "select count(*) from raw.delivery_queue"),
    }


def drain_on_its_own(url: str) -> Progress:
    with psycopg.connect(url, autocommit=True) as connection:
        return Worker(connection).drain()


@pytest.mark.parametrize("seed", range(6))
def test_three_workers_at_once_do_what_one_does(
    db: Connection, url: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T10: locks are taken in one order, so that workers wait for one another but never deadlock."""
    monkeypatch.setattr("ingest.normalise.worker.ITEMS_PER_BATCH", 8)
    expected = undisturbed(db, seed, deliveries=120)
    items = land_world(db, seed, deliveries=120)
    deadlocks = deadlock_count(db)
    with ThreadPoolExecutor(3) as pool:
        workers = list(pool.map(drain_on_its_own, [url] * 3))
    assert result(db) == expected
    assert sum(worker.items for worker in workers) == items
    assert deadlock_count(db) == deadlocks


def test_a_profile_is_renewed_while_others_insert_tweets_of_its_author(db: Connection, url: str) -> None:
    """T10: every inserted tweet shares its author's key; two workers that wanted it alone would wait for each other."""
    landing.normalise(db, landing.delivery(landing.tweet(1, author=payloads.user(700, followers=1))))
    landing.land(db, landing.delivery(landing.tweet(2, author=payloads.user(700, followers=2)), sent=NOW))
    with psycopg.connect(url) as another:
        another.execute("select from core.twitter_profiles where twitter_user_id = 700 for key share")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("set lock_timeout = '5s'")
            Worker(connection).drain()
    assert one(db, "select followers_count from core.twitter_profiles where twitter_user_id = 700") == 2


@pytest.mark.parametrize(
    "deleted",
    [
        ("twitter_tweet_metrics", "twitter_tweets"),
        ("twitter_tweet_metrics", "twitter_tweets", "twitter_entities"),
        ("twitter_tweet_metrics", "twitter_tweets", "twitter_tweet_zones"),
        ("twitter_tweet_metrics", "twitter_tweets", "twitter_engagement_history", "twitter_entities"),
        ("twitter_tweet_metrics", "twitter_tweets", "twitter_entities", "twitter_tweet_zones"),
    ],
)
def test_what_a_person_deleted_in_part_is_whole_again_after_a_redelivery(
    db: Connection, deleted: tuple[str, ...]
) -> None:
    mentioned = {"id_str": "7", "screen_name": "someone", "indices": [0, 8]}
    first = landing.tweet(1, text="@someone #tag", entities={"user_mentions": [mentioned]})
    second = landing.tweet(2)
    bodies = [landing.delivery(first), landing.delivery(second)]
    landing.normalise(db, *bodies)
    before = content(db)

    for table in deleted:
        statement = sql.SQL("delete from core.{} where tweet_id = %s").format(sql.Identifier(table))
        assert db.execute(statement, (first["id"],)).rowcount > 0
    landing.normalise(db, *bodies)

    assert len(before["twitter_entities"]) > 0
    assert content(db) == before
    assert landing.letters(db) == []


def deadlock_count(connection: Connection) -> int:
    connection.execute("select pg_stat_force_next_flush()")
    count: int = one(connection, "select deadlocks from pg_stat_database where datname = current_database()")
    return count


def test_a_worker_that_dies_at_any_of_its_statements_loses_and_doubles_nothing(
    db: Connection, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server ends the worker's session at its first write, the next one's at the second, and so on."""
    monkeypatch.setattr("ingest.normalise.worker.ITEMS_PER_BATCH", 30)
    expected = undisturbed(db, 99, deliveries=40)
    land_world(db, 99, deliveries=40)
    kill_at_write(db)
    deaths = 0
    try:
        for write in range(1, 200):
            db.execute("select setval('public.writes', 1, false)")
            db.execute("update public.death set at_write = %s", (write,))
            try:
                drain_on_its_own(url)
            except psycopg.OperationalError:
                deaths += 1
            else:
                break
    finally:
        spare_everyone(db)
    assert deaths > 20
    assert result(db) == expected


def kill_at_write(connection: Connection) -> None:
    """Make the server end a session at its n-th writing statement. A sequence counts: it survives the roll-back."""
    connection.execute(
        """
        create sequence public.writes;
        create table public.death (at_write bigint);
        insert into public.death values (0);
        create function public.die() returns trigger language plpgsql as
        $$
        begin
            if nextval('public.writes') = (select at_write from public.death) then
                perform pg_terminate_backend(pg_backend_pid());
            end if;
            return null;
        end
        $$;
        """
    )
    for table in TABLES:
        connection.execute(
            f"create trigger die after insert or update or delete on {table} execute function public.die()"
        )


def spare_everyone(connection: Connection) -> None:
    connection.execute("drop function public.die cascade; drop table public.death; drop sequence public.writes")


@pytest.mark.parametrize("seed", range(3))
def test_workers_that_are_killed_at_random_moments_lose_and_double_nothing(
    db: Connection, url: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.normalise.worker.ITEMS_PER_BATCH", 12)
    expected = undisturbed(db, seed, deliveries=150)
    land_world(db, seed, deliveries=150)
    is_done = threading.Event()
    with ThreadPoolExecutor(3) as pool:
        killer = pool.submit(kill_now_and_then, url, is_done, random.Random(seed))
        for worker in [pool.submit(drain_in_spite_of_death, url) for _ in range(2)]:
            worker.result()
        is_done.set()
        kills = killer.result()
    assert result(db) == expected
    assert kills > 0


def drain_in_spite_of_death(url: str) -> None:
    """Drain again and again until a worker lives to see the queue empty."""
    while True:
        with (
            suppress(psycopg.OperationalError),
            psycopg.connect(url, autocommit=True, application_name="victim") as mine,
        ):
            Worker(mine).drain()
            return


def kill_now_and_then(url: str, is_done: threading.Event, chance: random.Random) -> int:
    """End sessions of workers until they are done, each time a little rarer; return how many were ended."""
    kills = 0
    with psycopg.connect(url, autocommit=True) as connection:
        while not is_done.wait(chance.uniform(0.01, 0.1) * (1 + kills / 5)):
            killed = connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where application_name = 'victim' and datname = current_database() and state = 'active'"
            ).fetchall()
            kills += len(killed)
    return kills


def test_a_worker_that_follows_hears_of_what_comes_and_ends_when_told(db: Connection, url: str) -> None:
    """Architecture 13 (25): it waits in autocommit and holds no snapshot."""
    is_told = threading.Event()
    idle = threading.Event()

    def follow() -> Progress:
        with psycopg.connect(url, autocommit=True, application_name="follower") as connection:
            return Worker(connection).follow(until=is_told.is_set, on_idle=lambda _: idle.set())

    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(follow)
        try:
            assert idle.wait(60)
            for sequence in (1, 2):
                landing.land(db, landing.delivery(landing.tweet(sequence)), received=NOW)
                db.execute("notify deliveries")
                wait_until(lambda: one(db, "select count(*) from raw.delivery_queue") == 0)
            snapshots = "select count(backend_xmin) from pg_stat_activity where application_name = 'follower'"
            wait_until(lambda: one(db, snapshots) == 0)
        finally:
            is_told.set()
        assert following.result().normalised == 2
