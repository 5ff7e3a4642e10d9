"""T31: months that retention has taken stay in the marts as they were, whatever is rebuilt; and come back identical."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from database import snowflake
from database.retention import TABLES, Report, Retention
from database.settings import RetentionSettings
from ingest.compliance.erase import Eraser, Request
from orchestration.marts.verification import MARTS, verify
from tests.dbt import facts
from tests.dbt.builds import Dbt, contents
from tests.dbt.conftest import Marts

HOUR = timedelta(hours=1)


def fill(marts: Marts, *, left_out: Callable[[int], bool] = lambda _: False) -> None:
    """Write tweets of two years ago, all of which lie in the partition ``history``."""
    for number in range(12):
        if left_out(number):
            continue
        facts.add_tweet(
            marts.facts,
            facts.NOON - number * HOUR,
            author=facts.AUTHORS[number % 3],
            zones=facts.ZONES[: 1 + number % 2],
            tags=("Rain", "sun")[: 1 + number % 2],
            counters={"like_count": number, "retweet_count": None},
        )


def retention(marts: Marts, directory: Path, connection: psycopg.Connection[Any]) -> Retention:
    months = dict.fromkeys(("retention_core_months", "retention_raw_months", "retention_accounting_months"), 1)
    settings = RetentionSettings(_env_file=None, archive_dir=directory, retention_drops_history=True, **months)
    return Retention(connection, settings, now=datetime.now(UTC))


def take_history(marts: Marts, directory: Path) -> Report:
    with psycopg.connect(marts.owner_url, autocommit=True) as connection:
        return retention(marts, directory, connection).run()


def drift(connection: psycopg.Connection[Any]) -> dict[str, tuple[str, ...]]:
    """Return what the verification finds, having gone through everything."""
    found = [verify(connection, mart, slice_number=0, slice_count=1) for mart in MARTS]
    return {verification.mart: verification.examples for verification in found if not verification.passed}


def rebuild_everything(marts: Marts) -> None:
    """What --full-refresh does, and a change of any model's SQL."""
    marts.facts.execute("delete from ops.model_definitions")
    marts.build()


def test_a_sealed_month_stays_in_the_marts_and_comes_back_identical(marts: Marts, tmp_path: Path) -> None:
    fill(marts)
    marts.build()
    before = contents(marts.facts)
    assert drift(marts.facts) == {}

    assert "core.twitter_tweets_history" in take_history(marts, tmp_path).dropped
    assert marts.facts.execute("select count(*) from core.twitter_tweets").fetchone() == (0,)
    rebuild_everything(marts)
    assert contents(marts.facts) == before
    assert drift(marts.facts) == {}

    with psycopg.connect(marts.owner_url, autocommit=True) as connection:
        for table in TABLES:
            if table.schema == "core":
                retention(marts, tmp_path, connection).restore(table.full_name, "history")
    rebuild_everything(marts)
    assert contents(marts.facts) == before
    assert drift(marts.facts) == {}


def test_totals_of_all_time_keep_what_is_sealed_and_go_on(marts: Marts, tmp_path: Path) -> None:
    fill(marts)
    marts.build()
    take_history(marts, tmp_path)
    recent = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - HOUR
    facts.set_as_of(marts.facts, recent + HOUR)
    facts.add_tweet(marts.facts, recent, author=facts.AUTHORS[0], counters={"like_count": 100})
    marts.build()
    marts.build()
    total = marts.facts.execute(
        "select tweet_count, total_engagement from marts.twitter_top_profiles_by_zone"
        " where zone_id = %s and profile_id = %s",
        (facts.ZONES[0], facts.AUTHORS[0]),
    ).fetchone()
    # Of the sealed ones: numbers 0, 3, 6 and 9.
    assert total == (5, 118)
    assert drift(marts.facts) == {}
    rebuild_everything(marts)
    assert drift(marts.facts) == {}


def names_in_top_profiles(marts: Marts, author: int) -> list[tuple[Any, ...]]:
    return marts.facts.execute(
        "select username, tweet_count from marts.twitter_top_profiles_by_zone where profile_id = %s order by zone_id",
        (author,),
    ).fetchall()


def test_a_profile_that_returns_gets_its_names_back_in_what_is_sealed(marts: Marts, tmp_path: Path) -> None:
    fill(marts)
    marts.build()
    take_history(marts, tmp_path)
    author = facts.AUTHORS[0]
    facts.delete_profile(marts.facts, author)
    marts.build()
    assert names_in_top_profiles(marts, author) == [(None, 4), (None, 2)]
    assert drift(marts.facts) == {}

    facts.add_profile(marts.facts, author)
    marts.build()
    assert names_in_top_profiles(marts, author) == [(f"user{author}", 4), (f"user{author}", 2)]
    assert drift(marts.facts) == {}


def test_rows_without_a_profile_satisfy_the_data_tests(marts: Marts, dbt: Dbt, tmp_path: Path) -> None:
    fill(marts)
    marts.build()
    take_history(marts, tmp_path)
    facts.delete_profile(marts.facts, facts.AUTHORS[0])
    marts.build()
    dbt("test", "--select", "twitter_top_profiles_by_zone", "--exclude-resource-type", "unit_test")


