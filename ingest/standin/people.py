"""The authors of the world: who they are, what they are called at a time, and when they cannot be seen.

Everything about an author follows from the seed, the author's rank and the time asked for; nothing is remembered.

*Belongs here*: identities, handles and their changes, protected, suspended and unavailable periods, follower numbers.
*Does not belong here*: tweets, and the JSON an author is shown as.
"""

import math
from functools import lru_cache
from random import Random
from typing import Literal

import msgspec

from ingest.standin.chance import GATHER, LOW_MASK, SCATTER, Zipf, dice, mix, normal, share, snowflake
from ingest.standin.topics import DAY_MS, NO_TOPIC, NO_TOPIC_WEIGHT, TOPICS
from ingest.standin.words import LANGUAGES, plain_words, vocabulary

AuthorState = Literal["active", "protected", "suspended", "unavailable"]

# The most prolific authors neither rename nor vanish, so that default rules that follow them keep working.
STEADY_AUTHORS = 10
RENAMING_SHARE = 0.03
TROUBLED_SHARE = 0.02
GONE_SHARE = 0.15
HANDLE_DIGITS = 4
HANDLE_SPACE = 36**HANDLE_DIGITS
HANDLE_SCATTER = 911_173
HANDLE_GATHER = pow(HANDLE_SCATTER, -1, HANDLE_SPACE)
OLD_ID_BASE = 20_000_001
OLD_ID_STEP = 6_151
# 2009-01-01, 2016-03-01 and 2025-01-01 in Unix milliseconds: accounts are made between the first and the last, get
# snowflake ids from the second on, and change their handles or visibility from the last on.
OLDEST_ACCOUNT_MS = 1_230_768_000_000
SNOWFLAKE_ACCOUNTS_MS = 1_456_790_400_000
NEWEST_ACCOUNT_MS = 1_735_689_600_000
STORY_START_MS = 1_735_689_600_000
STORY_SPAN_MS = 900 * DAY_MS
BASE_36 = "0123456789abcdefghijklmnopqrstuvwxyz"
EMOJI = ("🌿", "⚡", "🎈", "🛶", "🌊", "🚋", "🎲", "🫖", "🧭", "👩‍🚀", "🔶", "🌙")
UNAVAILABLE_MESSAGES = {
    "suspended": ("This account is suspended", "suspended"),
    "unavailable": ("This account is unavailable", ""),
}


class Author(msgspec.Struct, frozen=True):
    """What never changes about one author; *index* is the author's rank by activity."""

    index: int
    id: int
    name: str
    lang: str
    topic: int
    created_at_ms: int
    bio: str
    location: str
    followers: float
    followers_per_day: float
    following: int
    statuses: int
    statuses_per_day: float
    favourites: int
    media: int
    is_blue: bool
    has_site: bool
    has_cover: bool
    is_automated: bool
    can_dm: bool


class Story(msgspec.Struct, frozen=True, gc=False):
    """When an author changes handle or cannot be seen; a period of 0 stands for never, or for once and for all."""

    rename_period_ms: int = 0
    first_rename_ms: int = 0
    trouble: AuthorState = "active"
    trouble_period_ms: int = 0
    trouble_length_ms: int = 0
    trouble_phase_ms: int = 0
    gone_at_ms: int = 0
    takes_handles: bool = False


