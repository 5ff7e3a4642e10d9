"""Tests of the recount itself: every rule that it must share with the project, on examples small enough to see.

Belongs here: hand-made lines and envelopes, and the totals of the real archive.
Does not belong here: the project; the comparison of the two has its own test.
"""

from __future__ import annotations

import bz2
import gzip
import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from tests.story.recount import (
    LARGEST_BIGINT,
    STUB,
    Accounting,
    Counters,
    DeadLetter,
    Deletion,
    Entity,
    Profile,
    Recount,
    TrendingHashtag,
    read_lines,
    recount_envelopes,
    recount_v1_1,
    same_average,
    top_profiles_by_zone,
    trending_hashtags,
    zone_stats_hourly,
)

NOON = datetime(2024, 3, 5, 12, tzinfo=UTC)
NOW = NOON + timedelta(days=30)
ZONE = "zone"
FULL_WIDTH_AI = "\uff21\uff29"


def snowflake(moment: datetime, sequence: int = 0) -> int:
    milliseconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    return ((milliseconds - 1_288_834_974_657) << 22) + sequence


def stated(moment: datetime) -> str:
    return moment.strftime("%a %b %d %H:%M:%S +0000 %Y")


def user(user_id: int = 7, /, **fields: object) -> dict[str, object]:
    return {"id": user_id, "id_str": str(user_id), "screen_name": f"user{user_id}", "name": "A User", **fields}


def status(moment: datetime = NOON, sequence: int = 0, /, **fields: object) -> dict[str, object]:
    tweet_id = snowflake(moment, sequence)
    return {
        "created_at": stated(moment),
        "id": tweet_id,
        "id_str": str(tweet_id),
        "text": "a text",
        "lang": "en",
        "user": user(),
        "entities": {"hashtags": [], "user_mentions": [], "urls": []},
        **fields,
    }


def tagged(*tags: str) -> dict[str, object]:
    return {"hashtags": [{"text": tag, "indices": [10 * at, 10 * at + 5]} for at, tag in enumerate(tags)]}


def lines(*items: object) -> list[str]:
    return [json.dumps(item) for item in items]


def recount(*items: object) -> Recount:
    return recount_v1_1(lines(*items), ZONE, NOW)


def only_content_of(counted: Recount, tweet_id: int) -> tuple[str, str | None, bool, bool, bool, bool]:
    content = counted.tweets[tweet_id].content
    flags = (content.has_media, content.has_links, content.has_hashtags, content.has_mentions)
    return (content.text, content.lang, *flags)


