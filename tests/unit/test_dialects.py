"""Both dialects, on good bytes, on odd ones and on broken ones."""

from __future__ import annotations

import bz2
import itertools
import json
import os
import random
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from database import snowflake
from ingest.normalise.batch import Batch, Tally
from ingest.normalise.dialects.protocol import Dialect, RuleName
from ingest.normalise.dialects.twitterapi_io import CONTROL_EVENTS, TwitterApiIo
from ingest.normalise.dialects.v1_1 import V1
from ingest.normalise.records import Item
from tests.unit import payloads
from tests.unit.payloads import POSTED, RECEIVED_MS

API, ARCHIVE = TwitterApiIo(), V1()

WHOLE_TWEET = payloads.tweet(
    retweeted_tweet=payloads.tweet(POSTED - timedelta(days=1), quoted_tweet=payloads.tweet(POSTED - timedelta(days=2))),
    entities={
        "hashtags": [{"text": "tag", "indices": [0, 4]}],
        "user_mentions": [{"screen_name": "writer_702", "id_str": "702", "indices": [5, 16]}],
        "urls": [{"url": "https://t.co/A", "expanded_url": "https://example.com/A", "indices": [17, 30]}],
    },
)
WHOLE_V1_TWEET = payloads.v1_tweet(
    retweeted_status=payloads.v1_tweet(
        POSTED - timedelta(days=1),
        extended_tweet={
            "full_text": "Long words #tag",
            "entities": {"hashtags": [{"text": "tag", "indices": [11, 15]}]},
        },
        quoted_status=payloads.v1_tweet(POSTED - timedelta(days=2)),
    )
)


def read_all(dialect: Dialect, body: bytes) -> list[Item]:
    """Read a body as the normaliser does, and check what it relies on."""
    envelope = dialect.split(body)
    assert envelope.item_count >= 1
    assert envelope.rejection is None or not envelope.items
    read = [dialect.read(item, envelope, RECEIVED_MS) for item in envelope.items]
    for item in read:
        can_be_written(item)
    return read


def can_be_written(item: Item) -> None:
    """Check what PostgreSQL and the batch ask of an item: plain text, bigints, times of Python's calendar."""
    assert 0 < item.observed_ms <= RECEIVED_MS
    batch = Batch(tallies={1: Tally(1)})
    batch.add_item(item, delivery_id=1, item_index=0, received_ms=RECEIVED_MS, source="s", zones={})
    for sighting in item.sightings:
        _are_plain(sighting.tweet)
        assert 0 < sighting.tweet.tweet_id <= snowflake.MAX_ID
        snowflake.from_unix_ms(sighting.tweet.created_ms)
        total = sum(counter or 0 for counter in sighting.counters)
        assert 0 <= total <= snowflake.MAX_ID
        for entity in sighting.tweet.entities:
            _are_plain(entity)
    for profile in item.profiles:
        _are_plain(profile)
    if item.event is not None:
        snowflake.from_unix_ms(item.event.event_ms)


def _are_plain(record: Any) -> None:
    for field in record.__struct_fields__:
        value = getattr(record, field)
        if isinstance(value, str):
            value.encode("utf-8")
            assert "\x00" not in value
        elif isinstance(value, int):
            assert -(2**63) <= value < 2**63


