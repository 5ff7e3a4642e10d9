"""The stand-in's world: repeatable, shaped like the provider's, and able to say what is true at any time."""

import contextlib
import json
import os
from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.standin.chance import snowflake_ms
from ingest.standin.curves import HOUR_MS, MINUTE_MS, NEVER_MS
from ingest.standin.feed import Feed, Habits
from ingest.standin.people import People
from ingest.standin.query import QueryError, Searchable, compiled, time_bounds_ms
from ingest.standin.render import Renderer
from ingest.standin.rules import Rule, default_rules, fault_in
from ingest.standin.stream import SyntheticDay, payloads
from ingest.standin.topics import GIVEAWAY_TAG, RISING_TAG, rising_per_hour
from ingest.standin.world import Config, Tweet, World

SEED = 11
START_MS = 1_790_000_000_000
DAY_START_MS = START_MS - START_MS % (24 * HOUR_MS)
WEEK_LATER_MS = START_MS + 7 * 24 * HOUR_MS
Json = dict[str, Any]


@cache
def the_world() -> World:
    return World(SEED)


@cache
def an_hour() -> tuple[Tweet, ...]:
    return tuple(the_world().between(START_MS, START_MS + HOUR_MS))


@cache
def shown_hour() -> tuple[tuple[Tweet, Json], ...]:
    world = the_world()
    renderer = Renderer(world)
    at_ms = START_MS + 2 * HOUR_MS
    return tuple(
        (tweet, json.loads(renderer.tweet(tweet, at_ms))) for tweet in an_hour() if world.is_visible(tweet, at_ms)
    )


def with_nested(shown: Json) -> Iterator[Json]:
    yield shown
    for name in ("quoted_tweet", "retweeted_tweet"):
        if shown[name]:
            yield from with_nested(shown[name])


# One seed, one world.


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32), st.integers(0, 500_000), st.booleans())
def test_a_seed_and_a_time_decide_a_tweet_whatever_was_asked_before(seed: int, minute: int, ask_before: bool) -> None:
    at_ms = START_MS - minute * MINUTE_MS
    config = Config(tweets_per_hour=600, authors=500)
    one, other = World(seed, config), World(seed, config)
    if ask_before:
        list(other.between(at_ms - 10 * MINUTE_MS, at_ms))
    first = [Renderer(one).tweet(tweet, WEEK_LATER_MS) for tweet in one.between(at_ms, at_ms + MINUTE_MS)]
    second = [Renderer(other).tweet(tweet, WEEK_LATER_MS) for tweet in other.between(at_ms, at_ms + MINUTE_MS)]
    assert first
    assert first == second


def test_another_seed_is_another_world() -> None:
    texts = {tweet.written.text for tweet in World(SEED + 1).between(START_MS, START_MS + MINUTE_MS)}
    assert texts.isdisjoint(tweet.written.text for tweet in an_hour() if len(tweet.written.text) > 20)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, HOUR_MS), max_size=6))
def test_an_hour_read_in_slices_equals_the_hour(cuts: list[int]) -> None:
    edges = sorted({0, HOUR_MS, *cuts})
    slices = [
        tweet for since, until in pairwise(edges) for tweet in the_world().between(START_MS + since, START_MS + until)
    ]
    assert slices == list(an_hour())


def test_ids_lead_back_to_their_tweets_and_hold_their_times() -> None:
    for tweet in an_hour():
        assert the_world().tweet(tweet.id) == tweet
        assert snowflake_ms(tweet.id) == tweet.created_at_ms
    assert len({tweet.id for tweet in an_hour()}) == len(an_hour())


@settings(deadline=None)
@given(st.integers(0, 2**63 - 1))
def test_an_id_nobody_gave_out_is_unknown_rather_than_an_error(tweet_id: int) -> None:
    if the_world().tweet(tweet_id) is None:
        assert the_world().visibility(tweet_id, WEEK_LATER_MS) == "unknown"
        assert the_world().counts(tweet_id, WEEK_LATER_MS) is None


