"""What each field of a provider's tweet means, pathology by pathology (provider facts, section 6)."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from database import snowflake
from ingest.normalise import mapping
from ingest.normalise.dialects.protocol import Envelope, RuleName
from ingest.normalise.dialects.twitterapi_io import TwitterApiIo
from ingest.normalise.records import UNKNOWN, Item, Tweet
from tests.unit import payloads
from tests.unit.payloads import POSTED, RECEIVED, RECEIVED_MS

DIALECT = TwitterApiIo()


def read(value: Any, *, received: datetime = RECEIVED, sent: datetime = RECEIVED) -> Item:
    raw = value if isinstance(value, bytes) else payloads.encoded(value)
    envelope = Envelope(items=(raw,), observed_ms=snowflake.to_unix_ms(sent), rules=(RuleName(rule_tag="markets"),))
    return DIALECT.read(raw, envelope, snowflake.to_unix_ms(received))


def kept(value: Any, **times: datetime) -> Tweet:
    item = read(value, **times)
    assert not item.rejections, item.rejections
    return item.sightings[0].tweet


def reasons(item: Item) -> list[tuple[str, str]]:
    return [(rejection.stage, rejection.reason) for rejection in item.rejections]


def test_an_ordinary_tweet_keeps_its_text_its_counters_and_its_author() -> None:
    item = read(payloads.tweet())
    assert item.observed_ms == RECEIVED_MS
    assert item.sightings[0].counters == (1, 2, 3, 4, 500, 6)
    tweet, (profile,) = item.sightings[0].tweet, item.profiles
    assert (tweet.text, tweet.lang, tweet.source) == ("Plain words", "en", "Twitter for iPhone")
    assert tweet.author_profile_id == profile.twitter_user_id == 701
    assert tweet.created_ms == snowflake.to_unix_ms(POSTED)
    assert not tweet.is_sanitised
    assert (profile.username, profile.followers_count, profile.tweets_count) == ("writer_701", 100, 1_000)


class TestCounters:
    @pytest.mark.parametrize("value", [[0], "", None, {}, "many", -1, 2**63, 2**64, 10**400, 1.5, True])
    def test_a_count_that_is_no_count_is_unknown_and_never_zero(self, value: Any) -> None:
        """6.3, 0.5: ``viewCount: [0]``, "", null, negative counts, beyond int64."""
        assert read(payloads.tweet(viewCount=value)).sightings[0].counters == (1, 2, 3, 4, None, 6)

    def test_a_count_that_is_missing_is_unknown(self) -> None:
        """0.5: some back ends leave viewCount out."""
        value = payloads.tweet()
        del value["viewCount"]
        assert read(value).sightings[0].counters == (1, 2, 3, 4, None, 6)

    @pytest.mark.parametrize(("value", "count"), [("17", 17), (17.0, 17), (0, 0), (3_000_000_000, 3_000_000_000)])
    def test_a_count_in_another_spelling_is_the_count(self, value: Any, count: int) -> None:
        """T7: counts beyond 32 bits are real."""
        assert read(payloads.tweet(viewCount=value)).sightings[0].counters[4] == count

    def test_counts_whose_sum_would_overflow_are_garbage(self) -> None:
        """6.3: int64 overflow. Two counts near the end of a bigint once made ``total_engagement`` fail the batch."""
        huge = 2**63 - 1
        assert read(payloads.tweet(likeCount=huge, retweetCount=huge)).sightings[0].counters[:3] == (None, 2, None)

    def test_negative_counts_of_a_profile_are_unknown(self) -> None:
        """6.3: friends_count of -14, -11 and -5 in real streams."""
        (profile,) = read(payloads.tweet(author=payloads.user(following=-14))).profiles
        assert profile.following_count is None


class TestAuthors:
    @pytest.mark.parametrize("author", [None, {}, [], "writer", {"userName": "writer"}, {"id": ""}, {"id": "0"}])
    def test_a_tweet_without_an_author_is_a_dead_letter(self, author: Any) -> None:
        """6.11: author missing."""
        item = read(payloads.tweet(author=author))
        assert reasons(item) == [("item", "missing_author")]
        assert not item.sightings
        assert item.rejections[0].tweet_id == payloads.tweet_id()

    def test_an_author_of_whom_only_the_id_is_known_is_a_stub(self) -> None:
        """Architecture 13 (8)."""
        (profile,) = read(payloads.tweet(author={"id": "701"})).profiles
        assert profile.twitter_user_id == 701
        assert profile.username is None

    def test_the_biography_is_where_it_really_is_and_is_not_unescaped(self) -> None:
        """0.4: ``author.description`` is often empty."""
        (profile,) = read(payloads.tweet()).profiles
        assert profile.description == "Words & more words"

    def test_an_empty_name_is_a_name(self) -> None:
        """6.11: blank names are real; an empty username is not."""
        (profile,) = read(payloads.tweet(author=payloads.user(name="", userName=""))).profiles
        assert (profile.name, profile.username) == ("", None)

    def test_empty_texts_are_unknown(self) -> None:
        """6.16: "" and null are used for one another."""
        (profile,) = read(
            payloads.tweet(author=payloads.user(coverPicture="", verifiedType="", location=None))
        ).profiles
        assert (profile.cover_picture_url, profile.verified_type, profile.location) == (None, None, None)

    def test_absurdly_long_names_are_cut_to_what_an_index_entry_holds(self) -> None:
        author = payloads.user(userName="\N{OLD ITALIC LETTER A}" * 9_000, name="n" * 9_000)
        (profile,) = read(payloads.tweet(author=author)).profiles
        assert len((profile.username or "").encode()) < 2_704
        assert len(profile.name or "") == mapping.MAX_NAME


class TestText:
    def test_html_escapes_stay(self) -> None:
        """6.9: text is stored as it came, so that positions fit."""
        assert kept(payloads.tweet(text="Fish &amp; chips &lt;3")).text == "Fish &amp; chips &lt;3"

    @pytest.mark.parametrize(
        ("raw_text", "text"),
        [(rb"a\u0000b", "ab"), (b"a\x00b", "ab"), (rb"a\ud83db", "a\ufffdb"), (b"a\xffb", "a\ufffdb")],
    )
    def test_what_postgresql_cannot_store_is_replaced_and_flagged(self, raw_text: bytes, text: str) -> None:
        """6.1, 6.2, T9: NUL, half a surrogate pair, bytes that are not UTF-8."""
        raw = payloads.encoded(payloads.tweet(text="@@")).replace(b"@@", raw_text)
        tweet = kept(raw)
        assert tweet.text == text
        assert tweet.is_sanitised

    def test_c1_controls_stay(self) -> None:
        """6.2: U+0081 and U+008D occur and can be stored."""
        tweet = kept(payloads.tweet(text="a\u0081b"))
        assert tweet.text == "a\u0081b"
        assert not tweet.is_sanitised

    def test_an_escaped_backslash_before_u0000_is_no_nul(self) -> None:
        tweet = kept(payloads.tweet(text="a\\u0000b"))
        assert tweet.text == "a\\u0000b"
        assert not tweet.is_sanitised

    def test_a_giant_text_is_cut_and_flagged(self) -> None:
        """A megabyte of words cannot be indexed: it once would have failed its whole batch."""
        tweet = kept(payloads.tweet(text="word " * 1_000_000))
        assert len(tweet.text) == mapping.MAX_TEXT
        assert tweet.is_sanitised

    @pytest.mark.parametrize("text", [None, [], {}, True])
    def test_a_tweet_without_a_text_is_a_dead_letter(self, text: Any) -> None:
        item = read(payloads.tweet(text=text))
        assert reasons(item) == [("item", "not_a_tweet")]

    def test_an_empty_text_is_a_text(self) -> None:
        assert kept(payloads.tweet(text="")).text == ""

    def test_empty_languages_and_sources_are_unknown(self) -> None:
        tweet = kept(payloads.tweet(lang="", source=""))
        assert (tweet.lang, tweet.source) == (None, None)


class TestEntities:
    def test_positions_are_code_points_of_the_escaped_text(self) -> None:
        """6.8: an emoji is one position, ``&amp;`` is five."""
        text = "\N{FACE WITH TEARS OF JOY} &amp; #tag @writer_702"
        hashtag, mention = {"text": "tag", "indices": [8, 12]}, {"screen_name": "writer_702", "indices": [13, 24]}
        tweet = kept(payloads.tweet(text=text, entities={"hashtags": [hashtag], "user_mentions": [mention]}))
        slices = [text[entity.start_index : entity.end_index] for entity in tweet.entities]
        assert slices == ["#tag", "@writer_702"]
        assert [entity.start_index for entity in tweet.entities] == [8, 13]

    def test_the_first_position_is_zero_and_not_unknown(self) -> None:
        """0.9: ``indices?.[0] || null`` turned position 0 into null."""
        (entity,) = kept(payloads.tweet(entities={"hashtags": [{"text": "a", "indices": [0, 2]}]})).entities
        assert (entity.start_index, entity.end_index) == (0, 2)

    @pytest.mark.parametrize("indices", [None, [], [1], {"0": 1}, "1,2", [-1, 2**40], [2**70, 2**71]])
    def test_positions_that_make_no_sense_are_unknown(self, indices: Any) -> None:
        (entity,) = kept(payloads.tweet(entities={"hashtags": [{"text": "a", "indices": indices}]})).entities
        assert (entity.start_index, entity.end_index) == (None, None)

    @pytest.mark.parametrize(
        ("spelling", "normal_form"),
        [("ＡＩ", "ai"), ("ﾁｬｯﾌﾟﾘﾝ", "チャップリン"), ("МОСКВА", "москва"), ("İzmir", "i̇zmir"), ("a_B_2", "a_b_2")],
    )
    def test_tags_of_every_script_keep_their_spelling_beside_their_normal_form(
        self, spelling: str, normal_form: str
    ) -> None:
        """6.10: 35 % of tags are not ASCII; full-width letters, half-width kana, dotted I, underscores."""
        (entity,) = kept(payloads.tweet(entities={"hashtags": [{"text": spelling}]})).entities
        assert (entity.entity_value, entity.entity_normalized) == (spelling, normal_form)

    def test_the_same_tag_twice_is_two_entities(self) -> None:
        """6.10, T5: 160 of 43,705 tweets; counting distinct tags is the reader's business."""
        tags = [{"text": "AI", "indices": [0, 3]}, {"text": "ai", "indices": [4, 7]}]
        entities = kept(payloads.tweet(entities={"hashtags": tags})).entities
        assert [(entity.ordinal, entity.entity_normalized) for entity in entities] == [(0, "ai"), (1, "ai")]

    @pytest.mark.parametrize("entities", [None, {}, [], "", {"hashtags": None}, {"hashtags": {}}, {"urls": [None, {}]}])
    def test_entities_that_are_missing_are_none(self, entities: Any) -> None:
        """1.2, 6.16: ``"entities": {}``, ``[]`` for objects, missing arrays."""
        tweet = kept(payloads.tweet(entities=entities))
        assert tweet.entities == ()
        assert {tweet.has_hashtags, tweet.has_links, tweet.has_mentions, tweet.has_media} == {False}

    @pytest.mark.parametrize("mentioned", ["0", "", None])
    def test_a_mention_of_an_unknown_user_has_no_id(self, mentioned: Any) -> None:
        """6.11: mention ids can be "0" or ""."""
        mention = {"screen_name": "Writer_702", "id_str": mentioned}
        (entity,) = kept(payloads.tweet(entities={"user_mentions": [mention]})).entities
        assert (entity.mentioned_user_id, entity.entity_normalized) == (None, "writer_702")

    def test_a_link_leads_to_its_expanded_url_or_else_stays_short(self) -> None:
        """6.13: expanded_url null in 168 of 8,948."""
        links = [
            {"url": "https://t.co/A1", "expanded_url": "https://www.Example.com/Path"},
            {"url": "https://t.co/B2", "expanded_url": None},
        ]
        entities = kept(payloads.tweet(entities={"urls": links})).entities
        assert [(entity.entity_value, entity.url_host) for entity in entities] == [
            ("https://www.Example.com/Path", "example.com"),
            ("https://t.co/B2", "t.co"),
        ]
        assert entities[0].entity_normalized == "https://www.example.com/Path"

    @pytest.mark.parametrize(
        "media", [{"extendedEntities": {"media": [{"type": "photo"}]}}, {"entities": {"media": [{"id": 10**30}]}}]
    )
    def test_media_are_seen_in_either_place(self, media: dict[str, Any]) -> None:
        """0.9: has_media was once hard-coded false. A media id beyond 64 bits breaks nothing."""
        assert kept(payloads.tweet(**media)).has_media

    def test_more_entities_than_any_tweet_can_hold_are_left_out(self) -> None:
        tags = [{"text": f"t{number}"} for number in range(40_000)]
        assert len(kept(payloads.tweet(entities={"hashtags": tags})).entities) == mapping.MAX_ENTITIES