def test_a_mark_of_a_sealed_hour_is_taken_and_changes_nothing(marts: Marts, tmp_path: Path) -> None:
    fill(marts)
    marts.build()
    before = contents(marts.facts)
    take_history(marts, tmp_path)
    marts.facts.execute(
        "insert into ops.int_zone_counted_tweets__marks (tweet_id)"
        " select tweet_id from intermediate.int_zone_counted_tweets"
    )
    marts.facts.execute(
        "insert into ops.int_zone_author_hourly__marks (zone_id, hour, author_profile_id) values (%s, %s, %s)",
        (facts.ZONES[0], facts.NOON, facts.AUTHORS[0]),
    )
    marts.build()
    assert contents(marts.facts) == before
    assert marts.facts.execute("select count(*) from ops.int_zone_counted_tweets__marks").fetchone() == (0,)
    assert marts.facts.execute("select count(*) from ops.int_zone_author_hourly__marks").fetchone() == (0,)


ERASURES = {
    "an author": (Request(author_id=facts.AUTHORS[0]), lambda number: number % 3 == 0),
    "a tweet": (Request(tweet_id=snowflake.floor(facts.NOON - 4 * HOUR)), lambda number: number == 4),
}
"""Who is erased, and which of the tweets of ``fill`` go with that."""


@pytest.mark.parametrize("erased", ERASURES)
def test_who_is_erased_is_taken_out_of_sealed_months_as_if_never_seen(
    marts: Marts, tmp_path: Path, erased: str
) -> None:
    request, is_erased = ERASURES[erased]
    fill(marts, left_out=is_erased)
    marts.build()
    without = contents(marts.facts)
    fill(marts, left_out=lambda number: not is_erased(number))
    marts.build()
    take_history(marts, tmp_path)

    with psycopg.connect(marts.owner_url, autocommit=True) as owner:
        eraser = Eraser(owner, tmp_path)
        number, subject = eraser.erase(request, reason="asked for it", requested_by="a test")
        marts.build()
        assert eraser.certify(number, subject).findings == ()
    assert contents(marts.facts) == without
    assert drift(marts.facts) == {}


def test_who_is_erased_is_not_mentioned_in_sealed_months_either(marts: Marts, tmp_path: Path) -> None:
    author, other = facts.AUTHORS[:2]
    facts.add_tweet(marts.facts, facts.NOON, author=other, mentions=("aaa", f"user{author}", "zzz"))
    marts.build()
    take_history(marts, tmp_path)
    with psycopg.connect(marts.owner_url, autocommit=True) as owner:
        eraser = Eraser(owner, tmp_path)
        number, subject = eraser.erase(Request(author_id=author), reason="asked for it", requested_by="a test")
        marts.build()
        assert eraser.certify(number, subject).findings == ()
        mentions = owner.execute("select mentions from intermediate.int_zone_counted_tweets").fetchall()
    assert mentions == [(["aaa", "zzz"],)]
    assert drift(marts.facts) == {}


def test_an_erased_zone_leaves_sealed_months_of_others_as_they_were(marts: Marts, tmp_path: Path) -> None:
    """So do the names of an account whose last tweets in core were the erased zone's."""
    fill(marts)
    marts.build()
    take_history(marts, tmp_path)
    recent = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - HOUR
    facts.add_tweet(marts.facts, recent, author=facts.AUTHORS[0], zones=facts.ZONES[:1])
    marts.build()
    with psycopg.connect(marts.owner_url, autocommit=True) as owner:
        before = [row for rows in contents(owner).values() for row in rows if str(facts.ZONES[1]) in str(row)]
        (name,) = owner.execute("select name from core.zones where id = %s", (facts.ZONES[0],)).fetchone() or ("",)
        eraser = Eraser(owner, tmp_path)
        number, subject = eraser.erase(Request(zone=name), reason="the project ended", requested_by="a test")
        marts.build()
        assert eraser.certify(number, subject).findings == ()
        assert [row for rows in contents(owner).values() for row in rows] == before
        assert drift(owner) == {}


def test_without_its_counted_tweets_a_sealed_month_stays_as_it_is(marts: Marts, dbt: Dbt, tmp_path: Path) -> None:
    """Somebody dropped them; so it is with a month that was sealed before tweets were counted one by one."""
    fill(marts)
    # The window of 24 h has long left a month that is sealed.
    facts.set_as_of(marts.facts, facts.NOON + 48 * HOUR)
    marts.build()
    take_history(marts, tmp_path)
    before = contents(marts.facts)
    assert before.pop("int_zone_counted_tweets")

    marts.facts.execute("drop table intermediate.int_zone_counted_tweets cascade")
    for _ in range(2):
        dbt("run", "--full-refresh")
    after = contents(marts.facts)
    assert after.pop("int_zone_counted_tweets") == []
    assert after == before
