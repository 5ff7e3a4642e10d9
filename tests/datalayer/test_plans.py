"""Plans: which index a list is read by, and that it touches rows of its page alone. Never milliseconds."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

import datalayer
from database import snowflake
from database.named_sql import statements
from datalayer import search, windows
from tests.datalayer.world import World

SQL = Path(datalayer.__file__).parent / "sql"
ALL_STATEMENTS = [(path.stem, name) for path in sorted(SQL.glob("*.sql")) for name in statements(path)]

ROWS = 6_000


@pytest.fixture
def large(world: World) -> World:
    """A zone whose tweets outnumber a page a hundred times, with statistics."""
    zone = world.zone("large")
    for author in range(1, 51):
        world.profile(author, f"author_{author}")
    first, last = snowflake.floor(world.now - timedelta(hours=20)), snowflake.floor(world.now)
    step = (last - first) // ROWS
    world.connection.execute("set session_replication_role = replica")
    for statement in (
        """
        insert into core.twitter_tweets (
            tweet_id, author_profile_id, conversation_id, delivery_id, content_hash, twitter_created_at, collected_at,
            has_media, has_links, has_hashtags, has_mentions, is_reply, text
        )
        select %(first)s + number * %(step)s, 1 + number %% 50, number, 1, 1,
            core.snowflake_time(%(first)s + number * %(step)s), now(), false, false, false, false, false,
            'word w' || number
        from generate_series(0, %(rows)s - 1) as number
        """,
        """
        insert into core.twitter_tweet_zones (
            tweet_id, zone_id, author_profile_id, twitter_created_at, first_matched_at
        )
        select tweet_id, %(zone)s, author_profile_id, twitter_created_at, now() from core.twitter_tweets
        """,
        """
        insert into core.twitter_tweet_metrics (tweet_id, observed_at, like_count)
        select tweet_id, now(), 1 from core.twitter_tweets
        """,
        """
        insert into core.twitter_entities (tweet_id, ordinal, entity_type, entity_value, entity_normalized, url_host)
        select tweet_id, kinds.ordinal, kinds.entity_type, 'x', 'x', case when kinds.entity_type = 'url' then 'x' end
        from core.twitter_tweets
        cross join (
            values (0::smallint, 'hashtag'), (1::smallint, 'mention'), (2::smallint, 'url')
        ) as kinds (ordinal, entity_type)
        """,
    ):
        world.connection.execute(statement, {"first": first, "step": step, "rows": ROWS, "zone": zone})
    world.build_marts()
    world.connection.execute("analyze")
    world.zone_id = zone  # type: ignore[attr-defined]
    return world


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", []):
        yield from nodes(inner)


def plan_of(
    world: World, module: str, name: str, *, generic: bool = False, **parameters: object
) -> list[dict[str, Any]]:
    """Return the nodes of a statement's plan, and of those of the functions that it calls, as they were run."""
    given = {"zone_id": world.zone_id, "first": 0, "end": snowflake.MAX_ID, "limit": 20, "scan_limit": 200} | parameters  # type: ignore[attr-defined]
    text = statements(SQL / f"{module}.sql")[name]
    world.connection.prepare_threshold = None
    with explained(world.connection) as plans:
        if not generic:
            world.connection.execute(text, given)
        else:
            names = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", text)))
            numbered = re.sub(r"%\((\w+)\)s", lambda match: f"${names.index(match.group(1)) + 1}", text)
            world.connection.execute("deallocate all")
            world.connection.execute("set plan_cache_mode = force_generic_plan")
            world.connection.execute(f"prepare asked as {numbered.replace('%%', '%')}".encode())
            literals = psycopg.ClientCursor(world.connection)
            values = literals.mogrify(", ".join(["%s"] * len(names)), [given[name] for name in names])
            world.connection.execute(f"execute asked ({values})".encode())
            world.connection.execute("reset plan_cache_mode")
    return [node for plan in plans for node in nodes(plan)]


