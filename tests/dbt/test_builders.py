"""Builders that meet, die, come too late or find too much to do.

Belongs here: the order of a build's steps against what others do meanwhile.
Does not belong here: what the numbers are (``test_exactness.py``).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import psycopg
import pytest

from database.connections import connect
from orchestration.marts.ledger import MODELS
from tests.dbt import facts
from tests.dbt.builds import STEPS, Builder, contents, drift
from tests.dbt.conftest import Marts
from tests.dbt.facts import AUTHORS, NOON, ZONES, add_tweet, minutes

ALIKE = {"int_zone_top_tweets_hourly", "twitter_top_engaged_tweets", "twitter_top_profiles_by_zone_window"}
DIFFERENT = [model for model in MODELS if model not in ALIKE]
"""Each step of each of these is interrupted; the others are claimed and released by the same statements as some of
them, and are interrupted at random in ``test_histories.py``."""


def wait_until_blocked(marts: Marts, application_name: str) -> None:
    """Return once a session of that name waits for a lock."""
    for _ in range(500):
        (found,) = marts.facts.execute(
            "select count(*) from pg_stat_activity where application_name = %s and wait_event_type = 'Lock'"
            " and datname = current_database()",
            (application_name,),
        ).fetchone() or (0,)
        if found:
            return
        marts.facts.execute("select pg_sleep(0.01)")
    raise AssertionError(f"no session {application_name} waits for a lock")


def test_a_tweet_that_commits_after_the_claim_is_in_the_next_build(marts: Marts) -> None:
    """T16: with a unique mark the second writer's would be a no-op, deleted with the first one's and lost for good."""
    add_tweet(marts.facts, NOON - minutes(1), tags=("tag",))
    with connect(marts.owner_url, application_name="slow writer") as slow:
        add_tweet(slow, NOON - minutes(2), tags=("tag",))
        marts.build()
        assert marts.facts.execute("select total_tweets from marts.twitter_zone_stats_hourly").fetchall() == [(1,)]
        slow.commit()
    marts.build()
    assert marts.facts.execute("select total_tweets from marts.twitter_zone_stats_hourly").fetchall() == [(2,)]
    assert drift(marts.facts) == {}


@pytest.mark.parametrize("model", DIFFERENT)
@pytest.mark.parametrize("last_step", STEPS)
def test_a_tweet_that_commits_between_two_steps_is_never_lost(marts: Marts, model: str, last_step: str) -> None:
    """T18, for each model and each place between two of its steps."""
    add_tweet(marts.facts, NOON - minutes(1), tags=("tag",), counters={"like_count": 1})
    marts.build(MODELS[: MODELS.index(model)])
    with marts.build.connection.transaction():
        for step in STEPS:
            marts.build.step(model, step)
            if step == last_step:
                add_tweet(marts.facts, NOON - minutes(3), tags=("TAG",), counters={"like_count": 5})
    marts.build.connection.execute("discard temp")
    marts.build()
    assert drift(marts.facts) == {}
    assert marts.facts.execute("select tweet_count from marts.twitter_top_profiles_by_zone").fetchall() == [(2,)]


@pytest.mark.parametrize("model", DIFFERENT)
@pytest.mark.parametrize("last_step", STEPS)
def test_a_builder_that_dies_between_two_steps_leaves_everything_as_it_was(
    marts: Marts, another_builder: Callable[[], Builder], model: str, last_step: str
) -> None:
    ids = [add_tweet(marts.facts, NOON - minutes(number), tags=("tag",)) for number in range(1, 4)]
    marts.build()
    facts.delete_tweet(marts.facts, ids[0])
    add_tweet(marts.facts, NOON - minutes(30), author=AUTHORS[1], tags=("other",))
    marts.build(MODELS[: MODELS.index(model)])
    before = contents(marts.facts), ledger(marts)
    doomed = another_builder()
    doomed.connection.execute("begin")
    for step in STEPS:
        doomed.step(model, step)
        if step == last_step:
            break
    marts.facts.execute("select pg_terminate_backend(%s)", (doomed.connection.info.backend_pid,))
    with pytest.raises(psycopg.OperationalError):
        doomed.connection.execute("select 1")
    assert (contents(marts.facts), ledger(marts)) == before
    marts.build()
    assert drift(marts.facts) == {}


def ledger(marts: Marts) -> list[object]:
    """Every queue and note of the ledger, as rows."""
    found: list[object] = []
    for model in MODELS:
        for part in ("marks", "claims"):
            query = f"select to_jsonb(rows) from ops.{model}__{part} as rows order by 1"
            found += marts.facts.execute(query.encode()).fetchall()
    return found + marts.facts.execute("select to_jsonb(state) from ops.mart_state as state order by model").fetchall()


@pytest.mark.parametrize("model", DIFFERENT)
def test_a_second_builder_waits_and_then_builds_what_came_meanwhile(
    marts: Marts, another_builder: Callable[[], Builder], model: str
) -> None:
    """T17: without the lock the one that began first could write its older sums last."""
    add_tweet(marts.facts, NOON - minutes(1), tags=("tag",))
    marts.build(MODELS[: MODELS.index(model)])
    second = another_builder()
    second.connection.execute("set application_name = 'second builder'")
    with marts.build.connection.transaction():
        marts.build.step(model, "claim")
        marts.build.step(model, "compute")
        add_tweet(marts.facts, NOON - minutes(2), tags=("tag",))
        other = threading.Thread(target=second)
        other.start()
        wait_until_blocked(marts, "second builder")
        marts.build.step(model, "replace")
        marts.build.step(model, "release")
    other.join(timeout=60)
    assert not other.is_alive()
    marts.build.connection.execute("discard temp")
    marts.build()
    assert drift(marts.facts) == {}


def build_until(done: threading.Event, own: Builder) -> None:
    while not done.is_set():
        own()


def write_sixty_tweets(url: str, author: int) -> None:
    """Insert, change and delete, each round in a transaction."""
    with connect(url, application_name="writer") as connection:
        written: list[int] = []
        for number in range(60):
            at = NOON - minutes(number % 7)
            tags = (f"tag{number % 3}", "all")
            written.append(add_tweet(connection, at, author=author, sequence=number * 64 + author, tags=tags))
            facts.set_counters(connection, written[-1 - number // 3], {"like_count": number})
            if number % 9 == 8:
                facts.delete_tweet(connection, written.pop(0))
            connection.commit()


def test_builders_and_writers_at_once_end_in_exact_marts(marts: Marts, another_builder: Callable[[], Builder]) -> None:
    """Two builders and two writers, 120 transactions of facts, in whatever order the machine makes of it."""
    done = threading.Event()
    with ThreadPoolExecutor(max_workers=4) as pool:
        builders = [pool.submit(build_until, done, own) for own in (marts.build, another_builder())]
        writers = [pool.submit(write_sixty_tweets, marts.owner_url, author) for author in AUTHORS[:2]]
        try:
            for writer in writers:
                writer.result(timeout=120)
        finally:
            done.set()
        for running in builders:
            running.result(timeout=120)
    marts.build()
    assert drift(marts.facts) == {}


def test_more_marks_than_a_build_may_claim_are_built_newest_first(marts: Marts) -> None:
    for hours in range(6):
        add_tweet(marts.facts, NOON - timedelta(hours=hours), tags=("tag",))
    one_for_each = "select max(ctid) from ops.int_zone_counted_tweets__marks group by tweet_id"
    marts.facts.execute(f"delete from ops.int_zone_counted_tweets__marks where ctid not in ({one_for_each})".encode())
    bounded = marts.build.builds["int_zone_counted_tweets"].steps
    assert bounded["claim"].count("limit 50000") == 1
    bounded["claim"] = bounded["claim"].replace("limit 50000", "limit 2")
    seen = []
    try:
        for _ in range(4):
            marts.build()
            hours_built = marts.facts.execute("select hour from marts.twitter_zone_stats_hourly order by 1").fetchall()
            seen.append([(NOON - hour) // timedelta(hours=1) for (hour,) in hours_built])
    finally:
        bounded["claim"] = bounded["claim"].replace("limit 2", "limit 50000")
    assert seen == [[1, 0], [3, 2, 1, 0], [5, 4, 3, 2, 1, 0], [5, 4, 3, 2, 1, 0]]
    assert drift(marts.facts) == {}


def test_what_triggers_change_is_a_new_version_for_whoever_caches_it(marts: Marts) -> None:
    versions = (
        "select model, built_at from ops.mart_state where model = any("
        "'{twitter_top_profiles_by_zone,twitter_trending_hashtags}') order by model"
    )
    add_tweet(marts.facts, NOON - minutes(1), tags=("tag",))
    marts.build()
    before = marts.facts.execute(versions).fetchall()
    add_tweet(marts.facts, NOON - minutes(2), tags=("tag",))
    marts.build(["int_zone_counted_tweets"])
    counts = "select tweet_count from marts.twitter_top_profiles_by_zone"
    assert marts.facts.execute(counts).fetchall() == [(2,)]
    assert marts.facts.execute("select tweet_count_24h from marts.twitter_trending_hashtags").fetchall() == [(2,)]
    after = marts.facts.execute(versions).fetchall()
    assert [new > old for (_, old), (_, new) in zip(before, after, strict=True)] == [True, True]


def test_a_pipeline_that_writes_its_own_marks_is_not_marked_twice(marts: Marts) -> None:
    with marts.facts.transaction():
        marts.facts.execute("set local ledger.marks = 'explicit'")
        add_tweet(marts.facts, NOON - minutes(1), zones=ZONES)
    assert marts.facts.execute("select count(*) from ops.int_zone_counted_tweets__marks").fetchall() == [(0,)]
    add_tweet(marts.facts, NOON - minutes(2), zones=ZONES)
    assert marts.facts.execute("select count(*) from ops.int_zone_counted_tweets__marks").fetchall() != [(0,)]


def test_an_older_definition_of_a_model_has_every_bucket_rebuilt(marts: Marts) -> None:
    add_tweet(marts.facts, NOON - minutes(1), tags=("tag",))
    marts.build()
    marts.facts.execute("update marts.twitter_top_profiles_by_zone set tweet_count = 77")
    marts.facts.execute("update ops.model_definitions set definition_hash = 'that of an older release'")
    marts.build()
    assert drift(marts.facts) == {}


def test_sums_of_before_tweets_were_counted_stay_until_all_are(marts: Marts) -> None:
    """A database of before migration 0019: hours and windows are there, and not what was counted of a tweet."""
    for hours in range(6):
        add_tweet(marts.facts, NOON - timedelta(hours=hours), tags=("tag",), counters={"like_count": hours})
    marts.build()
    hours = "select hour, total_tweets, total_engagement from marts.twitter_zone_stats_hourly order by hour"
    tags = "select hashtag, tweet_count_24h, total_engagement_24h from marts.twitter_trending_hashtags"
    before = [marts.facts.execute(shown).fetchall() for shown in (hours, tags)]
    new = ("int_zone_counted_tweets", "int_zone_hourly", "int_zone_tag_author_window")
    marts.facts.execute(f"truncate {', '.join(f'intermediate.{model}' for model in new)}".encode())
    begun_anew = [*new, "int_zone_author_hourly", "twitter_trending_hashtags"]
    for notes in ("mart_state", "model_definitions"):
        marts.facts.execute(f"delete from ops.{notes} where model = any(%s)".encode(), (begun_anew,))

    steps = {model: marts.build.builds[model].steps for model in begun_anew}
    claims = {model: step["claim"] for model, step in steps.items()}
    for model in begun_anew:
        of_backlog = "limit 50000" if model == "int_zone_counted_tweets" else "claimed_bucket_count < 50000"
        steps[model]["claim"] = claims[model].replace(of_backlog, of_backlog.replace("50000", "2"))
    try:
        for _ in range(4):
            marts.build()
            assert [marts.facts.execute(shown).fetchall() for shown in (hours, tags)] == before
    finally:
        for model, claim in claims.items():
            steps[model]["claim"] = claim
    assert drift(marts.facts) == {}
    add_tweet(marts.facts, NOON - minutes(1), tags=("tag",))
    marts.build()
    assert drift(marts.facts) == {}


def test_windows_that_are_summed_anew_in_several_builds_hold_everybody(marts: Marts) -> None:
    for number, author in enumerate(AUTHORS):
        add_tweet(marts.facts, NOON - minutes(number), author=author, tags=("tag",), counters={"like_count": number})
    marts.build()
    tables = {
        "int_zone_tag_author_window": ("intermediate", "zone_id, hashtag, author_profile_id"),
        "twitter_trending_hashtags": ("marts", "zone_id, hashtag"),
    }
    for model, (schema, columns) in tables.items():
        marts.facts.execute(
            f"with gone as (delete from {schema}.{model} returning {columns})"
            f" insert into ops.{model}__marks ({columns}) select {columns} from gone".encode()
        )
    bounded = marts.build.builds["int_zone_tag_author_window"].steps
    claim = bounded["claim"]
    bounded["claim"] = claim.replace("limit 50000", "limit 1")
    try:
        for _ in AUTHORS:
            marts.build()
    finally:
        bounded["claim"] = claim
    assert drift(marts.facts) == {}
