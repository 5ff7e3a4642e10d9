"""The normaliser on a real PostgreSQL: what deliveries become, and what is never lost, doubled or turned back."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import zstandard

from database import snowflake
from database.codec import Codec
from ingest.normalise.worker import Worker
from tests.conftest import _own_database as own_database
from tests.ingest import landing
from tests.ingest.landing import (
    HOUR_AGO,
    NOW,
    RULES,
    ZONES,
    Connection,
    accounts,
    content,
    delivery,
    drain,
    land,
    letters,
    marks,
    normalise,
    one,
    profile_marks,
    rows,
    tweet,
)
from tests.unit import payloads
from tests.unit.payloads import encoded, user

HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def module_database_url(server_url: str, template_database: str) -> Iterator[str]:
    """A database that the tests of this module share, one after the other: cloning one for each costs a second."""
    yield from own_database(server_url, template_database)


@pytest.fixture
def db(module_database_url: str) -> Iterator[Connection]:
    """A connection as the worker's to a database with zones and rules and nothing else."""
    with landing.fresh(module_database_url) as connection:
        yield connection


def number(value: dict[str, Any]) -> int:
    return int(value["id"])


class TestOneDelivery:
    def test_a_tweet_becomes_a_row_in_every_table(self, db: Connection) -> None:
        mentioned = {"screen_name": "Writer_702", "id_str": "702", "indices": [0, 11]}
        value = tweet(text="@Writer_702 words", entities={"user_mentions": [mentioned]})
        progress = normalise(db, delivery(value))
        assert (progress.items, progress.normalised, progress.new_tweets, progress.new_links) == (1, 1, 1, 1)
        assert rows(db, "twitter_tweets", "tweet_id, author_profile_id, text, has_mentions") == [
            (number(value), 701, "@Writer_702 words", True)
        ]
        assert rows(
            db, "twitter_profiles", "twitter_user_id, username, followers_count, first_seen_at, last_seen_at"
        ) == [(701, "writer_701", 100, HOUR_AGO, HOUR_AGO)]
        assert rows(db, "twitter_tweet_zones", "tweet_id, zone_id, rule_ids, first_matched_at") == [
            (number(value), ZONES["alpha"], [RULES["one"]], NOW)
        ]
        counters = (1, 2, 3, 4, 500, 6)
        assert rows(db, "twitter_tweet_metrics") == [(number(value), HOUR_AGO, *counters, 1 + 2 + 3 + 4)]
        assert rows(db, "twitter_engagement_history") == [(number(value), HOUR_AGO, *counters)]
        assert rows(db, "twitter_entities") == [
            (number(value), 0, "mention", 0, 11, 702, "Writer_702", "writer_702", None)
        ]
        assert one(db, "select count(*) from raw.delivery_queue") == 0

    def test_a_tweet_points_at_its_delivery(self, db: Connection) -> None:
        delivery_id = land(db, delivery(tweet()))
        drain(db)
        assert rows(db, "twitter_tweets", "delivery_id, collected_at, twitter_created_at") == [
            (delivery_id, NOW, NOW - 2 * HOUR)
        ]

    def test_a_retweet_brings_its_original_which_no_zone_collected(self, db: Connection) -> None:
        """Architecture 13 (7)."""
        original = tweet(2, age=timedelta(days=3), author=user(702))
        wrapper = tweet(1, text="RT @writer_702: Pl…", retweeted_tweet=original)
        progress = normalise(db, delivery(wrapper))
        assert (progress.normalised, progress.new_tweets, progress.new_links) == (1, 2, 1)
        assert rows(db, "twitter_tweet_zones", "tweet_id") == [(number(wrapper),)]
        assert rows(db, "twitter_tweet_metrics", "tweet_id, total_engagement, view_count") == [
            (number(original), 10, 500),
            (number(wrapper), None, None),
        ]
        assert rows(db, "twitter_engagement_history", "tweet_id") == [(number(original),)]
        assert rows(db, "twitter_tweets", "tweet_id, retweeted_tweet_id, text") == [
            (number(original), None, "Plain words"),
            (number(wrapper), number(original), "Plain words"),
        ]

    def test_an_original_that_matches_itself_is_linked_then(self, db: Connection) -> None:
        original = tweet(2, age=timedelta(hours=3), author=user(702))
        normalise(db, delivery(tweet(1, retweeted_tweet=original)))
        marks(db)
        progress = normalise(db, delivery(original))
        assert (progress.normalised, progress.new_tweets, progress.new_links) == (1, 0, 1)
        assert marks(db) == {number(original)}

    def test_one_tag_in_two_zones_links_the_tweet_to_both(self, db: Connection) -> None:
        """T4."""
        progress = normalise(db, delivery(tweet(), tag="both"))
        assert (progress.normalised, progress.new_links, progress.duplicates) == (1, 2, 0)
        assert rows(db, "twitter_tweet_zones", "zone_id, rule_ids") == [
            (ZONES["alpha"], [RULES["both_a"]]),
            (ZONES["beta"], [RULES["both_b"]]),
        ]

    def test_rules_that_match_later_are_added_to_the_link(self, db: Connection) -> None:
        normalise(db, delivery(tweet(), tag="both"), received=NOW)
        progress = normalise(db, delivery(tweet(), tag="one"), received=NOW - HOUR)
        assert (progress.normalised, progress.duplicates) == (0, 1)
        assert rows(db, "twitter_tweet_zones", "zone_id, rule_ids, first_matched_at")[0] == (
            ZONES["alpha"],
            sorted([RULES["one"], RULES["both_a"]]),
            NOW - HOUR,
        )

    def test_the_providers_rule_id_wins_over_the_tag(self, db: Connection) -> None:
        db.execute("update core.twitter_rules set external_rule_id = 'ext' where id = %s", (RULES["both_b"],))
        normalise(db, delivery(tweet(), rule_id="ext", tag="one"))
        assert rows(db, "twitter_tweet_zones", "zone_id, rule_ids") == [(ZONES["beta"], [RULES["both_b"]])]

    def test_a_rule_remembers_when_it_last_brought_something(self, db: Connection) -> None:
        triggered = "select last_triggered_at from core.twitter_rules where id = %s"
        normalise(db, delivery(tweet()), received=NOW)
        normalise(db, delivery(tweet()), received=NOW - HOUR)
        assert one(db, triggered, RULES["one"]) == NOW
        assert one(db, triggered, RULES["both_a"]) is None

    def test_counts_beyond_32_bits_are_kept(self, db: Connection) -> None:
        """T7."""
        value = tweet(viewCount=3_000_000_000, likeCount=3_000_000_000, author=user(followers=3_000_000_000))
        normalise(db, delivery(value))
        assert rows(db, "twitter_tweet_metrics", "view_count, total_engagement") == [(3_000_000_000, 3_000_000_007)]
        assert rows(db, "twitter_profiles", "followers_count") == [(3_000_000_000,)]

    def test_what_is_hostile_is_kept_or_refused_but_stops_nobody(self, db: Connection) -> None:
        """Giant tags, texts, names and lists; sums beyond a bigint; times beyond the calendar."""
        tags = [{"text": f"t{index}"} for index in range(10_000)]
        values = [
            tweet(1, entities={"hashtags": [{"text": "\N{OLD ITALIC LETTER A}" * 100_000}]}),
            tweet(2, text=" ".join(f"word{index}" for index in range(400_000))),
            tweet(3, entities={"hashtags": tags, "user_mentions": [{"screen_name": "@" * 100_000}]}),
            tweet(4, likeCount=2**63 - 1, retweetCount=2**63 - 1, replyCount=2**64),
            tweet(5, author=user(703, createdAt="9999-12-31T23:59:59-14:00", userName=os.urandom(9_000).hex())),
            tweet(6, author=user(704, description=" ".join(f"word{index}" for index in range(400_000)))),
            tweet(7, entities={"urls": [{"expanded_url": "https://" + os.urandom(9_000).hex() + "/" + "p" * 100_000}]}),
            tweet(8, source="<" * 1_000_000, lang="x" * 100_000, text="\x00\ud83d"),
        ]
        progress = normalise(db, delivery(*values))
        assert (progress.batches, progress.normalised, progress.dead) == (1, 8, 0)
        assert one(db, "select count(*) from core.twitter_entities where entity_type = 'hashtag'") == 10_001
        assert letters(db) == []