@pytest.mark.parametrize("per_hour", [0.5, 37.0, 10_000.0, 3_000_000.0])
def test_a_day_holds_exactly_the_configured_tweets(per_hour: float) -> None:
    world = World(SEED, Config(tweets_per_hour=per_hour))
    first = DAY_START_MS // MINUTE_MS
    assert abs(sum(world.slots_in(minute) for minute in range(first, first + 1440)) - 24 * per_hour) <= 1


# What is in it.


def test_every_entity_sits_at_its_code_points() -> None:
    checked = Counter[str]()
    for _, whole in shown_hour():
        for shown in with_nested(whole):
            if shown["retweeted_tweet"]:
                continue
            text = shown["text"]
            for tag in shown["entities"].get("hashtags", []):
                start, end = tag["indices"]
                assert text[start:end] in ("#" + tag["text"], "\uff03" + tag["text"])
                checked["full-width" if text[start] == "\uff03" else "hashtag"] += 1
            for who in shown["entities"].get("user_mentions", []):
                assert text[slice(*who["indices"])] == "@" + who["screen_name"]
                checked["mention"] += 1
            for link in shown["entities"].get("urls", []) + shown["extendedEntities"].get("media", []):
                assert text[slice(*link["indices"])] == link["url"]
                checked["link"] += 1
    assert min(checked[name] for name in ("full-width", "hashtag", "mention", "link")) > 10


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**40), st.integers(0, 10_000))
def test_positions_fit_in_every_world(seed: int, minute: int) -> None:
    world = World(seed, Config(tweets_per_hour=1200, authors=300))
    at_ms = START_MS + minute * MINUTE_MS
    for tweet in world.between(at_ms, at_ms + MINUTE_MS):
        written = tweet.written
        assert 0 <= written.display_start <= written.display_end <= len(written.text)
        for tag in written.hashtags:
            assert tag.end <= len(written.text)
            if tweet.kind != "retweet":
                assert written.text[tag.start + 1 : tag.end] == tag.text
        for who in written.mentions:
            assert who.end <= len(written.text)
            if tweet.kind != "retweet":
                assert written.text[who.start : who.end] == "@" + who.screen_name


def test_utf_16_positions_would_be_wrong_for_some() -> None:
    def utf_16(text: str, start: int, end: int) -> str:
        return text.encode("utf-16-le")[2 * start : 2 * end].decode("utf-16-le", "replace")

    wrong = [
        tag
        for tweet in an_hour()
        if tweet.kind != "retweet"
        for tag in tweet.written.hashtags
        if utf_16(tweet.written.text, tag.start, tag.end)[1:] != tag.text
    ]
    assert wrong


def test_a_retweet_is_cut_at_140_and_copies_the_counts_of_the_original_it_embeds() -> None:
    retweets = [shown for tweet, shown in shown_hour() if tweet.kind == "retweet"]
    assert len(retweets) > 1000
    cut = 0
    for shown in retweets:
        original = shown["retweeted_tweet"]
        whole = f"RT @{original['author']['userName']}: {original['text']}"
        cut += len(whole) > 140
        assert len(shown["text"]) <= 140
        assert shown["text"] == whole or (shown["text"].endswith("…") and whole.startswith(shown["text"][:-1]))
        for name in ("retweetCount", "replyCount", "likeCount", "quoteCount", "bookmarkCount"):
            assert shown[name] == original[name]
        assert shown["viewCount"] == [0]
        assert "isRetweet" not in shown
    assert cut


