"""Real runs of dbt: what a person types, what a reader sees meanwhile, and what stands in the catalogue afterwards.

Belongs here: everything that only dbt itself can show.
Does not belong here: numbers (the other tests repeat dbt's statements, which is quicker).
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from database.connections import connect, with_database
from orchestration.marts.ledger import MODELS
from tests.conftest import SharedState
from tests.dbt import facts
from tests.dbt.builds import Dbt, contents, drift
from tests.dbt.conftest import Marts, as_role, clone, drop
from tests.dbt.facts import AUTHORS, NOON, ZONES, add_tweet, minutes

pytestmark = pytest.mark.slow


@pytest.fixture
def bare(
    server_url: str, template_database: str, shared_state: SharedState, tmp_path: Path
) -> Iterator[tuple[str, Dbt]]:
    """A migrated database that dbt has never seen: its owner's URL, and dbt for it."""
    name = f"bare_{secrets.token_hex(6)}"
    with connect(server_url, application_name="tests", autocommit=True) as administration:
        clone(administration, name, template_database)
        try:
            url = with_database(server_url, name)
            yield url, Dbt(as_role(url, shared_state, "pipeline"), tmp_path / "first")
        finally:
            drop(administration, name)


def fill(connection: psycopg.Connection[Any], count: int = 60) -> None:
    for number in range(count):
        add_tweet(
            connection,
            NOON - minutes(31 * number),
            author=AUTHORS[number % 4],
            zones=ZONES[number % 2 :],
            tags=(f"Tag{number % 5}", "all"),
            counters={"like_count": number},
        )


def fetched(connection: psycopg.Connection[Any], query: str) -> list[tuple[Any, ...]]:
    return connection.execute(query.encode()).fetchall()


def test_a_first_build_makes_exact_tables_with_their_keys_indexes_comments_and_grants(bare: tuple[str, Dbt]) -> None:
    url, dbt = bare
    with connect(url, application_name="facts", autocommit=True) as owner:
        facts.add_world(owner)
        fill(owner)
        facts.set_as_of(owner, NOON)
        dbt("build")
        assert drift(owner) == {}
        assert fetched(owner, "select count(*) > 50 from intermediate.int_zone_author_hourly") == [(True,)]
        indexes = {name for (name,) in fetched(owner, "select indexname from pg_indexes where schemaname = 'marts'")}
        assert indexes == {
            "twitter_zone_stats_hourly_pkey",
            "idx_zone_stats_hourly_zone_hour",
            "idx_zone_stats_hourly_engagement",
            "idx_zone_stats_hourly_open",
            "twitter_top_profiles_by_zone_pkey",
            "idx_top_profiles_zone_engagement",
            "idx_top_profiles_zone_tweet_count",
            "idx_top_profiles_zone_followers",
            "twitter_trending_hashtags_pkey",
            "idx_trending_hashtags_zone_count",
            "twitter_top_engaged_tweets_pkey",
            "idx_top_engaged_tweets_zone_day",
            "twitter_zone_stats_daily_pkey",
            "idx_zone_stats_daily_zone_day",
            "idx_zone_stats_daily_open",
            "twitter_top_profiles_by_zone_window_pkey",
            "idx_top_profiles_window_engagement",
            "idx_top_profiles_window_tweet_count",
            "twitter_trending_entities_pkey",
            "idx_trending_entities_value",
            "idx_trending_entities_score",
        }
        without_comment = """
            select columns.table_schema || '.' || columns.table_name || '.' || columns.column_name
            from information_schema.columns as columns
            where
                columns.table_schema in ('staging', 'intermediate', 'marts')
                and col_description(
                    (quote_ident(columns.table_schema) || '.' || quote_ident(columns.table_name))::regclass,
                    columns.ordinal_position
                ) is null
        """
        assert fetched(owner, without_comment) == []
        readable = """
            select tables.table_schema, role.name, bool_and(has_table_privilege(
                role.name, tables.table_schema || '.' || tables.table_name, 'select'
            )), bool_or(has_table_privilege(
                role.name, tables.table_schema || '.' || tables.table_name, 'insert, update, delete, truncate'
            ))
            from information_schema.tables as tables
            cross join (values ('bi_reader'), ('api_reader')) as role (name)
            where tables.table_schema in ('intermediate', 'marts')
            group by 1, 2
            order by 1, 2
        """
        assert fetched(owner, readable) == [
            ("intermediate", "api_reader", True, False),
            ("intermediate", "bi_reader", False, False),
            ("marts", "api_reader", True, False),
            ("marts", "bi_reader", True, False),
        ]