class TestAccounting:
    def test_every_item_is_counted_once(self, db: Connection) -> None:
        """Architecture 13 (22)."""
        future = payloads.tweet(NOW + timedelta(days=3))
        expected = {
            land(db, delivery(tweet(1), tweet(2), tweet(1), future, tweet(3, author=None))): (2, 1, 0, 2),
            land(db, delivery(tweet(2), tweet(4))): (1, 1, 0, 0),
            land(db, delivery()): (0, 0, 1, 0),
            land(db, {"event_type": "test_webhook_url"}): (0, 0, 1, 0),
            land(db, {"event_type": "ping", "timestamp": 5}): (0, 0, 1, 0),
            land(db, b"{"): (0, 0, 0, 1),
            land(db, delivery(tweet(5), tweet(6), tag="nobody's")): (0, 0, 0, 2),
            land(db, b"", source="v1_1", zone="alpha"): (0, 0, 1, 0),
            land(db, b'5\n{"limit":{}}\n{"delete":{}}\n{', source="v1_1", zone="alpha"): (0, 0, 2, 2),
        }
        progress = drain(db)
        assert accounts(db) == expected
        assert progress.items == progress.normalised + progress.duplicates + progress.controls + progress.dead == 18

    def test_one_tweet_in_three_deliveries_of_a_batch_is_new_once(self, db: Connection) -> None:
        """T10: the same author and tweet several times in one statement."""
        value = tweet()
        progress = normalise(db, delivery(value), delivery(value), delivery({**value, "likeCount": 9}))
        assert (progress.batches, progress.normalised, progress.duplicates, progress.new_tweets) == (1, 1, 2, 1)
        assert rows(db, "twitter_tweet_metrics", "like_count") == [(9,)]

    def test_a_deletion_notice_is_an_event_and_a_control_message(self, db: Connection) -> None:
        """Architecture 13 (9)."""
        notices = [payloads.deletion(5, HOUR_AGO, None), payloads.deletion(5, HOUR_AGO), payloads.deletion(6, HOUR_AGO)]
        for order in (notices, notices[::-1]):
            for notice in order:
                normalise(db, encoded(notice), source="v1_1", zone="alpha")
            assert rows(db, "twitter_compliance_events", "tweet_id, event_type, event_at, user_id") == [
                (5, "delete", HOUR_AGO, 701),
                (6, "delete", HOUR_AGO, 701),
            ]
        assert set(accounts(db).values()) == {(0, 0, 1, 0)}

    def test_a_deletion_notice_of_an_unknown_zone_is_kept_all_the_same(self, db: Connection) -> None:
        progress = normalise(db, encoded(payloads.deletion(5)), source="v1_1", zone="nowhere")
        assert (progress.controls, progress.dead) == (1, 0)
        assert len(rows(db, "twitter_compliance_events")) == 1


