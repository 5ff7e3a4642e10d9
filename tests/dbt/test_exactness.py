"""The marts equal a recount of core after whatever happened to it.

Belongs here: one change of facts, one build, one comparison.
Does not belong here: builders that meet or die (``test_builders.py``), long random histories (``test_histories.py``).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from orchestration.marts.ledger import MODELS
from tests.dbt import facts
from tests.dbt.builds import contents, drift
from tests.dbt.conftest import Marts
from tests.dbt.facts import AUTHORS, NOON, ZONES, add_tweet, minutes

Change = Callable[[Any], object]


def rows(marts: Marts, query: str) -> list[tuple[Any, ...]]:
    return marts.facts.execute(query.encode()).fetchall()


def test_the_numbers_of_a_small_hour_are_those_one_counts_by_hand(marts: Marts) -> None:
    counters = {"retweet_count": 1, "like_count": 4}
    add_tweet(marts.facts, NOON - minutes(50), counters=counters, has_media=True, sentiment="0.5")
    add_tweet(marts.facts, NOON - minutes(40), counters={"like_count": 0}, has_links=True, sentiment="-0.2")
    add_tweet(marts.facts, NOON - minutes(30), author=AUTHORS[1], is_reply=True)
    marts.build()
    assert rows(
        marts,
        """
        select
            total_tweets, unique_authors, total_retweets, total_likes, total_quotes, total_engagement, avg_engagement,
            avg_likes, tweets_with_media, tweets_with_links, reply_tweets, avg_sentiment, is_complete
        from marts.twitter_zone_stats_hourly
        """,
    ) == [(3, 2, 1, 4, None, 5, Decimal("2.5"), Decimal(2), 1, 1, 1, Decimal("0.15"), True)]
    assert rows(
        marts,
        """
        select twitter_user_id, username, tweet_count, total_engagement, avg_engagement
        from marts.twitter_top_profiles_by_zone
        order by profile_id
        """,
    ) == [("11", "user11", 2, 5, Decimal("2.5")), ("12", "user12", 1, None, None)]
    assert drift(marts.facts) == {}


def test_a_tag_that_stands_twice_in_a_tweet_and_in_two_spellings_counts_once(marts: Marts) -> None:
    """T5: the design document's view made two rows of this, counted the engagement twice and took six samples."""
    ids = [
        add_tweet(
            marts.facts,
            NOON - minutes(10 + number),
            tags=("#AI", "#ai") if number % 2 else ("#ai", "#AI", "#AI"),
            counters={"like_count": number},
            author=AUTHORS[number % 3],
        )
        for number in range(5)
    ]
    marts.build()
    assert rows(
        marts,
        """
        select
            hashtag, original_hashtag, tweet_count_24h, unique_authors_24h, total_engagement_24h, sample_tweets
        from marts.twitter_trending_hashtags
        """,
    ) == [("#ai", "#ai", 5, 3, 10, [str(ids[4]), str(ids[3]), str(ids[2])])]
    assert drift(marts.facts) == {}


def test_the_most_engaged_tweets_of_a_day_are_a_hundred_in_a_total_order(marts: Marts) -> None:
    """Engagement repeats, so places are decided by the id; authors repeat, so one may hold several places."""
    ids = [
        add_tweet(
            marts.facts,
            NOON - minutes(2 * number),
            author=AUTHORS[number % 4],
            counters={"like_count": number % 10},
            sequence=number,
        )
        for number in range(130)
    ]
    unknown = add_tweet(marts.facts, NOON - minutes(1))
    marts.build()
    order = sorted(range(130), key=lambda number: (number % 10, ids[number]), reverse=True)
    listed = "select tweet_id, place from marts.twitter_top_engaged_tweets where day = '2025-03-10' order by place"
    assert rows(marts, listed) == [(ids[number], place) for place, number in enumerate(order[:100], start=1)]
    facts.delete_tweet(marts.facts, ids[order[0]])
    facts.set_counters(marts.facts, unknown, {"like_count": 1_000})
    facts.set_counters(marts.facts, ids[order[1]], {})
    marts.build()
    expected = [unknown, *(ids[number] for number in order[2:101])]
    assert [tweet for tweet, _ in rows(marts, listed)] == expected
    assert drift(marts.facts) == {}
    assert rows(marts, "select tweet_id from marts.twitter_top_engaged_tweet_details where place = 1") == [
        (str(unknown),)
    ]