class TestItems:
    def test_every_line_has_one_outcome(self) -> None:
        tweet = status()
        counted = recount_v1_1(
            [
                *lines(tweet, tweet, {"delete": {"status": {"id": 5, "user_id": 6}, "timestamp_ms": "1000"}}),
                *lines({"limit": {"track": 9}}, {"scrub_geo": {"user_id": 1}}, [], 17, {"some": "thing"}),
                '{"cut',
                "",
                "  \r\n",
            ],
            ZONE,
            NOW,
        )
        assert counted.accounting == Accounting(normalised=1, duplicate=1, control=3, dead=4)
        assert counted.accounting.items == 9
        assert [letter.reason for letter in counted.dead_letters] == ["not_a_tweet"] * 3 + ["not_json"]

    @pytest.mark.parametrize(
        "line", [b"\xff\xfe", b'{"id": NaN}', b"[" * 100_000, b'{"id": 1'], ids=["bytes", "nan", "deep", "cut"]
    )
    def test_what_is_no_json_is_dead(self, line: bytes) -> None:
        assert recount_v1_1([line], ZONE, NOW).dead_letters == [DeadLetter(1, "not_json", False, None)]

    def test_a_deletion_is_kept_with_its_time_and_counted_as_often_as_it_comes(self) -> None:
        notice = {"delete": {"status": {"id_str": "5", "user_id_str": "6"}, "timestamp_ms": "1500"}}
        counted = recount(notice, notice, {"delete": {"status": {"id_str": "5", "user_id_str": "6"}}})
        moment = datetime(1970, 1, 1, 0, 0, 1, 500_000, tzinfo=UTC)
        assert counted.deletions == {Deletion(5, 6, moment): 2, Deletion(5, 6, None): 1}
        assert counted.accounting == Accounting(control=3)

    def test_a_deletion_of_nothing_is_dead_and_one_of_another_kind_is_a_control_message(self) -> None:
        counted = recount({"delete": {"status": {}}}, {"delete": {"direct_message": {"id": 5}}})
        assert counted.accounting == Accounting(control=1, dead=1)
        assert not counted.deletions

    def test_an_author_of_whom_nothing_is_known_is_dead_and_of_whom_the_id_is_known_is_a_stub(self) -> None:
        counted = recount(status(user=None), status(NOON, 1, user={"id": 9}))
        assert counted.accounting == Accounting(normalised=1, dead=1)
        assert counted.dead_letters[0].reason == "missing_author"
        assert counted.profiles[9] == Profile(9, frozenset({STUB}), NOON, NOON)

    @pytest.mark.parametrize(
        ("late", "reasons"), [(2.0, []), (-2.0, []), (2.001, ["implausible_id"]), (-3, ["implausible_id"])]
    )
    def test_an_id_may_lie_two_seconds_from_its_payload(self, late: float, reasons: list[str]) -> None:
        counted = recount(status(NOON + timedelta(seconds=late), created_at=stated(NOON)))
        assert [letter.reason for letter in counted.dead_letters] == reasons
        assert len(counted.tweets) == 1 - len(reasons)

    def test_an_id_from_the_future_is_dead(self) -> None:
        later = status(NOW + timedelta(milliseconds=1))
        assert recount(status(NOW), later).accounting == Accounting(normalised=1, dead=1)

    def test_an_id_from_before_the_snowflakes_takes_its_time_from_the_payload(self) -> None:
        early = datetime(2009, 6, 7, 8, 9, 10, tzinfo=UTC)
        counted = recount(status(early, id=1234, id_str="1234", favorite_count=3))
        assert counted.tweets[1234].twitter_created_at == early
        assert counted.history == {(1234, early): Counters(like_count=3)}
        assert recount(status(id=1234, id_str="1234", created_at=None)).accounting == Accounting(dead=1)

    def test_an_id_counts_to_the_millisecond(self) -> None:
        moment = NOON + timedelta(milliseconds=789)
        counted = recount(status(moment))
        assert counted.tweets[snowflake(moment)].twitter_created_at == moment


class TestContent:
    def test_the_longest_form_of_a_text_is_taken_with_its_own_entities_and_media(self) -> None:
        longer = {
            "full_text": "a long text",
            "entities": tagged("Long"),
            "extended_entities": {"media": [{"type": "photo"}]},
        }
        short = status(text="a l…", entities=tagged("Cut"), extended_tweet=longer)
        rest = status(NOON, 1, full_text="as REST says it", extended_tweet=longer)
        counted = recount(short, rest)
        assert only_content_of(counted, snowflake(NOON)) == ("a long text", "en", True, False, True, False)
        assert [row.entity_value for row in counted.entities[snowflake(NOON)]] == ["Long"]
        assert counted.tweets[snowflake(NOON, 1)].content.text == "as REST says it"

    def test_media_count_in_either_place_and_an_empty_list_is_none(self) -> None:
        counted = recount(
            status(NOON, 0, entities={"media": [{}]}),
            status(NOON, 1, extended_entities={"media": [{}]}),
            status(NOON, 2, entities={"media": []}, extended_entities={}),
            status(NOON, 3, entities=None, extended_entities=[]),
        )
        assert [tweet.content.has_media for tweet in counted.tweets.values()] == [True, True, False, False]

    def test_entities_are_kept_as_delivered_beside_their_normal_forms(self) -> None:
        entities = {
            "hashtags": [{"text": "ＳＣﾁｬ", "indices": [0, 5]}, {"text": "Straße", "indices": [6, 13]}],
            "user_mentions": [{"screen_name": "Some_User", "id_str": "0"}],
            "urls": [
                {"url": "https://t.co/A", "expanded_url": "HTTPS://Example.ORG:80/Path?Q=A#B", "indices": [20, 30]},
                {"url": "https://t.co/B", "expanded_url": None, "indices": [31]},
                {"url": "https://t.co/C", "expanded_url": "", "indices": None},
                {"url": "x", "expanded_url": "Http://Me:Secret@Host.ORG?Q"},
                {"url": None, "expanded_url": None},
            ],
        }
        counted = recount(status(entities=entities))
        assert counted.entities[snowflake(NOON)] == (
            Entity("hashtag", "ＳＣﾁｬ", "scチャ", 0, 5),
            Entity("hashtag", "Straße", "strasse", 6, 13),
            Entity("mention", "Some_User", "some_user", None, None),
            Entity("url", "HTTPS://Example.ORG:80/Path?Q=A#B", "https://example.org:80/Path?Q=A#B", 20, 30),
            Entity("url", "https://t.co/B", "https://t.co/B", None, None),
            Entity("url", "https://t.co/C", "https://t.co/C", None, None),
            Entity("url", "Http://Me:Secret@Host.ORG?Q", "http://Me:Secret@host.org?Q", None, None),
        )
        assert only_content_of(counted, snowflake(NOON))[2:] == (False, True, True, True)

    def test_text_is_what_postgresql_can_hold_and_keeps_its_html_escapes(self) -> None:
        line = json.dumps(status(text="PLACE")).replace("PLACE", r"a\u0000b &amp; \ud83d\ude00 \ud83d.")
        counted = recount_v1_1([line], ZONE, NOW)
        assert counted.tweets[snowflake(NOON)].content.text == "ab &amp; 😀 \ufffd."

    def test_a_reply_belongs_to_its_parents_conversation_and_any_other_tweet_to_its_own(self) -> None:
        reply = status(in_reply_to_status_id_str="12", in_reply_to_user_id=3, in_reply_to_screen_name="User3")
        mention = status(NOON, 1, in_reply_to_status_id=None, in_reply_to_user_id=3)
        counted = recount(reply, mention)
        first, second = (tweet.content for tweet in counted.tweets.values())
        assert (first.is_reply, first.conversation_id, first.in_reply_to_tweet_id) == (True, 12, 12)
        assert (first.in_reply_to_user_id, first.in_reply_to_username) == (3, "User3")
        assert (second.is_reply, second.conversation_id) == (False, snowflake(NOON, 1))