class TestIdsAndTimes:
    def test_an_id_as_a_number_is_exact(self) -> None:
        """6.16: ids as numbers in old feeds."""
        assert kept(payloads.tweet(id=payloads.tweet_id(sequence=7))).tweet_id == payloads.tweet_id(sequence=7)

    @pytest.mark.parametrize("number", ["", "abc", "-5", "0", "1.5", str(2**63), "9" * 40, " 12"])
    def test_an_id_that_is_none_is_a_dead_letter(self, number: str) -> None:
        assert reasons(read(payloads.tweet(id=number))) == [("item", "implausible_id")]

    @pytest.mark.parametrize("number", [None, [], 1.5e18])
    def test_a_tweet_without_an_id_is_a_dead_letter(self, number: Any) -> None:
        assert reasons(read(payloads.tweet(id=number))) == [("item", "not_a_tweet")]

    def test_an_id_from_before_the_clock_has_the_time_that_the_payload_says(self) -> None:
        """Section 4: ids below 29700859247 carry no time. Architecture 13 (3, 4)."""
        tweet = kept(payloads.tweet(id="20", createdAt="Tue Mar 21 20:50:14 +0000 2006"))
        assert snowflake.from_unix_ms(tweet.created_ms) == datetime(2006, 3, 21, 20, 50, 14, tzinfo=UTC)

    @pytest.mark.parametrize(
        "stated",
        [None, "", "yesterday", "Sat Mar 14 11:30:00 +0000 2026", "2010-11-06T00:00:00Z", "9999-12-31T23:59:59-14:00"],
    )
    def test_an_id_from_before_the_clock_must_have_a_time_from_before_it(self, stated: Any) -> None:
        """The readers look for such tweets below ``core.end_tweet_id_of`` of November 2010 alone."""
        assert reasons(read(payloads.tweet(id="20", createdAt=stated))) == [("item", "implausible_id")]

    def test_an_id_from_the_future_is_a_dead_letter_but_clocks_may_differ(self) -> None:
        """Architecture 3.1: there is no partition for implausible times."""
        for ahead, is_kept in (
            (timedelta(minutes=4), True),
            (timedelta(minutes=6), False),
            (timedelta(days=400), False),
        ):
            posted = RECEIVED + ahead
            item = read(payloads.tweet(posted))
            assert bool(item.sightings) == is_kept
            assert (reasons(item) == []) == is_kept

    @pytest.mark.parametrize(
        ("apart", "is_kept"), [(-3, False), (-2, True), (0, True), (1, True), (2, True), (3, False)]
    )
    def test_the_id_and_created_at_must_agree_to_two_seconds(self, apart: int, *, is_kept: bool) -> None:
        """Section 4: 19 of 43,705 real tweets differ by one second."""
        stated = payloads.twitter_time(POSTED + timedelta(seconds=apart))
        assert bool(read(payloads.tweet(createdAt=stated)).sightings) == is_kept

    @pytest.mark.parametrize(
        "stated", ["2026-03-14T11:30:00Z", "2026-03-14T11:30:00.000Z", "2026-03-14 11:30:00+00:00"]
    )
    def test_iso_times_are_read_too(self, stated: str) -> None:
        """1.2: the provider's blog and fixtures of others show ISO times."""
        assert kept(payloads.tweet(createdAt=stated)).created_ms == snowflake.to_unix_ms(POSTED)

    @pytest.mark.parametrize("stated", [None, "", "soon", 5, [], "Sat Foo 14 11:30:00 +0000 2026"])
    def test_a_time_that_cannot_be_read_leaves_the_one_in_the_id(self, stated: Any) -> None:
        assert kept(payloads.tweet(createdAt=stated)).created_ms == snowflake.to_unix_ms(POSTED)

    @given(
        st.text(max_size=40)
        | st.from_regex(r"[A-Z][a-z]{2} [A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d \+0000 \d{4}", fullmatch=True)
    )
    def test_a_profile_may_state_any_time_and_what_is_read_can_be_written(self, stated: str) -> None:
        """``9999-12-31T23:59:59-14:00`` is no datetime of Python's: it once would have failed the batch for ever."""
        for text in (stated, "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"):
            (profile,) = read(payloads.tweet(author=payloads.user(createdAt=text))).profiles
            if profile.created_ms is not None:
                snowflake.from_unix_ms(profile.created_ms)

    def test_the_observation_is_as_old_as_the_envelope_says_but_not_younger_than_its_receipt(self) -> None:
        """Architecture 13 (6)."""
        earlier = RECEIVED - timedelta(minutes=17)
        assert read(payloads.tweet(), sent=earlier).observed_ms == snowflake.to_unix_ms(earlier)
        assert read(payloads.tweet(), sent=RECEIVED + timedelta(days=900)).observed_ms == RECEIVED_MS