class TestDeadLetters:
    def test_what_a_missing_rule_held_up_is_replayed_when_the_rule_is_there(self, db: Connection) -> None:
        value = tweet()
        delivery_id = land(db, delivery(value, tweet(2), tag="later"))
        drain(db)
        assert letters(db) == [("envelope", "unknown_rule")] * 2
        assert content(db)["twitter_tweets"] == []
        db.execute(
            "insert into core.twitter_rules (zone_id, tag, query) values (%s, 'later', 'words')", (ZONES["beta"],)
        )
        written = Worker(db).reprocess([delivery_id])
        assert (written.new_tweets, written.new_links) == (2, 2)
        assert accounts(db) == {delivery_id: (2, 0, 0, 0)}
        assert letters(db) == []
        assert letters(db, are_open=False) == [("envelope", "unknown_rule")] * 2
        assert marks(db) == {number(value), number(tweet(2))}

    def test_what_a_missing_zone_held_up_is_replayed_when_the_zone_is_there(self, db: Connection) -> None:
        delivery_id = land(db, encoded(payloads.v1_tweet(HOUR_AGO)), source="v1_1", zone="later")
        drain(db)
        assert letters(db) == [("envelope", "unknown_zone")]
        db.execute("insert into core.zones (name) values ('later')")
        Worker(db).reprocess([delivery_id])
        assert letters(db) == []
        assert len(rows(db, "twitter_tweet_zones")) == 1

    def test_a_letter_that_is_replayed_in_vain_stays_open_and_counts_its_attempts(self, db: Connection) -> None:
        delivery_id = land(db, delivery(tweet(), tag="never"))
        drain(db)
        Worker(db).reprocess([delivery_id])
        assert letters(db) == [("envelope", "unknown_rule")]
        assert one(db, "select attempts from raw.dead_letters") == 2
        assert accounts(db) == {delivery_id: (0, 0, 0, 1)}

    def test_what_came_by_another_way_meanwhile_is_a_duplicate_when_it_is_replayed(self, db: Connection) -> None:
        late = land(db, delivery(tweet(), tag="later"))
        known = land(db, delivery(tweet()))
        drain(db)
        db.execute("update core.twitter_rules set tag = 'later' where id = %s", (RULES["one"],))
        Worker(db).reprocess([late])
        assert accounts(db) == {late: (0, 1, 0, 0), known: (1, 0, 0, 0)}

    @pytest.mark.parametrize(
        ("body", "source", "reason"),
        [
            (b"\xff\xfe", "twitterapi_io", "unreadable_body"),
            (b'{"event_type": "follow"}', "twitterapi_io", "unknown_event"),
            (b"{}", "unheard_of", "unknown_source"),
            (b"[" * 1_000_000, "twitterapi_io", "unreadable_body"),
        ],
    )
    def test_a_body_that_cannot_be_read_is_one_letter(
        self, db: Connection, body: bytes, source: str, reason: str
    ) -> None:
        progress = normalise(db, body, source=source)
        assert (progress.dead, progress.items) == (1, 1)
        assert letters(db) == [("envelope", reason)]

    def test_an_embedded_tweet_that_cannot_be_kept_is_a_letter_but_no_dead_item(self, db: Connection) -> None:
        progress = normalise(db, delivery(tweet(retweeted_tweet=tweet(2, author=None))))
        assert (progress.normalised, progress.dead) == (1, 0)
        assert letters(db) == [("embedded", "missing_author")]

    def test_stored_bytes_that_are_damaged_are_a_letter_and_stop_nobody(self, db: Connection) -> None:
        damaged = land(db, delivery(tweet(1)))
        land(db, delivery(tweet(2)))
        db.execute("update raw.deliveries set body = 'garbage' where delivery_id = %s", (damaged,))
        progress = drain(db)
        assert (progress.batches, progress.normalised, progress.dead) == (1, 1, 1)
        assert letters(db) == [("envelope", "unreadable_frame")]

    def test_a_delivery_that_postgresql_refuses_is_set_aside_and_the_others_go_on(self, db: Connection) -> None:
        """A value that nobody thought of must not stop the pipeline for ever: the poison is found by halving."""
        db.execute("alter table core.twitter_tweets add constraint poison check (text <> 'poison' or lang::int > 0)")
        expected = {}
        for index in range(1, 40):
            is_poison = index in (7, 8, 30)
            values = [tweet(index, text="poison" if is_poison else "words"), tweet(100 + index)]
            delivery_id = land(db, delivery(*values), item_count=2)
            expected[delivery_id] = (0, 0, 0, 2) if is_poison else (2, 0, 0, 0)
        drain(db)
        assert accounts(db) == expected
        assert letters(db) == [("envelope", "unwritable")] * 3
        assert "invalid input syntax" in one(db, "select max(detail) from raw.dead_letters")
        db.execute("alter table core.twitter_tweets drop constraint poison")
        Worker(db).reprocess(list(expected))
        assert set(accounts(db).values()) == {(2, 0, 0, 0)}
        assert letters(db) == []

    def test_reading_again_spares_the_others_from_what_postgresql_refuses(self, db: Connection) -> None:
        ids = [land(db, delivery(tweet(index, text=f"words {index}"))) for index in range(1, 6)]
        drain(db)
        db.execute("delete from core.twitter_entities")
        db.execute(
            "delete from core.twitter_tweets where tweet_id in (select tweet_id from core.twitter_tweets limit 3)"
        )
        db.execute(
            "alter table core.twitter_tweets add constraint poison check (text <> 'words 2' or lang::int > 0) not valid"
        )
        Worker(db).reprocess(ids)
        db.execute("alter table core.twitter_tweets drop constraint poison")
        assert len(rows(db, "twitter_tweets")) == 4
        assert letters(db) == [("envelope", "unwritable")]


