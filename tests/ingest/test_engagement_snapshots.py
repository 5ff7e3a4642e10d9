"""Engagement snapshots against the stand-in provider over HTTP, with its clock run forward."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from database import snowflake
from database.connections import Role
from ingest.coverage import ledger
from ingest.engagement import grid
from ingest.engagement.snapshot import AlreadyRunning, Report, Snapshots, coverage_since
from ingest.provider.protocol import Provider
from tests.ingest.provider_world import HOUR_MS, MINUTE_MS, Pipeline, ProviderWorld, pipeline, provider_world
from tests.ingest.test_coverage import beat, minutes

START_MS = snowflake.to_unix_ms(datetime.now(UTC).replace(minute=0, second=0, microsecond=0))
"""The present hour, since partitions are made around the present time: each run tells another story."""


@pytest.fixture
def world() -> Iterator[ProviderWorld]:
    with provider_world(START_MS) as serving:
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


def snapshots(flow: Pipeline, provider: Provider, per_day: int | None = None) -> Snapshots:
    return Snapshots(flow.connection, provider, flow.budget(per_day), now=flow.world.now)


def rows(flow: Pipeline, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    return flow.connection.execute(statement, parameters or None).fetchall()


def coverage(flow: Pipeline) -> tuple[int, int, int, int, int]:
    totals = coverage_since(flow.connection, datetime(2020, 1, 1, tzinfo=UTC).date()).values()
    return (
        sum(total.due for total in totals),
        sum(total.taken for total in totals),
        sum(total.absent for total in totals),
        sum(total.missed for total in totals),
        sum(total.over_budget for total in totals),
    )


def collect_an_hour(flow: Pipeline) -> None:
    """Collect what was posted in the hour before now."""
    flow.collect(flow.world.tweets(flow.world.now_ms - HOUR_MS, flow.world.now_ms))


def run_hours(flow: Pipeline, taking: Snapshots, hours: int, *, collecting: bool = False) -> list[Report]:
    reports = []
    for _ in range(hours):
        flow.world.go_on(HOUR_MS)
        if collecting:
            collect_an_hour(flow)
        reports.append(taking.run())
    return reports


OUTAGE_FROM_MS = START_MS + 20 * HOUR_MS
OUTAGE_TO_MS = START_MS + 25 * HOUR_MS


def nine_days(flow: Pipeline, taking: Snapshots) -> tuple[list[Report], list[Report]]:
    """Collect for a day, live through a five-hour outage at its end, go on until everything is cold.

    Return the runs that could be settled and those of the outage. Runs are as frequent as the tightest tier needs.
    """
    settled = [taking.run()]
    settled += run_hours(flow, taking, 20, collecting=True)
    beat(flow.connection, *minutes(snowflake.from_unix_ms(START_MS), snowflake.from_unix_ms(START_MS + 30 * HOUR_MS)))
    flow.world.fail(5, "http_500")
    failed = run_hours(flow, taking, 4, collecting=True)
    settled += run_hours(flow, taking, 24)
    for hours, count in ((3, 16), (6, 20)):
        for _ in range(count):
            flow.world.go_on(hours * HOUR_MS)
            settled.append(taking.run())
    assert flow.world.now_ms == START_MS + 9 * 24 * HOUR_MS
    return settled, failed


@pytest.mark.slow
def test_in_nine_days_with_an_outage_every_snapshot_is_taken_or_told_missed_and_curves_are_true(
    role_urls: dict[Role, str],
) -> None:
    with (
        provider_world(START_MS, tweets_per_hour=16, authors=100) as world,
        world.client() as provider,
        pipeline(role_urls["pipeline"], world) as flow,
    ):
        flow.add_zone()
        taking = snapshots(flow, provider, per_day=3_000_000)
        settled, failed = nine_days(flow, taking)
        assert all(report.is_settled for report in settled)
        assert not any(report.is_settled for report in failed)

        due, taken, absent, missed, over_budget = coverage(flow)
        expected_due, expected_missed = expected_by_the_grid(flow)
        assert (due, missed, over_budget) == (expected_due, expected_missed, 0)
        assert taken + absent == due - missed
        assert missed > 0

        curves_equal_the_truth(flow)
        deltas_sum_to_the_difference_of_ends(flow)
        nothing_is_asked_for_twice_for_one_due_moment_nor_when_it_is_cold(flow)
        only_the_truly_gone_are_absent(flow)
        calls_stay_within_the_budget_and_are_all_in_it(flow, 3_000_000)

        the_gap_is_on_the_ledger_and_its_hours_are_not_covered(flow)

        # Without the outage nothing would have been missed: each tweet was caught up with once.
        caught_up = settled[21]
        assert caught_up.until == flow.world.now() - timedelta(days=8, hours=-1)
        assert caught_up.asked == len({tweet_id for at, tweet_id in world.asked if at == OUTAGE_TO_MS})


def the_gap_is_on_the_ledger_and_its_hours_are_not_covered(flow: Pipeline) -> None:
    """The provider was down from its last answer to its next; the heart beat all the while."""
    start = snowflake.from_unix_ms(START_MS)
    flow.connection.execute("update core.twitter_rules set created_at = %s", (start,))
    ledger.renew(flow.connection, start + timedelta(hours=30), since=start)
    gaps = rows(flow, "select kind, source, starts_at, ends_at from ops.gaps where stops_collection")
    outage = (snowflake.from_unix_ms(OUTAGE_FROM_MS), snowflake.from_unix_ms(OUTAGE_TO_MS))
    assert gaps == [("provider_down", "twitterapi_io", *outage)]
    covered = rows(flow, "select hour, is_covered from ops.zone_hour_coverage order by hour")
    assert [(hour - start, is_covered) for hour, is_covered in covered] == [
        (timedelta(hours=number), number not in range(20, 25)) for number in range(30)
    ]


def expected_by_the_grid(flow: Pipeline) -> tuple[int, int]:
    """Recount how many snapshots were due, and how many the outage swallowed: all but the latest of each tweet,
    unless a delivery happened to show the tweet, as a quote does."""
    tweets = rows(
        flow,
        """
        select
            links.tweet_id,
            links.first_matched_at,
            array(
                select history.snapshot_at
                from core.twitter_engagement_history as history
                inner join raw.deliveries on history.snapshot_at = deliveries.received_at
                where history.tweet_id = links.tweet_id
            )
        from core.twitter_tweet_zones as links
        inner join core.twitter_tweets as tweets using (tweet_id)
        where tweets.retweeted_tweet_id is null
        """,
    )
    due = missed = 0
    for tweet_id, first_matched_at, delivered in tweets:
        shown = [snowflake.to_unix_ms(moment) for moment in delivered]
        moments = [snowflake.unix_ms(tweet_id) + age for age in grid.AGES]
        moments = [moment for moment in moments if moment > snowflake.to_unix_ms(first_matched_at)]
        due += len(moments)
        swallowed = [moment for moment in moments if OUTAGE_FROM_MS < moment <= OUTAGE_TO_MS]
        missed += sum(
            not any(moment <= at_ms < following for at_ms in shown) for moment, following in pairwise(swallowed)
        )
    return due, missed


def curves_equal_the_truth(flow: Pipeline) -> None:
    world = flow.world.standin.world
    observations = rows(
        flow,
        """
        select
            history.tweet_id, history.snapshot_at, history.retweet_count, history.reply_count, history.like_count,
            history.quote_count, history.view_count, history.bookmark_count
        from core.twitter_engagement_history as history
        """,
    )
    assert len(observations) > 5_000
    for tweet_id, snapshot_at, *counters in observations:
        tweet = world.tweet(tweet_id)
        assert tweet is not None
        truth = world.counts_of(tweet, snowflake.to_unix_ms(snapshot_at))
        assert counters == [truth.retweet, truth.reply, truth.like, truth.quote, truth.view, truth.bookmark]


def deltas_sum_to_the_difference_of_ends(flow: Pipeline) -> None:
    wrong = rows(
        flow,
        """
        with ends as (
            select
                tweet_id,
                sum(delta_likes) as sum_of_deltas,
                (array_agg(like_count order by snapshot_at desc))[1]
                - (array_agg(like_count order by snapshot_at))[1] as difference_of_ends
            from core.twitter_engagement_history_with_deltas
            group by tweet_id
            having count(*) > 1
        )
        select count(*) filter (where sum_of_deltas is distinct from difference_of_ends), count(*) from ends
        """,
    )
    assert wrong[0][0] == 0
    assert wrong[0][1] > 100


def nothing_is_asked_for_twice_for_one_due_moment_nor_when_it_is_cold(flow: Pipeline) -> None:
    outage = range(OUTAGE_FROM_MS, OUTAGE_TO_MS)
    moments: dict[int, list[int]] = {}
    for at_ms, tweet_id in flow.world.asked:
        if at_ms not in outage:
            moments.setdefault(tweet_id, []).append(at_ms)
    assert len(moments) > 200
    for tweet_id, asked in moments.items():
        created_ms = snowflake.unix_ms(tweet_id)
        assert asked[-1] <= created_ms + grid.COLD_AGE_MS + 6 * HOUR_MS
        for before, after in pairwise(asked):
            assert any(before < created_ms + age <= after for age in grid.AGES)


def calls_stay_within_the_budget_and_are_all_in_it(flow: Pipeline, per_day: int) -> None:
    budget = rows(flow, "select period, spent_credits, call_count from ops.provider_budget")
    days = [(spent, calls) for period, spent, calls in budget if period == "day"]
    charged = 1_000_000_000 - flow.world.standin.credits
    assert max(spent for spent, _ in days) <= per_day
    # A call that was answered with HTTP 500 may have been billed: it stays in the books.
    failed = [tweet_id for at_ms, tweet_id in flow.world.asked if at_ms in range(OUTAGE_FROM_MS, OUTAGE_TO_MS)]
    assert charged <= sum(spent for spent, _ in days) <= charged + 15 * len(failed)
    assert sum(calls for _, calls in days) == sum(flow.world.standin.calls.values())


def only_the_truly_gone_are_absent(flow: Pipeline) -> None:
    world = flow.world.standin.world
    absences = rows(flow, "select tweet_id, last_missed_at from ops.tweet_absences")
    # In some worlds one tweet in a hundred is gone, in some none: it depends on the hour that the world begins in.
    gone = {
        tweet_id
        for at_ms, tweet_id in flow.world.asked
        if at_ms not in range(OUTAGE_FROM_MS, OUTAGE_TO_MS) and world.visibility(tweet_id, at_ms) != "visible"
    }
    assert {tweet_id for tweet_id, _ in absences} == gone
    for tweet_id, last_missed_at in absences:
        assert world.visibility(tweet_id, snowflake.to_unix_ms(last_missed_at)) != "visible"


def test_a_new_tweet_is_looked_at_each_hour_and_its_latest_counts_follow(flow: Pipeline, provider: Provider) -> None:
    taking = snapshots(flow, provider)
    taking.run()
    reports = run_hours(flow, taking, 3, collecting=True)
    assert [report.is_settled for report in reports] == [True] * 3
    assert reports[-1].found > 0
    world = flow.world.standin.world
    latest = rows(
        flow,
        """
        select metrics.tweet_id, metrics.observed_at, metrics.like_count
        from core.twitter_tweet_metrics as metrics
        inner join core.twitter_tweet_zones as links using (tweet_id)
        inner join core.twitter_tweets as tweets using (tweet_id)
        where tweets.retweeted_tweet_id is null
        """,
    )
    for tweet_id, observed_at, likes in latest:
        tweet = world.tweet(tweet_id)
        assert tweet is not None
        assert likes == world.counts_of(tweet, snowflake.to_unix_ms(observed_at)).like


def test_look_ups_mark_the_tweets_whose_counters_they_change(flow: Pipeline, provider: Provider) -> None:
    taking = snapshots(flow, provider)
    taking.run()
    run_hours(flow, taking, 1, collecting=True)
    flow.connection.execute("delete from ops.int_zone_counted_tweets__marks")
    before = dict(rows(flow, "select tweet_id, total_engagement from core.twitter_tweet_metrics"))
    # In some hours of this small world nobody likes anything.
    run_hours(flow, taking, 6)
    after = dict(rows(flow, "select tweet_id, total_engagement from core.twitter_tweet_metrics"))
    changed = {tweet_id for tweet_id, total in after.items() if before[tweet_id] != total}
    unmarked = rows(
        flow,
        """
        select links.tweet_id
        from core.twitter_tweet_zones as links
        where
            links.tweet_id = any(%s)
            and not exists (
                select from ops.int_zone_counted_tweets__marks as marks
                where marks.tweet_id = links.tweet_id
            )
        """,
        list(changed),
    )
    assert changed
    assert unmarked == []


@pytest.mark.parametrize("kind", ["http_500", "error", "empty"])
def test_an_outage_of_any_kind_counts_nothing_as_absent_and_is_caught_up_once(
    flow: Pipeline, provider: Provider, kind: Any
) -> None:
    taking = snapshots(flow, provider)
    taking.run()
    run_hours(flow, taking, 3, collecting=True)
    absences = rows(flow, "select tweet_id, miss_count from ops.tweet_absences")
    flow.world.fail(4.5, kind)
    failed = run_hours(flow, taking, 4)
    assert all(report.failure is not None and not report.is_settled for report in failed)
    assert rows(flow, "select tweet_id, miss_count from ops.tweet_absences") == absences
    health = rows(flow, "select failing_since, failure_count, last_failure from ops.provider_health")[0]
    assert health[0] == failed[0].until
    assert health[1] == 4
    assert health[2]

    calls_before = sum(flow.world.standin.calls.values())
    [caught_up] = run_hours(flow, taking, 1)
    assert caught_up.is_settled
    assert caught_up.asked <= caught_up.due_tweets
    assert sum(flow.world.standin.calls.values()) - calls_before == caught_up.calls
    hourly = caught_up.by_tier[grid.Tier.HOURLY]
    assert hourly.taken + hourly.absent == caught_up.due_tweets
    assert hourly.missed == hourly.due - caught_up.due_tweets > 0
    assert rows(flow, "select failing_since from ops.provider_health") == [(None,)]


def test_a_tweet_that_is_really_gone_is_absent_and_its_counts_stay(flow: Pipeline, provider: Provider) -> None:
    world = flow.world.standin.world
    doomed = next(
        tweet
        for tweet in world.between(START_MS, START_MS + 96 * HOUR_MS)
        if tweet.kind == "tweet" and 2 * HOUR_MS < tweet.deleted_at_ms - tweet.created_at_ms < 20 * HOUR_MS
    )
    flow.world.set_clock(doomed.created_at_ms + 5 * MINUTE_MS)
    flow.collect(flow.world.tweets(doomed.created_at_ms - HOUR_MS, flow.world.now_ms))
    taking = snapshots(flow, provider)
    taking.run()
    hours_alive = (doomed.deleted_at_ms - flow.world.now_ms) // HOUR_MS
    run_hours(flow, taking, hours_alive + 3)
    [(reason, misses)] = rows(flow, "select reason, miss_count from ops.tweet_absences where tweet_id = %s", doomed.id)
    assert reason == "absent"
    assert misses >= 2
    [(observations, lowest)] = rows(
        flow,
        "select count(*), min(like_count) from core.twitter_engagement_history where tweet_id = %s",
        doomed.id,
    )
    assert observations == hours_alive + 1
    assert lowest is not None


def test_a_tweet_that_is_shown_again_is_no_longer_absent(flow: Pipeline, provider: Provider) -> None:
    taking = snapshots(flow, provider)
    taking.run()
    run_hours(flow, taking, 1, collecting=True)
    [(tweet_id,)] = rows(
        flow,
        """
        select links.tweet_id
        from core.twitter_tweet_zones as links
        inner join core.twitter_tweets as tweets using (tweet_id)
        where tweets.retweeted_tweet_id is null
        order by links.tweet_id limit 1
        """,
    )
    flow.connection.execute(
        "insert into ops.tweet_absences values (%s, 'absent', 2, '2026-01-01', '2026-01-02')", (tweet_id,)
    )
    run_hours(flow, taking, 1)
    assert rows(flow, "select * from ops.tweet_absences where tweet_id = %s", tweet_id) == []


def test_with_too_small_a_budget_the_young_and_the_lively_come_first_and_the_rest_is_told(
    flow: Pipeline, provider: Provider
) -> None:
    taking = snapshots(flow, provider)
    taking.run()
    for _ in range(10):
        flow.world.go_on(3 * HOUR_MS)
        flow.collect(flow.world.tweets(flow.world.now_ms - 3 * HOUR_MS, flow.world.now_ms))
        taking.run()
    flow.world.go_on(HOUR_MS)
    spent = flow.budget(per_day=1).spending(flow.world.now())[0].spent_credits
    day_gone = (flow.world.now_ms % (24 * HOUR_MS) + 15 * MINUTE_MS) / (24 * HOUR_MS)
    limit = int((spent + 15 * 300) / day_gone)
    calls = sum(flow.world.standin.calls.values())
    report = snapshots(flow, provider, per_day=limit).run()
    assert report.is_settled
    assert 250 <= report.asked <= 300 < report.due_tweets
    assert sum(flow.world.standin.calls.values()) - calls <= 3
    assert report.over_budget == report.due_tweets - report.asked
    assert report.by_tier[grid.Tier.HOURLY].taken >= 250
    assert report.by_tier[grid.Tier.SIX_HOURLY].taken == 0
    assert sum(tier.over_budget for tier in report.by_tier.values()) == report.over_budget
    assert flow.budget(limit).spending(flow.world.now())[0].spent_credits <= limit * day_gone + 1
    assert_the_liveliest_were_asked(flow, report)


def assert_the_liveliest_were_asked(flow: Pipeline, report: Report) -> None:
    """Compare, among the tweets that were due in the youngest tier, the speeds of those asked for and left out."""
    speeds = rows(
        flow,
        """
        select tweet_id, (array_agg(engagement_velocity order by snapshot_at desc))[1]
        from core.twitter_engagement_history_with_deltas
        where snapshot_at < %s
        group by tweet_id
        """,
        report.until,
    )
    asked = {tweet_id for at_ms, tweet_id in flow.world.asked if at_ms == flow.world.now_ms}
    young = {
        tweet_id: speed
        for tweet_id, speed in speeds
        if grid.due_in(snowflake.unix_ms(tweet_id), flow.world.now_ms - HOUR_MS, flow.world.now_ms)
        and flow.world.now_ms - snowflake.unix_ms(tweet_id) < 25 * HOUR_MS
    }
    slowest_asked = min(speed for tweet_id, speed in young.items() if tweet_id in asked and speed is not None)
    tracked = {tweet_id for (tweet_id,) in rows(flow, "select tweet_id from core.twitter_tweet_zones")}
    left_out = [young[tweet_id] for tweet_id in young.keys() & tracked - asked]
    assert None not in left_out
    assert left_out
    assert max(left_out) <= slowest_asked


def test_an_exhausted_budget_asks_for_nothing(flow: Pipeline, provider: Provider) -> None:
    taking = snapshots(flow, provider, per_day=0)
    taking.run()
    calls = sum(flow.world.standin.calls.values())
    report = run_hours(flow, taking, 2, collecting=True)[-1]
    assert sum(flow.world.standin.calls.values()) == calls
    assert report.asked == 0
    assert report.is_settled
    assert report.over_budget > 0
    # The others were shown by a delivery since they were due: that costs nothing.
    hourly = report.by_tier[grid.Tier.HOURLY]
    assert (hourly.missed, hourly.taken) == (report.over_budget, report.due_tweets - report.over_budget)


def test_two_runs_never_work_at_once(flow: Pipeline, provider: Provider, role_urls: dict[Role, str]) -> None:
    with pipeline(role_urls["pipeline"], flow.world) as other:
        other.connection.execute("select pg_advisory_lock(7203101)")
        with pytest.raises(AlreadyRunning, match="another run"):
            snapshots(flow, provider).run()


def test_a_run_that_is_repeated_asks_for_nothing_again(flow: Pipeline, provider: Provider) -> None:
    taking = snapshots(flow, provider)
    taking.run()
    first = run_hours(flow, taking, 2, collecting=True)[-1]
    before = coverage(flow)
    # What a run that died before it settled leaves behind: everything written, the span still open.
    flow.connection.execute("update ops.engagement_progress set settled_through = %s", (first.after,))
    again = taking.run()
    assert first.asked > 0
    assert again.asked == 0
    due, taken, *_ = coverage(flow)
    assert due - before[0] == first.due_tweets
    assert taken - before[1] == first.by_tier[grid.Tier.HOURLY].taken >= first.found
