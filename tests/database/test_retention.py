"""Retention on a real PostgreSQL: months that leave and come back, while somebody writes, and whatever dies."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

from database import archive, partitions, retention, schema_dump, snowflake
from database.archive import ArchiveError, Content
from database.connections import with_database
from database.retention import AlreadyRunning, Report, Retention, RetentionError
from database.settings import RetentionSettings

# Roles belong to all databases of a server, so that two migrations at once can get into each other's way.
pytestmark = pytest.mark.xdist_group("migrations")

Connection = psycopg.Connection[Any]

START = datetime(2026, 3, 14, 12, tzinfo=UTC)
LATER = datetime(2026, 6, 20, tzinfo=UTC)
"""Three months on: with a month kept beside the present one, March and April are due."""

ZONE = UUID(int=1)


@pytest.fixture(scope="module")
def months_from_march(server_url: str, template_database: str) -> Iterator[str]:
    """The name of a database whose months begin in March 2026, with a zone and an author: made once, then cloned."""
    name = f"months_{secrets.token_hex(6)}"
    with psycopg.connect(server_url, autocommit=True) as administration:
        administration.execute(f"create database {name} template template0")
        try:
            url = with_database(server_url, name)
            schema_dump.migrate_without_partitions(url)
            with psycopg.connect(url, autocommit=True) as connection:
                partitions.ensure(connection, now=START, first_month=START)
                connection.execute("insert into core.zones (id, name) values (%s, 'storms')", (ZONE,))
                connection.execute(
                    "insert into core.twitter_profiles (twitter_user_id, first_seen_at, last_seen_at, last_updated_at,"
                    " content_hash) values (1, now(), now(), now(), 0)"
                )
            yield name
        finally:
            administration.execute(f"drop database if exists {name} with (force)")


@pytest.fixture
def own_url(server_url: str, months_from_march: str) -> Iterator[str]:
    """The owner's URL of a clone of it."""
    name = f"retention_{secrets.token_hex(6)}"
    with psycopg.connect(server_url, autocommit=True) as administration:
        administration.execute(f"create database {name} template {months_from_march} strategy file_copy")
        try:
            yield with_database(server_url, name)
        finally:
            administration.execute(f"drop database if exists {name} with (force)")


@pytest.fixture
def db(own_url: str) -> Iterator[Connection]:
    """The owner's connection to it."""
    with psycopg.connect(own_url, autocommit=True) as connection:
        yield connection


def settings(directory: Path, **given: Any) -> RetentionSettings:
    short = {"archive_dir": directory, "retention_core_months": 1, "retention_raw_months": 1}
    return RetentionSettings(_env_file=None, **{**short, "retention_accounting_months": 1, **given})


def apply(db: Connection, directory: Path, now: datetime = LATER, **how: Any) -> Report:
    return Retention(db, settings(directory), now=now).run(**how)


def add_tweet(db: Connection, at: datetime, sequence: int = 0) -> int:
    """Write a row of every partitioned table, with values that are hard to carry over."""
    number = snowflake.floor(at) + sequence
    row = {"id": number, "at": snowflake.at(number), "zone": ZONE}
    with db.transaction():
        db.execute("set local ledger.marks = 'explicit'")
        for statement in ROWS:
            db.execute(statement, row)
    return number