def test_spellings_with_equal_votes_go_to_the_smaller_by_code_point(marts: Marts) -> None:
    add_tweet(marts.facts, NOON - minutes(1), tags=("tag",))
    add_tweet(marts.facts, NOON - minutes(2), tags=("Tag",))
    add_tweet(marts.facts, NOON - minutes(3), tags=("TAG",))
    marts.build()
    assert rows(marts, "select original_hashtag from marts.twitter_trending_hashtags") == [("TAG",)]


def test_samples_without_known_engagement_come_last_and_equals_go_to_the_larger_id(marts: Marts) -> None:
    unknown = add_tweet(marts.facts, NOON - minutes(1), tags=("tag",))
    first = add_tweet(marts.facts, NOON - minutes(4), tags=("tag",), counters={"like_count": 1})
    second = add_tweet(marts.facts, NOON - minutes(3), tags=("tag",), counters={"reply_count": 1})
    marts.build()
    assert rows(marts, "select place, tweet_id from marts.twitter_trending_hashtag_samples order by place") == [
        (1, str(second)),
        (2, str(first)),
        (3, str(unknown)),
    ]


def test_a_tweet_of_two_zones_counts_in_both(marts: Marts) -> None:
    add_tweet(marts.facts, NOON - minutes(1), zones=ZONES, tags=("tag",), counters={"like_count": 2})
    marts.build()
    for table in ("twitter_zone_stats_hourly", "twitter_top_profiles_by_zone", "twitter_trending_hashtags"):
        assert rows(marts, f"select zone_id from marts.{table} order by 1") == [(ZONES[0],), (ZONES[1],)]
    assert drift(marts.facts) == {}


def test_a_suppressed_tweet_leaves_every_mart_and_comes_back(marts: Marts) -> None:
    """T35: counts are retracted at suppression; what is undone is as if nothing had happened."""
    add_tweet(marts.facts, NOON - minutes(2), tags=("tag",), counters={"like_count": 1})
    tweet = add_tweet(marts.facts, NOON - minutes(1), zones=ZONES, tags=("tag", "other"), counters={"like_count": 2})
    marts.build()
    before = contents(marts.facts)
    facts.suppress(marts.facts, tweet, NOON)
    marts.build()
    assert str(tweet) not in str(contents(marts.facts))
    assert rows(marts, "select total_tweets, total_likes from marts.twitter_zone_stats_hourly") == [(1, 1)]
    assert rows(marts, "select hashtag, sample_tweets[2] from marts.twitter_trending_hashtags") == [("tag", None)]
    assert drift(marts.facts) == {}
    facts.suppress(marts.facts, tweet, None)
    marts.build()
    assert contents(marts.facts) == before
    assert drift(marts.facts) == {}


def test_a_tweet_without_a_zone_is_in_no_mart(marts: Marts) -> None:
    add_tweet(marts.facts, NOON - minutes(1), zones=(), tags=("tag",))
    marts.build()
    assert {name: found for name, found in contents(marts.facts).items() if found} == {}


def test_tweets_on_the_edges_of_an_hour_fall_into_the_right_one(marts: Marts) -> None:
    hour = NOON - timedelta(hours=1)
    add_tweet(marts.facts, hour)
    add_tweet(marts.facts, NOON - timedelta(milliseconds=1))
    add_tweet(marts.facts, NOON)
    marts.build()
    found = rows(marts, "select hour, total_tweets, is_complete from marts.twitter_zone_stats_hourly order by 1")
    assert found == [(hour, 2, True), (NOON, 1, False)]


def test_tweets_from_before_clocked_ids_are_found_by_their_time(marts: Marts) -> None:
    for tweet_id, at in ((20, "2006-03-21 20:50:14+00"), (29_000_000_000, "2010-10-28 10:00:00+00")):
        marts.facts.execute(
            """
            insert into core.twitter_tweets (
                tweet_id, author_profile_id, delivery_id, content_hash, twitter_created_at, collected_at,
                has_media, has_links, has_hashtags, has_mentions, is_reply, text
            )
            values (%s, %s, 0, 0, %s, now(), false, false, false, false, false, 'text')
            """,
            (tweet_id, AUTHORS[0], at),
        )
        facts.link(marts.facts, tweet_id, ZONES[0])
    marts.build()
    assert rows(marts, "select total_tweets from marts.twitter_zone_stats_hourly") == [(1,), (1,)]
    assert drift(marts.facts) == {}


