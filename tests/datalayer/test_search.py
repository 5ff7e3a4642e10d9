"""Full text: what matches, and that both ways of searching find the same."""

from __future__ import annotations

from datetime import timedelta
from itertools import cycle
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datalayer import search, tweets
from datalayer.errors import InvalidQueryError
from datalayer.windows import IdRange, Span
from tests.datalayer.world import World


def texts(world: World, zone: object, words: str, **narrowing: object) -> list[str]:
    page = tweets.search_text(world.connection, zone, words, **narrowing)  # type: ignore[arg-type]
    return [tweet.text for tweet in page.items]


def test_all_words_must_occur_in_any_case_and_order(world: World) -> None:
    zone = world.zone("news")
    world.tweet(zone, text="Rain in SPAIN")
    world.tweet(zone, text="spain", ago=timedelta(hours=1))
    world.tweet(world.zone("other"), text="rain spain")

    assert texts(world, zone, "spain rain") == ["Rain in SPAIN"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ('"blue sky"', ["the blue sky"]),
        ("blue or green", ["the blue sky", "sky of blue", "green"]),
        ("sky -the", ["sky of blue"]),
        ("100%", ["100% sure"]),
        ("under_score", ["under_score"]),
        ("it's", ["it's fine"]),
        ('-"blue sky" blue', ["sky of blue"]),
    ],
)
def test_a_search_box_understands_phrases_or_and_not(world: World, words: str, expected: list[str]) -> None:
    zone = world.zone("news")
    for hours, text in enumerate(["the blue sky", "sky of blue", "green", "100% sure", "under_score", "it's fine"]):
        world.tweet(zone, text=text, ago=timedelta(hours=hours))

    assert texts(world, zone, words) == expected


@pytest.mark.parametrize("words", ["東京", "京オ", "オリンピック", "ภาษา", "東京 2020"])
def test_scripts_without_spaces_are_searched_within_a_run_of_letters(world: World, words: str) -> None:
    zone = world.zone("news")
    world.tweet(zone, text="東京オリンピック ภาษาไทย 2020")
    world.tweet(zone, text="大阪 2020")

    assert texts(world, zone, words) == ["東京オリンピック ภาษาไทย 2020"]


@pytest.mark.parametrize("words", ["", "   ", "!!!", "a" * 501])
def test_a_search_without_a_word_is_refused(world: World, words: str) -> None:
    with pytest.raises(InvalidQueryError):
        tweets.search_text(world.connection, world.zone("news"), words)


@given(words=st.text(max_size=30))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
def test_no_words_make_a_search_fail_in_another_way(world: World, words: str) -> None:
    zone = world.connection.execute("select gen_random_uuid()").fetchone()
    assert zone is not None
    try:
        tweets.search_text(world.connection, zone[0], words)
    except InvalidQueryError:
        return


@given(
    texts=st.lists(st.sampled_from(["red", "red blue", "blue red", "blue", "green red blue"]), max_size=40),
    words=st.sampled_from(["red", "red blue", '"red blue"', "-red", "red or green", "nothing"]),
    limit=st.integers(1, 7),
    turns=st.lists(st.booleans(), min_size=1, max_size=6),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
def test_the_walk_and_the_index_find_the_same_alone_and_by_turns(
    world: World, texts: list[str], words: str, limit: int, turns: list[bool]
) -> None:
    zone = world.zone(f"zone {uuid4()}")
    for number, text in enumerate(texts):
        world.tweet(zone, text=text, ago=timedelta(days=number * 3))

    found = []
    for is_walked in ([True], [False], turns):
        searching = search._Search(world.connection, zone, search.parse(world.connection, words), IdRange(), limit)
        for turn in cycle(is_walked):
            if len(searching._found) == limit or not searching._skip_to_newest():
                break
            (searching._walk if turn else searching._ask_the_index)()
        found.append(searching.matches().ids)

    assert found[0] == found[1] == found[2]


def test_pages_of_matches_put_together_are_the_whole(world: World) -> None:
    zone = world.zone("news")
    written = [world.tweet(zone, text="needle", ago=timedelta(days=number)) for number in range(25)]
    world.tweet(zone, text="hay")

    found, cursor = [], None
    while True:
        page = tweets.search_text(world.connection, zone, "needle", limit=4, cursor=cursor)
        found += [tweet.tweet_id for tweet in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break

    assert found == written


def test_a_search_keeps_to_its_span(world: World) -> None:
    zone = world.zone("news")
    world.tweet(zone, text="needle now")
    world.tweet(zone, text="needle then", ago=timedelta(days=2))

    assert texts(world, zone, "needle", span=Span(until=world.now - timedelta(days=1))) == ["needle then"]


def test_a_ranked_search_puts_the_best_match_first(world: World) -> None:
    zone = world.zone("news")
    world.tweet(zone, text="needle in a very long and tedious heap of hay")
    world.tweet(zone, text="needle needle", ago=timedelta(hours=3))

    assert texts(world, zone, "needle", ranked=True)[0] == "needle needle"