class TestEmbedded:
    original = payloads.tweet(POSTED - timedelta(days=2), sequence=2, text="Long words #tag", author=payloads.user(702),
                              entities={"hashtags": [{"text": "tag", "indices": [11, 15]}]}, lang="pt")  # fmt: skip

    def retweet(self, **fields: Any) -> dict[str, Any]:
        return payloads.tweet(**{"text": "RT @writer_702: Long wor…", "retweeted_tweet": self.original, **fields})

    def test_a_retweet_shows_its_original_and_has_no_counters_of_its_own(self) -> None:
        """1.2, 6.7, architecture 13 (7): the wrapper's text is cut, its tags are lost, its counts are copies."""
        item = read(self.retweet())
        wrapper, original = item.sightings
        assert wrapper.counters == UNKNOWN
        assert original.counters == (1, 2, 3, 4, 500, 6)
        assert wrapper.tweet.retweeted_tweet_id == original.tweet.tweet_id == int(self.original["id"])
        assert (wrapper.tweet.text, wrapper.tweet.lang) == ("Long words #tag", "pt")
        assert wrapper.tweet.entities == original.tweet.entities
        assert {profile.twitter_user_id for profile in item.profiles} == {701, 702}

    def test_the_object_decides_what_a_retweet_is_and_not_the_flag(self) -> None:
        """1.2: ``isRetweet: false`` even though retweeted_tweet is present."""
        assert read(self.retweet(isRetweet=False)).sightings[0].counters == UNKNOWN

    def test_empty_objects_are_no_originals(self) -> None:
        """6.16: {} and [] stand for null."""
        nothings: list[Any] = [{}, [], None, ""]
        for nothing in nothings:
            item = read(payloads.tweet(retweeted_tweet=nothing, quoted_tweet=nothing))
            (sighting,) = item.sightings
            assert sighting.counters == (1, 2, 3, 4, 500, 6)
            assert (sighting.tweet.retweeted_tweet_id, sighting.tweet.quoted_tweet_id) == (None, None)

    @pytest.mark.parametrize("original", ["1765000000000000000", True, {"id": "1765000000000000000"}])
    def test_a_retweet_of_what_cannot_be_read_has_no_counters_either(self, original: Any) -> None:
        """1.2: one consumer's schema allows an id or ``true``: the counts are copies all the same."""
        (sighting,) = read(self.retweet(retweeted_tweet=original)).sightings
        assert sighting.counters == UNKNOWN
        assert sighting.tweet.text == "RT @writer_702: Long wor…"

    def test_a_retweet_whose_original_has_no_author_is_kept_with_a_letter(self) -> None:
        item = read(self.retweet(retweeted_tweet={**self.original, "author": None}))
        assert reasons(item) == [("embedded", "missing_author")]
        assert item.rejections[0].tweet_id == int(self.original["id"])
        assert [sighting.tweet.text for sighting in item.sightings] == ["Long words #tag"]

    def test_an_original_without_text_leaves_the_wrapper_its_own(self) -> None:
        item = read(self.retweet(retweeted_tweet={**self.original, "text": ""}))
        assert item.sightings[0].tweet.text == "RT @writer_702: Long wor…"

    def test_a_retweet_of_a_quote_brings_all_three(self) -> None:
        quoted = payloads.tweet(POSTED - timedelta(days=3), sequence=3, author=payloads.user(703))
        item = read(self.retweet(retweeted_tweet={**self.original, "quoted_tweet": quoted}))
        assert [sighting.tweet.author_profile_id for sighting in item.sightings] == [701, 702, 703]
        assert item.sightings[1].tweet.quoted_tweet_id == int(quoted["id"])
        assert item.sightings[0].tweet.quoted_tweet_id is None

    def test_what_cannot_be_kept_does_not_take_its_original_along(self) -> None:
        item = read(self.retweet(author=None))
        assert reasons(item) == [("item", "missing_author")]
        assert [sighting.tweet.author_profile_id for sighting in item.sightings] == [702]

    @pytest.mark.parametrize("depth", [3, 20, 200, 350, 600, 3_000, 100_000])
    def test_deep_nesting_ends_somewhere(self, depth: int) -> None:
        """Originals in originals in originals: kept to a depth, or a dead letter."""
        head, tail = json.dumps(self.retweet(retweeted_tweet="@@")).split('"@@"')
        item = read((head * depth + "null" + tail * depth).encode())
        assert len(item.sightings) <= mapping.MAX_DEPTH + 1
        assert item.sightings or reasons(item) == [("item", "unreadable_item")]


