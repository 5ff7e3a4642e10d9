"""Lists of tweets: what is in them, in which order, and that pages are exactly the whole."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datalayer import cursors, tweets, windows
from datalayer.errors import InvalidCursorError, InvalidQueryError, NotFoundError
from datalayer.frames import to_frame
from datalayer.tweets import Filters
from datalayer.windows import Span
from tests.datalayer.world import World

MINUTE = timedelta(minutes=1)

# A world is only read by the examples, so that sharing it between them is harmless.
shares_the_world = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)


def ids(page: tweets.Page[tweets.Tweet]) -> list[int]:
    return [tweet.tweet_id for tweet in page.items]


def all_pages(read, limit: int) -> list[int]:
    found, cursor = [], None
    while True:
        page = read(limit=limit, cursor=cursor)
        found += ids(page)
        if page.next_cursor is None:
            return found
        cursor = page.next_cursor


def test_a_feed_is_the_zones_tweets_newest_first(world: World) -> None:
    news, other = world.zone("news"), world.zone("other")
    older = world.tweet(news, ago=2 * MINUTE)
    world.tweet(other, ago=MINUTE)
    newer = world.tweet(news, other)

    assert ids(tweets.get_feed(world.connection, news)) == [newer, older]


def test_a_tweet_carries_its_author_its_entities_and_its_counters(world: World) -> None:
    zone = world.zone("news")
    world.profile(7, "ada", followers=5)
    tweet_id = world.tweet(zone, author=7, text="hi #One @two", tags=("One",), mentions=("two",), likes=3)

    tweet = tweets.get_tweet(world.connection, tweet_id)

    assert (tweet.author.username, tweet.author.followers_count) == ("ada", 5)
    assert [(entity.entity_type, entity.value, entity.normalized) for entity in tweet.entities] == [
        ("hashtag", "One", "one"),
        ("mention", "two", "two"),
    ]
    assert (tweet.like_count, tweet.total_engagement, tweet.retweet_count) == (3, 3, None)


def test_an_unknown_tweet_is_not_found(world: World) -> None:
    with pytest.raises(NotFoundError, match="12345"):
        tweets.get_tweet(world.connection, 12345)


@shares_the_world
@given(limit=st.integers(1, 12), count=st.integers(0, 30))
def test_the_pages_of_a_feed_put_together_are_the_whole(world: World, limit: int, count: int) -> None:
    zone = world.zone(f"zone {world._sequence} {limit} {count} {id(object())}")
    written = [world.tweet(zone, ago=number * timedelta(days=4)) for number in range(count)]

    assert all_pages(lambda **page: tweets.get_feed(world.connection, zone, **page), limit) == written


def test_tweets_that_arrive_between_two_pages_neither_repeat_nor_hide_any(world: World) -> None:
    zone = world.zone("news")
    before = [world.tweet(zone, ago=number * MINUTE) for number in range(1, 7)]
    first = tweets.get_feed(world.connection, zone, limit=3)
    world.tweet(zone)
    late = world.tweet(zone, ago=4 * MINUTE + timedelta(seconds=30))

    second = tweets.get_feed(world.connection, zone, limit=5, cursor=first.next_cursor)

    assert ids(first) == before[:3]
    assert sorted(ids(second)) == sorted([*before[3:], late])


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (Filters(has_media=True), {"media"}),
        (Filters(has_links=True), {"link"}),
        (Filters(is_reply=True), {"reply"}),
        (Filters(lang="de"), {"german"}),
        (Filters(author_id=9), {"other author"}),
        (Filters(min_engagement=50), {"liked"}),
        (
            Filters(is_reply=False, has_media=False, has_links=False, lang="en", min_engagement=0),
            {"liked", "other author"},
        ),
    ],
)
def test_a_feed_is_narrowed_by_filters(world: World, filters: Filters, expected: set[str]) -> None:
    zone = world.zone("news")
    world.tweet(zone, text="media", media=True)
    world.tweet(zone, text="link", links=("https://a.example/x",))
    world.tweet(zone, text="reply", reply_to=5)
    world.tweet(zone, text="german", lang="de")
    world.tweet(zone, text="other author", author=9)
    world.tweet(zone, text="liked", likes=60)
    world.tweet(text="in no zone", author=9, likes=70, media=True, lang="de")

    page = tweets.get_feed(world.connection, zone, filters=filters)

    assert {tweet.text for tweet in page.items} == expected


def test_rare_matches_are_found_over_many_bounded_steps(world: World) -> None:
    zone = world.zone("news")
    rare = [world.tweet(zone, ago=500 * MINUTE, lang="eo"), world.tweet(zone, ago=499 * MINUTE, lang="eo")]
    for number in range(450):
        world.tweet(zone, ago=number * MINUTE)

    read = lambda **page: tweets.get_feed(world.connection, zone, filters=Filters(lang="eo"), **page)  # noqa: E731

    assert all_pages(read, 1) == rare[::-1]


def test_a_span_bounds_a_feed_to_the_millisecond(world: World) -> None:
    zone = world.zone("news")
    world.tweet(zone, ago=MINUTE * 3)
    inside = world.tweet(zone, ago=MINUTE * 2)
    world.tweet(zone, ago=MINUTE)

    span = Span(since=world.now - 2 * MINUTE, until=world.now - MINUTE)

    assert ids(tweets.get_feed(world.connection, zone, span=span)) == [inside]


def test_the_most_engaged_come_first_and_unknown_counts_not_at_all(world: World) -> None:
    zone = world.zone("news")
    low = world.tweet(zone, likes=1)
    high = world.tweet(zone, likes=9, ago=timedelta(hours=2))
    world.tweet(zone, likes=None)
    world.tweet(zone, likes=99, ago=timedelta(days=3))
    world.build_marts()

    found = tweets.get_top_engaged_tweets(world.connection, zone, now=world.now)

    assert [tweet.tweet_id for tweet in found] == [high, low]


def test_the_most_engaged_stand_in_the_order_of_their_present_counts(world: World) -> None:
    zone = world.zone("news")
    first, second = world.tweet(zone, likes=5), world.tweet(zone, likes=4)
    world.build_marts()
    world.metrics(second, world.now + MINUTE, 50)

    found = tweets.get_top_engaged_tweets(world.connection, zone, now=world.now, limit=2)

    assert [(tweet.tweet_id, tweet.like_count) for tweet in found] == [(second, 50), (first, 5)]
    assert len(tweets.get_top_engaged_tweets(world.connection, zone, now=world.now, limit=1)) == 1


def test_the_most_engaged_of_any_hours_are_those_of_a_recount(world: World) -> None:
    """Days are read from the list of days, the hours beside them from those of hours: none twice, none left out."""
    zone = world.zone("news")
    likes = {
        world.tweet(zone, ago=timedelta(minutes=47 * number), likes=number * 7919 % 101): number
        for number in range(150)
    }
    world.build_marts()
    open_hour = windows.hour_of(world.now)

    for hours in (1, 2, 23, 24, 25, 30, 47, 48, 49, 71, 72, 96, 120):
        begin = open_hour - timedelta(hours=hours - 1)
        inside = [
            (number * 7919 % 101, tweet_id)
            for tweet_id, number in likes.items()
            if world.now - timedelta(minutes=47 * number) >= begin
        ]
        found = tweets.get_top_engaged_tweets(world.connection, zone, now=world.now, hours=hours, limit=20)
        assert [tweet.tweet_id for tweet in found] == [tweet_id for _, tweet_id in sorted(inside, reverse=True)[:20]]


@given(st.integers(0, 24 * 40), st.integers(1, 24 * 30))
def test_a_windows_hours_and_days_are_its_whole_length(offset: int, hours: int) -> None:
    now = datetime(2026, 3, 1, 0, 30, tzinfo=UTC) + timedelta(hours=offset)

    window = windows.last_hours(now, hours)

    parts = [
        window.days_begin - window.first_hour,
        window.days_end - window.days_begin,
        window.last_hour + timedelta(hours=1) - window.days_end,
    ]
    assert sum(parts, timedelta()) == timedelta(hours=hours)
    assert all(part >= timedelta() for part in parts)
    assert parts[0] < timedelta(hours=24) or parts[1] == timedelta()
    assert parts[2] < timedelta(hours=24)
    assert parts[1] % timedelta(days=1) == timedelta()


def test_a_profiles_tweets_come_from_every_zone_and_beyond(world: World) -> None:
    zone = world.zone("news")
    first = world.tweet(author=4, ago=MINUTE)
    second = world.tweet(zone, author=4)
    world.tweet(zone, author=5)

    assert ids(tweets.get_profile_tweets(world.connection, 4)) == [second, first]


def test_hashtags_are_found_in_any_spelling_once_for_each_tweet(world: World) -> None:
    zone = world.zone("news")
    twice = world.tweet(zone, tags=("AI", "ai"))
    wide = world.tweet(zone, tags=("ＡＩ",), ago=MINUTE)
    world.tweet(tags=("ai",))

    assert all_pages(lambda **page: tweets.search_by_hashtag(world.connection, zone, "#Ai", **page), 1) == [twice, wide]


def test_mentions_and_links_are_found_by_their_normal_form(world: World) -> None:
    zone = world.zone("news")
    mention = world.tweet(zone, mentions=("SomeOne",))
    link = world.tweet(zone, links=("https://WWW.Site.example/Path",))

    assert ids(tweets.search_by_mention(world.connection, zone, "@someone")) == [mention]
    assert ids(tweets.search_by_url_host(world.connection, zone, "site.example")) == [link]
    assert ids(tweets.search_by_url_host(world.connection, zone, "https://www.site.example/other")) == [link]


def test_a_conversation_is_a_tree_and_orphans_stand_at_its_root(world: World) -> None:
    zone = world.zone("news")
    root = world.tweet(zone, ago=9 * MINUTE)
    reply = world.tweet(zone, ago=8 * MINUTE, reply_to=root, conversation=root)
    orphan = world.tweet(zone, ago=7 * MINUTE, reply_to=123, conversation=root)
    answer = world.tweet(zone, ago=6 * MINUTE, reply_to=reply, conversation=root)
    later = world.tweet(zone, ago=5 * MINUTE, reply_to=root, conversation=root)

    thread = tweets.get_conversation(world.connection, answer)

    assert [(found.depth, found.tweet.tweet_id) for found in thread] == [
        (0, root),
        (1, reply),
        (2, answer),
        (1, later),
        (0, orphan),
    ]


@pytest.mark.parametrize("cursor", ["", "!", "AAAA", cursors.encode("hashtag", 5), "ZmVlZAA", "é"])
def test_a_cursor_of_another_list_or_of_nobody_is_refused(world: World, cursor: str) -> None:
    with pytest.raises(InvalidCursorError):
        tweets.get_feed(world.connection, world.zone("news"), cursor=cursor)


@given(position=st.integers(-(1 << 63), (1 << 63) - 1))
def test_a_cursor_gives_its_position_back(position: int) -> None:
    assert cursors.decode("feed", cursors.encode("feed", position)) == (position,)


@given(text=st.text(max_size=40))
def test_no_text_makes_a_cursor_fail_in_another_way(text: str) -> None:
    try:
        cursors.decode("feed", text)
    except InvalidCursorError:
        return


@pytest.mark.parametrize("limit", [0, -1, 201])
def test_a_page_of_no_size_or_too_large_is_refused(world: World, limit: int) -> None:
    with pytest.raises(InvalidQueryError, match="limit"):
        tweets.get_feed(world.connection, world.zone("news"), limit=limit)


def test_a_frame_has_a_row_for_each_tweet_and_keeps_ids_whole(world: World) -> None:
    zone = world.zone("news")
    tweet_ids = [world.tweet(zone, likes=None), world.tweet(zone, likes=4, ago=MINUTE)]

    frame = to_frame(tweets.get_feed(world.connection, zone))

    assert frame["tweet_id"].tolist() == tweet_ids
    assert str(frame["tweet_id"].dtype) == "Int64"
    assert frame["like_count"].isna().tolist() == [True, False]
    assert frame["author_username"].tolist() == ["author_1", "author_1"]
    assert str(frame["twitter_created_at"].dt.tz) == "UTC"