def delete_all(connection: psycopg.Connection[Any], ids: list[int]) -> None:
    for tweet_id in ids:
        facts.delete_tweet(connection, tweet_id)


def give_another_id(connection: psycopg.Connection[Any], tweet_id: int) -> None:
    facts.delete_tweet(connection, tweet_id)
    add_tweet(connection, NOON - minutes(119), tags=("alpha",), author=AUTHORS[2], sequence=5)


def changes(ids: list[int]) -> dict[str, Change]:
    """Everything that can happen to facts, each as a person writes it."""
    late = NOON - timedelta(days=40)
    return {
        "a counter grows": lambda c: facts.set_counters(c, ids[0], {"like_count": 99}),
        "a counter falls": lambda c: facts.set_counters(c, ids[0], {"like_count": 0}),
        "a counter is no longer known": lambda c: facts.set_counters(c, ids[0], {}),
        "counters are updated in place": lambda c: c.execute(
            "update core.twitter_tweet_metrics set like_count = 7, retweet_count = null"
        ),
        "counters are deleted": lambda c: c.execute("delete from core.twitter_tweet_metrics"),
        "one tweet of an hour is deleted": lambda c: facts.delete_tweet(c, ids[0]),
        "the only tweet of an hour is deleted": lambda c: facts.delete_tweet(c, ids[-1]),
        "all tweets are deleted": lambda c: delete_all(c, ids),
        "a tweet is 40 days late": lambda c: add_tweet(c, late, tags=("late", "alpha"), counters={"like_count": 1}),
        "a zone link is added": lambda c: facts.link(c, ids[1], ZONES[1]),
        "a zone link is removed": lambda c: facts.unlink(c, ids[0], ZONES[0]),
        "a zone link moves": lambda c: c.execute(
            "update core.twitter_tweet_zones set zone_id = %s where tweet_id = %s", (ZONES[1], ids[1])
        ),
        "a tag is added": lambda c: c.execute(
            "insert into core.twitter_entities values (%s, 9, 'hashtag', 90, 91, null, 'New', 'new', null)", (ids[0],)
        ),
        "a tag is corrected": lambda c: c.execute(
            "update core.twitter_entities set entity_value = 'Beta', entity_normalized = 'beta' where tweet_id = %s",
            (ids[0],),
        ),
        "tags are deleted": lambda c: c.execute("delete from core.twitter_entities where tweet_id = %s", (ids[0],)),
        "a mention becomes a tag": lambda c: c.execute(
            "update core.twitter_entities set entity_type = 'mention' where tweet_id = %s", (ids[1],)
        ),
        "a tweet gets another author": lambda c: c.execute(
            "update core.twitter_tweets set author_profile_id = %s where tweet_id = %s", (AUTHORS[3], ids[0])
        ),
        "flags and sentiment are filled": lambda c: c.execute(
            "update core.twitter_tweets set is_reply = true, has_media = true, sentiment_score = 0.123456789"
        ),
        "a profile is renamed": lambda c: facts.rename(c, AUTHORS[0], "renamed"),
        "a profile has no name any more": lambda c: c.execute(
            "update core.twitter_profiles set username = null, followers_count = null"
        ),
        "a zone moves to another time zone": lambda c: facts.move_zone(c, ZONES[0], "Asia/Kathmandu"),
        "somebody listened to an hour": lambda c: facts.listen(c, ZONES[1], NOON - timedelta(hours=30), 3_600),
        "a tweet gets another id": lambda c: give_another_id(c, ids[2]),
    }


@pytest.mark.parametrize("what", list(changes([0, 1, 2])))
def test_the_marts_equal_the_recount_after(marts: Marts, what: str) -> None:
    """T11, T20, T22 among them: emptied buckets, counters of old hours, renames."""
    ids = [
        add_tweet(
            marts.facts,
            NOON - minutes(7 * number),
            author=AUTHORS[number % 3],
            zones=ZONES if number % 4 == 0 else ZONES[:1],
            tags=("Alpha", "beta")[: number % 3],
            counters={"like_count": number, "retweet_count": None if number % 2 else 1},
        )
        for number in range(1, 30)
    ]
    ids.append(add_tweet(marts.facts, NOON - timedelta(hours=9), tags=("lonely",)))
    marts.build()
    assert drift(marts.facts) == {}
    before = contents(marts.facts)
    changes(ids)[what](marts.facts)
    marts.build()
    assert drift(marts.facts) == {}
    assert contents(marts.facts) != before