class People:
    """All authors of one world, by rank, id and name."""

    def __init__(self, seed: int, count: int) -> None:
        self.seed = seed
        self.count = count
        self._ranks = Zipf(count, 0.9)
        self.author = lru_cache(maxsize=40_000)(self._make_author)
        self.id_of = lru_cache(maxsize=40_000)(self._id_of)
        self._story = lru_cache(maxsize=40_000)(self._make_story)
        self._own_handle = lru_cache(maxsize=40_000)(self._make_handle)

    def drawn(self, uniform: float) -> int:
        """Return the author that a uniform draw falls on; low ranks write most."""
        return self._ranks.rank(uniform)

    def created_at_ms(self, index: int) -> int:
        """Return when an author's account was made."""
        uniform = share(self.seed, 1, index)
        if self._has_old_id(index):
            return int(OLDEST_ACCOUNT_MS + uniform * (SNOWFLAKE_ACCOUNTS_MS - OLDEST_ACCOUNT_MS))
        return int(SNOWFLAKE_ACCOUNTS_MS + uniform * (NEWEST_ACCOUNT_MS - SNOWFLAKE_ACCOUNTS_MS))

    def _id_of(self, index: int) -> int:
        """Return an author's id: a small number for old accounts, a snowflake of its creation for new ones."""
        if self._has_old_id(index):
            return OLD_ID_BASE + index * OLD_ID_STEP + mix(self.seed, 2, index) % OLD_ID_STEP
        return snowflake(self.created_at_ms(index), (index * SCATTER) & LOW_MASK)

    def with_id(self, author_id: int) -> int | None:
        """Return the rank of the author with this id, or None where nobody has it."""
        if author_id < 1 << 40:
            index = (author_id - OLD_ID_BASE) // OLD_ID_STEP
        else:
            index = ((author_id & LOW_MASK) * GATHER) & LOW_MASK
        return index if 0 <= index < self.count and self.id_of(index) == author_id else None

    def handle(self, index: int, at_ms: int) -> str:
        """Return what an author is called at a time; a handle given up may be taken by the next author in rank."""
        vacated = self._taken_handle(index, at_ms)
        return vacated or self._own_handle(index, self.renames(index, at_ms))

    def with_handle(self, handle: str, at_ms: int) -> int | None:
        """Return the rank of the author who carries a handle at a time, whatever its case, or None."""
        wanted = handle.casefold()
        index = self._index_in(wanted.partition("_")[0])
        if index is None:
            return None
        for candidate in (index, index + 1):
            if candidate < self.count and self.handle(candidate, at_ms).casefold() == wanted:
                return candidate
        return None

    def renames(self, index: int, at_ms: int) -> int:
        """Return how often an author has changed handle by a time."""
        story = self._story(index)
        if not story.rename_period_ms:
            return 0
        return max(0, (at_ms - story.first_rename_ms) // story.rename_period_ms + 1)

    def state(self, index: int, at_ms: int) -> AuthorState:
        """Return whether an author can be seen at a time, and if not, why."""
        story = self._story(index)
        if story.trouble == "active":
            return "active"
        if not story.trouble_period_ms:
            return story.trouble if at_ms >= story.gone_at_ms else "active"
        since_ms = (at_ms + story.trouble_phase_ms) % story.trouble_period_ms
        return story.trouble if since_ms < story.trouble_length_ms else "active"

    def followers(self, author: Author, at_ms: int) -> int:
        """Return an author's followers at a time: a slow trend with a weekly swing, so that some days lose a few."""
        days = (at_ms - STORY_START_MS) / DAY_MS
        swing = math.sin(2 * math.pi * (days / 7 + author.index % 7 / 7)) * author.followers * 0.002
        return max(0, int(author.followers + author.followers_per_day * days + swing))

    def statuses(self, author: Author, at_ms: int) -> int:
        """Return how many posts an author has written by a time."""
        return max(1, int(author.statuses + author.statuses_per_day * (at_ms - STORY_START_MS) / DAY_MS))

    def _has_old_id(self, index: int) -> bool:
        return mix(self.seed, 13, index) % 5 < 2

    def _make_handle(self, index: int, version: int) -> str:
        words = plain_words()
        stem = words[mix(self.seed, 14, index) % len(words)]
        number = (index * HANDLE_SCATTER + self.seed) % HANDLE_SPACE
        digits = "".join(BASE_36[number // 36**place % 36] for place in reversed(range(HANDLE_DIGITS)))
        stem = (stem, stem.capitalize(), stem.upper())[mix(self.seed, 15, index) % 3]
        return f"{stem}{digits}_{version}" if version else f"{stem}{digits}"

    def _index_in(self, handle: str) -> int | None:
        digits = handle[-HANDLE_DIGITS:]
        if len(digits) < HANDLE_DIGITS or any(digit not in BASE_36 for digit in digits):
            return None
        index = (int(digits, 36) - self.seed) * HANDLE_GATHER % HANDLE_SPACE
        return index if index < self.count else None

    def _taken_handle(self, index: int, at_ms: int) -> str | None:
        if not self._story(index).takes_handles:
            return None
        versions = self.renames(index - 1, at_ms)
        return self._own_handle(index - 1, versions - 1) if versions else None

    def _make_story(self, index: int) -> Story:
        """Return an author's story: most have none, some rename, some vanish for days, a few for good."""
        if index < STEADY_AUTHORS:
            return Story()
        if share(self.seed, 3, index) < RENAMING_SHARE:
            period_ms = (20 + mix(self.seed, 4, index) % 60) * DAY_MS
            first_ms = STORY_START_MS + mix(self.seed, 5, index) % period_ms
            return Story(rename_period_ms=period_ms, first_rename_ms=first_ms)
        takes_handles = index > STEADY_AUTHORS and mix(self.seed, 16, index) % 4 == 0
        if share(self.seed, 6, index) >= TROUBLED_SHARE:
            return Story(takes_handles=takes_handles)
        kinds: tuple[AuthorState, ...] = ("protected", "suspended", "unavailable")
        trouble = kinds[mix(self.seed, 7, index) % 3]
        if share(self.seed, 8, index) < GONE_SHARE:
            gone_at_ms = STORY_START_MS + int(share(self.seed, 9, index) * STORY_SPAN_MS)
            return Story(trouble=trouble, gone_at_ms=gone_at_ms, takes_handles=takes_handles)
        return Story(
            trouble=trouble,
            trouble_period_ms=(10 + mix(self.seed, 10, index) % 30) * DAY_MS,
            trouble_length_ms=(1 + mix(self.seed, 11, index) % 6) * DAY_MS,
            trouble_phase_ms=mix(self.seed, 12, index) % (40 * DAY_MS),
            takes_handles=takes_handles,
        )

    def _make_author(self, index: int) -> Author:
        rng = dice(mix(self.seed, 17, index))
        uniform = rng.random
        language = rng.choices(LANGUAGES, [known.weight for known in LANGUAGES])[0]
        words = vocabulary(language.code)
        joint = " " if language.has_spaces else ""
        followers = math.exp(min(17.0, 6.3 + 1.9 * normal(uniform(), uniform()) + 4.0 / (1 + index / 40)))
        return Author(
            index=index,
            id=self.id_of(index),
            name=_display_name(rng, words, joint),
            lang=language.code,
            topic=_favourite_topic(uniform()),
            created_at_ms=self.created_at_ms(index),
            bio=joint.join(rng.choices(words, k=rng.randrange(0, 18))) + (" & " + rng.choice(EMOJI)) * (index % 3 == 0),
            location=rng.choice(("", "", "", "Kelmora", "Ostrevia", "Tessarine Bay", "somewhere & nowhere")),
            followers=followers,
            followers_per_day=followers * (uniform() - 0.35) * 0.004,
            following=int(math.exp(5.8 + normal(uniform(), uniform()))),
            statuses=int(math.exp(8.0 + 1.2 * normal(uniform(), uniform()))),
            statuses_per_day=0.5 + 60 / (1 + index / 20),
            favourites=0 if uniform() < 0.1 else int(math.exp(8.0 + 1.5 * normal(uniform(), uniform()))),
            media=int(math.exp(5.0 + 1.5 * normal(uniform(), uniform()))),
            is_blue=uniform() < 0.3,
            has_site=uniform() < 0.4,
            has_cover=uniform() < 0.7,
            is_automated=uniform() < 0.02,
            can_dm=uniform() < 0.4,
        )


def _display_name(rng: Random, words: tuple[str, ...], joint: str) -> str:
    draw = rng.random()
    if draw < 0.003:
        return ""
    name = joint.join(word.capitalize() for word in rng.choices(words[30:], k=1 if draw < 0.5 else 2))
    return f"{name} {rng.choice(EMOJI)}" if draw > 0.85 else name


def _favourite_topic(uniform: float) -> int:
    weights = [*(topic.weight for topic in TOPICS), NO_TOPIC_WEIGHT]
    rest = uniform * sum(weights)
    for number, weight in enumerate(weights[:-1]):
        if rest < weight:
            return number
        rest -= weight
    return NO_TOPIC