class TestOriginals:
    def test_a_retweet_takes_its_text_from_the_original_and_has_no_counts(self) -> None:
        original = status(
            NOON - timedelta(hours=1),
            text="cut",
            lang="de",
            user=user(8),
            extended_tweet={"full_text": "whole", "entities": {**tagged("Tag"), "media": [{}]}},
            favorite_count=5,
            in_reply_to_status_id=99,
        )
        retweet = status(text="RT @user8: cut", retweeted_status=original, favorite_count=5, retweet_count=6)
        counted = recount(retweet)
        wrapper = counted.tweets[snowflake(NOON)]
        assert only_content_of(counted, snowflake(NOON)) == ("whole", "de", True, False, True, False)
        assert wrapper.content.retweeted_tweet_id == snowflake(NOON - timedelta(hours=1))
        assert (wrapper.content.is_reply, wrapper.content.author_id) == (False, 7)
        assert counted.metrics == {snowflake(NOON - timedelta(hours=1)): Counters(like_count=5)}
        assert counted.history == {(snowflake(NOON - timedelta(hours=1)), NOON): Counters(like_count=5)}
        assert set(counted.profiles) == {7, 8}

    def test_only_what_was_matched_itself_is_linked_to_the_zone(self) -> None:
        inner = status(NOON - timedelta(hours=2), user=user(9))
        middle = status(NOON - timedelta(hours=1), user=user(8), quoted_status=inner, quoted_status_id=inner["id"])
        counted = recount(status(retweeted_status=middle))
        assert len(counted.tweets) == 3
        assert [tweet.tweet_id for tweet in counted.in_zone(ZONE)] == [snowflake(NOON)]
        assert counted.tweets[snowflake(NOON - timedelta(hours=1))].content.quoted_tweet_id == inner["id"]
        assert len(recount(status(retweeted_status=middle), inner).in_zone(ZONE)) == 2

    def test_an_original_that_arrives_itself_for_the_first_time_is_no_duplicate(self) -> None:
        original = status(NOON - timedelta(hours=1))
        counted = recount(status(quoted_status=original), original, original)
        assert counted.accounting == Accounting(normalised=2, duplicate=1)

    def test_an_implausible_original_is_dead_alone(self) -> None:
        inner = status(NOON - timedelta(hours=2))
        original = status(NOON - timedelta(hours=1), created_at=stated(NOON), text="its text", quoted_status=inner)
        counted = recount(status(retweeted_status=original))
        assert counted.accounting == Accounting(normalised=1)
        assert counted.dead_letters == [DeadLetter(1, "implausible_id", True, snowflake(NOON - timedelta(hours=1)))]
        assert set(counted.tweets) == {snowflake(NOON), snowflake(NOON - timedelta(hours=2))}
        assert counted.tweets[snowflake(NOON)].content.text == "its text"

    def test_an_unreadable_original_leaves_a_retweet_its_own_text_and_no_counts(self) -> None:
        counted = recount(status(text="RT", retweet_count=4, retweeted_status={"id": 3}))
        assert counted.accounting == Accounting(normalised=1)
        assert counted.tweets[snowflake(NOON)].content.text == "RT"
        assert (counted.metrics, len(counted.dead_letters)) == ({}, 1)


