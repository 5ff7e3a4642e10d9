"""What the planner is told about tables that autovacuum does not look at."""

from __future__ import annotations

import psycopg

from database.snowflake import floor
from tests.dbt.facts import NOON

LINKS = "core.twitter_tweet_zones"


def analyze(connection: psycopg.Connection) -> int:
    (count,) = connection.execute("select ops.analyze_grown_tables()").fetchone() or (0,)
    return int(count)


def add_links(connection: psycopg.Connection, start: int, end: int) -> None:
    connection.execute(
        f"""
        insert into {LINKS} (tweet_id, zone_id, author_profile_id, twitter_created_at, first_matched_at)
        select %s + number, (select id from core.zones), 11, %s, %s
        from generate_series(%s::bigint, %s::bigint) as number
        """.encode(),
        (floor(NOON), NOON, NOON, start, end),
    )


def known_rows(connection: psycopg.Connection) -> tuple[float, int]:
    """Return how many rows the whole table is known to have, and how many columns have statistics over all of it."""
    row = connection.execute(
        """
        select tables.reltuples, (select count(*) from pg_statistic where starelid = tables.oid and stainherit)
        from pg_class as tables
        where tables.oid = %s::regclass
        """,
        (LINKS,),
    ).fetchone()
    assert row is not None
    return row[0], row[1]


def test_a_new_partitioned_table_is_known_as_a_whole_and_again_when_it_has_doubled(
    connection: psycopg.Connection,
) -> None:
    connection.execute("insert into core.zones (name) values ('zone')")
    assert known_rows(connection) == (-1, 0)
    add_links(connection, 1, 2_000)
    assert analyze(connection) > 0
    rows, columns = known_rows(connection)
    assert rows == 2_000
    assert columns >= 5
    assert analyze(connection) == 0
    add_links(connection, 2_001, 5_000)
    connection.execute(f"analyze {LINKS}_history".encode())
    assert known_rows(connection)[0] == 2_000
    assert analyze(connection) == 1
    assert known_rows(connection)[0] == 5_000


def test_empty_and_small_tables_are_left_alone(connection: psycopg.Connection) -> None:
    connection.execute("insert into core.zones (name) values ('zone')")
    add_links(connection, 1, 300)
    assert analyze(connection) == 0
    assert known_rows(connection) == (-1, 0)