class TestReplies:
    def test_a_reply_names_what_it_answers(self) -> None:
        fields: dict[str, Any] = {"inReplyToId": "77", "inReplyToUserId": "702", "inReplyToUsername": "writer_702"}
        tweet = kept(payloads.tweet(isReply=True, conversationId="70", **fields))
        assert tweet.is_reply
        assert (tweet.in_reply_to_tweet_id, tweet.in_reply_to_user_id, tweet.conversation_id) == (77, 702, 70)
        assert tweet.in_reply_to_username == "writer_702"

    @pytest.mark.parametrize("nothing", ["", None, "0"])
    def test_a_reply_may_leave_everything_else_open(self, nothing: Any) -> None:
        """1.2: isReply true with user id and name null occurs."""
        fields = {
            "inReplyToId": nothing,
            "inReplyToUserId": nothing,
            "inReplyToUsername": "",
            "conversationId": nothing,
        }
        tweet = kept(payloads.tweet(isReply=True, **fields))
        assert tweet.is_reply
        assert tweet.conversation_id is None
        assert tweet.in_reply_to_username is None

    def test_a_tweet_that_begins_with_a_name_is_no_reply(self) -> None:
        """1.2: isReply false with inReplyToUserId set."""
        tweet = kept(payloads.tweet(isReply=False, inReplyToUserId="702", conversationId=None))
        assert not tweet.is_reply
        assert tweet.conversation_id == tweet.tweet_id