ROWS = (
    """insert into core.twitter_tweets (tweet_id, author_profile_id, delivery_id, content_hash, twitter_created_at,
    collected_at, has_media, has_links, has_hashtags, has_mentions, is_reply, text, lang, source, sentiment_score)
    values (%(id)s, 1, %(id)s, -9223372036854775808, %(at)s, '1969-12-31 23:59:59.999999+00', true, false, true, false,
    true, E'a "quoted", line\\n\\\\.\\n雨 🌧 \\t,', '', null, 0.123456789012345678)""",
    """insert into core.twitter_tweet_zones values
    (%(id)s, %(zone)s, 1, %(at)s, %(at)s, array[%(zone)s, gen_random_uuid()]::uuid[])""",
    """insert into core.twitter_tweet_metrics (tweet_id, observed_at, like_count, view_count)
    values (%(id)s, %(at)s, 3, 3000000000)""",
    "insert into core.twitter_engagement_history (tweet_id, snapshot_at, like_count) values (%(id)s, %(at)s, null)",
    """insert into core.twitter_entities (tweet_id, ordinal, entity_type, entity_value, entity_normalized)
    values (%(id)s, 0, 'hashtag', '#Ａ', 'a')""",
    """insert into core.twitter_tweet_raw values (%(id)s, '{"a": [1, null, "x\\"y"]}')""",
    """insert into raw.deliveries (delivery_id, received_at, body_bytes, item_count, source, zone, body)
    values (%(id)s, %(at)s, 3, 1, 'v1_1', null, '\\x00ff0a2c22')""",
    "insert into ops.delivery_accounting values (%(id)s, %(at)s, 1, 1, 0, 0, 0, 1)",
)


def fill(db: Connection) -> None:
    """Write some rows into each of March, April and June."""
    for month in (3, 4, 6):
        for number in range(3):
            add_tweet(db, datetime(2026, month, 15 + number, tzinfo=UTC), number)


def contents(db: Connection) -> dict[str, Content]:
    found = {}
    for table in retention.TABLES:
        columns = archive.columns_of(db, table.identifier)
        found[table.full_name] = archive.content_of(db, table.identifier, columns)
    return found


def suffixes(db: Connection, table: str) -> list[str]:
    (chosen,) = (each for each in retention.TABLES if each.full_name == table)
    return [each.partition.suffix for each in partitions.existing(db, chosen)]


def restore_all(db: Connection, directory: Path, *months: str, now: datetime = LATER) -> None:
    for table in retention.TABLES:
        for month in months:
            Retention(db, settings(directory), now=now).restore(table.full_name, month)


def catalogue(db: Connection) -> list[tuple[Any, ...]]:
    return db.execute(
        "select oid, relname, relispartition from pg_class where relkind in ('r', 'p') order by 1"
    ).fetchall()


def test_months_leave_oldest_and_children_first_and_come_back_identical(db: Connection, tmp_path: Path) -> None:
    fill(db)
    before = contents(db)
    partitions.ensure(db, now=LATER)
    report = apply(db, tmp_path)
    order = [name.partition(".")[2] for name in report.dropped if name.startswith("core.")]
    assert [name for name in order if name.endswith("2026_03")] == [
        f"{name}_2026_03"
        for name in (
            "twitter_entities", "twitter_engagement_history", "twitter_tweet_raw", "twitter_tweet_metrics",
            "twitter_tweet_zones", "twitter_tweets",
        )
    ]  # fmt: skip
    assert order.index("twitter_tweets_2026_03") < order.index("twitter_entities_2026_04")
    assert suffixes(db, "core.twitter_tweets") == ["history", "2026_05", "2026_06", "2026_07", "2026_08", "2026_09"]
    assert {content.row_count for content in contents(db).values()} == {3}
    assert db.execute("select count(*) from ops.sealed_ranges").fetchone() == (2,)
    assert apply(db, tmp_path).actions == []

    restore_all(db, tmp_path, "2026_03", "2026_04")
    assert contents(db) == before
    assert db.execute("select count(*) from ops.sealed_ranges").fetchone() == (0,)
    assert apply(db, tmp_path).actions == [], "what was restored is kept for a while"
    assert len(apply(db, tmp_path, now=LATER + timedelta(days=8)).dropped) == 16