class TestObservations:
    def test_an_older_observation_changes_neither_content_nor_profile_nor_counters(self, db: Connection) -> None:
        """Provider facts 6.6; trap "Out-of-order payloads must not turn a profile back"."""
        newer = tweet(text="New words", likeCount=9, author=user(name="New name", followers=9))
        older = tweet(text="Old words", likeCount=5, author=user(name="Old name", followers=5))
        normalise(db, delivery(newer, sent=HOUR_AGO))
        before = content(db)
        marks(db), profile_marks(db)
        normalise(db, delivery(older, sent=HOUR_AGO - timedelta(minutes=5)))
        after = content(db)
        assert after["twitter_tweets"] == before["twitter_tweets"]
        assert after["twitter_tweet_metrics"] == before["twitter_tweet_metrics"]
        assert rows(db, "twitter_profiles", "name, followers_count, last_updated_at") == [("New name", 9, HOUR_AGO)]
        assert rows(db, "twitter_profiles", "first_seen_at, last_seen_at") == [
            (HOUR_AGO - timedelta(minutes=5), HOUR_AGO)
        ]
        assert rows(db, "twitter_engagement_history", "like_count") == [(5,), (9,)]
        assert (marks(db), profile_marks(db)) == (set(), set())

    def test_a_newer_observation_replaces_content_entities_profile_and_counters(self, db: Connection) -> None:
        """Provider facts 0.9: existing profiles were never updated."""
        old_tags = {"hashtags": [{"text": "a"}, {"text": "b"}]}
        normalise(db, delivery(tweet(text="Old", entities=old_tags), sent=HOUR_AGO - HOUR / 2))
        value = tweet(text="New", entities={"hashtags": [{"text": "c"}]}, likeCount=2, author=user(name="New name"))
        progress = normalise(db, delivery(value, sent=HOUR_AGO))
        assert (progress.rewritten_tweets, progress.new_tweets, progress.duplicates) == (1, 0, 1)
        assert rows(db, "twitter_tweets", "text") == [("New",)]
        assert rows(db, "twitter_entities", "ordinal, entity_normalized") == [(0, "c")]
        assert rows(db, "twitter_tweet_metrics", "like_count") == [(2,)]
        assert rows(db, "twitter_profiles", "name") == [("New name",)]

    def test_an_unknown_count_does_not_replace_a_known_one(self, db: Connection) -> None:
        """Provider facts 0.5: view counts fell to 0 when the API left viewCount out."""
        normalise(db, delivery(tweet(viewCount=500, likeCount=7), sent=HOUR_AGO - HOUR / 2))
        normalise(db, delivery(tweet(viewCount=[0], likeCount=6), sent=HOUR_AGO))
        assert rows(db, "twitter_tweet_metrics", "observed_at, view_count, like_count") == [(HOUR_AGO, 500, 6)]
        assert rows(db, "twitter_engagement_history", "view_count, like_count") == [(500, 7), (None, 6)]

    def test_a_count_that_was_unknown_is_filled_by_an_older_observation(self, db: Connection) -> None:
        normalise(db, delivery(tweet(viewCount=None), sent=HOUR_AGO))
        marks(db)
        normalise(db, delivery(tweet(viewCount=400, likeCount=1), sent=HOUR_AGO - HOUR / 2))
        assert rows(db, "twitter_tweet_metrics", "observed_at, view_count, like_count") == [(HOUR_AGO, 400, 3)]
        assert marks(db) == {number(tweet())}

    def test_a_smaller_count_that_is_newer_is_the_count(self, db: Connection) -> None:
        """Provider facts 6.4: likes fall."""
        normalise(db, delivery(tweet(likeCount=9), sent=HOUR_AGO - HOUR / 2))
        normalise(db, delivery(tweet(likeCount=4), sent=HOUR_AGO))
        assert rows(db, "twitter_tweet_metrics", "like_count") == [(4,)]


