"""X's API v2: tweets joined with what stands beside them, events, and whatever else a body can hold."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from database import snowflake
from ingest.normalise.dialects.protocol import RuleName
from ingest.normalise.dialects.x_api_v2 import MAX_LINES, XApiV2
from ingest.normalise.records import ComplianceEvent, Item, Tweet
from tests.unit import payloads
from tests.unit.payloads import POSTED, RECEIVED, RECEIVED_MS
from tests.unit.test_dialects import can_be_written

X = XApiV2()

EARLIER = POSTED - timedelta(days=1)

ORIGINAL = payloads.x_tweet(
    EARLIER,
    author_id="702",
    text="A long text &amp; a #tag",
    entities={"hashtags": [{"tag": "tag", "start": 20, "end": 24}]},
)
WHOLE = payloads.x_envelope(
    payloads.x_tweet(
        referenced_tweets=[{"type": "quoted", "id": ORIGINAL["id"]}, {"type": "replied_to", "id": "9"}],
        note_tweet={"text": "A note", "entities": {"mentions": [{"username": "w", "id": "702", "start": 0, "end": 2}]}},
        entities={"urls": [{"url": "https://t.co/A", "expanded_url": "https://example.com/A", "start": 0, "end": 5}]},
        attachments={"media_keys": ["3_1"]},
    ),
    ORIGINAL,
    errors=[{"resource_type": "tweet", "resource_id": "9", "type": "x/resource-not-found", "title": "Not Found"}],
)


def read_all(body: bytes) -> list[Item]:
    """Read a body as the normaliser does, and check what it relies on."""
    envelope = X.split(body)
    parts = envelope.parts or (envelope,)
    assert envelope.item_count == sum(len(part.items) or 1 for part in parts)
    items = []
    for part in parts:
        assert not part.parts
        assert part.rejection is None or not part.items
        for item in part.items:
            items.append(X.read(item, part, RECEIVED_MS))
            can_be_written(items[-1])
    return items


def read_one(value: Any) -> Item:
    (item,) = read_all(payloads.encoded(value))
    return item


def tweet_of(item: Item) -> Tweet:
    return item.sightings[0].tweet


@given(st.binary(max_size=300))
@example(b"")
@example(b"\r\n")
@example(b"[]")
@example(b'{"data":[1,null,"x",{},[]],"errors":{"a":1},"matching_rules":{"id":[]}}')
@example(b'{"data":' * 50_000)
@example(b'{"data":' + b"[" * 50_000 + b"]" * 50_000 + b"}")
@example(b'{"a_events":[1]}\n{"data":{"delete":5}}\n{"data":[1e999,NaN]}')
def test_no_bytes_are_too_strange(body: bytes) -> None:
    read_all(body)


@given(payloads.broken(WHOLE) | payloads.broken({"tweet_delete_events": [{"status": {"id": "1"}}], **WHOLE}))
@settings(max_examples=200)
def test_no_payload_is_too_broken(value: Any) -> None:
    """Swapped types, dropped fields, at any depth."""
    read_all(payloads.encoded(value))


@given(payloads.damaged(payloads.encoded(WHOLE) + b"\r\n" + payloads.encoded(WHOLE)))
@settings(max_examples=200)
def test_no_bytes_are_too_damaged(body: bytes) -> None:
    """Flipped bits, cut and doubled pieces."""
    read_all(body)


def test_a_tweet_is_joined_with_its_author_its_counters_and_all_its_rules() -> None:
    body = payloads.encoded(payloads.x_envelope(payloads.x_tweet(), tags=("one", "two")))
    assert X.split(body).rules == (RuleName("1700000000000000000", "one"), RuleName("1700000000000000001", "two"))
    (item,) = read_all(body)
    tweet = tweet_of(item)
    assert (tweet.tweet_id, tweet.author_profile_id, tweet.text) == (payloads.tweet_id(), 701, "Plain words")
    assert item.sightings[0].counters == (1, 2, 3, 4, 500, 6)
    assert item.observed_ms == RECEIVED_MS
    (profile,) = item.profiles
    assert (profile.username, profile.followers_count, profile.tweets_count) == ("writer_701", 100, 1_000)
    assert (profile.is_verified, profile.is_blue_verified, profile.verified_type) == (True, True, "blue")


def test_the_names_of_the_newest_specification_mean_the_same() -> None:
    """Provider facts 2: OpenAPI 2.167 renames what its examples still call by the old names."""
    note = {"text": "The whole text", "entities": {"hashtags": [{"tag": "whole", "start": 4, "end": 9}]}}
    old = payloads.x_tweet(
        referenced_tweets=[{"type": "retweeted", "id": ORIGINAL["id"]}],
        note_tweet=note,
        edit_history_tweet_ids=["5", "6"],
    )
    new = {
        **{name: value for name, value in old.items() if name[:4] not in ("refe", "note", "edit")},
        "referenced_posts": [{"type": "reposted", "id": ORIGINAL["id"]}],
        "note_post": note,
        "edit_history_post_ids": ["5", "6"],
    }
    user = payloads.x_user(702, public_metrics={"post_count": 7})
    renamed = {**ORIGINAL, "public_metrics": {"repost_count": 8}}
    by_old_names = payloads.x_envelope(old, {**ORIGINAL, "public_metrics": {"retweet_count": 8}})
    by_new_names = payloads.x_envelope(new) | {"includes": {"users": [payloads.x_user(), user], "posts": [renamed]}}
    by_old_names["includes"]["users"][1] = {**user, "public_metrics": {"tweet_count": 7}}
    assert read_one(by_new_names) == read_one(by_old_names)
    assert read_one(by_new_names).sightings[1].counters[0] == 8


def test_a_retweet_takes_the_whole_text_and_the_tags_of_its_original_and_no_counters() -> None:
    retweet = payloads.x_tweet(
        text="RT @writer_702: A lo…", referenced_tweets=[{"type": "retweeted", "id": ORIGINAL["id"]}]
    )
    item = read_one(payloads.x_envelope(retweet, ORIGINAL))
    tweet, original = (sighting.tweet for sighting in item.sightings)
    assert tweet.text == original.text == "A long text &amp; a #tag"
    assert tweet.retweeted_tweet_id == original.tweet_id
    assert [sighting.counters[0] for sighting in item.sightings] == [None, 1]
    (tag,) = tweet.entities
    assert tweet.text[tag.start_index : tag.end_index] == "#tag"
    assert {profile.twitter_user_id for profile in item.profiles} == {701, 702}


@pytest.mark.parametrize("kind", ["retweeted", "quoted", "replied_to"])
def test_an_original_that_is_not_shown_is_known_by_its_id(kind: str) -> None:
    item = read_one(payloads.x_envelope(payloads.x_tweet(referenced_tweets=[{"type": kind, "id": "77"}])))
    tweet = tweet_of(item)
    ids = {
        "retweeted": tweet.retweeted_tweet_id,
        "quoted": tweet.quoted_tweet_id,
        "replied_to": tweet.in_reply_to_tweet_id,
    }
    assert ids == {"retweeted": None, "quoted": None, "replied_to": None, kind: 77}
    assert (item.sightings[0].counters[0] is None) == (kind == "retweeted")
    assert item.rejections == ()


def test_a_quoted_tweet_the_one_replied_to_and_other_versions_are_read_too() -> None:
    parent, version = payloads.x_tweet(EARLIER, sequence=2), payloads.x_tweet(EARLIER, sequence=3)
    tweet = payloads.x_tweet(
        in_reply_to_user_id="702",
        referenced_tweets=[{"type": "quoted", "id": ORIGINAL["id"]}, {"type": "replied_to", "id": parent["id"]}],
    )
    tweet["edit_history_tweet_ids"] = [version["id"], tweet["id"]]
    item = read_one(payloads.x_envelope(tweet, ORIGINAL, parent, version))
    assert [str(sighting.tweet.tweet_id) for sighting in item.sightings] == [
        tweet["id"], ORIGINAL["id"], parent["id"], version["id"]
    ]  # fmt: skip
    first = tweet_of(item)
    assert (str(first.quoted_tweet_id), str(first.in_reply_to_tweet_id)) == (ORIGINAL["id"], parent["id"])
    assert (first.in_reply_to_user_id, first.in_reply_to_username, first.is_reply) == (702, "writer_702", True)


def test_tweets_that_refer_to_each_other_end_somewhere() -> None:
    one, other = payloads.x_tweet(), payloads.x_tweet(EARLIER)
    for tweet, target in ((one, other), (other, one)):
        tweet["referenced_tweets"] = [{"type": kind, "id": target["id"]} for kind in ("quoted", "retweeted")]
    assert len(read_one(payloads.x_envelope(one, one, other)).sightings) < 40


def test_a_long_post_is_its_note_with_the_entities_of_the_note() -> None:
    note = {"text": "Words upon words #deep", "entities": {"hashtags": [{"tag": "deep", "start": 17, "end": 22}]}}
    short = {"hashtags": [{"tag": "cut", "start": 0, "end": 4}]}
    tweet = tweet_of(read_one(payloads.x_envelope(payloads.x_tweet(text="Words…", note_tweet=note, entities=short))))
    assert tweet.text == note["text"]
    assert [(entity.entity_value, entity.start_index) for entity in tweet.entities] == [("deep", 17)]


def test_positions_are_code_points_of_the_escaped_text() -> None:
    """Provider facts 2: measured on 1,614 tweets."""
    entities = {
        "hashtags": [{"tag": "one", "start": 8, "end": 12}],
        "mentions": [{"username": "writer_702", "id": "702", "start": 13, "end": 24}],
        "annotations": [{"start": 0, "end": 3, "type": "Other", "normalized_text": "words", "probability": 0.5}],
    }
    tweet = tweet_of(
        read_one(payloads.x_envelope(payloads.x_tweet(text="\U0001f600 &amp; #one @writer_702", entities=entities)))
    )
    assert [tweet.text[entity.start_index : entity.end_index] for entity in tweet.entities] == ["#one", "@writer_702"]
    assert tweet.entities[1].mentioned_user_id == 702


def test_a_link_to_the_tweets_own_media_is_media_and_no_link() -> None:
    links = [{"url": "https://t.co/A", "expanded_url": "https://x.com/w/status/1/photo/1", "media_key": "3_1"}]
    shown = payloads.x_tweet(entities={"urls": links}, attachments={"media_keys": ["3_1"]})
    tweet = tweet_of(read_one(payloads.x_envelope(shown)))
    assert (tweet.has_media, tweet.has_links, tweet.entities) == (True, False, ())


def test_what_is_absent_is_unknown() -> None:
    item = read_one({"data": {"id": str(payloads.tweet_id()), "text": "Words", "author_id": "703"}})
    assert item.sightings[0].counters == (None,) * 6
    assert (tweet_of(item).lang, tweet_of(item).source, tweet_of(item).has_media) == (None, None, False)
    assert [profile.twitter_user_id for profile in item.profiles] == [703]
    assert item.profiles[0].username is None


def test_a_tweet_without_an_author_is_a_dead_letter() -> None:
    item = read_one({"data": {"id": str(payloads.tweet_id()), "text": "Words"}})
    assert [rejection.reason for rejection in item.rejections] == ["missing_author"]


def test_a_list_of_tweets_shares_what_stands_beside_them() -> None:
    tweets = [payloads.x_tweet(sequence=sequence) for sequence in (1, 2, 3)]
    items = read_all(payloads.encoded(payloads.x_envelope([tweets[0], {"id": "x"}, tweets[2]])))
    assert [len(item.sightings) for item in items] == [1, 0, 1]
    assert [profile.username for item in items for profile in item.profiles] == ["writer_701"] * 2
    assert [rejection.reason for rejection in items[1].rejections] == ["not_a_tweet"]


def test_broken_characters_beside_a_tweet_are_cleaned_and_flagged() -> None:
    broken = payloads.x_envelope(payloads.x_tweet())
    broken["includes"]["users"][0]["name"] = "a\x00b\ud83d"
    item = read_one(broken)
    assert item.profiles[0].name == "ab\ufffd"
    assert tweet_of(item).is_sanitised
    assert not tweet_of(read_one(payloads.x_envelope(payloads.x_tweet()))).is_sanitised


@pytest.mark.parametrize("includes", [None, 5, [], {"users": 5}, {"users": [None, {"id": []}], "tweets": [{}]}])
def test_unreadable_includes_spare_the_tweet(includes: Any) -> None:
    item = read_one(payloads.x_envelope(payloads.x_tweet()) | {"includes": includes})
    assert (len(item.sightings), item.rejections) == (1, ())


def test_an_archived_answer_was_true_when_it_was_fetched() -> None:
    """twarc keeps the time; without it the receipt must do."""
    fetched = RECEIVED - timedelta(days=3)
    archived = payloads.x_envelope(
        payloads.x_tweet(EARLIER - timedelta(days=9)), __twarc={"retrieved_at": fetched.isoformat()}
    )
    assert read_one(archived).observed_ms == snowflake.to_unix_ms(fetched)
    for retrieval in ({"retrieved_at": "1970-01-01T00:00:00Z"}, {"retrieved_at": 5}, "x"):
        assert read_one(archived | {"__twarc": retrieval}).observed_ms == RECEIVED_MS


class TestLines:
    def test_each_line_is_an_envelope_and_a_cut_one_spares_its_neighbours(self) -> None:
        """Provider facts 6.15: a line cut in the middle, blank lines that keep the connection alive."""
        lines = [
            payloads.encoded(payloads.x_envelope(payloads.x_tweet(sequence=n), tags=(f"t{n}",))) for n in (1, 2, 3)
        ]
        envelope = X.split(b"\r\n\r\n".join([lines[0], lines[1][:200], lines[2], b""]))
        assert [part.rules[0].rule_tag for part in envelope.parts if part.items] == ["t1", "t3"]
        (problem,) = [part.rejection for part in envelope.parts if part.rejection]
        assert (problem.reason, envelope.item_count) == ("unreadable_line", 3)

    @pytest.mark.parametrize("body", [b"\r\n", b" \n\r\n"])
    def test_a_keep_alive_is_a_message_without_items(self, body: bytes) -> None:
        envelope = X.split(body)
        assert (envelope.items, envelope.parts, envelope.rejection, envelope.item_count) == ((), (), None, 1)

    @pytest.mark.parametrize("body", [b"{", b"x\ny\nz", b"{\n" * (MAX_LINES + 5), b'{"data":1}\n' * (MAX_LINES + 5)])
    def test_a_body_that_cannot_be_read_at_all_is_one_dead_letter(self, body: bytes) -> None:
        envelope = X.split(body)
        assert envelope.rejection is not None
        assert (envelope.rejection.reason, envelope.item_count) == ("unreadable_body", 1)

    def test_a_value_that_is_spread_over_lines_is_one(self) -> None:
        pretty = json.dumps(payloads.x_envelope(payloads.x_tweet()), indent=2).encode()
        assert len(read_all(pretty)) == 1


class TestEvents:
    @pytest.mark.parametrize("event", ["delete", "withheld", "drop", "undrop"])
    @pytest.mark.parametrize("named", ["tweet", "post"])
    def test_a_notice_about_a_tweet_is_an_event(self, event: str, named: str) -> None:
        at = RECEIVED - timedelta(minutes=5)
        notice = {"data": {event: {named: {"id": "5", "author_id": "701"}, "event_at": payloads.iso_time(at)}}}
        item = read_one(notice)
        assert item.event == ComplianceEvent(5, event, snowflake.to_unix_ms(at), 701)
        assert (item.sightings, item.rejections) == ((), ())

    @pytest.mark.parametrize("event", ["user_delete", "user_undelete", "user_suspend", "user_unsuspend", "scrub_geo"])
    def test_a_notice_about_an_account_is_an_event(self, event: str) -> None:
        at = RECEIVED - timedelta(minutes=5)
        item = read_one({"data": {event: {"user": {"id": "701"}, "event_at": payloads.iso_time(at)}}})
        assert item.event == ComplianceEvent(None, event, snowflake.to_unix_ms(at), 701)

    def test_what_is_withheld_nowhere_any_more_is_shown_again(self) -> None:
        for subject, event in (("tweet", "withheld"), ("user", "user_withheld")):
            item = read_one({"data": {event: {subject: {"id": "5"}, "withheld_in_countries": []}}})
            assert item.event is not None
            assert item.event.event_type == event.replace("withheld", "unwithheld")

    def test_an_edit_tells_the_versions_of_a_tweet(self) -> None:
        within = {"tweet": {"id": "7", "edit_tweet_ids": ["5", "7"]}}
        beside = {"tweet": {"id": "7"}, "initial_tweet_id": "5", "edit_tweet_ids": ["7"]}
        for notice in (within, beside):
            item = read_one({"data": {"tweet_edit": notice}})
            assert item.event is not None
            assert item.event.versions == (5, 7)
        edited = payloads.x_tweet(edit_history_tweet_ids=["5", str(payloads.tweet_id())])
        assert read_one(payloads.x_envelope(edited)).sightings[0].versions == (5, payloads.tweet_id())

    def test_a_deletion_of_the_account_activity_webhook_is_an_event(self) -> None:
        told = snowflake.to_unix_ms(RECEIVED) - 5
        deletion = {"status": {"id": "5", "user_id": "701"}, "timestamp_ms": str(told)}
        item = read_one({"for_user_id": "701", "tweet_delete_events": [deletion]})
        assert item.event == ComplianceEvent(5, "delete", told, 701)

    def test_a_tweet_of_the_account_activity_webhook_is_a_status_of_v1_1(self) -> None:
        item = read_one({"for_user_id": "701", "tweet_create_events": [payloads.v1_tweet()]})
        assert tweet_of(item).tweet_id == payloads.tweet_id()

    def test_other_activities_are_control_messages(self) -> None:
        body = {"for_user_id": "701", "favorite_events": [{}, {}], "follow_events": [{}]}
        assert read_all(payloads.encoded(body)) == [Item(observed_ms=RECEIVED_MS)] * 3

    @pytest.mark.parametrize("told", ["2999-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "soon", None, 5])
    def test_an_event_of_no_plausible_time_happened_when_it_was_told(self, told: Any) -> None:
        item = read_one({"data": {"drop": {"tweet": {"id": "5"}, "event_at": told}}})
        assert item.event == ComplianceEvent(5, "drop", RECEIVED_MS, None)

    @pytest.mark.parametrize("target", [{}, {"tweet": {}}, {"tweet": {"id": "x"}}, 5])
    def test_an_event_that_names_no_tweet_is_a_dead_letter(self, target: Any) -> None:
        for body in ({"data": {"delete": target}}, {"tweet_delete_events": [{"status": target}]}):
            assert [rejection.reason for rejection in read_one(body).rejections] == ["unreadable_event"]


class TestProblems:
    def test_a_tweet_that_is_not_shown_is_kept_as_an_event_beside_the_others(self) -> None:
        kind = "https://api.x.com/2/problems/resource-not-found"
        problem = {"resource_type": "tweet", "resource_id": "9", "type": kind, "title": "Not Found Error"}
        items = read_all(payloads.encoded(payloads.x_envelope(payloads.x_tweet(), errors=[problem])))
        assert [len(item.sightings) for item in items] == [1, 0]
        assert items[1].event == ComplianceEvent(9, "resource_not_found", RECEIVED_MS, None)

    def test_an_account_that_is_not_shown_is_a_control_message(self) -> None:
        problem = {"resource_type": "user", "resource_id": "9", "type": "x/resource-not-found"}
        items = read_all(payloads.encoded(payloads.x_envelope(payloads.x_tweet(), errors=[problem])))
        assert items[1] == Item(observed_ms=RECEIVED_MS)

    @pytest.mark.parametrize(
        "body",
        [
            {"errors": [{"title": "operational-disconnect", "detail": "Moved", "disconnect_type": "Upstream"}]},
            {"title": "ConnectionException", "detail": "Moved", "type": "x/problems/streaming-connection"},
        ],
    )
    def test_a_problem_that_comes_alone_is_a_dead_letter_that_says_it(self, body: Any) -> None:
        (rejection,) = read_one(body).rejections
        assert rejection.reason == "provider_error"
        assert "Moved" in rejection.detail

    @pytest.mark.parametrize("body", [{}, [], 5, "x", {"data": None}, {"other": 1, "\ud83d": 2}, {"data": [], "x": 1}])
    def test_a_message_of_an_unknown_kind_is_a_dead_letter(self, body: Any) -> None:
        envelope = X.split(payloads.encoded(body))
        assert envelope.rejection is not None
        assert envelope.rejection.reason == "unknown_event"
        envelope.rejection.detail.encode()

    def test_a_page_without_results_is_a_message_without_items(self) -> None:
        assert X.split(b'{"meta":{"result_count":0}}').rejection is None


def _real_files() -> list[Path]:
    folder = os.environ.get("REAL_DATA_DIR")
    if folder is None:
        pytest.skip("REAL_DATA_DIR is not set: there are no real payloads here")
    return sorted((Path(folder) / "x-api-v2").glob("*.jsonl"))


def test_real_payloads_are_read_with_all_that_stands_beside_them() -> None:
    """Every tweet of every file, in any of its parts; every position names what it says."""
    for file in _real_files():
        body = file.read_bytes()
        items = read_all(body)
        if "compliance" in file.name:
            # Results of a compliance job: nobody delivers them, and they do not say of what the ids are.
            assert [rejection.reason for rejection in _envelope_rejections(body)] == ["unreadable_body"]
            continue
        assert all(item.sightings and not item.rejections for item in items), file.name
        shown = {str(sighting.tweet.tweet_id) for item in items for sighting in item.sightings}
        assert shown == ids_in(body), file.name
        for sighting in (sighting for item in items for sighting in item.sightings):
            for entity in sighting.tweet.entities:
                written = sighting.tweet.text[entity.start_index : entity.end_index]
                expected = {"hashtag": f"#{entity.entity_value}", "mention": f"@{entity.entity_value}"}
                assert written.lower() == expected.get(entity.entity_type, written).lower()
                assert entity.entity_type != "url" or written.startswith("http")


def test_a_real_stream_with_a_cut_line_loses_that_line_alone() -> None:
    (file,) = [file for file in _real_files() if file.name == "streaming_output_with_error.jsonl"]
    body = file.read_bytes()
    assert len(read_all(body)) == 7
    assert [rejection.reason for rejection in _envelope_rejections(body)] == ["unreadable_line"]
    # Its rules have no tag, and their ids are numbers.
    assert all(part.rules[0].rule_id and part.rules[0].rule_tag is None for part in X.split(body).parts if part.items)


def _envelope_rejections(body: bytes) -> list[Any]:
    envelope = X.split(body)
    return [part.rejection for part in envelope.parts or (envelope,) if part.rejection is not None]


def ids_in(body: bytes) -> set[str]:
    """Return the ids of all tweets in a body, delivered or beside, as far as its lines are JSON."""
    ids: set[str] = set()
    for line in body.splitlines():
        try:
            value = json.loads(line)
        except ValueError:
            continue  # The line that is cut.
        data = value.get("data", [])
        data = data if isinstance(data, list) else [data]
        ids |= {tweet["id"] for tweet in (*data, *value.get("includes", {}).get("tweets", ()))}
    return ids