def test_the_pathologies_of_the_real_feed_occur() -> None:
    seen = Counter[str]()
    for tweet, shown in shown_hour():
        entities = shown["entities"]
        tags = [tag["text"].casefold() for tag in entities.get("hashtags", [])]
        seen["view count absent"] += "viewCount" not in shown
        seen["view count null"] += shown.get("viewCount", 0) is None
        seen["entities empty"] += entities == {}
        seen["entities as empty lists"] += entities.get("hashtags") == []
        seen["escaped text"] += "&amp;" in shown["text"]
        seen["addressed, no reply"] += not shown["isReply"] and shown["inReplyToUserId"] is not None
        seen["reply without user"] += shown["isReply"] and shown["inReplyToUserId"] is None
        seen["no display range"] += "displayTextRange" not in shown
        seen["no isLimitedReply"] += "isLimitedReply" not in shown
        seen["one tag twice"] += len(set(tags)) < len(tags)
        seen["unstable tag"] += any(not tag.isascii() for tag in tags)
        seen["mention without id"] += any(who["id_str"] == "0" for who in entities.get("user_mentions", []))
        seen["expanded_url null"] += any(link["expanded_url"] is None for link in entities.get("urls", []))
        seen["empty source"] += shown["source"] == ""
        seen["language qme"] += shown["lang"] == "qme"
        seen["video"] += any(medium["type"] == "video" for medium in shown["extendedEntities"].get("media", []))
        seen["reply to the unseen"] += bool(tweet.reply_to_id and the_world().tweet(tweet.reply_to_id) is None)
        seen["reply to the seen"] += bool(tweet.reply_to_id and the_world().tweet(tweet.reply_to_id))
        seen["quote"] += bool(shown["quoted_tweet"])
        seen["retweet of a quote"] += bool(shown["retweeted_tweet"] and shown["retweeted_tweet"]["quoted_tweet"])
        seen["bio unescaped elsewhere"] += " & " in shown["author"]["profile_bio"]["description"]
        seen["edit"] += tweet.kind == "edit"
        seen["deleted"] += tweet.deleted_at_ms != NEVER_MS
        seen["old user id"] += len(shown["author"]["id"]) < 12
        seen["snowflake user id"] += len(shown["author"]["id"]) > 17
        assert shown["author"]["description"] == ""
    assert [name for name, times in seen.items() if not times] == []


def test_one_tag_has_several_spellings() -> None:
    spellings: dict[str, set[str]] = {}
    for tweet in an_hour():
        for tag in tweet.written.hashtags:
            spellings.setdefault(tag.text.casefold(), set()).add(tag.text)
    assert len(spellings["kelmora"]) >= 3


def test_authors_and_tags_follow_a_rank_distribution() -> None:
    authors = Counter(tweet.author for tweet in an_hour())
    assert authors.most_common(1)[0][1] > 20 * (len(an_hour()) / len(authors))
    assert len(authors) > 2000
    assert len({tweet.lang for tweet in an_hour()}) > 8