@contextmanager
def explained(connection: psycopg.Connection) -> Iterator[list[dict[str, Any]]]:
    """Collect the plans of all that runs meanwhile, nested statements included."""
    try:
        with connection.transaction():
            connection.execute("load 'auto_explain'")
    except psycopg.errors.InsufficientPrivilege:
        pytest.skip("auto_explain may be loaded by a superuser alone")
    plans: list[dict[str, Any]] = []

    def note(diagnostic: psycopg.errors.Diagnostic) -> None:
        head, _, body = (diagnostic.message_primary or "").partition("plan:\n")
        if body and head.startswith("duration"):
            found = json.loads(body)
            if "explain" not in found["Query Text"]:
                plans.append(found["Plan"])

    settings = {"log_analyze": "on", "log_nested_statements": "on", "log_format": "json", "log_level": "notice"}
    for name, value in settings.items():
        connection.execute(f"set auto_explain.{name} = {value}".encode())
    connection.add_notice_handler(note)
    connection.execute("set auto_explain.log_min_duration = 0")
    plans.clear()
    try:
        yield plans
    finally:
        connection.execute("set auto_explain.log_min_duration = -1")
        connection.remove_notice_handler(note)


def rows_read(plan: list[dict[str, Any]]) -> int:
    """Rows that came out of tables and indexes or were thrown away there."""
    return sum(
        round((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"])
        for node in plan
        if "Relation Name" in node
    )


FILTERS = {"has_media": None, "has_links": None, "is_reply": True, "lang": None, "min_engagement": None}
OF_TAG = {"kind": "hashtag", "value": "x", "limit": 5, "scan_limit": 50}
OF_HOST = {"kind": "url", "value": "x", "limit": 5, "scan_limit": 50}
OF_AUTHOR = {"kind": "author", "value": "1", "limit": 5, "scan_limit": 50}

LISTS: list[tuple[str, str, dict[str, object], set[str], int]] = [
    ("tweets", "feed_ids", {}, {"zone_id_tweet_id_idx"}, 20),
    ("tweets", "profile_ids", {"author_id": 1}, {"author_profile_id_tweet_id_idx"}, 20),
    ("tweets", "newest_id", {}, {"zone_id_tweet_id_idx"}, 1),
    ("tweets", "filtered_feed_ids", FILTERS, {"zone_id_tweet_id_idx"}, 200 * 3),
    ("tweets", "by_ids", {"ids": [1, 2, 3], "lowest": 1, "highest": 3}, {"pkey"}, 0),
    ("shared_lists", "sample", OF_TAG, {"entity_normalized", "zone_id_tweet_id_idx"}, 50 * 3),
    ("shared_lists", "kind_looked_up", OF_TAG, {"entity_normalized", "zone_id_tweet_id_idx"}, 50 * 2),
    ("shared_lists", "kind_looked_up", OF_HOST, {"url_host_tweet_id_idx", "zone_id_tweet_id_idx"}, 50 * 2),
    ("shared_lists", "kind_looked_up", OF_AUTHOR, {"author_profile_id", "zone_id_tweet_id_idx"}, 50 * 2),
    ("shared_lists", "zone_looked_up", OF_TAG, {"zone_id_tweet_id_idx", "entities"}, 50 * 4),
    ("shared_lists", "merged", OF_TAG, {"entity_normalized", "zone_id_tweet_id_idx"}, 5 * 2 + 2),
    ("shared_lists", "merged", OF_HOST, {"url_host_tweet_id_idx", "zone_id_tweet_id_idx"}, 5 * 2 + 2),
    ("shared_lists", "merged", OF_AUTHOR, {"author_profile_id", "zone_id_tweet_id_idx"}, 5 * 51 + 10),
    ("search", "walk", {"query": "'w5'", "patterns": ["%w5%"]}, {"zone_id_tweet_id_idx"}, 200 * 2),
    ("search", "slice", {"index_query": "'w5'", "residual_query": None}, {"search_entry_idx"}, 2),
]


@pytest.mark.parametrize("generic", [False, True])
def test_a_list_is_read_by_its_index_and_touches_its_page_alone(large: World, generic: bool) -> None:
    """Prepared statements are planned without their values after five times: that plan must be as good.

    Functions are planned apart: their plans are asked of auto_explain. What is planned each time ("slice": the index
    of words is chosen by the words) has no such plan.
    """
    for module, name, parameters, indexes, most_rows in LISTS:
        if generic and name == "slice":
            continue
        plan = plan_of(large, module, name, generic=generic, **parameters)
        used = {index for index in indexes if any(index in node.get("Index Name", "") for node in plan)}
        assert used == indexes, (name, parameters, [node.get("Index Name") for node in plan])
        assert rows_read(plan) <= most_rows, (name, parameters, rows_read(plan))


def test_the_index_of_words_alone_tells_the_matches_of_a_span_of_time(large: World) -> None:
    words = " | ".join(f"'w{number}'" for number in range(0, ROWS, 100))
    end = snowflake.floor(large.now) >> search._SPAN_BITS << search._SPAN_BITS
    first = end - (1 << search._SPAN_BITS)
    ranges = {"first": first, "end": end}
    row = large.connection.execute(
        "select count(*) from core.twitter_tweets"
        " where tweet_id >= %(first)s and tweet_id < %(end)s and text like '%%00'",
        ranges,
    ).fetchone()
    assert row
    assert 0 < row[0] < ROWS // 100

    asked = {"index_query": search._within(words, first, end), "residual_query": None, **ranges}
    plan = plan_of(large, "search", "slice", **asked)

    fetched = [node for node in plan if node["Node Type"] == "Bitmap Heap Scan"]
    assert rows_read(fetched) == row[0]


def test_a_page_deep_in_the_past_reads_no_more_than_the_first(large: World) -> None:
    deep = snowflake.floor(large.now - timedelta(hours=15))

    assert rows_read(plan_of(large, "tweets", "feed_ids", end=deep)) == rows_read(plan_of(large, "tweets", "feed_ids"))


def test_a_span_of_time_reads_the_partitions_of_that_time_alone(large: World) -> None:
    span = {"first": snowflake.floor(large.now - timedelta(hours=1)), "end": snowflake.floor(large.now)}

    touched = {
        node["Relation Name"] for node in plan_of(large, "tweets", "feed_ids", **span) if "Relation Name" in node
    }

    assert len(touched) <= 2
    assert not any(name.endswith("history") for name in touched)


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("top_users_by_engagement", "idx_top_profiles_zone_engagement"),
        ("top_users_by_tweet_count", "idx_top_profiles_zone_tweet_count"),
        ("top_users_by_followers", "idx_top_profiles_zone_followers"),
    ],
)
def test_every_ranking_of_users_has_an_index(large: World, name: str, index: str) -> None:
    large.connection.execute(
        """
        insert into marts.twitter_top_profiles_by_zone (
            zone_id, profile_id, twitter_user_id, followers_count, tweet_count, total_engagement, last_tweet_at
        )
        select %s, number, number, number, number, number, now() from generate_series(100, 3000) as number
        """,
        (large.zone_id,),  # type: ignore[attr-defined]
    )
    large.connection.execute("analyze marts.twitter_top_profiles_by_zone")

    plan = plan_of(large, "analytics", name)

    assert any(node.get("Index Name") == index for node in plan), plan
    assert rows_read(plan) <= 22


