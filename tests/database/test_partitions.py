"""Making partitions ahead of the clock on a real PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import psycopg
import pytest

from database import partitions, schema_dump, snowflake
from tests.waiting import wait_until

# Roles belong to all databases of a server, so that two migrations at once can get into each other's way.
pytestmark = pytest.mark.xdist_group("migrations")

Connection = psycopg.Connection[Any]

START = datetime(2026, 3, 14, 12, tzinfo=UTC)

TWEETS = "core.twitter_tweets"


@pytest.fixture
def db(
    empty_database_url: str,
    template_database: str,
) -> Iterator[Connection]:
    """The owner's connection to the schema without any partition."""
    schema_dump.migrate_without_partitions(empty_database_url)
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        yield connection


def bounds(connection: Connection, table: str) -> list[tuple[int, int]]:
    """Return the bounds of a table's partitions in their order."""
    found = connection.execute(
        "select pg_get_expr(relpartbound, oid) from pg_inherits inner join pg_class on inhrelid = oid"
        " where inhparent = %s::regclass",
        (table,),
    ).fetchall()
    texts = [
        text.replace("'", "").removeprefix("FOR VALUES FROM (").removesuffix(")").split(") TO (") for (text,) in found
    ]
    return sorted((int(lower), int(upper)) for lower, upper in texts)


def has_no_gap(found: list[tuple[int, int]]) -> bool:
    return all(before[1] == after[0] for before, after in pairwise(found))


def test_a_new_database_has_history_the_month_before_and_three_months_ahead(db: Connection) -> None:
    created = partitions.ensure(db, now=START)
    assert [name for name in created if name.startswith(TWEETS)] == [
        f"{TWEETS}_{suffix}" for suffix in ("history", "2026_02", "2026_03", "2026_04", "2026_05", "2026_06")
    ]
    found = bounds(db, TWEETS)
    assert has_no_gap(found)
    assert found[0][0] == 0
    assert found[-1][1] == snowflake.floor(datetime(2026, 7, 1, tzinfo=UTC))
    assert len(bounds(db, "raw.deliveries")) == 5


def test_making_them_again_makes_nothing(db: Connection) -> None:
    partitions.ensure(db, now=START)
    assert partitions.ensure(db, now=START) == []
    assert partitions.ensure(db, now=START - timedelta(days=400)) == []


def test_months_of_sleep_leave_no_gap(db: Connection) -> None:
    partitions.ensure(db, now=START)
    partitions.ensure(db, now=START + timedelta(days=500))
    for table in partitions.TABLES:
        found = bounds(db, f"{table.schema}.{table.name}")
        assert has_no_gap(found)
        assert found[-1][1] == snowflake.floor(datetime(2027, 11, 1, tzinfo=UTC))


def test_the_first_month_can_be_chosen_for_an_empty_table(db: Connection) -> None:
    partitions.ensure(db, now=START, first_month=datetime(2025, 1, 31, tzinfo=UTC))
    assert bounds(db, TWEETS)[1][0] == snowflake.floor(datetime(2025, 1, 1, tzinfo=UTC))
    assert has_no_gap(bounds(db, TWEETS))


def test_every_index_key_and_check_of_the_parent_is_on_its_partitions(db: Connection) -> None:
    partitions.ensure(db, now=START)
    for table in partitions.TABLES:
        name = f"{table.schema}.{table.name}"
        counts = db.execute(
            "select count(*) from pg_inherits inner join pg_index on indrelid = inhrelid"
            " where inhparent = %s::regclass group by inhrelid",
            (name,),
        ).fetchall()
        own = db.execute("select count(*) from pg_index where indrelid = %s::regclass", (name,)).fetchone()
        assert set(counts) == {own}


def test_counters_have_room_to_change_in_place(db: Connection) -> None:
    """Architecture 3 (8): the free space keeps updates within their page (HOT)."""
    partitions.ensure(db, now=START)
    options = db.execute(
        "select distinct reloptions from pg_class inner join pg_inherits on inhrelid = oid"
        " where inhparent = 'core.twitter_tweet_metrics'::regclass"
    ).fetchall()
    assert options == [(["fillfactor=70"],)]


def test_bodies_stay_uncompressed_in_the_partitions(db: Connection) -> None:
    """The service compressed them already: a second try by the server would only cost time."""
    partitions.ensure(db, now=START)
    storage = db.execute(
        "select distinct attstorage from pg_attribute inner join pg_inherits on inhrelid = attrelid"
        " where inhparent = 'raw.deliveries'::regclass and attname = 'body'"
    ).fetchall()
    assert storage == [("e",)]


def test_other_writers_go_on_while_a_partition_waits_for_a_long_one(db: Connection, empty_database_url: str) -> None:
    """T28: to attach a partition of tweets is to lock the profiles that they refer to, against all who write them.

    While a long transaction holds the maker up, it must give way to the others again and again.
    """
    partitions.ensure(db, now=START)
    is_done = threading.Event()
    writes: list[int] = []
    with ThreadPoolExecutor(2) as pool, psycopg.connect(empty_database_url) as long_writer:
        write_profile(long_writer, 1)
        making = pool.submit(make, empty_database_url, START + timedelta(days=40))
        wait_until(lambda: is_waiting(db))
        writing = pool.submit(write_profiles, empty_database_url, writes, is_done)
        wait_until(lambda: len(writes) > 20)
        assert not making.done()
        long_writer.commit()
        assert making.result()
        is_done.set()
        writing.result()
    assert has_no_gap(bounds(db, TWEETS))


def make(url: str, now: datetime) -> list[str]:
    with psycopg.connect(url, autocommit=True, application_name="maker") as connection:
        return partitions.ensure(connection, now=now)


def is_waiting(connection: Connection) -> bool:
    row = connection.execute(
        "select count(*) from pg_stat_activity where application_name = 'maker' and wait_event_type = 'Lock'"
    ).fetchone()
    return row != (0,)


def write_profiles(url: str, writes: list[int], is_done: threading.Event) -> None:
    """Write profile after profile until told to stop."""
    with psycopg.connect(url, autocommit=True) as connection:
        while not is_done.is_set():
            write_profile(connection, 100 + len(writes))
            writes.append(1)


def write_profile(connection: Connection, user_id: int) -> None:
    connection.execute(
        "insert into core.twitter_profiles"
        " (twitter_user_id, first_seen_at, last_seen_at, last_updated_at, content_hash)"
        " values (%s, now(), now(), now(), 0)",
        (user_id,),
    )


def test_a_lock_that_never_comes_is_an_error_and_leaves_nothing_half_made(
    db: Connection, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partitions, "LOCK_TIMEOUT_MS", 20)
    monkeypatch.setattr(partitions, "LOCK_ATTEMPTS", 2)
    partitions.ensure(db, now=START)
    with psycopg.connect(empty_database_url) as other:
        other.execute(f"lock table {TWEETS} in access exclusive mode")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            partitions.ensure(db, now=START + timedelta(days=40))
    assert partitions.ensure(db, now=START + timedelta(days=40))
    assert has_no_gap(bounds(db, TWEETS))