class TestObservations:
    ORIGINAL = NOON - timedelta(days=1)
    ID = snowflake(ORIGINAL)

    def seen_at(self, minutes: int, sequence: int = 0, **counts: object) -> dict[str, object]:
        original = status(self.ORIGINAL, **counts)
        return status(NOON + timedelta(minutes=minutes), sequence, retweeted_status=original)

    def test_the_newest_known_value_of_each_counter_stays_in_any_order(self) -> None:
        items = [
            self.seen_at(0, favorite_count=10, retweet_count=5),
            self.seen_at(1, favorite_count=8),
            self.seen_at(2, retweet_count=None, quote_count=1),
        ]
        expected = Counters(like_count=8, retweet_count=5, quote_count=1)
        assert recount(*items).metrics[self.ID] == expected
        assert recount(*reversed(items)).metrics[self.ID] == expected
        assert len(recount(*items, *items).history) == 3

    def test_observations_of_one_instant_merge_to_the_larger_values(self) -> None:
        counted = recount(
            self.seen_at(0, 1, favorite_count=3, retweet_count=2), self.seen_at(0, 2, favorite_count=4, reply_count=1)
        )
        assert counted.history == {(self.ID, NOON): Counters(like_count=4, retweet_count=2, reply_count=1)}

    @pytest.mark.parametrize("count", [None, "", [0], {}, -1, 1.5, True, "many", LARGEST_BIGINT + 1])
    def test_a_count_that_is_none_is_unknown(self, count: object) -> None:
        counted = recount(status(favorite_count=count))
        assert (counted.history, counted.metrics) == ({}, {})

    @pytest.mark.parametrize(("count", "value"), [(0, 0), ("12", 12), (3_000_000_000, 3_000_000_000)])
    def test_a_count_is_a_number_or_its_digits(self, count: object, value: int) -> None:
        assert recount(status(favorite_count=count)).metrics[snowflake(NOON)] == Counters(like_count=value)

    def test_total_engagement_is_the_sum_of_what_is_known_and_unknown_if_nothing_is(self) -> None:
        assert Counters(retweet_count=1, quote_count=4, view_count=100).total_engagement == 5
        assert Counters(view_count=100, bookmark_count=3).total_engagement is None


class TestProfiles:
    def test_the_newest_sighting_describes_a_profile_in_any_order(self) -> None:
        older = status(user=user(followers_count=5, name="Old"))
        newer = status(NOON + timedelta(hours=1), user=user(followers_count=4, name=""))
        for items in ((older, newer), (newer, older)):
            profile = recount(*items).profiles[7]
            assert (profile.content.followers_count, profile.content.name) == (4, "")
            assert (profile.first_seen_at, profile.last_seen_at) == (NOON, NOON + timedelta(hours=1))

    def test_an_older_quoted_sight_of_an_author_is_as_new_as_the_tweet_around_it(self) -> None:
        quoted = status(NOON - timedelta(days=9), user=user(statuses_count=10))
        counted = recount(status(user=user(statuses_count=11), quoted_status=quoted))
        assert {content.tweets_count for content in counted.profiles[7].contents} == {10, 11}
        assert counted.profiles[7].first_seen_at == NOON

    def test_a_stub_replaces_nothing(self) -> None:
        counted = recount(status(), status(NOON + timedelta(hours=1), user={"id": 7}))
        assert counted.profiles[7].content.username == "user7"
        assert counted.profiles[7].last_seen_at == NOON + timedelta(hours=1)

    def test_empty_and_impossible_values_are_unknown(self) -> None:
        fields = {"description": "", "location": None, "url": "", "friends_count": -14, "verified": False}
        content = recount(status(user=user(**fields))).profiles[7].content
        assert (content.description, content.location, content.url, content.following_count) == (None,) * 4
        assert (content.is_verified, content.is_protected) == (False, None)