def test_the_hours_that_a_build_did_not_claim_are_not_touched(marts: Marts) -> None:
    for hours in range(5):
        add_tweet(marts.facts, NOON - timedelta(hours=hours), tags=("tag",))
    marts.build()
    rows_of = "select hour, xmin::text from marts.twitter_zone_stats_hourly order by hour"
    before = rows(marts, rows_of)
    add_tweet(marts.facts, NOON + minutes(1))
    marts.build()
    after = rows(marts, rows_of)
    assert after[:-1] == before[:-1]
    assert after[-1] != before[-1]


def test_rows_whose_content_is_the_same_are_not_written_again(marts: Marts) -> None:
    add_tweet(marts.facts, NOON - minutes(1), tags=("tag",), counters={"like_count": 1})
    marts.build()
    versions = """
        select xmin::text from marts.twitter_zone_stats_hourly
        union all select xmin::text from marts.twitter_top_profiles_by_zone
        union all select xmin::text from marts.twitter_trending_hashtags
        union all select xmin::text from intermediate.int_zone_author_hourly
        union all select xmin::text from intermediate.int_zone_tag_author_hourly
        union all select xmin::text from intermediate.int_zone_top_tweets_hourly
        union all select xmin::text from marts.twitter_top_engaged_tweets
        union all select xmin::text from marts.twitter_zone_stats_daily
        union all select xmin::text from marts.twitter_top_profiles_by_zone_window
        union all select xmin::text from intermediate.int_zone_entity_author_hourly
        union all select xmin::text from marts.twitter_trending_entities
    """
    before = rows(marts, versions)
    marts.facts.execute("update core.twitter_tweets set lang = 'en'")
    marts.build()
    # The tweet is counted anew; what stands above is marked where what was counted changed, and nothing did.
    claimed = rows(marts, "select model, claimed_bucket_count from ops.mart_state order by model")
    assert claimed == sorted((model, int(model == "int_zone_counted_tweets")) for model in MODELS)
    assert rows(marts, versions) == before


def test_what_rises_is_ranked_by_how_far_it_exceeds_its_own_baseline(marts: Marts) -> None:
    """Tags, mentions and hosts alike: one that is always there, one that rises, one that a single author pushes."""
    for number in range(1, 241):
        at = NOON - timedelta(hours=number)
        add_tweet(marts.facts, at, tags=("daily",), author=AUTHORS[number % 4], hosts=("daily.example",))
    for number in range(20):
        add_tweet(
            marts.facts,
            NOON - minutes(2 * number + 1),
            author=AUTHORS[number % 4],
            mentions=("Rising", "rising"),
            hosts=("rising.example", "rising.example"),
            sequence=1,
        )
        add_tweet(marts.facts, NOON - minutes(2 * number + 1), tags=("pushed",), zones=ZONES, sequence=2)
    marts.build()
    trends = """
        select
            entity_type, entity_value, tweet_count, unique_authors, loudest_author_share, expected_tweet_count, is_new
        from marts.twitter_trending_entities
        where time_window = '24h' and zone_id = '00000000-0000-0000-0000-000000000001'
        order by score desc, entity_type
    """
    found = rows(marts, trends)
    quarter, one, none = Decimal("0.25"), Decimal(1), Decimal(0)
    assert found[:2] == [
        ("mention", "rising", 20, 4, quarter, none, True),
        ("url", "rising.example", 20, 4, quarter, none, True),
    ]
    assert sorted(found[2:]) == [
        ("hashtag", "daily", 24, 4, quarter, Decimal(24), False),
        ("hashtag", "pushed", 20, 1, one, none, True),
        ("url", "daily.example", 24, 4, quarter, Decimal(24), False),
    ]
    facts.set_as_of(marts.facts, NOON + timedelta(hours=2))
    marts.build()
    assert (
        rows(marts, "select distinct entity_value from marts.twitter_trending_entities where time_window = '1h'") == []
    )
    for as_of in (timedelta(days=8), timedelta(days=-5), timedelta(days=30), timedelta(minutes=7)):
        facts.set_as_of(marts.facts, NOON + as_of)
        marts.build()
        assert drift(marts.facts) == {}