def test_a_tweet_has_a_realistic_size() -> None:
    sizes = [len(json.dumps(shown, ensure_ascii=False).encode()) for _, shown in shown_hour()]
    assert 2_000 < sorted(sizes)[len(sizes) // 2] < 7_000
    assert max(sizes) > 7_000


def test_the_giveaway_tag_is_level_while_the_rising_tag_grows_twentyfold() -> None:
    world = World(SEED, Config(tweets_per_hour=4_000, rising_peak_ms=START_MS + 12 * HOUR_MS))
    hours: dict[str, Counter[int]] = {RISING_TAG.casefold(): Counter(), GIVEAWAY_TAG.casefold(): Counter()}
    for tweet in world.between(START_MS, START_MS + 13 * HOUR_MS):
        for tag in tweet.written.hashtags if tweet.kind != "retweet" else ():
            if tag.text.casefold() in hours:
                hours[tag.text.casefold()][(tweet.created_at_ms - START_MS) // HOUR_MS] += 1
    rising, level = hours.values()
    assert sum(rising[hour] for hour in range(5)) / 5 < 10
    assert 40 < rising[12] < 85
    assert max(level.values()) < 3 * min(level.values())


def test_the_rising_tag_peaks_daily_unless_told_otherwise() -> None:
    assert rising_per_hour(DAY_START_MS + 18 * HOUR_MS, None) == 60
    assert rising_per_hour(DAY_START_MS + 3 * HOUR_MS, None) == 3
    assert 10 < rising_per_hour(DAY_START_MS + 15 * HOUR_MS, None) < 20


# How it changes.


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_counts_grow_unless_they_are_purged_or_wobble(data: st.DataObject) -> None:
    tweet = data.draw(st.sampled_from(an_hour()))
    ages = sorted(data.draw(st.lists(st.integers(0, 9 * 24 * HOUR_MS), min_size=2, max_size=12)))
    series = [the_world().counts_of(tweet, tweet.created_at_ms + age) for age in ages]
    original = the_world().original(tweet) if tweet.kind == "retweet" else tweet
    assert original is not None
    for before, after in pairwise(series):
        assert after.reply >= before.reply
        assert after.quote >= before.quote
        if original.curve.purge_age_ms == NEVER_MS:
            assert after.retweet >= before.retweet
            assert after.like >= before.like - original.curve.wobbles


def test_some_likes_fall() -> None:
    world = the_world()
    fallen = 0
    for tweet in an_hour():
        if tweet.kind != "retweet" and tweet.curve.purge_age_ms != NEVER_MS and tweet.curve.likes > 100:
            purge_ms = tweet.created_at_ms + tweet.curve.purge_age_ms
            before = world.counts_of(tweet, purge_ms - MINUTE_MS)
            fallen += world.counts_of(tweet, purge_ms + MINUTE_MS).like < before.like
    assert fallen


def test_counts_are_those_of_the_whole_minute_and_begin_at_nothing() -> None:
    world = the_world()
    for tweet in an_hour()[:500]:
        if tweet.kind == "retweet":
            continue
        assert world.counts_of(tweet, tweet.created_at_ms).like == 0
        minute_ms = START_MS - START_MS % MINUTE_MS + 5 * HOUR_MS
        assert world.counts_of(tweet, minute_ms) == world.counts_of(tweet, minute_ms + MINUTE_MS - 1)


def test_a_deleted_tweet_is_seen_before_and_not_after() -> None:
    world = the_world()
    deleted = [tweet for tweet in an_hour() if tweet.deleted_at_ms != NEVER_MS and tweet.kind == "tweet"]
    assert 0.01 < len(deleted) / sum(tweet.kind == "tweet" for tweet in an_hour()) < 0.06
    for tweet in deleted:
        assert world.visibility(tweet.id, tweet.created_at_ms - 1) == "unborn"
        assert world.visibility(tweet.id, tweet.created_at_ms) == "visible"
        assert world.visibility(tweet.id, tweet.deleted_at_ms) == "deleted"
        assert world.counts(tweet.id, tweet.deleted_at_ms) is None


def test_a_retweet_goes_with_its_original() -> None:
    world = the_world()
    gone = 0
    for tweet in an_hour():
        original = world.original(tweet)
        if tweet.kind == "retweet" and original and original.deleted_at_ms != NEVER_MS:
            gone += 1
            assert tweet.created_at_ms < original.deleted_at_ms
            assert world.visibility(tweet.id, original.deleted_at_ms) != "visible"
    assert gone


def test_an_edit_is_a_new_id_of_the_same_author_that_shares_the_end_of_the_chain() -> None:
    world = the_world()
    edits = [tweet for tweet in an_hour() if tweet.edit_of is not None]
    assert edits
    for edit in edits:
        before = world.tweet(edit.edit_of or 0)
        assert before is not None
        assert before.author == edit.author
        assert 0 < edit.created_at_ms - before.created_at_ms <= 30 * MINUTE_MS
        assert edit.deleted_at_ms == before.deleted_at_ms
        assert edit.written.text != before.written.text


def test_handles_are_unique_at_a_time_and_are_renamed_and_taken_over() -> None:
    people = People(SEED, 5_000)
    now = [people.handle(index, START_MS) for index in range(people.count)]
    later = [people.handle(index, START_MS + 90 * 24 * HOUR_MS) for index in range(people.count)]
    assert len({handle.casefold() for handle in now}) == people.count
    assert max(len(handle) for handle in now) <= 15
    assert all(people.with_handle(handle.upper(), START_MS) == index for index, handle in enumerate(now))
    renamed = [index for index in range(people.count) if now[index] != later[index]]
    assert 10 < len(renamed) < people.count * 0.1
    taken = [index for index in renamed if later[index] in set(now)]
    assert taken
    assert all(people.with_handle(later[index], START_MS + 90 * 24 * HOUR_MS) == index for index in taken)


def test_user_ids_lead_back_to_their_authors() -> None:
    people = People(SEED, 5_000)
    assert all(people.with_id(people.id_of(index)) == index for index in range(people.count))
    assert people.with_id(17) is None
    assert people.with_id(people.id_of(3) + 1) is None


def test_some_authors_cannot_be_seen_and_some_come_back() -> None:
    people = People(SEED, 5_000)
    days = [START_MS + day * 24 * HOUR_MS for day in range(60)]
    kinds = Counter(people.state(index, days[0]) for index in range(people.count))
    assert set(kinds) == {"active", "protected", "suspended", "unavailable"}
    assert kinds["active"] > 0.97 * people.count
    series = [[people.state(index, day) for day in days] for index in range(people.count)]
    assert any(states[0] == "active" and states[-1] == "active" and len(set(states)) > 1 for states in series)


def test_nobody_writes_while_suspended() -> None:
    world = the_world()
    assert all(
        world.people.state(tweet.author, tweet.created_at_ms) == "active" for tweet in an_hour() if tweet.kind != "edit"
    )


# Rules and deliveries.


@pytest.mark.parametrize(
    ("query", "matching"),
    [
        ("kelmora", True),
        ("KELMORA", True),
        ("kelmor", False),
        ("nothing OR kelmora", True),
        ("nothing kelmora", False),
        ("#Trams", True),
        ("\uff03trams", True),
        ("#kelmora", False),
        ("from:writer1", True),
        ("from:@Writer1 -filter:retweets", True),
        ("-from:writer1", False),
        ('"trams of kelmora"', True),
        ("(nothing OR trams) lang:en", True),
        ("-(nothing OR trams)", False),
        ("lang:fr", False),
        ("to:reader2 @reader2", True),
        ("since_time:100 until_time:200", True),
        ("until_time:100", False),
        ("filter:replies", True),
    ],
)
def test_queries_match_as_search_does(query: str, matching: bool) -> None:
    tweet = Searchable(
        author="writer1",
        to="reader2",
        lang="en",
        kind="reply",
        has_media=False,
        created_at_ms=150_000,
        text="the trams of kelmora",
        words=frozenset({"the", "trams", "of", "kelmora"}),
        tags=frozenset({"trams"}),
        mentions=frozenset({"reader2"}),
    )
    assert compiled(query)(tweet) is matching


@pytest.mark.parametrize("query", ["", "a OR", "(a", "a)", "min_faves:", "near:here", "since_time:soon", "OR"])
def test_a_query_outside_the_subset_is_refused_or_a_plain_word(query: str) -> None:
    if query == "min_faves:":
        compiled(query)
    else:
        with pytest.raises(QueryError):
            compiled(query)


@settings(deadline=None)
@given(st.text(alphabet='ab#@-:()" ORfromlang', max_size=30))
def test_any_text_is_a_query_or_a_query_error(query: str) -> None:
    with contextlib.suppress(QueryError):
        compiled(query)


def test_time_bounds_are_found_only_where_they_bound_the_whole_query() -> None:
    assert time_bounds_ms("a since_time:5 until_time:9") == (5_000, 9_000)
    assert time_bounds_ms("(a OR b) since_time:5") == (5_000, None)
    assert time_bounds_ms("a OR since_time:5") == (None, None)
    assert time_bounds_ms("(a since_time:5)") == (None, None)


def test_the_default_rules_are_valid_overlap_and_leave_little_out() -> None:
    rules = default_rules(SEED, the_world().people)
    assert [fault_in(rule.tag, rule.value, rule.interval_seconds) for rule in rules] == [None] * 4
    assert all(len(rule.rule_id) == 32 for rule in rules)
    matched = Counter(sum(rule.matches(tweet.searchable) for rule in rules) for tweet in an_hour())
    assert matched[0] < 0.15 * len(an_hour())
    assert matched[2] + matched[3] > 0.05 * len(an_hour())


def test_a_feed_delivers_every_match_once_or_more_and_says_which_is_late() -> None:
    world = the_world()
    rule = default_rules(SEED, world.people)[0]
    habits = Habits(late_share=0.1, duplicate_share=0.1, backlog_ms=0)
    feed = Feed(world, rule, START_MS, habits)
    delivered = Counter[int]()
    kinds = Counter[str]()
    for at_ms in range(START_MS + 10_000, START_MS + HOUR_MS + 1, 10_000):
        for delivery in feed.check(at_ms):
            delivered.update(tweet.id for tweet in delivery.tweets)
            kinds[delivery.kind] += 1
            assert len(delivery.tweets) <= habits.batch_size
            assert all(tweet.created_at_ms <= at_ms for tweet in delivery.tweets)
    for delivery in feed.flush(START_MS + HOUR_MS):
        delivered.update(tweet.id for tweet in delivery.tweets)
    must = {
        tweet.id
        for tweet in world.between(START_MS, START_MS + HOUR_MS)
        if rule.matches(tweet.searchable) and world.is_visible(tweet, START_MS + HOUR_MS)
    }
    assert must <= delivered.keys()
    assert min(kinds["late"], kinds["duplicate"], kinds["fresh"]) > 5
    assert sum(times > 1 for times in delivered.values()) > 100


def test_a_first_check_brings_a_backlog_and_no_more_than_that() -> None:
    rule = Rule("0" * 32, "everything", "the OR el OR o OR le", 60.0, is_effect=True)
    feed = Feed(the_world(), rule, 0, Habits(backlog_ms=10 * MINUTE_MS, late_share=0))
    at_ms = START_MS + HOUR_MS
    times = [tweet.created_at_ms for delivery in feed.check(at_ms) for tweet in delivery.tweets]
    assert len(times) > 200
    assert min(times) >= at_ms - 10 * MINUTE_MS


def test_a_synthetic_day_repeats_itself_and_stays_in_its_hours() -> None:
    def bodies() -> list[bytes]:
        return [envelope.body for envelope in payloads(SEED, START_MS, 3, 1_500)]

    first = bodies()
    assert first == bodies()
    stamps = [json.loads(body)["timestamp"] for body in first]
    assert stamps == sorted(stamps)
    assert stamps[0] > START_MS
    assert stamps[-1] == START_MS + 3 * HOUR_MS


def test_an_envelope_says_what_its_truth_says() -> None:
    day = SyntheticDay(SEED, START_MS, 4, 1_200)
    newest, out_of_order = 0, 0
    for envelope in day:
        body = json.loads(envelope.body)
        assert (body["event_type"], body["rule_id"]) == ("tweet", envelope.rule.rule_id)
        assert (body["rule_tag"], body["rule_value"]) == (envelope.rule.tag, envelope.rule.value)
        assert [shown["id"] for shown in body["tweets"]] == [str(tweet.id) for tweet in envelope.tweets]
        for tweet, shown in zip(envelope.tweets, body["tweets"], strict=True):
            counts = day.world.counts(tweet.id, envelope.timestamp_ms)
            assert counts is not None
            assert (shown["likeCount"], shown["retweetCount"]) == (counts.like, counts.retweet)
            assert tweet.kind == "retweet" or shown.get("viewCount") == counts.view
            out_of_order += tweet.id < newest
            newest = max(newest, tweet.id)
    assert out_of_order


# The same shape as the real thing.


def real_payload(name: str) -> Json:
    folder = os.environ.get("REAL_DATA_DIR")
    path = Path(folder or ".", "twitterapi-io", name)
    if not folder or not path.exists():
        pytest.skip(f"REAL_DATA_DIR does not hold twitterapi-io/{name}, so there is nothing real to compare with")
    loaded: Json = json.loads(path.read_text(encoding="utf-8"))
    return loaded


def shape(value: object, path: str = "") -> set[str]:
    """Return every field of an object with its type, lists by what they hold; null and absence are told apart."""
    if isinstance(value, dict):
        return {found for name, inner in value.items() for found in shape(inner, f"{path}.{name}")} | {path}
    if isinstance(value, list):
        return {found for inner in value for found in shape(inner, f"{path}[]")} | {f"{path}[]"}
    return {f"{path}:{type(value).__name__}"}


@pytest.mark.parametrize("name", ["tweet_photo_2026-02-02.json", "tweet_quote_2025-11-13.json"])
def test_real_tweets_have_no_field_that_the_stand_in_never_shows(name: str) -> None:
    ours = {found for _, shown in shown_hour() for found in shape(shown)}
    missing = shape(real_payload(name)) - ours
    assert {path for path in missing if "profile_bio.entities.description.user_mentions" not in path} == set()


def test_a_real_envelope_has_the_fields_of_ours() -> None:
    ours = json.loads(next(iter(payloads(SEED, START_MS, 1, 500))).body)
    assert list(real_payload("webhook_envelope_reply_2025-08-14.json")) == list(ours)