class TestZoneStatsHourly:
    def test_hours_are_utc_and_end_with_the_stated_instant(self) -> None:
        moments = [NOON - timedelta(milliseconds=1), NOON, NOON + timedelta(minutes=59), NOON + timedelta(minutes=60)]
        counted = recount(*(status(moment) for moment in moments))
        stats = zone_stats_hourly(counted, ZONE, NOON + timedelta(minutes=59))
        hours = {hour: row.total_tweets for hour, row in stats.items()}
        assert hours == {NOON - timedelta(hours=1): 1, NOON: 2}

    def test_sums_pass_over_the_unknown_and_averages_divide_by_the_known(self) -> None:
        counted = recount(
            status(NOON, 0, favorite_count=3, retweet_count=1, extended_entities={"media": [{}]}),
            status(NOON, 1, favorite_count=4, user=user(8), in_reply_to_status_id=5),
            status(NOON, 2, entities={"urls": [{"url": "https://t.co/x"}]}),
            status(NOON, 3, retweeted_status=status(NOON - timedelta(days=1), favorite_count=100)),
        )
        row = zone_stats_hourly(counted, ZONE, NOW)[NOON]
        assert (row.total_tweets, row.unique_authors) == (4, 2)
        assert (row.total_likes, row.total_retweets, row.total_engagement) == (7, 1, 8)
        assert (row.total_replies, row.total_quotes, row.total_views) == (None, None, None)
        assert [row.avg_likes, row.avg_retweets, row.avg_engagement] == [Fraction(7, 2), 1, 4]
        assert (row.tweets_with_media, row.tweets_with_links, row.reply_tweets) == (1, 1, 1)

    def test_an_average_is_compared_up_to_the_digits_of_a_database(self) -> None:
        assert same_average(Fraction(1, 3), Decimal("0.33333333333333333333"))
        assert same_average(None, None)
        assert not same_average(Fraction(1, 3), Decimal("0.3333"))
        assert not same_average(None, Decimal(0))
        assert not same_average(Fraction(0), None)


class TestTopProfiles:
    def test_the_tweets_of_each_author_in_the_zone_add_up(self) -> None:
        counted = recount(
            status(NOON, 0, favorite_count=3),
            status(NOON + timedelta(hours=1), favorite_count=4),
            status(NOON + timedelta(hours=2), favorite_count=50),
            status(NOON, 1, user=user(8), quoted_status=status(NOON - timedelta(1), user=user(9), favorite_count=1)),
        )
        rows = top_profiles_by_zone(counted, ZONE, NOON + timedelta(hours=1))
        assert set(rows) == {7, 8}
        assert (rows[7].tweet_count, rows[7].total_engagement, rows[7].avg_engagement) == (2, 7, Fraction(7, 2))
        assert rows[7].last_tweet_at == NOON + timedelta(hours=1)
        assert (rows[8].tweet_count, rows[8].total_engagement, rows[8].avg_engagement) == (1, None, None)