def test_two_first_builds_at_once_both_succeed(bare: tuple[str, Dbt], tmp_path: Path) -> None:
    """T26: both see no table."""
    url, first = bare
    second = Dbt(first.url, tmp_path / "second")
    with connect(url, application_name="facts", autocommit=True) as owner:
        facts.add_world(owner)
        fill(owner, 10)
        facts.set_as_of(owner, NOON)
        with first.started("run") as one, second.started("run") as other:
            outputs = [process.communicate(timeout=240)[0] for process in (one, other)]
            assert [one.returncode, other.returncode] == [0, 0], outputs
        first("run")
        assert drift(owner) == {}


class Reader(threading.Thread):
    """A BI session that reads in a loop and remembers the smallest number of rows and every error."""

    def __init__(self, url: str, queries: list[str]) -> None:
        super().__init__(daemon=True)
        self._url, self._queries = url, queries
        self.done = threading.Event()
        self.reads = 0
        self.smallest: dict[str, int] = {}
        self.errors: list[psycopg.Error] = []

    def run(self) -> None:
        with connect(self._url, application_name="bi", autocommit=True) as connection:
            while not self.done.is_set():
                for query in self._queries:
                    self._read(connection, query)
                self.reads += 1

    def _read(self, connection: psycopg.Connection[Any], query: str) -> None:
        try:
            count = len(connection.execute(query.encode()).fetchall())
        except psycopg.Error as error:
            self.errors.append(error)
        else:
            self.smallest[query] = min(count, self.smallest.get(query, count))


def test_a_full_refresh_heals_everything_and_readers_notice_nothing(
    marts: Marts, dbt: Dbt, shared_state: SharedState
) -> None:
    """T13: the stock full refresh swaps the table, drops the views on it and loses grants made by hand."""
    fill(marts.facts)
    marts.build()
    marts.facts.execute("create view public.of_a_person as select zone_id, hour from marts.twitter_zone_stats_hourly")
    marts.facts.execute("create view public.of_samples as select text from marts.twitter_trending_hashtag_samples")
    marts.facts.execute("grant select on public.of_a_person, public.of_samples to bi_reader")
    marts.facts.execute("grant usage on schema public to bi_reader")
    tables = [
        "marts.twitter_zone_stats_hourly",
        "marts.twitter_top_profiles_by_zone",
        "marts.twitter_trending_hashtags",
        "marts.twitter_top_engaged_tweets",
        "marts.twitter_zone_stats_daily",
        "marts.twitter_top_profiles_by_zone_window",
        "marts.twitter_trending_entities",
    ]
    oids = "select " + ", ".join(f"'{table}'::regclass::oid" for table in tables)
    before = fetched(marts.facts, oids), contents(marts.facts)
    views = ["marts.twitter_trending_hashtag_samples", "marts.mart_status", "public.of_a_person", "public.of_samples"]
    queries = [f"select * from {name}" for name in [*tables, *views]]
    expected = {query: len(fetched(marts.facts, query)) for query in queries}
    for model in MODELS:
        schema = "intermediate" if model.startswith("int_") else "marts"
        column = {
            "int_zone_hourly": "known_engagement",
            "int_zone_tag_author_window": "best_engagement",
            "twitter_zone_stats_hourly": "total_views",
            "twitter_trending_hashtags": "total_engagement_24h",
            "twitter_trending_entities": "tweet_count",
            "int_zone_entity_author_hourly": "tweet_count",
        }
        name = column.get(model, "total_engagement")
        marts.facts.execute(f"update {schema}.{model} set {name} = 123456".encode())
    bi_url = as_role(marts.owner_url, shared_state, "bi_reader")
    reader = Reader(bi_url, queries)
    reader.start()
    try:
        # Every view is made anew as well, as after an upgrade.
        marts.facts.execute(
            "update ops.model_definitions set definition_hash = 'older' where model not like 'int_zone_a%'"
        )
        dbt("build", "--full-refresh")
        dbt("run")
    finally:
        reader.done.set()
        reader.join(timeout=60)
    assert drift(marts.facts) == {}
    assert (fetched(marts.facts, oids), contents(marts.facts)) == before
    assert reader.errors == []
    assert reader.reads > 5
    assert reader.smallest == expected