class TestTwitterApiIo:
    @given(st.binary(max_size=300))
    @example(b"")
    @example(b"[]")
    @example(b'"tweet"')
    @example(b"[" * 200_000)
    @example(b'{"tweets": [null, 1, "x", {}, []], "rule_tag": "t"}')
    def test_no_bytes_are_too_strange(self, body: bytes) -> None:
        read_all(API, body)
        API.read(body, API.split(payloads.encoded(payloads.envelope())), RECEIVED_MS)

    @given(payloads.broken(payloads.envelope(WHOLE_TWEET, payloads.tweet(sequence=9))))
    @settings(max_examples=200)
    def test_no_payload_is_too_broken(self, value: Any) -> None:
        """Swapped types, dropped fields, at any depth."""
        read_all(API, payloads.encoded(value))

    @given(payloads.damaged(payloads.encoded(payloads.envelope(WHOLE_TWEET))))
    @settings(max_examples=200)
    def test_no_bytes_are_too_damaged(self, body: bytes) -> None:
        """Flipped bits, cut and doubled pieces."""
        read_all(API, body)

    def test_an_envelope_says_its_rule_and_its_time_and_keeps_the_bytes_of_its_tweets(self) -> None:
        raw = b'{ "id" : "1",\t"text":"\\u0000\\n"}'
        body = b'{"event_type":"tweet","rule_id":"r","rule_tag":"t","tweets":[' + raw + b'],"timestamp":1755158107100}'
        envelope = API.split(body)
        assert envelope.items == (raw,)
        assert (envelope.rules, envelope.observed_ms) == ((RuleName("r", "t"),), 1_755_158_107_100)

    @pytest.mark.parametrize("event", sorted(CONTROL_EVENTS))
    def test_a_ping_is_one_item_without_records(self, event: str) -> None:
        """Provider facts 0.2: the validation ping was once rejected."""
        (item,) = read_all(API, payloads.encoded({"event_type": event, "timestamp": 5, "rule_id": "r"}))
        assert (item.sightings, item.rejections, item.event) == ((), (), None)

    @pytest.mark.parametrize(
        "body",
        [{"event_type": "tweet"}, {"event_type": "fast_tweet", "tweet": {}}, {}, [], "x", 5, None, {"tweets": 5}],
    )
    def test_an_event_of_another_kind_is_a_dead_letter(self, body: Any) -> None:
        envelope = API.split(payloads.encoded(body))
        assert envelope.rejection is not None
        assert envelope.rejection.reason == "unknown_event"
        assert envelope.item_count == 1

    def test_what_is_no_json_is_a_dead_letter(self) -> None:
        envelope = API.split(b'{"event_type": "tweet", "tweets": [')
        assert envelope.rejection is not None
        assert envelope.rejection.reason == "unreadable_body"

    def test_an_empty_list_of_tweets_is_a_message_without_items(self) -> None:
        envelope = API.split(payloads.encoded(payloads.envelope()))
        assert (envelope.items, envelope.rejection, envelope.item_count) == ((), None, 1)

    @pytest.mark.parametrize("stamp", [None, "", "soon", -1, 0, 5, 1_755_158_107, [], 2**70])
    def test_a_time_of_sending_that_is_none_leaves_the_time_of_receipt(self, stamp: Any) -> None:
        """Seconds instead of milliseconds would be a day of 1970, and older than everything."""
        (item,) = read_all(API, payloads.encoded(payloads.envelope(payloads.tweet(), timestamp=stamp)))
        assert item.observed_ms == RECEIVED_MS

    def test_a_broken_field_of_the_envelope_spares_its_tweets(self) -> None:
        """And what must be cleaned in one tweet flags that tweet alone."""
        tweets = [payloads.tweet(text="a\ud83d"), payloads.tweet(sequence=2)]
        body = payloads.encoded(payloads.envelope(*tweets, rule_id=5, rule_tag=["x"], timestamp="1755158107100"))
        envelope = API.split(body)
        assert (envelope.rules, envelope.observed_ms) == ((RuleName("5", None),), 1_755_158_107_100)
        flags = [API.read(item, envelope, RECEIVED_MS).sightings[0].tweet.is_sanitised for item in envelope.items]
        assert flags == [True, False]

    def test_tweets_that_were_encoded_as_an_object_are_a_list_all_the_same(self) -> None:
        """Provider facts 6.16: PHP turns lists into objects."""
        numbered = {"0": payloads.tweet(), "1": payloads.tweet(sequence=2)}
        for tweets, count in ((numbered, 2), (payloads.tweet(), 1), ({}, 0)):
            assert len(API.split(payloads.encoded(payloads.envelope() | {"tweets": tweets})).items) == count

    def test_a_broken_tweet_spares_its_neighbours(self) -> None:
        body = payloads.encoded(payloads.envelope(payloads.tweet(), {"id": "x"}, payloads.tweet(sequence=2)))
        assert [bool(item.sightings) for item in read_all(API, body)] == [True, False, True]