def test_the_most_engaged_are_read_from_the_lists_alone(large: World) -> None:
    """Twenty-four hours hold at most 2,400 places, however many tweets there are."""
    hour = windows.hour_of(large.now)
    span = {
        "first_hour": hour - timedelta(hours=23), "end_of_first_hours": hour + timedelta(hours=1),
        "first_day": hour.date() + timedelta(days=1), "end_day": hour.date() + timedelta(days=1),
        "first_of_last_hours": hour + timedelta(hours=1), "last_hour": hour, "candidate_limit": 40,
    }  # fmt: skip

    plan = plan_of(large, "tweets", "top_engaged_ids", generic=True, **span)

    assert rows_read(plan) <= 24 * 100 + 40
    assert not any("twitter_tweet_zones" in node.get("Relation Name", "") for node in plan)


@pytest.mark.parametrize(("module", "name"), ALL_STATEMENTS)
def test_every_statement_is_valid_on_the_migrated_schema(large_free_world: World, module: str, name: str) -> None:
    text = statements(SQL / f"{module}.sql")[name]
    query = psycopg.ClientCursor(large_free_world.connection).mogrify(text, _Anything())  # type: ignore[arg-type]

    large_free_world.connection.execute(f"prepare checked as {query}")


class _Anything(dict[str, object]):
    """NULL for every parameter: enough for PostgreSQL to resolve names and types."""

    def __getitem__(self, name: str) -> None:
        return None

    def __contains__(self, name: object) -> bool:
        return True


@pytest.fixture
def large_free_world(world: World) -> World:
    world.build_marts()
    return world