def test_indexes_keys_and_not_nulls_that_drifted_are_mended_and_those_of_others_stay(marts: Marts, dbt: Dbt) -> None:
    """T12: the stock incremental model makes its indexes once and never looks again."""
    indexes = """
        select indexname, indexdef, obj_description(('marts.' || indexname)::regclass)
        from pg_indexes where tablename in ('twitter_trending_hashtags', 'twitter_zone_stats_hourly') order by 1
    """
    wanted = fetched(marts.facts, indexes)
    marts.facts.execute("drop index marts.idx_trending_hashtags_zone_count")
    marts.facts.execute("drop index marts.idx_zone_stats_hourly_engagement")
    marts.facts.execute(
        "create index idx_zone_stats_hourly_engagement on marts.twitter_zone_stats_hourly (total_likes)"
    )
    marts.facts.execute("alter index marts.idx_zone_stats_hourly_open rename to idx_of_an_older_release")
    marts.facts.execute(
        "alter table marts.twitter_zone_stats_hourly drop constraint twitter_zone_stats_hourly_pkey,"
        " add constraint twitter_zone_stats_hourly_pkey primary key (hour, zone_id)"
    )
    marts.facts.execute("alter table marts.twitter_zone_stats_hourly alter column total_tweets set not null")
    marts.facts.execute("create index idx_of_a_person on marts.twitter_zone_stats_hourly (total_views)")
    dbt("run", "--select", "twitter_trending_hashtags twitter_zone_stats_hourly")
    assert [row for row in fetched(marts.facts, indexes) if row[0] != "idx_of_a_person"] == wanted
    assert fetched(marts.facts, "select to_regclass('marts.idx_of_a_person') is not null") == [(True,)]
    nullable = "select attnotnull from pg_attribute where attrelid = 'marts.twitter_zone_stats_hourly'::regclass"
    assert fetched(marts.facts, f"{nullable} and attname = 'total_tweets'") == [(False,)]


def test_a_table_that_somebody_dropped_comes_back_whole(marts: Marts, dbt: Dbt) -> None:
    fill(marts.facts)
    marts.build()
    before = contents(marts.facts)
    marts.facts.execute("drop table marts.twitter_trending_hashtags cascade")
    marts.facts.execute("drop table intermediate.int_zone_author_hourly cascade")
    dbt("run")
    assert contents(marts.facts) == before
    assert drift(marts.facts) == {}


def test_a_view_that_did_not_change_is_not_even_locked(marts: Marts, dbt: Dbt) -> None:
    with connect(marts.owner_url, application_name="long query") as reader:
        reader.execute("select * from marts.twitter_trending_hashtag_samples")
        dbt("run", "--select", "config.materialized:view")
        assert reader.execute("select count(*) from marts.twitter_trending_hashtag_samples").fetchone() == (0,)


def test_a_view_that_lost_a_column_is_made_anew(marts: Marts, dbt: Dbt) -> None:
    marts.facts.execute("drop view marts.mart_status")
    marts.facts.execute("create view marts.mart_status as select 1 as something_else, 'text' as model")
    marts.facts.execute("alter view marts.mart_status owner to pipeline")
    marts.facts.execute("update ops.model_definitions set definition_hash = 'older' where model = 'mart_status'")
    dbt("run", "--select", "mart_status")
    assert len(fetched(marts.facts, "select model, as_of, built_at from marts.mart_status")) == len(MODELS)