class TestTrending:
    def test_the_window_is_23_whole_hours_and_the_open_one(self) -> None:
        as_of = NOON + timedelta(minutes=30)
        first = NOON - timedelta(hours=23)
        moments = [first - timedelta(milliseconds=1), first, as_of, as_of + timedelta(milliseconds=1)]
        counted = recount(*(status(moment, entities=tagged("Tag")) for moment in moments))
        row = trending_hashtags(counted, ZONE, as_of)["tag"]
        assert (row.tweet_count_24h, row.last_used_at) == (2, as_of)

    def test_one_row_holds_every_spelling_and_a_tag_counts_once_a_tweet(self) -> None:
        counted = recount(
            status(NOON, 1, entities=tagged(FULL_WIDTH_AI, "ai", "ai"), favorite_count=5),
            status(NOON, 2, entities=tagged("AI"), user=user(8), favorite_count=50),
            status(NOON, 3, entities=tagged("ai", "AI"), favorite_count=7),
            status(NOON, 4, entities=tagged("AI", "Other")),
            status(NOON, 5, entities=tagged("ai"), favorite_count=5),
        )
        rows = trending_hashtags(counted, ZONE, NOW - timedelta(days=29, hours=12))
        assert rows["ai"] == TrendingHashtag(
            hashtag="ai",
            original_hashtag="AI",
            tweet_count_24h=5,
            unique_authors_24h=2,
            total_engagement_24h=67,
            last_used_at=NOON,
            sample_tweets=(snowflake(NOON, 2), snowflake(NOON, 3), snowflake(NOON, 5)),
        )
        assert (rows["other"].total_engagement_24h, rows["other"].sample_tweets) == (None, (snowflake(NOON, 4),))

    def test_the_first_spelling_by_position_votes_and_not_the_first_in_the_list(self) -> None:
        tags = [{"text": "LATER", "indices": [9, 15]}, {"text": "later", "indices": [2, 8]}, {"text": "Later"}]
        counted = recount(status(entities={"hashtags": tags}))
        assert trending_hashtags(counted, ZONE, NOON)["later"].original_hashtag == "later"

    def test_a_retweet_uses_the_tags_of_its_original(self) -> None:
        original = status(NOON - timedelta(days=3), entities=tagged("Tag"), favorite_count=9)
        row = trending_hashtags(recount(status(retweeted_status=original)), ZONE, NOON)["tag"]
        assert (row.tweet_count_24h, row.total_engagement_24h) == (1, None)


class TestEnvelopes:
    RULES: Mapping[str, list[str]] = {"abc": ["first"], "both": ["first", "second"]}

    def tweet(self, sequence: int = 0, /, **fields: object) -> dict[str, object]:
        author = {"id": "7", "userName": "user7", "name": "A User", "followers": 3, "description": ""}
        return {
            "id": str(snowflake(NOON, sequence)),
            "text": "a text",
            "createdAt": stated(NOON),
            "author": author,
            "entities": {},
            "extendedEntities": {},
            **fields,
        }

    def envelope(self, *tweets: object, rule: str = "abc", sent_at: datetime = NOON) -> str:
        milliseconds = int(sent_at.timestamp() * 1000)
        body = {"event_type": "tweet", "rule_id": "1", "rule_tag": rule, "tweets": tweets, "timestamp": milliseconds}
        return json.dumps(body)

    def recount(self, *bodies: str) -> Recount:
        return recount_envelopes([(body, NOW) for body in bodies], self.RULES)

    def test_every_tweet_of_an_envelope_has_one_outcome(self) -> None:
        tweet = self.tweet()
        counted = self.recount(
            self.envelope(tweet, "text", self.tweet(1, author=None), self.tweet(2, createdAt="2024-03-05T12:09:00Z")),
            self.envelope(tweet, tweet),
            self.envelope(tweet, rule="nobody's"),
            '{"event_type": "test_webhook_url"}',
            "{",
            "{}",
        )
        assert counted.accounting == Accounting(normalised=1, duplicate=2, control=1, dead=6)
        reasons = [letter.reason for letter in counted.dead_letters]
        assert reasons == [
            "not_a_tweet",
            "missing_author",
            "implausible_id",
            "unknown_rule",
            "not_json",
            "not_an_envelope",
        ]

    def test_a_second_zone_makes_a_known_tweet_new_there(self) -> None:
        tweet = self.tweet()
        counted = self.recount(
            self.envelope(tweet), self.envelope(tweet, rule="both"), self.envelope(tweet, rule="both")
        )
        assert counted.accounting == Accounting(normalised=2, duplicate=1)
        assert counted.tweets[snowflake(NOON)].zones == {"first", "second"}

    def test_the_envelope_says_when_it_was_observed_but_never_later_than_its_receipt(self) -> None:
        seen_at = NOON + timedelta(minutes=7)
        counted = self.recount(
            self.envelope(self.tweet(likeCount=1), sent_at=seen_at),
            self.envelope(self.tweet(1, viewCount=2), sent_at=NOW + timedelta(days=1)),
        )
        assert counted.history == {
            (snowflake(NOON), seen_at): Counters(like_count=1),
            (snowflake(NOON, 1), NOW): Counters(view_count=2),
        }

    def test_a_retweets_copied_counts_are_not_counted_again(self) -> None:
        counts: dict[str, object] = {"likeCount": 5, "retweetCount": 2, "replyCount": 0, "bookmarkCount": 1}
        original = self.tweet(1, text="whole", **counts)
        counted = self.recount(self.envelope(self.tweet(retweeted_tweet=original, viewCount=[0], **counts)))
        assert set(counted.metrics) == {snowflake(NOON, 1)}
        assert counted.tweets[snowflake(NOON)].content.text == "whole"
        assert counted.metrics[snowflake(NOON, 1)].total_engagement == 7

    def test_the_biography_lies_in_the_profile_and_empty_texts_are_unknown(self) -> None:
        author = {"id": "7", "userName": "user7", "profile_bio": {"description": "A bio"}, "location": ""}
        counted = self.recount(self.envelope(self.tweet(author={**author, "description": ""}, lang="")))
        assert counted.profiles[7].content.description == "A bio"
        assert counted.profiles[7].content.location is None
        assert counted.tweets[snowflake(NOON)].content.lang is None

    def test_a_conversation_is_the_providers_or_the_parent_or_the_tweet_itself(self) -> None:
        counted = self.recount(
            self.envelope(
                self.tweet(0, conversationId="5", isReply=True, inReplyToId="6", quoted_tweet="8"),
                self.tweet(1, inReplyToId="6"),
                self.tweet(2, conversationId="", inReplyToId="", isReply=False),
            )
        )
        contents = [tweet.content for tweet in counted.tweets.values()]
        assert [content.conversation_id for content in contents] == [5, 6, snowflake(NOON, 2)]
        assert [content.is_reply for content in contents] == [True, True, False]
        assert contents[0].quoted_tweet_id == 8


