"""What the world talks about: topic areas, their anchor words and tags, and how tags are spelled.

*Belongs here*: invented names, tag lists, spellings, the hourly course of the special tags.
*Does not belong here*: who writes, how a tweet is put together.
"""

from functools import cache

import msgspec

from ingest.standin.chance import Zipf, mix
from ingest.standin.words import plain_words

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS

# A tag that asks for attention at the same pace all day: its hourly count is high and flat, so it must not trend.
GIVEAWAY_TAG = "WeeklyGiveaway"
GIVEAWAY_PER_HOUR = 40.0
# A tag that rises from 3 to 60 uses an hour within six hours and stays there for two.
RISING_TAG = "NightFerryReturns"
RISING_FROM_PER_HOUR = 3.0
RISING_TO_PER_HOUR = 60.0
RISING_MS = 6 * HOUR_MS
RISEN_MS = 2 * HOUR_MS


class Topic(msgspec.Struct, frozen=True):
    """One topic area: every tweet about it carries one of its anchor words or one of its main tags."""

    name: str
    weight: int
    anchors: tuple[str, ...]
    main_tags: tuple[str, ...]
    odd_tags: tuple[str, ...]


TOPICS: tuple[Topic, ...] = (
    Topic(
        "kelmora",
        46,
        ("kelmora", "kelbridge", "kelferry"),
        ("Kelmora", "KelmoraTrams", "ケルモラ"),
        ("風のまつり", "ｶｾﾞﾏﾂﾘ", "ケルモラＳＣ", "kelmora_live", "축제날", "İlkRüzgar"),
    ),
    Topic(
        "ostrevia",
        28,
        ("ostrevia", "ostrefell", "ostregate"),
        ("Ostrevia", "OstreviaMarket", "Остревия"),
        ("عيد_الريح", "Straßenfest", "праздник", "ｏｓｔｒｅ２４", "mañana_azul", "ığdem"),
    ),
    Topic(
        "tessarine",
        19,
        ("tessarine", "tessavale", "tessaport"),
        ("Tessarine", "TessarineGames", "تساريني"),
        ("पवनमेला", "게임의밤", "été_sans_fin", "テッサリン１２", "TESSA_2030", "ſpielzeit"),
    ),
)
NO_TOPIC = -1
NO_TOPIC_WEIGHT = 7
TAGS_PER_TOPIC = 1500


@cache
def tags_of(topic: int) -> tuple[str, ...]:
    """Return the tags of a topic, the most frequent first; the odd spellings sit among the first thirty."""
    known = TOPICS[topic]
    odd = list(known.odd_tags)
    words = plain_words()
    tags = list(known.main_tags)
    for number in range(TAGS_PER_TOPIC):
        if number % 4 == 1 and odd:
            tags.append(odd.pop(0))
        draw = mix(topic, number)
        first = words[draw % len(words)]
        second = words[(draw >> 20) % len(words)]
        year = str(2000 + number % 40) if number % 7 == 3 else ""
        tags.append(first.capitalize() + (second.capitalize() if number % 3 else "") + year)
    return tuple(dict.fromkeys(tags))


@cache
def tag_ranks(topic: int) -> Zipf:
    """Return how often each tag of a topic is drawn."""
    return Zipf(len(tags_of(topic)), 1.0)


def spelled(tag: str, uniform: float) -> str:
    """Return a tag as one of its writers spells it: mostly as it is, sometimes all lower, upper or title case."""
    if uniform < 0.72:
        return tag
    if uniform < 0.84:
        return tag.lower()
    if uniform < 0.94:
        return tag.upper()
    return tag.title()


def rising_per_hour(at_ms: int, peak_ms: int | None) -> float:
    """Return how many tweets an hour start the rising tag at *at_ms*.

    *peak_ms* is when it reaches its top; without one it does so every day at 18:00 UTC.
    """
    until_peak = (peak_ms - at_ms) if peak_ms is not None else (18 * HOUR_MS - at_ms % DAY_MS)
    if -RISEN_MS < until_peak <= 0:
        return RISING_TO_PER_HOUR
    if 0 < until_peak <= RISING_MS:
        ratio = RISING_TO_PER_HOUR / RISING_FROM_PER_HOUR
        return float(RISING_FROM_PER_HOUR * ratio ** (1 - until_peak / RISING_MS))
    return RISING_FROM_PER_HOUR
