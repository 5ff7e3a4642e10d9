"""The marts equal a recount of core after whatever happened to it.

Belongs here: one change of facts, one build, one comparison.
Does not belong here: builders that meet or die (``test_builders.py``), long random histories (``test_histories.py``).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest

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
    """
    before = rows(marts, versions)
    marts.facts.execute("update core.twitter_tweets set lang = 'en'")
    marts.build()
    assert rows(marts, "select claimed_bucket_count from ops.mart_state") == [(1,)] * 5
    assert rows(marts, versions) == before


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

    def test_a_build_keeps_the_moment_that_it_claimed_for(self, marts: Marts) -> None:
        add_tweet(marts.facts, NOON - minutes(1), tags=("tag",))
        model = "twitter_trending_hashtags"
        marts.build(["int_zone_author_hourly", "int_zone_tag_author_hourly"])
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
