"""Charts, rankings, trends, curves, growth, writes and raw objects."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from database.codec import Codec
from datalayer import analytics, engagement, entities, freshness, profiles, rules, trending, tweets, zones
from datalayer.errors import ConflictError, InvalidQueryError, NotFoundError
from tests.datalayer.world import World

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def test_a_volume_chart_has_every_hour_and_tells_none_from_nobody_listened(world: World) -> None:
    zone = world.zone("news")
    world.tweet(zone)
    world.tweet(zone, ago=2 * HOUR)
    world.tweet(zone, ago=3 * HOUR)
    world.listened(zone, 0 * HOUR, HOUR, 2 * HOUR)
    world.listened(zone, 3 * HOUR, 4 * HOUR, covered=False)
    world.build_marts()

    points = analytics.get_volume_chart(world.connection, zone, now=world.now + HOUR, hours=7)

    assert [(point.total_tweets, point.is_covered, point.is_complete) for point in points] == [
        (None, False, True),  # No row of coverage: nobody was there.
        (None, False, True),  # Listened to for a while, and nothing came: unknown, not none.
        (1, False, True),  # The least that it can be.
        (1, True, True),
        (0, True, True),
        (1, True, False),
        (None, False, False),
    ]


def test_a_day_is_covered_if_each_of_its_hours_is(world: World) -> None:
    zone = world.zone("news")
    world.tweet(zone)
    world.listened(zone, *(hours * HOUR for hours in range(72)))
    world.connection.execute(
        "update ops.zone_hour_coverage set is_covered = false where hour = date_trunc('day', %s::timestamptz, 'UTC')",
        (world.now - DAY,),
    )
    world.build_marts()

    days = analytics.get_daily_volume_chart(world.connection, zone, now=world.now, days=2)

    assert [(day.total_tweets, day.is_covered) for day in days] == [(0, False), (1, True)]


def test_days_are_counted_in_the_time_zone_asked_for(world: World) -> None:
    zone = world.zone("news")
    for hours in range(48):
        world.tweet(zone, ago=hours * HOUR)
    world.build_marts()

    utc = analytics.get_daily_volume_chart(world.connection, zone, now=world.now, days=3)
    tokyo = analytics.get_daily_volume_chart(world.connection, zone, now=world.now, days=3, timezone="Asia/Tokyo")

    assert sum(point.total_tweets or 0 for point in utc) == 48
    assert sum(point.total_tweets or 0 for point in tokyo) == 48
    assert {point.bucket.hour for point in tokyo} == {15}
    with pytest.raises(InvalidQueryError, match="no time zone"):
        analytics.get_daily_volume_chart(world.connection, zone, now=world.now, timezone="Mars/Olympus")


@pytest.mark.parametrize(
    ("order_by", "expected"), [("engagement", [3, 1, 2]), ("tweet_count", [2, 1, 3]), ("followers", [1, 3, 2])]
)
def test_top_users_are_ranked_with_unknown_last(world: World, order_by: analytics.OrderBy, expected: list[int]) -> None:
    zone = world.zone("news")
    for profile_id, followers in ((1, 500), (2, None), (3, 400)):
        world.profile(profile_id, f"author_{profile_id}", followers)
    world.tweet(zone, author=1, likes=5)
    world.tweet(zone, author=2, likes=None)
    world.tweet(zone, author=2, likes=None)
    world.tweet(zone, author=3, likes=50)
    world.build_marts()

    ranked = analytics.get_top_users(world.connection, zone, order_by=order_by)
    windowed = analytics.get_top_users_of_window(world.connection, zone, now=world.now, hours=1, order_by=order_by)

    assert [user.profile_id for user in ranked] == expected
    assert [user.profile_id for user in windowed] == expected


def test_top_users_of_a_kept_window_are_those_of_its_hours(world: World) -> None:
    zone = world.zone("news")
    for number, ago in enumerate((HOUR, 30 * HOUR, 200 * HOUR)):
        world.tweet(zone, author=number + 1, ago=ago, likes=number)
    world.build_marts()

    for window, hours, expected in (("24h", 24, [1]), ("7d", 168, [2, 1]), ("30d", 720, [3, 2, 1])):
        kept = analytics.get_top_users_of_kept_window(world.connection, zone, window)  # type: ignore[arg-type]
        counted = analytics.get_top_users_of_window(world.connection, zone, now=world.now, hours=hours)
        assert [user.profile_id for user in kept] == expected
        assert kept == counted
    with pytest.raises(InvalidQueryError, match="window is one of"):
        analytics.get_top_users_of_kept_window(world.connection, zone, "1h")  # type: ignore[arg-type]


def test_what_rises_is_ranked_apart_from_what_is_large(world: World) -> None:
    zone = world.zone("news")
    world.build_marts()
    for value, count, score in (("large", 900, 1.5), ("rising", 30, 12.25), ("other", 30, -1)):
        world.connection.execute(
            """
            insert into marts.twitter_trending_entities
            values (%s, 'mention', '6h', %s, %s, 3, 0.5, 2, 10, %s, %s, %s, false, %s)
            """,
            (zone, value, count, score, world.now, world.now, world.now),
        )

    def found(**asked: Any) -> list[str]:
        entities = trending.get_trending_entities(world.connection, zone, "mention", window="6h", **asked)
        return [entity.entity_value for entity in entities]

    assert found() == ["rising", "large", "other"]
    assert found(order_by="tweet_count", limit=2) == ["large", "other"]
    assert trending.get_trending_entities(world.connection, zone, "url") == ()
    with pytest.raises(InvalidQueryError, match="entity_type is"):
        trending.get_trending_entities(world.connection, zone, "picture")  # type: ignore[arg-type]


def test_lift_tells_a_tag_that_rises_from_one_that_is_always_there(world: World) -> None:
    zone = world.zone("news")
    for hours in range(1, 48):
        world.tweet(zone, ago=hours * HOUR, tags=("always",))
    for _ in range(5):
        world.tweet(zone, tags=("Sudden",))
    world.build_marts()

    by_volume = trending.get_trending_hashtags(world.connection, zone, now=world.now)
    by_lift = trending.get_trending_hashtags(world.connection, zone, now=world.now, order_by="lift")

    assert [tag.hashtag for tag in by_volume] == ["always", "sudden"]
    assert [tag.hashtag for tag in by_lift] == ["sudden", "always"]
    assert by_lift[0].original_hashtag == "Sudden"
    assert by_lift[0].lift == 6
    assert by_lift[1].lift == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(("window", "expected"), [("1h", 1), ("6h", 6), ("24h", 24), ("7d", 30)])
def test_every_trending_window_counts_its_hours(world: World, window: trending.Window, expected: int) -> None:
    zone = world.zone("news")
    for hours in range(30):
        world.tweet(zone, ago=hours * HOUR, tags=("tag",), author=hours % 2 + 1)
    world.build_marts()

    found = trending.get_trending_hashtags(world.connection, zone, now=world.now, window=window)

    assert [(tag.tweet_count, tag.unique_authors) for tag in found] == [(expected, min(expected, 2))]


def test_a_week_of_a_loud_zone_is_counted_for_the_tags_that_the_mart_lists(world: World) -> None:
    zone = world.zone("news")
    tags = [f"tag{number:02}" for number in range(13)]
    for place, tag in enumerate(tags):
        for hours in range(3 + place):
            world.tweet(zone, ago=hours * 9 * HOUR, tags=(tag,), author=hours % 2 + 1)
    world.build_marts()
    counted = trending.get_trending_hashtags(world.connection, zone, now=world.now, window="7d", limit=3)
    # The mart does not list every tag: who asks for more than it lists has the window counted.
    for place, tag in enumerate(tags):
        if place == 5:
            continue
        world.connection.execute(
            """
            insert into marts.twitter_trending_entities
            values (%s, 'hashtag', '7d', %s, %s, 2, 0.5, 2, 10, 1, %s, %s, false, %s)
            """,
            (zone, tag, 3 + place, world.now, world.now, world.now),
        )

    listed = trending.get_trending_hashtags(world.connection, zone, now=world.now, window="7d", limit=2)
    all_counted = trending.get_trending_hashtags(world.connection, zone, now=world.now, window="7d", limit=13)

    assert [(tag.hashtag, tag.tweet_count) for tag in counted] == [("tag12", 15), ("tag11", 14), ("tag10", 13)]
    assert listed == counted[:2]
    assert [tag.hashtag for tag in all_counted] == tags[::-1]


def test_a_hashtags_history_shows_the_hours_without_it(world: World) -> None:
    zone = world.zone("news")
    world.tweet(zone, ago=2 * HOUR, tags=("Tag",))
    world.build_marts()

    history = trending.get_hashtag_history(world.connection, zone, "#TAG", now=world.now, hours=4)

    assert [hour.tweet_count for hour in history] == [0, 1, 0, 0]


def test_a_curve_has_changes_and_velocity_which_may_be_negative(world: World) -> None:
    tweet_id = world.tweet(world.zone("news"), ago=3 * HOUR, likes=10)
    world.metrics(tweet_id, world.now - HOUR, 30)
    world.metrics(tweet_id, world.now, 25)

    curve = engagement.get_engagement_curve(world.connection, tweet_id)

    assert [(point.like_count, point.delta_likes, point.engagement_velocity) for point in curve] == [
        (10, None, None),
        (30, 20, 10.0),
        (25, -5, -5.0),
    ]


def test_viral_is_the_speed_of_the_last_two_observations(world: World) -> None:
    zone = world.zone("news")
    large = world.tweet(zone, ago=5 * HOUR, likes=1000)
    world.metrics(large, world.now, 1010)
    rising = world.tweet(zone, ago=5 * HOUR, likes=1)
    world.metrics(rising, world.now - HOUR, 1)
    world.metrics(rising, world.now, 200)
    world.tweet(zone, likes=5000)

    world.build_marts()

    found = engagement.get_viral_tweets(world.connection, zone, now=world.now)

    assert [(viral.tweet.tweet_id, viral.engagement_velocity) for viral in found] == [(rising, 199.0), (large, 2.0)]


def test_hashtags_that_stand_together_are_counted_once_for_each_tweet(world: World) -> None:
    zone = world.zone("news")
    world.tweet(zone, tags=("a", "b", "B"))
    world.tweet(zone, tags=("a", "b", "c"))
    world.tweet(zone, tags=("c",))

    found = entities.get_co_occurring_hashtags(world.connection, zone, "A")

    assert [(tag.hashtag, tag.tweet_count, tag.sampled_tweet_count) for tag in found] == [("b", 2, 2), ("c", 1, 2)]


def test_links_are_counted_by_host(world: World) -> None:
    zone = world.zone("news")
    world.tweet(zone, links=("https://www.a.example/1", "https://a.example/2"))
    world.tweet(zone, links=("https://a.example/3",))
    world.tweet(zone, mentions=("someone",))

    assert [(found.value, found.tweet_count) for found in entities.get_top_entities(world.connection, zone, "url")] == [
        ("a.example", 2)
    ]
    assert [found.value for found in entities.get_top_entities(world.connection, zone, "mention")] == ["someone"]


def test_profiles_are_found_by_the_beginning_of_a_name_then_by_words(world: World) -> None:
    world.profile(1, "Data_Daily", 10)
    world.profile(2, "datadog", 9000)
    world.profile(3, "someone", 50, description="writes about data")
    world.profile(4, "dataXdaily", 5)

    assert [found.username for found in profiles.search_profiles(world.connection, "@data")] == [
        "datadog",
        "Data_Daily",
        "dataXdaily",
        "someone",
    ]
    assert [found.username for found in profiles.search_profiles(world.connection, "data_d")] == ["Data_Daily"]
    assert profiles.get_profile_by_username(world.connection, "@DATA_daily").twitter_user_id == 1
    with pytest.raises(NotFoundError):
        profiles.get_profile_by_username(world.connection, "nobody")


def test_growth_is_followers_per_day(world: World) -> None:
    world.profile(1, "a")
    for days, followers in ((4, 100), (2, 120), (1, 110)):
        world.connection.execute(
            "insert into core.twitter_profile_snapshots (profile_id, snapshot_at, followers_count) values (1, %s, %s)",
            (world.now - days * DAY, followers),
        )

    growth = profiles.get_profile_growth(world.connection, 1, since=world.now - 30 * DAY)

    assert [(point.delta_followers, point.followers_growth_rate) for point in growth] == [
        (None, None),
        (20, 10.0),
        (-10, -10.0),
    ]


def test_influence_grows_with_followers_and_with_engagement(world: World) -> None:
    zone = world.zone("news")
    world.profile(1, "small", 10)
    world.profile(2, "large", 1_000_000)
    world.profile(3, "unknown", None)
    world.tweet(zone, author=1, likes=1)
    world.tweet(zone, author=2, likes=10_000)

    scores = [
        profiles.get_profile_influence(world.connection, number, now=world.now).influence_score for number in (1, 2, 3)
    ]

    assert scores[0] < scores[1] <= 100  # type: ignore[operator]
    assert scores[2] is None


def test_writes_are_audited_with_who_made_them(world: World) -> None:
    zone = zones.create_zone(world.connection, "news", actor="ada", timezone="Europe/Berlin")
    zones.update_zone(world.connection, zone.zone_id, actor="bob", description="what happens")
    rule = rules.create_rule(world.connection, zone.zone_id, tag="t", query="news", actor="ada")
    rules.update_rule(world.connection, rule.rule_id, actor="ada", is_active=False)
    world.profile(5, "someone")
    profiles.set_monitored(world.connection, 5, is_monitored=True, actor="bob")
    profiles.set_monitored(world.connection, 5, is_monitored=True, actor="bob")
    world.connection.execute("update core.twitter_rules set last_triggered_at = now(), external_rule_id = 'x'")
    world.connection.execute("update core.twitter_profiles set followers_count = 4")

    log = zones.get_audit_log(world.connection)[::-1]

    assert [(entry.actor, entry.action, entry.subject) for entry in log] == [
        ("ada", "insert", "zones"),
        ("bob", "update", "zones"),
        ("ada", "insert", "twitter_rules"),
        ("ada", "update", "twitter_rules"),
        ("bob", "update", "twitter_profiles"),
    ]
    assert log[1].new_values is not None
    assert log[1].new_values["description"] == "what happens"
    assert [found.twitter_user_id for found in profiles.get_monitored_profiles(world.connection).items] == [5]
    assert [found.is_active for found in rules.get_rules(world.connection, zone.zone_id)] == [False]


def test_a_write_that_cannot_be_is_refused_with_a_reason(world: World) -> None:
    zone = zones.create_zone(world.connection, "news", actor="ada")
    with pytest.raises(ConflictError, match="already"):
        zones.create_zone(world.connection, "news", actor="ada")
    with pytest.raises(InvalidQueryError, match="time zone"):
        zones.update_zone(world.connection, zone.zone_id, actor="ada", timezone="Nowhere")
    with pytest.raises(InvalidQueryError, match="actor"):
        zones.create_zone(world.connection, "other", actor=" ")
    with pytest.raises(InvalidQueryError, match="interval"):
        rules.create_rule(world.connection, zone.zone_id, tag="t", query="q", actor="ada", interval_seconds=0)
    with pytest.raises(NotFoundError):
        zones.get_zone(world.connection, "nobody's")
    assert zones.get_zone(world.connection, str(zone.zone_id)) == zone


def delivered(world: World, body: bytes, source: str = "twitterapi_io") -> int:
    delivery_id = int(world.connection.execute("select core.snowflake_floor(now())").fetchone()[0])  # type: ignore[index]
    world.connection.execute(
        """
        insert into raw.deliveries (delivery_id, received_at, body_bytes, item_count, dictionary_id, source, body)
        values (%s, now(), %s, 1, 0, %s, %s)
        """,
        (delivery_id, len(body), source, Codec({}).compress(body)),
    )
    return delivery_id


def test_the_raw_object_comes_back_whole_also_where_it_is_embedded(world: World) -> None:
    outer, inner = world.tweet(tweet_id=10**18 + 1), world.tweet(tweet_id=10**18 + 2)
    quoted = {"id": str(inner), "text": "inner", "unknown": {"deep": [1, None]}, "author": {"id": str(outer)}}
    body = json.dumps({"tweets": [{"id": str(outer), "text": "outer", "quoted_tweet": quoted}]}).encode()
    delivery_id = delivered(world, body)
    world.connection.execute("update core.twitter_tweets set delivery_id = %s", (delivery_id,))

    found = tweets.raw(world.connection, inner)

    assert found.data == quoted
    assert found.is_embedded
    assert tweets.raw(world.connection, outer).data["text"] == "outer"
    assert not tweets.raw(world.connection, outer).is_embedded


def test_a_raw_object_is_found_in_lines_too(world: World) -> None:
    tweet_id = world.tweet(tweet_id=10**18 + 3)
    lines = [b'{"delete": 1}', b"not json", json.dumps({"id": 5, "id_str": str(tweet_id), "text": "x"}).encode()]
    world.connection.execute(
        "update core.twitter_tweets set delivery_id = %s", (delivered(world, b"\n".join(lines), "v1_1"),)
    )

    assert tweets.raw(world.connection, tweet_id).data["text"] == "x"


def test_a_raw_object_that_was_archived_is_said_to_be(world: World) -> None:
    with pytest.raises(NotFoundError, match="archived"):
        tweets.raw(world.connection, world.tweet())


def test_freshness_says_what_each_mart_was_built_for(world: World) -> None:
    zone = world.zone("news")
    assert freshness.get_newest_tweet(world.connection, zone) is None
    tweet_id = world.tweet(zone)
    world.build_marts()

    versions = freshness.data_versions(world.connection)
    world.build_marts(world.now + HOUR)

    newest = freshness.get_newest_tweet(world.connection, zone)
    assert newest is not None
    assert newest.tweet_id == tweet_id
    assert {mart.as_of for mart in freshness.get_mart_freshness(world.connection)} == {world.now}
    assert all(versions[model] != version for model, version in freshness.data_versions(world.connection).items())