class TestViews:
    """What follows from the tables by a formula, as the header of each view states it."""

    def test_a_tweet_that_gains_is_viral_and_a_late_observation_takes_its_place(self, marts: Marts) -> None:
        rising = add_tweet(marts.facts, NOON - timedelta(hours=10), counters={"like_count": 100})
        falling = add_tweet(marts.facts, NOON - timedelta(hours=9), counters={"like_count": 50})
        for tweet, age, likes in (
            (rising, 10, 10),
            (rising, 2, 100),
            (rising, 6, 20),
            (falling, 9, 60),
            (falling, 1, 50),
        ):
            marts.facts.execute(
                "insert into core.twitter_engagement_history (tweet_id, snapshot_at, like_count) values (%s, %s, %s)",
                (tweet, NOON - timedelta(hours=age), likes),
            )
        marts.build()
        viral = "select tweet_id, total_engagement, engagement_velocity, acceleration from marts.twitter_viral_tweets"
        assert rows(marts, viral) == [(str(rising), 100, Decimal(20), Decimal("1.6"))]
        velocity = f"""
            select age_hours, delta_engagement, engagement_velocity
            from marts.twitter_engagement_velocity where tweet_id = {rising} order by snapshot_at
        """
        assert rows(marts, velocity) == [
            (Decimal(0), None, None),
            (Decimal(4), 10, Decimal("2.5")),
            (Decimal(8), 80, Decimal(20)),
        ]

    def test_an_hour_is_compared_with_the_same_hour_of_earlier_days_and_the_open_one_with_none(
        self, marts: Marts
    ) -> None:
        for day, count in ((0, 9), (1, 2), (2, 30), (3, 2), (4, 2)):
            for number in range(count):
                add_tweet(marts.facts, NOON - timedelta(days=day, minutes=30), sequence=number)
        add_tweet(marts.facts, NOON + minutes(5))
        facts.set_as_of(marts.facts, NOON + minutes(10))
        marts.build()
        anomalies = "select hour, total_tweets, expected_tweet_count, day_count, score, is_anomaly"
        assert rows(marts, f"{anomalies} from marts.twitter_zone_anomalies order by hour") == [
            (NOON - timedelta(days=1, hours=1), 2, Decimal(2), 3, Decimal(0), False),
            (NOON - timedelta(hours=1), 9, Decimal(2), 4, Decimal("3.818813"), True),
        ]

    def test_influence_is_half_reach_and_half_response(self, marts: Marts) -> None:
        add_tweet(marts.facts, NOON - minutes(1), counters={"like_count": 999})
        add_tweet(marts.facts, NOON - minutes(1), author=AUTHORS[1], sequence=1)
        marts.facts.execute(
            "update core.twitter_profiles set followers_count = case twitter_user_id when 11 then 9999 end"
        )
        marts.build()
        scores = "select twitter_user_id, influence_score from marts.twitter_profile_influence order by profile_id"
        assert rows(marts, scores) == [("11", Decimal("50.0")), ("12", None)]
        named = "select twitter_user_id, username from marts.dim_profile where profile_id = 11"
        assert rows(marts, named) == [("11", "user11")]


class TestCoverage:
    """NULL where nobody listened, 0 where nobody tweeted."""

    def test_an_hour_without_tweets_is_none_or_unknown_and_coverage_may_come_later(self, marts: Marts) -> None:
        hours = [NOON - timedelta(hours=number) for number in range(4)]
        add_tweet(marts.facts, hours[0] + minutes(1), counters={"like_count": 1})
        facts.listen(marts.facts, ZONES[0], hours[1], 3_600)
        facts.listen(marts.facts, ZONES[0], hours[2], 1_000)
        marts.build()
        listed = """
            select hour, total_tweets, unique_authors, total_engagement, avg_engagement, is_covered, covered_seconds
            from marts.twitter_zone_stats_hourly order by hour desc
        """
        assert rows(marts, listed) == [
            (hours[0], 1, 1, 1, Decimal(1), False, 0),
            (hours[1], 0, 0, 0, None, True, 3_600),
            (hours[2], None, None, None, None, False, 1_000),
        ]
        days = "select day, total_tweets, hours_covered, hours_long from marts.twitter_zone_stats_daily"
        assert rows(marts, days) == [(date(2025, 3, 10), 1, Decimal("1.2778"), Decimal(24))]
        facts.listen(marts.facts, ZONES[0], hours[2], 3_590)
        facts.listen(marts.facts, ZONES[0], hours[1], None)
        marts.build()
        assert [(hour, count) for hour, count, *_ in rows(marts, listed)] == [(hours[0], 1), (hours[2], 0)]
        assert drift(marts.facts) == {}


