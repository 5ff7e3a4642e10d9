"""Profile snapshots against the stand-in provider over HTTP, and the history of handles."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from database import snowflake
from database.connections import Role
from ingest.profiles.snapshot import (
    MONITORED_EVERY,
    ProfileSnapshots,
    freshness,
    grid_moment,
    set_monitored,
)
from ingest.provider.protocol import Provider
from tests.ingest.provider_world import HOUR_MS, Pipeline, ProviderWorld, pipeline, provider_world

START_MS = snowflake.to_unix_ms(datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0))
DAY_MS = 24 * HOUR_MS


@pytest.fixture
def world() -> Iterator[ProviderWorld]:
    with provider_world(START_MS, authors=3_000) as serving:
        yield serving


@pytest.fixture
def flow(world: ProviderWorld, role_urls: dict[Role, str]) -> Iterator[Pipeline]:
    with pipeline(role_urls["pipeline"], world) as opened:
        opened.add_zone()
        yield opened


@pytest.fixture
def provider(world: ProviderWorld) -> Iterator[Provider]:
    with world.client() as client:
        yield client


@pytest.fixture
def taking(flow: Pipeline, provider: Provider) -> ProfileSnapshots:
    return ProfileSnapshots(flow.connection, provider, flow.budget(), now=flow.world.now)


def rows(flow: Pipeline, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    return flow.connection.execute(statement, parameters or None).fetchall()


def monitor(flow: Pipeline, *, state: str = "active", count: int = 3) -> list[int]:
    """Follow some authors of the world that are in a state now; return their ranks."""
    people = flow.world.standin.world.people
    chosen = [index for index in range(people.count) if people.state(index, flow.world.now_ms) == state][:count]
    for index in chosen:
        flow.connection.execute(
            """
            insert into core.twitter_profiles (
                twitter_user_id, first_seen_at, last_seen_at, last_updated_at, content_hash, is_monitored
            )
            values (%s, '2025-01-01', '2025-01-01', '2025-01-01', 1, true)
            """,
            (people.id_of(index),),
        )
    return chosen


def test_monitored_profiles_are_seen_once_in_each_interval_and_growth_is_true(
    flow: Pipeline, taking: ProfileSnapshots
) -> None:
    people = flow.world.standin.world.people
    followed = monitor(flow)
    for _ in range(2 * 24):
        taking.run()
        flow.world.go_on(HOUR_MS)
    seen = rows(
        flow,
        """
        select profile_id, snapshot_at, followers_count, delta_followers, followers_growth_rate
        from core.twitter_profile_snapshots_with_deltas
        order by profile_id, snapshot_at
        """,
    )
    assert len(seen) == len(followed) * 2 * 4
    before: dict[int, tuple[datetime, int]] = {}
    for profile_id, snapshot_at, followers, delta, growth in seen:
        index = people.with_id(profile_id)
        assert index is not None
        assert followers == people.followers(people.author(index), snowflake.to_unix_ms(snapshot_at))
        if profile_id in before:
            since, count_before = before[profile_id]
            assert delta == followers - count_before
            days = (snapshot_at - since) / timedelta(days=1)
            assert float(growth) == pytest.approx(delta / days)
        else:
            assert delta is None
        before[profile_id] = (snapshot_at, followers)


def test_after_an_outage_each_profile_is_seen_once_and_the_growth_is_over_the_real_time(
    flow: Pipeline, taking: ProfileSnapshots
) -> None:
    monitor(flow)
    taking.run()
    flow.world.fail(40, "http_500")
    for _ in range(5):
        flow.world.go_on(6 * HOUR_MS)
        assert taking.run().failure is not None
    assert rows(flow, "select count(*) from ops.profile_absences") == [(0,)]
    flow.world.go_on(15 * HOUR_MS)
    report = taking.run()
    assert (report.asked, report.taken, report.failure) == (3, 3, None)
    assert taking.run().asked == 0
    spans = rows(
        flow,
        """
        select delta_followers / followers_growth_rate
        from core.twitter_profile_snapshots_with_deltas where delta_followers <> 0
        """,
    )
    assert spans
    assert all(float(days) == pytest.approx(45 / 24) for (days,) in spans)


def test_an_empty_answer_is_an_outage_and_nobody_is_absent(flow: Pipeline, taking: ProfileSnapshots) -> None:
    monitor(flow)
    flow.collect(flow.world.tweets(START_MS - HOUR_MS, START_MS))
    flow.world.fail(1, "empty")
    report = taking.run()
    assert report.failure is not None
    assert "accounts that it showed before" in str(report.failure)
    assert rows(flow, "select count(*) from ops.profile_absences") == [(0,)]


def test_a_suspended_account_is_noted_with_its_state_and_keeps_its_profile(
    flow: Pipeline, taking: ProfileSnapshots
) -> None:
    monitor(flow)
    gone = monitor(flow, state="suspended", count=1)
    report = taking.run()
    assert (report.taken, report.missing) == (3, 1)
    people = flow.world.standin.world.people
    assert rows(flow, "select profile_id, reason from ops.profile_absences") == [(people.id_of(gone[0]), "suspended")]
    assert taking.run().asked == 0
    told = freshness(flow.connection, flow.world.now())
    assert (told.monitored, told.fresh, told.absent) == (4, 3, 1)


def test_a_snapshot_refreshes_the_profile_itself(flow: Pipeline, taking: ProfileSnapshots) -> None:
    [index, *_] = monitor(flow)
    taking.run()
    people = flow.world.standin.world.people
    assert rows(
        flow,
        "select username, followers_count from core.twitter_profiles where twitter_user_id = %s",
        people.id_of(index),
    ) == [(people.handle(index, START_MS), people.followers(people.author(index), START_MS))]


def test_the_tops_of_each_zone_are_seen_daily(flow: Pipeline, taking: ProfileSnapshots, database_url: str) -> None:
    flow.collect(flow.world.tweets(START_MS - 3 * HOUR_MS, START_MS))
    flow.connection.execute(
        """
        create table marts.twitter_top_profiles_by_zone as
        select zone_id, author_profile_id as profile_id, count(*) as total_engagement, 0::bigint as followers_count
        from core.twitter_tweet_zones
        group by zone_id, author_profile_id
        """
    )
    [(authors,)] = rows(flow, "select count(*) from marts.twitter_top_profiles_by_zone")
    first = taking.run()
    assert first.due == min(authors, 200) > 20
    assert first.taken + first.missing == first.due
    flow.world.go_on(23 * HOUR_MS)
    assert taking.run().due == 0
    flow.world.go_on(HOUR_MS)
    assert taking.run().due == first.due


def test_every_handle_an_account_carried_is_kept_with_the_time_it_was_seen(
    flow: Pipeline, taking: ProfileSnapshots
) -> None:
    people = flow.world.standin.world.people
    end_ms = START_MS + 60 * DAY_MS
    renaming = next(
        index
        for index in range(people.count)
        if people.renames(index, end_ms) - people.renames(index, START_MS) >= 1
        and all(people.state(index, START_MS + day * DAY_MS) == "active" for day in range(61))
    )
    flow.connection.execute(
        """
        insert into core.twitter_profiles (
            twitter_user_id, first_seen_at, last_seen_at, last_updated_at, content_hash, is_monitored
        )
        values (%s, '2025-01-01', '2025-01-01', '2025-01-01', 1, true)
        """,
        (people.id_of(renaming),),
    )
    handles = []
    for day in range(61):
        flow.world.set_clock(START_MS + day * DAY_MS)
        taking.run()
        if not handles or handles[-1] != people.handle(renaming, flow.world.now_ms):
            handles.append(people.handle(renaming, flow.world.now_ms))
    history = rows(
        flow,
        """
        select username, valid_from, valid_to
        from core.twitter_profile_name_history
        where profile_id = %s
        order by valid_from
        """,
        people.id_of(renaming),
    )
    assert [username for username, _, _ in history] == handles
    assert len(handles) >= 2
    assert history[-1][2] is None
    for (_, _, ended), (_, began, _) in pairwise(history):
        assert ended == began


def test_an_older_observation_renames_nobody(flow: Pipeline) -> None:
    flow.collect(flow.world.tweets(START_MS - HOUR_MS, START_MS))
    flow.connection.execute("update core.twitter_profiles set username = username || 'x'")
    assert rows(flow, "select count(*) from core.twitter_profile_names") == [(0,)]


def test_a_profile_is_followed_by_its_name(flow: Pipeline) -> None:
    flow.collect(flow.world.tweets(START_MS - HOUR_MS, START_MS))
    [(username,)] = rows(flow, "select username from core.twitter_profiles where username is not null limit 1")
    assert set_monitored(flow.connection, f"@{username.upper()}", is_monitored=True) == 1
    assert set_monitored(flow.connection, username, is_monitored=True) == 0


@given(st.datetimes(timezones=st.just(UTC)).filter(lambda moment: 1971 < moment.year < 9999))
def test_due_moments_lie_on_a_grid_whenever_one_asks(now: datetime) -> None:
    moment = grid_moment(now, MONITORED_EVERY)
    assert moment <= now < moment + MONITORED_EVERY
    assert moment.hour % 6 == moment.minute == moment.second == 0