class TestReadingAgain:
    def test_what_is_read_again_replaces_what_was_read_from_the_same_observation(self, db: Connection) -> None:
        """A parser fix changes exactly what it should: here the parser's mistakes are made by hand."""
        value = tweet(text="Right", entities={"hashtags": [{"text": "right"}]}, likeCount=5)
        delivery_id = land(db, delivery(value))
        other_id = land(db, delivery(tweet(2)))
        drain(db)
        right = content(db)
        db.execute(
            "update core.twitter_tweets set text = 'Wrong', content_hash = %s where tweet_id = %s",
            (2**63 - 1, number(value)),
        )
        db.execute("update core.twitter_entities set entity_normalized = 'wrong'")
        db.execute(
            "update core.twitter_engagement_history set like_count = 99, view_count = null where tweet_id = %s",
            (number(value),),
        )
        db.execute("update core.twitter_tweet_metrics set like_count = 99 where tweet_id = %s", (number(value),))
        db.execute("update core.twitter_profiles set name = 'Wrong', content_hash = %s", (2**63 - 1,))
        marks(db), profile_marks(db)
        written = Worker(db).reprocess([delivery_id])
        assert (written.new_tweets, written.rewritten_tweets, written.changed_metrics) == (0, 1, 1)
        assert content(db) == right
        assert marks(db) == {number(value)}
        assert profile_marks(db) == {701}
        assert accounts(db) == {delivery_id: (1, 0, 0, 0), other_id: (1, 0, 0, 0)}

    def test_counters_that_are_no_longer_read_were_never_observed(self, db: Connection) -> None:
        """A parser that took a retweet's copied counts for its own, once mended, leaves none of them behind."""
        wrapper = tweet(1, retweeted_tweet=tweet(2))
        delivery_id = land(db, delivery(wrapper))
        drain(db)
        right = content(db)
        db.execute(
            "insert into core.twitter_engagement_history (tweet_id, snapshot_at, like_count) values (%s, %s, 3)",
            (number(wrapper), HOUR_AGO),
        )
        db.execute("update core.twitter_tweet_metrics set like_count = 3 where tweet_id = %s", (number(wrapper),))
        Worker(db).reprocess([delivery_id])
        assert content(db) == right

    def test_reading_everything_again_changes_nothing(self, db: Connection) -> None:
        ids = [
            land(db, delivery(tweet(index % 3, likeCount=index), sent=HOUR_AGO - timedelta(minutes=index * 7 % 5)))
            for index in range(9)
        ]
        drain(db)
        before, accounted = content(db), accounts(db)
        marks(db), profile_marks(db)
        written = Worker(db).reprocess(ids)
        assert (written.new_tweets, written.rewritten_tweets, written.new_links, written.changed_metrics) == (
            0,
            0,
            0,
            0,
        )
        assert (content(db), accounts(db)) == (before, accounted)
        assert (marks(db), profile_marks(db)) == (set(), set())

    def test_reading_an_older_delivery_again_does_not_turn_a_tweet_back(self, db: Connection) -> None:
        older = land(db, delivery(tweet(text="Old", likeCount=1), sent=HOUR_AGO - HOUR / 2))
        land(db, delivery(tweet(text="New", likeCount=2), sent=HOUR_AGO))
        drain(db)
        before = content(db)
        Worker(db).reprocess([older])
        assert content(db) == before

    def test_a_replayed_tweet_without_counters_is_as_new_as_it_was_observed(self, db: Connection) -> None:
        """Content from 10:30 that a replay brought must not give way to content from 10:15 that arrives later."""

        def wrapper(text: str) -> dict[str, Any]:
            return tweet(1, retweeted_tweet=tweet(2, text=text))

        normalise(db, delivery(wrapper("10:00"), sent=HOUR_AGO - HOUR / 2))
        late = land(db, delivery(wrapper("10:30"), sent=HOUR_AGO, tag="later"))
        drain(db)
        db.execute("update core.twitter_rules set tag = 'later' where id = %s", (RULES["both_b"],))
        Worker(db).reprocess([late])
        normalise(db, delivery(wrapper("10:15"), sent=HOUR_AGO - HOUR / 4))
        assert {text for (text,) in rows(db, "twitter_tweets", "text")} == {"10:30"}