@pytest.mark.parametrize(
    ("timezone", "around", "lengths"),
    [
        # Clocks go forward at 2, back at 3; forward and back over midnight; half an hour; and offsets of 45 minutes.
        ("Europe/Berlin", "2025-03-30 12:00+00", {24, 23}),
        ("Europe/Berlin", "2025-10-26 12:00+00", {24, 25}),
        ("America/Sao_Paulo", "2018-11-04 12:00+00", {24, 23}),
        ("America/Havana", "2025-11-02 12:00+00", {24, 25}),
        ("Australia/Lord_Howe", "2025-04-06 03:00+00", {24, Decimal("24.5")}),
        ("Asia/Kathmandu", "2025-03-10 12:00+00", {24}),
    ],
)
def test_days_are_those_of_the_zone_even_where_clocks_change(
    marts: Marts, timezone: str, around: str, lengths: set[Any]
) -> None:
    moment = datetime.fromisoformat(around)
    facts.move_zone(marts.facts, ZONES[0], timezone)
    facts.set_as_of(marts.facts, moment + timedelta(days=1))
    dice = random.Random(timezone)
    for number in range(100):
        add_tweet(
            marts.facts,
            moment - minutes(dice.randrange(-2_000, 2_000)),
            author=dice.choice(AUTHORS),
            zones=ZONES[number % 2 :],
            counters={"like_count": number},
            sequence=number,
        )
    for hours in range(-30, 31, 5):
        facts.listen(marts.facts, ZONES[0], moment + timedelta(hours=hours), 3_600)
    marts.build()
    found = rows(
        marts,
        "select hours_long from marts.twitter_zone_stats_daily where zone_id = '00000000-0000-0000-0000-000000000001'",
    )
    assert {length for (length,) in found} == lengths
    assert drift(marts.facts) == {}


