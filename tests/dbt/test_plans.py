"""What a build touches follows from what changed, not from how much history there is.

Belongs here: rows and buffers of the builds' statements, as PostgreSQL counts them.
Does not belong here: milliseconds (``bench``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import sqlparse

from orchestration.marts.ledger import MODELS
from tests.dbt import facts
from tests.dbt.builds import STEPS, Builder
from tests.dbt.conftest import Marts
from tests.dbt.facts import NOON, add_tweet, minutes

pytestmark = pytest.mark.slow

HISTORY = """
    with numbers as (
        select
            number,
            core.snowflake_floor(timestamptz '2025-03-10 09:00:00+00' - number * interval '17 minutes') + number as id
        from generate_series({}, {}) as number
    ),

    tweets as (
        insert into core.twitter_tweets (
            tweet_id, author_profile_id, delivery_id, content_hash, twitter_created_at, collected_at,
            has_media, has_links, has_hashtags, has_mentions, is_reply, text
        )
        select id, 11 + number % 4, 0, 0, core.snowflake_time(id), now(), false, false, true, false, false, 'text'
        from numbers
    ),

    metrics as (
        insert into core.twitter_tweet_metrics (tweet_id, observed_at, like_count) select id, now(), number from numbers
    ),

    entities as (
        insert into core.twitter_entities (tweet_id, ordinal, entity_type, entity_value, entity_normalized)
        select id, 0, 'hashtag', 'tag' || number % 500, 'tag' || number % 500 from numbers
    )

    insert into core.twitter_tweet_zones (tweet_id, zone_id, author_profile_id, twitter_created_at, first_matched_at)
    select id, '00000000-0000-0000-0000-000000000001', 11 + number % 4, core.snowflake_time(id), now() from numbers
"""


def grow(marts: Marts, start: int, end: int) -> None:
    """Add a tweet for every 17 minutes of the past, and build until nothing is left; the last build has no claims."""
    marts.facts.execute(HISTORY.format(start, end).encode())
    waiting = "select count(*) from marts.mart_status where claimed_bucket_count > 0 or waiting_mark_count > 0"
    marts.build()
    while marts.facts.execute(waiting.encode()).fetchone() != (0,):
        marts.build()
    marts.facts.execute("vacuum analyze")


def statements(builder: Builder, model: str) -> Iterator[str]:
    """Yield the statements of a build that read or write rows, one by one."""
    for step in STEPS:
        yield from sqlparse.split(builder.builds[model].steps[step], strip_semicolon=True)


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


def rows_read(builder: Builder, model: str) -> int:
    """Build a model and return how many rows its plans' scans read from tables."""
    total = 0
    with builder.connection.transaction():
        for statement in statements(builder, model):
            text = re.sub(r"^(--.*\n\s*)*", "", statement)
            if not re.match(r"(insert|delete|update|with|create temp)", text):
                builder.connection.execute(statement.encode())
                continue
            explained = f"explain (analyze, timing off, format json) {text}"
            (plans,) = builder.connection.execute(explained.encode()).fetchone() or ([],)
            plan = plans if isinstance(plans, list) else json.loads(plans)
            for node in nodes(plan[0]["Plan"]):
                if "Relation Name" in node and "Scan" in node["Node Type"]:
                    removed = node.get("Rows Removed by Filter", 0)
                    total += round((node["Actual Rows"] + removed) * node["Actual Loops"])
    builder.connection.execute("discard temp")
    return total


def test_a_build_reads_as_much_of_a_long_history_as_of_a_short_one(marts: Marts) -> None:
    read: list[dict[str, int]] = []
    for start, end in ((1, 10_000), (10_001, 40_000)):
        grow(marts, start, end)
        add_tweet(marts.facts, NOON - minutes(1), author=12, tags=("tag1",), sequence=start, counters={"like_count": 1})
        facts.set_as_of(marts.facts, NOON)
        read.append({model: rows_read(marts.build, model) for model in MODELS})
    short, long = read
    # The authors of the history are four, and every window is full in both: nothing of that is read for longer.
    for model in set(MODELS) - {"twitter_zone_stats_daily"}:
        assert long[model] <= short[model] + 20, (model, short, long)
    # A row a day: PostgreSQL rather reads those few pages than an index of them.
    days = 30_000 * 17 // (24 * 60)
    assert long["twitter_zone_stats_daily"] <= short["twitter_zone_stats_daily"] + days + 20, (short, long)


def test_nothing_to_do_reads_next_to_nothing(marts: Marts) -> None:
    grow(marts, 1, 5_000)
    facts.set_as_of(marts.facts, NOON)
    marts.build()
    for model in MODELS:
        assert rows_read(marts.build, model) < 100, model