class TestLedger:
    def test_exactly_the_touched_tweets_are_marked(self, db: Connection) -> None:
        """Architecture 5; T16: marks are appended by the writer, in its transaction."""
        one_hour, another = tweet(1), tweet(2, age=timedelta(hours=9), author=user(702))
        normalise(db, delivery(one_hour), delivery(another, tag="both"))
        assert marks(db) == {number(one_hour), number(another)}
        assert profile_marks(db) == set()

    def test_an_unchanged_delivery_marks_nothing(self, db: Connection) -> None:
        normalise(db, delivery(tweet(1), tweet(2, retweeted_tweet=tweet(3))))
        marks(db), profile_marks(db)
        normalise(db, delivery(tweet(1), tweet(2, retweeted_tweet=tweet(3))))
        normalise(db, delivery(tweet(1), tweet(2, retweeted_tweet=tweet(3)), sent=HOUR_AGO + timedelta(minutes=1)))
        assert (marks(db), profile_marks(db)) == (set(), set())

    @pytest.mark.parametrize(
        ("change", "marks_tweet", "marks_profile"),
        [
            ({"likeCount": 4}, True, False),
            ({"viewCount": 501}, True, False),
            ({"entities": {"hashtags": [{"text": "new"}]}}, True, False),
            ({"author": user(followers=101)}, False, True),
            ({"author": user(name="New")}, False, True),
            ({"author": user(description="New", statusesCount=5)}, False, False),
        ],
    )
    def test_a_change_marks_what_shows_it(
        self, db: Connection, change: dict[str, Any], *, marks_tweet: bool, marks_profile: bool
    ) -> None:
        normalise(db, delivery(tweet(), tag="both"))
        marks(db), profile_marks(db)
        normalise(db, delivery({**tweet(), **change}, tag="both", sent=HOUR_AGO + timedelta(minutes=1)))
        assert marks(db) == ({number(tweet())} if marks_tweet else set())
        assert profile_marks(db) == ({701} if marks_profile else set())

    def test_new_counts_of_an_original_that_no_zone_collected_mark_nothing(self, db: Connection) -> None:
        normalise(db, delivery(tweet(1, retweeted_tweet=tweet(2))))
        marks(db)
        newer = delivery(tweet(1, retweeted_tweet=tweet(2, likeCount=77)), sent=HOUR_AGO + timedelta(minutes=1))
        normalise(db, newer)
        assert marks(db) == set()

    @pytest.mark.parametrize(
        "statement",
        [
            "update core.twitter_tweets set lang = 'pt'",
            "delete from core.twitter_tweets",
            "update core.twitter_tweet_metrics set like_count = 5",
            "delete from core.twitter_tweet_metrics",
            "insert into core.twitter_entities select tweet_id, 9, 'url', 0, 2, 5, 'a', 'a' from core.twitter_tweets",
            "update core.twitter_entities set entity_normalized = 'b'",
            "delete from core.twitter_entities",
            "delete from core.twitter_tweet_zones",
            "insert into core.twitter_tweets table core.twitter_tweets on conflict (tweet_id) do update set lang = ''",
        ],
    )
    def test_a_person_with_psql_leaves_marks_too(self, db: Connection, statement: str) -> None:
        normalise(db, delivery(tweet(entities={"hashtags": [{"text": "a"}]})))
        marks(db)
        db.execute(statement)
        assert marks(db) == {number(tweet())}

    def test_a_link_that_is_moved_by_hand_marks_its_tweet(self, db: Connection) -> None:
        normalise(db, delivery(tweet()))
        marks(db)
        db.execute("update core.twitter_tweet_zones set zone_id = %s", (ZONES["beta"],))
        assert marks(db) == {number(tweet())}

    def test_a_tweet_that_is_moved_to_another_author_is_marked(self, db: Connection) -> None:
        normalise(db, delivery(tweet(1), tweet(2, author=user(702))))
        marks(db)
        db.execute("update core.twitter_tweets set author_profile_id = 702 where tweet_id = %s", (number(tweet(1)),))
        assert marks(db) == {number(tweet(1))}

    def test_a_link_that_is_added_by_hand_marks_its_tweet(self, db: Connection) -> None:
        normalise(db, delivery(tweet()))
        marks(db)
        db.execute(
            "insert into core.twitter_tweet_zones select tweet_id, %s, author_profile_id, twitter_created_at,"
            " first_matched_at, '{}' from core.twitter_tweet_zones",
            (ZONES["beta"],),
        )
        assert marks(db) == {number(tweet())}

    def test_a_profile_that_is_changed_by_hand_is_marked(self, db: Connection) -> None:
        normalise(db, delivery(tweet()))
        db.execute("update core.twitter_profiles set username = 'other'")
        assert profile_marks(db) == {701}

    @pytest.mark.parametrize(
        "table", ["twitter_tweets", "twitter_tweet_zones", "twitter_tweet_metrics", "twitter_entities"]
    )
    def test_truncate_is_refused(self, db: Connection, table: str) -> None:
        """T19: the ledger cannot see what a truncate empties."""
        with pytest.raises(psycopg.errors.RaiseException, match="is refused"):
            db.execute(f"truncate core.{table}")

    def test_what_is_rolled_back_leaves_no_mark(self, db: Connection) -> None:
        normalise(db, delivery(tweet()))
        marks(db)
        with db.transaction(force_rollback=True):
            db.execute("delete from core.twitter_tweets")
        assert marks(db) == set()