class TestTime:
    """T21, T25, T27: windows end at as_of, which is data."""

    def test_tags_leave_the_window_without_new_data(self, marts: Marts) -> None:
        add_tweet(marts.facts, NOON - timedelta(hours=23), tags=("old",))
        add_tweet(marts.facts, NOON - minutes(1), tags=("new",))
        marts.build()
        tags = "select hashtag from marts.twitter_trending_hashtags order by 1"
        assert rows(marts, tags) == [("new",), ("old",)]
        facts.set_as_of(marts.facts, NOON + minutes(59))
        marts.build()
        assert rows(marts, tags) == [("new",), ("old",)]
        facts.set_as_of(marts.facts, NOON + minutes(60))
        marts.build()
        assert rows(marts, tags) == [("new",)]
        assert drift(marts.facts) == {}

    def test_as_of_includes_its_own_instant_and_nothing_after(self, marts: Marts) -> None:
        for seconds in (-1, 0, 1):
            add_tweet(marts.facts, NOON + minutes(30) + timedelta(seconds=seconds), tags=("tag",))
        counts = "select tweet_count_24h, last_used_at from marts.twitter_trending_hashtags"
        for as_of, expected in ((29, []), (30, [2]), (31, [3]), (30, [2]), (29, [])):
            facts.set_as_of(marts.facts, NOON + minutes(as_of))
            marts.build()
            assert [count for count, _ in rows(marts, counts)] == expected
            assert drift(marts.facts) == {}

    def test_as_of_may_go_back_and_forth(self, marts: Marts) -> None:
        for number in range(60):
            add_tweet(
                marts.facts, NOON - minutes(47 * number), tags=(f"tag{number % 7}", "all"), author=AUTHORS[number % 4]
            )
        moves = random.Random(1)
        for _ in range(12):
            facts.set_as_of(marts.facts, NOON - minutes(moves.randrange(4_000)))
            marts.build()
            assert drift(marts.facts) == {}

    def test_an_hour_is_complete_once_it_is_over_even_if_nothing_is_posted(self, marts: Marts) -> None:
        add_tweet(marts.facts, NOON - minutes(30))
        facts.set_as_of(marts.facts, NOON - minutes(1))
        marts.build()
        complete = "select is_complete from marts.twitter_zone_stats_hourly"
        assert rows(marts, complete) == [(False,)]
        facts.set_as_of(marts.facts, NOON)
        marts.build()
        assert rows(marts, complete) == [(True,)]
        facts.set_as_of(marts.facts, NOON - minutes(1))
        marts.build()
        assert rows(marts, complete) == [(False,)]
        assert drift(marts.facts) == {}

    def test_profiles_leave_each_window_in_its_hour_and_as_of_cuts_the_open_one(self, marts: Marts) -> None:
        add_tweet(marts.facts, NOON - timedelta(hours=23), counters={"like_count": 1})
        add_tweet(marts.facts, NOON - timedelta(hours=167), counters={"like_count": 2})
        add_tweet(marts.facts, NOON - timedelta(hours=719), counters={"like_count": 4})
        add_tweet(marts.facts, NOON + minutes(30), counters={"like_count": 8})
        sums = "select time_window, total_engagement from marts.twitter_top_profiles_by_zone_window"
        for as_of, expected in (
            (29, {"24h": 1, "7d": 3, "30d": 7}),
            (30, {"24h": 9, "7d": 11, "30d": 15}),
            (60, {"24h": 8, "7d": 9, "30d": 11}),
            (29, {"24h": 1, "7d": 3, "30d": 7}),
            (-60, {"24h": 1, "7d": 3, "30d": 7}),
            (60 * 23 + 90, {"7d": 9, "30d": 11}),
        ):
            facts.set_as_of(marts.facts, NOON + minutes(as_of))
            marts.build()
            assert dict(rows(marts, sums)) == expected
            assert drift(marts.facts) == {}

    def test_a_build_keeps_the_moment_that_it_claimed_for(self, marts: Marts) -> None:
        add_tweet(marts.facts, NOON - minutes(1), tags=("tag",))
        model = "twitter_trending_hashtags"
        marts.build([name for name in marts.build.builds if name.startswith("int_")])
        with marts.build.connection.transaction():
            marts.build.step(model, "claim")
            facts.set_as_of(marts.facts, NOON + timedelta(days=9))
            for step in ("compute", "replace", "release"):
                marts.build.step(model, step)
        marts.build.connection.execute("discard temp")
        assert rows(marts, "select hashtag, as_of from marts.twitter_trending_hashtags") == [("tag", NOON)]
        marts.build()
        assert rows(marts, "select hashtag from marts.twitter_trending_hashtags") == []


def test_any_split_order_and_repetition_gives_what_one_shot_gives(marts: Marts) -> None:
    """The slice test, for all models at once."""
    dice = random.Random(7)
    tweets: list[dict[str, Any]] = [
        {
            "at": NOON - minutes(dice.randrange(3_000)),
            "author": dice.choice(AUTHORS),
            "zones": dice.choice((ZONES, ZONES[:1], ZONES[1:])),
            "tags": [dice.choice(("a", "A", "b", "ß", "SS")) for _ in range(dice.randrange(4))],
            "counters": {"like_count": dice.randrange(9), "view_count": None},
            "sequence": number,
        }
        for number in range(120)
    ]
    dice.shuffle(tweets)
    while tweets:
        size = dice.randrange(1, 30)
        part, tweets = tweets[:size], tweets[size:]
        for tweet in part:
            add_tweet(marts.facts, tweet.pop("at"), **tweet)
        for model in dice.sample(list(marts.build.builds), 3):
            marts.build([model])
        if dice.random() < 0.5:
            marts.build()
        marts.facts.execute("update core.twitter_tweets set lang = 'xx' where tweet_id %% 3 = 0", ())
    marts.build()
    assert drift(marts.facts) == {}
    in_slices = contents(marts.facts)
    for model in marts.build.builds:
        schema = "intermediate" if model.startswith("int_") else "marts"
        marts.build.connection.execute(f"delete from {schema}.{model}".encode())
        marts.build.connection.execute("delete from ops.mart_state where model = %s", (model,))
    marts.build()
    assert contents(marts.facts) == in_slices