def test_a_restored_partition_is_like_any_other(db: Connection, tmp_path: Path) -> None:
    """Same constraints, indexes, storage and place in the tree: a later detaching meets no surprise."""
    fill(db)
    question = """
        select
            (select array_agg(conname::text || contype::text || convalidated::text order by 1) from pg_constraint
            where conrelid = to_regclass(%(name)s)),
            (select count(*) from pg_index where indrelid = to_regclass(%(name)s)),
            (select reloptions from pg_class where oid = to_regclass(%(name)s)),
            (select pg_get_expr(relpartbound, oid) from pg_class where oid = to_regclass(%(name)s))
    """
    names = [table.partition_name("2026_03") for table in retention.TABLES]
    before = [db.execute(question, {"name": name}).fetchone() for name in names]
    apply(db, tmp_path)
    restore_all(db, tmp_path, "2026_03")
    assert [db.execute(question, {"name": name}).fetchone() for name in names] == before


def test_a_run_that_dies_at_any_step_is_finished_by_the_next(db: Connection, tmp_path: Path) -> None:
    """Run after run dies, each one step further; the last one has nothing left to do but the rest."""
    fill(db)
    before = contents(db)

    class Death(BaseException):
        pass

    deaths = [
        (name, step)
        for name in ("core.twitter_tweet_zones_2026_03", "raw.deliveries_2026_03")
        for step in ("begin", "detach", "archive", "verify", "drop", "end")
    ]

    def die(name: str, step: str) -> None:
        if (name, step) in deaths:
            deaths.remove((name, step))
            raise Death

    for left in range(12, 0, -1):
        assert len(deaths) == left
        with pytest.raises(Death):
            Retention(db, settings(tmp_path), now=LATER, on_step=die).run()
    apply(db, tmp_path)
    assert db.execute("select distinct step from ops.partition_archives").fetchall() == [("dropped",)]
    assert "2026_03" not in suffixes(db, "core.twitter_tweet_zones")
    restore_all(db, tmp_path, "2026_03", "2026_04")
    assert contents(db) == before