class TestClaiming:
    def test_a_batch_is_bounded_in_items_and_in_deliveries(
        self, db: Connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("ingest.normalise.worker.ITEMS_PER_BATCH", 4)
        for index in range(10):
            land(db, delivery(tweet(2 * index + 1), tweet(2 * index + 2)), item_count=2)
        worker = Worker(db)
        batches: list[int] = []
        while worker.run_batch():
            batches.append(worker.progress.items - sum(batches))
        assert batches == [4] * 5

    def test_a_delivery_beyond_the_bounds_is_a_batch_of_its_own(
        self, db: Connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("ingest.normalise.worker.BYTES_PER_BATCH", 1_000)
        for index in range(3):
            land(db, delivery(tweet(index + 1, text="words " * 1_000)))
        assert drain(db).batches == 3

    def test_what_another_worker_has_claimed_is_left_alone(self, db: Connection, module_database_url: str) -> None:
        first, second = land(db, delivery(tweet(1))), land(db, delivery(tweet(2)))
        with psycopg.connect(module_database_url) as other:
            other.execute("delete from raw.delivery_queue where delivery_id = %s", (first,))
            assert drain(db).deliveries == 1
            other.rollback()
        assert one(db, "select array_agg(delivery_id) from raw.delivery_queue") == [first]
        assert drain(db).deliveries == 1
        assert set(accounts(db)) == {first, second}

    def test_a_dictionary_that_is_newer_than_the_worker_is_found(self, db: Connection) -> None:
        worker = Worker(db)
        samples: list[bytes | bytearray | memoryview[int]] = [
            encoded(delivery(tweet(index, text=uuid4().hex))) for index in range(200)
        ]
        dictionary = zstandard.train_dictionary(4_096, samples).as_bytes()
        db.execute(
            "insert into raw.compression_dictionaries (dictionary_id, source, dictionary) values (7, 'x', %s)",
            (dictionary,),
        )
        delivery_id = land(db, delivery(tweet()))
        frame = Codec({7: dictionary}, current=7).compress(encoded(delivery(tweet())))
        db.execute(
            "update raw.deliveries set dictionary_id = 7, body = %s where delivery_id = %s", (frame, delivery_id)
        )
        assert worker.drain().normalised == 1


def _real(name: str) -> dict[str, Any]:
    folder = os.environ.get("REAL_DATA_DIR")
    if folder is None:
        pytest.skip("REAL_DATA_DIR is not set: there are no real payloads here")
    value: dict[str, Any] = json.loads((Path(folder) / "twitterapi-io" / name).read_text())
    return value


class TestRealPayloads:
    def test_an_envelope_with_a_reply(self, db: Connection) -> None:
        value = _real("webhook_envelope_reply_2025-08-14.json")
        progress = normalise(db, value | {"rule_tag": "one"})
        assert (progress.normalised, progress.dead, progress.new_tweets) == (1, 0, 1)
        sent = datetime(2025, 8, 14, 7, 55, 7, 100_000, tzinfo=UTC)
        assert rows(db, "twitter_tweet_metrics") == [(1955896617057574986, sent, 9, 53, 116, 4, 3407, 6, 182)]
        answered = "in_reply_to_tweet_id, in_reply_to_user_id, in_reply_to_username"
        columns = f"twitter_created_at, is_reply, {answered}, conversation_id, lang"
        assert rows(db, "twitter_tweets", columns) == [
            (
                snowflake.at(1955896617057574986),
                True,
                1955857894790095084,
                1219282049070063617,
                "veggie_eric",
                1955857894790095084,
                "qme",
            )
        ]
        assert rows(db, "twitter_entities") == [
            (1955896617057574986, 0, "mention", 0, 12, 1219282049070063617, "veggie_eric", "veggie_eric", None)
        ]
        assert rows(db, "twitter_profiles", "twitter_user_id, followers_count, description, location") == [
            (44196397, 224221577, None, None)
        ]

    def test_a_quote_with_its_original(self, db: Connection) -> None:
        progress = normalise(db, delivery(_real("tweet_quote_2025-11-13.json")))
        assert (progress.normalised, progress.new_tweets, progress.new_links) == (1, 2, 1)
        quoted, quote = 1988882854378344501, 1988883673144336473
        assert rows(
            db, "twitter_tweets", "tweet_id, quoted_tweet_id, retweeted_tweet_id, author_profile_id, is_reply"
        ) == [
            (quoted, None, None, 1561355648595533831, True),
            (quote, quoted, None, 902926941413453824, False),
        ]
        assert rows(db, "twitter_tweet_metrics", "tweet_id, total_engagement, view_count") == [
            (quoted, 27, 127694),
            (quote, 2119, 125890),
        ]
        assert [row[0] for row in rows(db, "twitter_entities", "tweet_id, ordinal")] == [quoted]
        described = one(db, "select description from core.twitter_profiles where twitter_user_id = 902926941413453824")
        assert described.splitlines()[0] == "@BNBchain"

    def test_a_tweet_with_a_photo(self, db: Connection) -> None:
        normalise(db, delivery(_real("tweet_photo_2026-02-02.json")))
        columns = "has_media, has_links, has_hashtags, has_mentions, char_length(text)"
        assert rows(db, "twitter_tweets", columns) == [(True, False, False, False, 259)]
        assert rows(db, "twitter_tweet_metrics", "like_count, reply_count, view_count, total_engagement") == [
            (0, 1, 433, 1)
        ]

    def test_the_validation_ping(self, db: Connection) -> None:
        progress = normalise(db, _real("synthetic_test_webhook.json"))
        assert (progress.controls, progress.items) == (1, 1)