def test_lines_come_in_order_from_plain_and_from_compressed_files(tmp_path: Path) -> None:
    plain, zipped, squeezed = (tmp_path / name for name in ("a.json", "b.json.gz", "c.json.bz2"))
    plain.write_bytes(b"1\r\n2\n")
    zipped.write_bytes(gzip.compress(b"3\n\n"))
    squeezed.write_bytes(bz2.compress(b"4\n5"))
    assert list(read_lines([plain, zipped, squeezed])) == [b"1\r\n", b"2\n", b"3\n", b"\n", b"4\n", b"5"]


@pytest.fixture(scope="module")
def real_minutes() -> Recount:
    folder = os.environ.get("REAL_DATA_DIR")
    if not folder:
        pytest.skip("REAL_DATA_DIR is not set: the real archive is not part of the repository")
    files = sorted((Path(folder) / "public-stream-2019-v1.1").glob("*.json.bz2"))
    if not files:
        pytest.skip(f"no public-stream-2019-v1.1/*.json.bz2 under REAL_DATA_DIR={folder}")
    return recount_v1_1(read_lines(files), ZONE, NOW)


def test_the_real_minutes_hold_what_is_known_of_them(real_minutes: Recount) -> None:
    counted = real_minutes
    assert counted.accounting == Accounting(normalised=23_541, duplicate=42, control=73_634, dead=0)
    assert counted.dead_letters == []
    assert len(counted.in_zone(ZONE)) == 23_541
    assert len(counted.tweets) == 35_646
    assert len(counted.profiles) == 33_680
    assert counted.deletions.total() == 73_634
    assert len(counted.deletions) == 73_488


def test_the_marts_of_the_real_minutes_agree_with_each_other(real_minutes: Recount) -> None:
    as_of = max(tweet.twitter_created_at for tweet in real_minutes.in_zone(ZONE))
    (hour,) = zone_stats_hourly(real_minutes, ZONE, as_of).values()
    profiles = top_profiles_by_zone(real_minutes, ZONE, as_of)
    assert hour.total_tweets == 23_541
    assert hour.unique_authors == len(profiles) == 22_857
    assert hour.total_tweets == sum(row.tweet_count for row in profiles.values())
    assert hour.total_engagement == sum(row.total_engagement or 0 for row in profiles.values())
    tagged_tweets = sum(tweet.content.has_hashtags for tweet in real_minutes.in_zone(ZONE))
    rows = trending_hashtags(real_minutes, ZONE, as_of).values()
    assert max(row.tweet_count_24h for row in rows) <= tagged_tweets <= sum(row.tweet_count_24h for row in rows)
