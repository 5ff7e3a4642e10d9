"""Merging items into a batch."""

from __future__ import annotations

import random
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from ingest.normalise.batch import Batch, Tally, larger
from ingest.normalise.records import ComplianceEvent, Counters, Item, Profile, Rejection, Sighting, Tweet

ZONES = [UUID(int=1), UUID(int=2)]
RULES = [UUID(int=11), UUID(int=12), UUID(int=13)]


def content(tweet_id: int, text: str = "words") -> Tweet:
    return Tweet(
        tweet_id=tweet_id,
        author_profile_id=tweet_id % 3 + 1,
        conversation_id=tweet_id,
        in_reply_to_tweet_id=None,
        in_reply_to_user_id=None,
        retweeted_tweet_id=None,
        quoted_tweet_id=None,
        created_ms=tweet_id,
        has_media=False,
        has_links=False,
        has_hashtags=False,
        has_mentions=False,
        is_reply=False,
        is_sanitised=False,
        text=text,
        lang=None,
        source=None,
        in_reply_to_username=None,
        entities=(),
    )


counts = st.none() | st.integers(0, 3)
counters = st.tuples(counts, counts, counts, counts, counts, counts)
sightings = st.builds(Sighting, st.builds(content, st.integers(1, 4), st.sampled_from("abc")), counters)
profiles = st.builds(Profile, st.integers(1, 3), followers_count=counts, name=st.sampled_from(["a", "b", None]))
events = st.builds(ComplianceEvent, st.integers(1, 2), st.just("delete"), st.integers(1, 2), st.none() | st.just(1))
rejections = st.builds(
    Rejection, st.sampled_from(["item", "embedded"]), st.sampled_from(["r", "s"]), st.just("why"), st.none()
)
items = st.builds(
    Item,
    observed_ms=st.integers(1, 3),
    sightings=st.lists(sightings, max_size=2).map(tuple),
    profiles=st.lists(profiles, max_size=2).map(tuple),
    rejections=st.lists(rejections, max_size=1).map(tuple),
    event=st.none() | events,
)
arrivals = st.lists(
    st.tuples(items, st.integers(1, 3), st.integers(1, 5), st.dictionaries(st.sampled_from(ZONES), st.just(RULES[:1]))),
    max_size=8,
)


def merged(arrived: list[tuple[int, tuple[Any, ...]]]) -> Batch:
    batch = Batch(tallies={delivery_id: Tally(9) for delivery_id in (1, 2, 3)})
    for index, (item, delivery_id, received_ms, zones) in arrived:
        batch.add_item(
            item, delivery_id=delivery_id, item_index=index, received_ms=received_ms, source="s", zones=zones
        )
    return batch


def facts(batch: Batch) -> dict[str, Any]:
    """Return what a batch says, but for which of several equal deliveries is said to have brought it."""
    return {
        "tweets": {key: (newest.tweet, newest.moment, newest.received_ms) for key, newest in batch.tweets.items()},
        "profiles": batch.profiles,
        "observations": batch.observations,
        "links": {key: (link.first_matched_ms, link.rule_ids, sorted(link.items)) for key, link in batch.links.items()},
        "events": {key: event.user_id for key, (event, _, _) in batch.events.items()},
        "letters": batch.letters,
        "tallies": batch.tallies,
    }


@given(arrivals, st.randoms(use_true_random=False))
def test_the_order_of_items_does_not_matter(arrived: list[tuple[Any, ...]], chance: random.Random) -> None:
    in_order = list(enumerate(arrived))
    shuffled = chance.sample(in_order, len(in_order))
    assert facts(merged(in_order)) == facts(merged(shuffled))


@given(arrivals)
def test_merging_everything_twice_adds_nothing_but_the_count_of_items(arrived: list[tuple[Any, ...]]) -> None:
    once, twice = facts(merged(list(enumerate(arrived)))), facts(merged(list(enumerate(arrived)) * 2))
    for kind in ("tweets", "profiles", "observations", "events", "letters"):
        assert once[kind] == twice[kind]


@given(counters, counters, counters)
def test_two_observations_of_one_instant_are_merged_in_any_grouping(
    one: Counters, two: Counters, three: Counters
) -> None:
    assert larger(larger(one, two), three) == larger(one, larger(two, three))
    assert larger(one, two) == larger(two, one)
    assert larger(one, one) == one


def add(batch: Batch, item: Item, delivery_id: int, **zones: list[UUID]) -> None:
    batch.tallies.setdefault(delivery_id, Tally(1))
    batch.add_item(
        item,
        delivery_id=delivery_id,
        item_index=0,
        received_ms=delivery_id,
        source="s",
        zones={ZONES[int(name[-1])]: rules for name, rules in zones.items()},
    )


def test_an_item_that_brings_a_new_link_to_any_zone_is_no_duplicate() -> None:
    batch = Batch()
    item = Item(observed_ms=1, sightings=(Sighting(content(5), (1,) * 6),))
    add(batch, item, 1, zone0=[], zone1=[])
    add(batch, item, 2, zone0=[])
    add(batch, item, 3, zone1=[])
    batch.count_duplicates({(5, ZONES[0])})
    assert {key: tally.duplicate_count for key, tally in batch.tallies.items()} == {1: 0, 2: 1, 3: 1}
    batch.count_duplicates(set(batch.links))
    assert batch.tallies[1].duplicate_count == 1


def test_the_letter_about_the_delivered_tweet_is_not_replaced_by_one_about_what_it_embeds() -> None:
    batch = Batch()
    outer, inner = (
        Rejection(stage, "missing_author", stage, number) for stage, number in (("item", 1), ("embedded", 2))
    )
    add(batch, Item(observed_ms=1, rejections=(outer, inner)), 1)
    assert [letter.rejection for letter in batch.letters.values()] == [outer]
    assert batch.tallies[1].dead_count == 1


def test_an_item_whose_original_cannot_be_kept_is_kept_itself() -> None:
    batch = Batch()
    item = Item(1, (Sighting(content(5), (None,) * 6),), (), (Rejection("embedded", "missing_author", "why", 4),))
    add(batch, item, 1, zone0=RULES)
    assert set(batch.links) == {(5, ZONES[0])}
    assert len(batch.letters) == 1
    assert (batch.tallies[1].tweet_items, batch.tallies[1].dead_count) == (1, 0)