def test_a_detaching_that_a_long_reader_interrupted_is_finished_later(
    db: Connection, own_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DETACH CONCURRENTLY has committed its first half by then: FINALIZE is all that may follow."""
    fill(db)
    monkeypatch.setattr(partitions, "LOCK_TIMEOUT_MS", 50)
    monkeypatch.setattr(partitions, "LOCK_ATTEMPTS", 2)
    with psycopg.connect(own_url) as reader:
        reader.execute("select count(*) from core.twitter_entities")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            apply(db, tmp_path)
        pending = db.execute("select count(*) from pg_inherits where inhdetachpending").fetchone()
        assert pending == (1,)
    report = apply(db, tmp_path)
    assert len(report.dropped) == 16
    assert db.execute("select count(*) from pg_inherits where inhdetachpending").fetchone() == (0,)


def test_a_dry_run_says_what_would_be_done_and_changes_nothing(db: Connection, tmp_path: Path) -> None:
    fill(db)
    before = (catalogue(db), contents(db))
    report = apply(db, tmp_path, is_dry_run=True)
    assert [action.step for action in report.actions] == ["detaching"] * 16
    assert (catalogue(db), contents(db)) == before
    assert list(tmp_path.iterdir()) == []
    assert db.execute("select count(*) from ops.partition_archives").fetchone() == (0,)
    assert db.execute("select count(*) from ops.sealed_ranges").fetchone() == (0,)


def test_nothing_leaves_while_deliveries_of_its_time_wait(db: Connection, tmp_path: Path) -> None:
    fill(db)
    waiting = snowflake.floor(datetime(2026, 3, 20, tzinfo=UTC))
    db.execute("insert into raw.delivery_queue values (%s)", (waiting,))
    report = apply(db, tmp_path)
    assert report.dropped == []
    assert all("1 deliveries" in (action.refusal or "") for action in report.refused)
    db.execute("delete from raw.delivery_queue")
    assert {name[-7:] for name in apply(db, tmp_path).dropped} == {"2026_03", "2026_04"}


MARKS_OF_MARCH = {
    "int_zone_counted_tweets__marks": "(tweet_id) values (core.snowflake_floor('2026-03-31 23:59:59.999+00'))",
    "int_zone_author_hourly__marks": "(zone_id, hour, author_profile_id) values (%(zone)s, '2026-03-31 23:00+00', 1)",
    "twitter_zone_stats_hourly__marks": "(zone_id, hour) values (%(zone)s, '2026-03-31 23:00+00')",
}


@pytest.mark.parametrize("queue", list(MARKS_OF_MARCH))
def test_core_stays_while_a_mart_has_still_to_read_it(db: Connection, tmp_path: Path, queue: str) -> None:
    fill(db)
    db.execute(f"insert into ops.{queue} {MARKS_OF_MARCH[queue]}".encode(), {"zone": ZONE})
    report = apply(db, tmp_path)
    assert {action.name[-7:] for action in report.refused} == {"2026_03"}
    assert {action.table.schema for action in report.refused} == {"core"}
    assert "2026_03" in suffixes(db, "core.twitter_entities")
    assert "2026_04" not in suffixes(db, "core.twitter_entities")
    assert queue in (report.refused[0].refusal or "")


def test_what_cannot_be_read_back_is_not_dropped(db: Connection, tmp_path: Path) -> None:
    fill(db)
    path = tmp_path / "core.twitter_tweets" / "2026_03.parquet"

    def damage(name: str, step: str) -> None:
        if name == "core.twitter_tweets_2026_03" and step == "verify":
            path.write_bytes(path.read_bytes()[:-1] + b"!")

    report = Retention(db, settings(tmp_path), now=LATER, on_step=damage).run()
    assert len(report.failures) == 1
    assert "SHA-256" in report.failures[0]
    rows = db.execute("select count(*) from core.twitter_tweets_2026_03").fetchone()
    assert rows == (3,)
    assert "core.twitter_tweets_2026_04" in report.dropped


def test_a_file_that_was_changed_is_not_restored(db: Connection, tmp_path: Path) -> None:
    fill(db)
    apply(db, tmp_path)
    path = tmp_path / "raw.deliveries" / "2026_03.parquet"
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(ArchiveError, match="SHA-256"):
        Retention(db, settings(tmp_path), now=LATER).restore("raw.deliveries", "2026_03")
    with pytest.raises(RetentionError, match=r"there are: core\.twitter_engagement_history_2026_03"):
        Retention(db, settings(tmp_path), now=LATER).restore("raw.deliveries", "2020_01")


def test_two_runs_never_work_at_once(db: Connection, own_url: str, tmp_path: Path) -> None:
    with psycopg.connect(own_url, autocommit=True) as other:
        other.execute("select pg_advisory_lock(%s)", (retention.ONE_AT_A_TIME,))
        with pytest.raises(AlreadyRunning):
            apply(db, tmp_path)


def test_history_leaves_only_when_it_is_told_to_and_zero_months_keep_for_ever(db: Connection, tmp_path: Path) -> None:
    def due(**given: Any) -> set[str]:
        plan = Retention(db, settings(tmp_path, **given), now=LATER).plan()
        return {action.name for action in plan if action.table.full_name == "core.twitter_tweets"}

    assert "core.twitter_tweets_history" not in due()
    assert "core.twitter_tweets_history" in due(retention_drops_history=True)
    assert due(retention_core_months=0, retention_accounting_months=0) == set()
    with pytest.raises(ValueError, match="RETENTION_RAW_MONTHS"):
        settings(tmp_path, retention_raw_months=0)


def test_the_inventory_says_what_happens_to_each_partition_next(db: Connection, tmp_path: Path) -> None:
    fill(db)
    partitions.ensure(db, now=LATER)
    told = {entry.name: entry for entry in Retention(db, settings(tmp_path), now=LATER).inventory()}
    assert told["core.twitter_tweets_2026_03"].next_action == "due: detach"
    assert told["core.twitter_tweets_history"].next_action == "kept"
    assert told["raw.deliveries_2026_06"].next_action == "leaves in 2026-08"
    apply(db, tmp_path)
    restore_all(db, tmp_path, "2026_04")
    told = {entry.name: entry for entry in Retention(db, settings(tmp_path), now=LATER).inventory()}
    gone = told["core.twitter_tweets_2026_03"]
    assert (gone.row_count, gone.next_action) == (3, "archived; `restore_partition` brings it back")
    assert gone.total_bytes == (tmp_path / "core.twitter_tweets" / "2026_03.parquet").stat().st_size
    assert told["core.twitter_tweets_2026_04"].next_action == "restored, kept until 2026-06-27"


def install_partman(db: Connection) -> None:
    """Install pg_partman where the server offers it; no wheel does: then what is looked at of it is made by hand."""
    db.execute("create schema partman")
    if db.execute("select from pg_available_extensions where name = 'pg_partman'").fetchone():
        db.execute("create extension pg_partman schema partman")
        return
    db.execute(
        "create table partman.part_config (parent_table text primary key, control text, partition_type text,"
        " partition_interval text)"
    )
    db.execute("set allow_system_table_mods = on")
    db.execute(
        "insert into pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)"
        " values (99999, 'pg_partman', 10, 'partman'::regnamespace, false, '5.2.4')"
    )


def test_tables_that_pg_partman_looks_after_are_left_to_it(db: Connection) -> None:
    install_partman(db)
    (found,) = partitions.extensions(db)
    assert (found.name, found.schema) == ("pg_partman", "partman")
    kind = "native" if found.version.startswith("4") else "range"
    for table in ("raw.deliveries", "public.other"):
        db.execute("insert into partman.part_config values (%s, 'delivery_id', %s, '100000')", (table, kind))
    created = partitions.ensure(db, now=LATER)
    assert created
    assert not [name for name in created if name.startswith("raw.deliveries")]


class Writer:
    """Writes at the present time of a clock that others set, and will not wait longer for a lock than maintenance."""

    def __init__(self, url: str, now: datetime) -> None:
        self.url = url
        self.now = now
        self.written = 0
        self._is_done = threading.Event()

    def run(self) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"set lock_timeout = '{partitions.LOCK_TIMEOUT_MS}ms'")
            while not self._is_done.is_set():
                add_tweet(connection, self.now, self.written)
                self.written += 1

    def stop(self) -> None:
        self._is_done.set()


def test_three_months_of_maintenance_never_hold_a_writer_up_and_lose_nothing(
    db: Connection, own_url: str, tmp_path: Path
) -> None:
    """T28: an insert that waited longer than the lock time-out fails, and the test with it."""
    now = START
    writer = Writer(own_url, now)
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(writer.run)
        try:
            while now < START + timedelta(days=100):
                now += timedelta(days=10)
                written = writer.written
                partitions.ensure(db, now=now)
                writer.now = now
                assert apply(db, tmp_path, now).failures == []
                assert_partitions_are_ahead(db, now)
                wait_for(lambda target=written + 3: writer.written >= target or writing.done())
        finally:
            writer.stop()
        writing.result()
    kept = db.execute("select count(*) from core.twitter_tweets").fetchone()
    assert kept is not None
    assert kept[0] < writer.written
    restore_all(db, tmp_path, "2026_03", "2026_04", now=now)
    assert {content.row_count for content in contents(db).values()} == {writer.written}


def assert_partitions_are_ahead(db: Connection, now: datetime) -> None:
    for table in partitions.TABLES:
        last = partitions.existing(db, table)[-1].partition
        assert last.upper >= snowflake.floor(partitions.months_after(partitions.month_start(now), 3))


def wait_for(condition: Callable[[], bool]) -> None:
    reached = threading.Event()
    for _ in range(3_000):
        if condition():
            return
        reached.wait(0.01)
    raise AssertionError("it did not happen within 30 s")