class TestV1:
    @given(st.binary(max_size=300))
    @example(b"\n\r\n \n")
    @example(b"[" * 200_000)
    @example(b'{"delete":' * 100_000)
    @example(b'{"delete": null}\n{"delete": {"status": []}}\n{"limit": {"track": 5}}\n5\n"x"\nnull\n[]\n{}')
    def test_no_bytes_are_too_strange(self, body: bytes) -> None:
        read_all(ARCHIVE, body)

    @given(payloads.broken(WHOLE_V1_TWEET))
    @settings(max_examples=200)
    def test_no_payload_is_too_broken(self, value: Any) -> None:
        """Swapped types, dropped fields, at any depth."""
        read_all(ARCHIVE, payloads.encoded(value))

    @given(payloads.damaged(payloads.encoded(WHOLE_V1_TWEET) + b"\n" + payloads.encoded(payloads.deletion(5))))
    @settings(max_examples=200)
    def test_no_bytes_are_too_damaged(self, body: bytes) -> None:
        """Flipped bits, cut and doubled pieces."""
        read_all(ARCHIVE, body)

    def test_blank_lines_and_carriage_returns_are_no_items(self) -> None:
        """Provider facts 6.15."""
        line = payloads.encoded(payloads.v1_tweet())
        assert ARCHIVE.split(b"\n\r\n" + line + b"\r\n\n" + line + b"\n").items == (line, line)

    def test_a_tweet_is_observed_when_it_was_posted(self) -> None:
        """Architecture 13 (6)."""
        (item,) = read_all(ARCHIVE, payloads.encoded(payloads.v1_tweet()))
        assert item.observed_ms == snowflake.to_unix_ms(POSTED)
        assert item.sightings[0].counters == (0, 0, 0, 0, None, None)
        assert item.sightings[0].tweet.source == "A client"

    def test_what_a_retweet_embeds_is_observed_when_the_retweet_was_posted(self) -> None:
        (item,) = read_all(ARCHIVE, payloads.encoded(WHOLE_V1_TWEET))
        assert item.observed_ms == snowflake.to_unix_ms(POSTED)
        assert [sighting.tweet.text for sighting in item.sightings] == [
            "Long words #tag",
            "Long words #tag",
            "Plain words",
        ]
        assert item.sightings[0].counters == (None,) * 6
        assert item.sightings[0].tweet.has_hashtags

    def test_what_an_implausible_tweet_embeds_is_as_old_as_its_own_posting_and_not_of_today(self) -> None:
        """An archive of 2019 must not overwrite profiles as if it were observed at its replay."""
        lying = WHOLE_V1_TWEET | {"created_at": "Sat Jan 05 00:00:00 +0000 2013"}
        (item,) = read_all(ARCHIVE, payloads.encoded(lying))
        assert item.rejections[0].reason == "implausible_id"
        assert item.observed_ms == snowflake.to_unix_ms(POSTED - timedelta(days=1))

    def test_the_long_text_counts_wherever_it_is(self) -> None:
        for fields in (
            {"extended_tweet": {"full_text": "Long"}},
            {"full_text": "Long"},
            {"full_text": "Long", "text": None},
        ):
            (item,) = read_all(ARCHIVE, payloads.encoded(payloads.v1_tweet(**fields)))
            assert item.sightings[0].tweet.text == "Long"

    def test_counters_that_older_streams_left_out_are_unknown(self) -> None:
        """Section 3: reply_count and quote_count from 2017 on, favorite_count not in 2013."""
        value = payloads.v1_tweet(retweet_count=4)
        for name in ("favorite_count", "reply_count", "quote_count"):
            del value[name]
        (item,) = read_all(ARCHIVE, payloads.encoded(value))
        assert item.sightings[0].counters == (4, None, None, None, None, None)

    def test_ids_as_text_win_over_numbers_that_tools_have_rounded(self) -> None:
        """Section 4: JSON numbers above 2^53."""
        exact = payloads.tweet_id(sequence=3)
        (item,) = read_all(ARCHIVE, payloads.encoded(payloads.v1_tweet(id=float(exact), id_str=str(exact))))
        assert item.sightings[0].tweet.tweet_id == exact
        (item,) = read_all(ARCHIVE, payloads.encoded(payloads.v1_tweet(id=exact, id_str=None)))
        assert item.sightings[0].tweet.tweet_id == exact

    def test_a_deletion_notice_is_an_event(self) -> None:
        """Architecture 13 (9)."""
        (item,) = read_all(ARCHIVE, payloads.encoded(payloads.deletion(5)))
        assert item.event is not None
        assert (item.event.tweet_id, item.event.user_id, item.event.event_ms) == (5, 701, RECEIVED_MS)
        assert (item.sightings, item.rejections) == ((), ())

    def test_a_notice_in_another_spelling_is_an_event_too(self) -> None:
        notice = b' {"delete" : {"status": {"id": 5, "user_id": "701"}, "timestamp_ms": "\\u0000"}} '
        (item,) = read_all(ARCHIVE, notice)
        assert item.event is not None
        assert (item.event.tweet_id, item.event.user_id, item.event.event_ms) == (5, 701, RECEIVED_MS)

    @pytest.mark.parametrize(
        "notice",
        ['{"limit": {"track": 7}}', '{"scrub_geo": {}}', '{"warning": "x"}', '{"delete": {}}', '{"delete": 5}'],
    )
    def test_other_notices_are_control_messages(self, notice: str) -> None:
        (item,) = read_all(ARCHIVE, notice.encode())
        assert (item.sightings, item.rejections, item.event) == ((), (), None)

    @pytest.mark.parametrize(
        ("notice", "about", "event"),
        [
            ('{"status_withheld": {"id": 5, "user_id": 7, "withheld_in_countries": ["XX"]}}', (5, 7), "withheld"),
            ('{"status_withheld": {"id": 5, "user_id": 7, "withheld_in_countries": []}}', (5, 7), "unwithheld"),
            ('{"user_withheld": {"id": "7", "withheld_in_countries": ["DE"]}}', (None, 7), "user_withheld"),
            ('{"user_suspend": {"id": 7, "timestamp_ms": "1"}}', (None, 7), "user_suspend"),
            ('{"scrub_geo": {"user_id": 7, "up_to_status_id": 5}}', (None, 7), "scrub_geo"),
        ],
    )
    def test_notices_of_the_compliance_stream_are_events(
        self, notice: str, about: tuple[int | None, int], event: str
    ) -> None:
        (item,) = read_all(ARCHIVE, notice.encode())
        assert item.event is not None
        assert (item.event.tweet_id, item.event.user_id, item.event.event_type) == (*about, event)

    def test_a_line_that_is_cut_is_a_dead_letter_and_its_neighbours_are_not(self) -> None:
        """Provider facts 6.15."""
        line = payloads.encoded(payloads.v1_tweet())
        items = read_all(ARCHIVE, b"\n".join([line, line[: len(line) // 2], line]))
        assert [bool(item.sightings) for item in items] == [True, False, True]
        assert items[1].rejections[0].reason == "unreadable_item"

    def test_a_source_full_of_angle_brackets_takes_no_time(self) -> None:
        """The removal of tags was once quadratic: a megabyte of ``<`` took minutes."""
        (item,) = read_all(ARCHIVE, payloads.encoded(payloads.v1_tweet(source="<" * 2_000_000)))
        assert item.sightings


def _real_lines() -> Iterator[bytes]:
    folder = os.environ.get("REAL_DATA_DIR")
    if folder is None:
        pytest.skip("REAL_DATA_DIR is not set: there are no real payloads here")
    files = sorted((Path(folder) / "public-stream-2019-v1.1").glob("*.bz2"))
    for file in files[:2]:
        yield from bz2.decompress(file.read_bytes()).splitlines()


def test_real_lines_survive_mutation() -> None:
    """Types swapped between real fields, fields dropped, bytes flipped: nothing raises, all that is read is plain."""
    chance = random.Random(20190703)
    lines = [line for line in itertools.islice(_real_lines(), 12_000) if b'"text"' in line]
    assert len(lines) > 1_000
    for line in lines:
        value = json.loads(line)
        payloads.break_some(value, chance, share=0.02)
        body = bytearray(payloads.encoded(value))
        if chance.random() < 0.3:
            body[chance.randrange(len(body))] = chance.randrange(256)
        read_all(ARCHIVE, bytes(body))
