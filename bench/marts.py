"""The marts as a plain recount of core, for timings and tests of their readers.

Belongs here: running ``marts.sql``.
Does not belong here: the marts themselves (``dbt_project/``).
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import psycopg

from database.named_sql import statements


def build(connection: psycopg.Connection, as_of: datetime, built_at: datetime | None = None) -> None:
    """Make the tables where they are missing, and fill them anew as of a moment. The caller commits."""
    named = statements(Path(__file__).parent / "marts.sql")
    for statement in named["tables"].split(";"):
        connection.execute(statement)
    for table in (
        "intermediate.int_zone_author_hourly",
        "intermediate.int_zone_tag_author_hourly",
        "marts.twitter_zone_stats_hourly",
        "marts.twitter_top_profiles_by_zone",
        "marts.twitter_trending_hashtags",
        "intermediate.int_zone_top_tweets_hourly",
        "marts.twitter_top_engaged_tweets",
        "marts.twitter_top_profiles_by_zone_window",
        "marts.twitter_trending_entities",
    ):
        connection.execute(f"delete from {table}")
    for name in (
        "authors", "tags", "zone_stats", "top_profiles", "top_profiles_of_windows", "trending", "top_tweets_hourly",
        "top_tweets", "state",
    ):  # fmt: skip
        connection.execute(named[name], {"as_of": as_of, "built_at": built_at or as_of})
