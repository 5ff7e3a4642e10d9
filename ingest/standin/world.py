"""The living world: which tweets exist, what they say, and what their counts are at any time.

The world is a pure function of its seed, its configuration and the time asked for. It remembers nothing, reads no
clock and does no I/O, so a run can be repeated and the truth can be asked at any observation time.

Time is cut into minutes. A minute holds as many slots as the rate and the daily rhythm give it, a slot holds one tweet,
and a tweet's id is the snowflake of its creation whose low bits hide the slot; so any id leads back to its tweet.

*Belongs here*: the life of tweets: kinds, references, edits, deletions, visibility, counts.
*Does not belong here*: JSON, rules, HTTP, clocks. One world serves one thread.
"""

import math
import re
from collections.abc import Iterator
from functools import lru_cache
from random import Random
from typing import Literal

import msgspec

from ingest.standin.chance import GATHER, LOW_MASK, SCATTER, dice, mix, normal, snowflake, snowflake_ms
from ingest.standin.curves import DAY_MS, HOUR_MS, MINUTE_MS, NEVER_MS, Counts, Curve, counts
from ingest.standin.people import AuthorState, People
from ingest.standin.query import Searchable
from ingest.standin.topics import (
    GIVEAWAY_PER_HOUR,
    GIVEAWAY_TAG,
    NO_TOPIC,
    NO_TOPIC_WEIGHT,
    RISING_TAG,
    TOPICS,
    rising_per_hour,
    spelled,
    tag_ranks,
    tags_of,
)
from ingest.standin.words import LANGUAGES
from ingest.standin.writing import EMOJI, Plan, Written, retweeted, write

Kind = Literal["tweet", "reply", "quote", "retweet", "edit"]
Visibility = Literal["unknown", "unborn", "visible", "deleted", "protected", "suspended", "unavailable"]

# Cumulative shares of the kinds; what is left are tweets of their own.
KIND_SHARES: tuple[tuple[float, Kind], ...] = ((0.27, "retweet"), (0.35, "quote"), (0.57, "reply"), (0.58, "edit"))
DELETED_SHARE = 0.03
DAILY_SWING = 0.45
# Strides through a minute's slots, in order of fame; both are prime, and no minute's size is a multiple of both.
STRIDES = (7919, 7907)
# Tweets kept at hand, about 2.5 kB each: a minute's, since several rules look at the same minute.
FEWEST_REMEMBERED = 30_000
MOST_REMEMBERED = 100_000
WORD = re.compile(r"\w+")
SOURCES = ("Twitter for iPhone", "Twitter for Android", "Twitter Web App", "", "Kelmora Poster")
TOPIC_WEIGHT = sum(topic.weight for topic in TOPICS) + NO_TOPIC_WEIGHT
OWN_TEXT_SHARE = 0.73


class Config(msgspec.Struct, frozen=True):
    """What shapes a world besides its seed. *rising_peak_ms*: when the rising tag peaks (None: daily, 18:00 UTC)."""

    tweets_per_hour: float = 10_000.0
    authors: int = 30_000
    rising_peak_ms: int | None = None


class Tweet(msgspec.Struct, frozen=True):
    """One tweet: everything about it that does not change with time.

    *author* is the author's rank. *original_id* is the tweet retweeted or quoted, *edit_of* the version
    before, *reply_to_id* the parent, which need not exist, *reply_to_author* whom the text begins with, also where it
    is no reply. *hidden_parent* marks a reply that does not say whom it answers.
    """

    id: int
    created_at_ms: int
    author: int
    kind: Kind
    lang: str
    topic: int
    written: Written
    curve: Curve
    searchable: Searchable
    source: str
    conversation_id: int
    original_id: int | None = None
    reply_to_id: int | None = None
    reply_to_author: int | None = None
    hidden_parent: bool = False
    edit_of: int | None = None
    deleted_at_ms: int = NEVER_MS


class World:
    """All tweets and authors of one seed."""

    def __init__(self, seed: int, config: Config | None = None) -> None:
        self.seed = seed
        self.config = config or Config()
        self.people = People(seed, self.config.authors)
        self._per_minute = self.config.tweets_per_hour / 60
        # The tweet in a slot (minute, position); made anew when forgotten, always the same.
        remembered = min(max(FEWEST_REMEMBERED, int(self._per_minute)), MOST_REMEMBERED)
        self.slot = lru_cache(maxsize=remembered)(self._make)
        self.slots_in = lru_cache(maxsize=100_000)(self._slots_in)

    # Which tweets there are.

    def rate_per_hour(self, at_ms: int) -> float:
        """Return how many tweets an hour are written around *at_ms*."""
        return self.config.tweets_per_hour * (1 - DAILY_SWING * math.cos(2 * math.pi * (at_ms % DAY_MS) / DAY_MS))

    def _slots_in(self, minute: int) -> int:
        """Return how many tweets the minute (Unix minutes) holds."""
        return math.floor(self._written_before(minute + 1)) - math.floor(self._written_before(minute))

    def tweet(self, tweet_id: int) -> Tweet | None:
        """Return the tweet with this id whether or not it can be seen at any time, or None where there is none."""
        if tweet_id < 1 << LOW_MASK.bit_length():
            return None
        minute = snowflake_ms(tweet_id) // MINUTE_MS
        index = ((tweet_id - self._scatter(minute)) * GATHER) & LOW_MASK
        if index >= self.slots_in(minute):
            return None
        found = self.slot(minute, index)
        return found if found.id == tweet_id else None

    def between(self, since_ms: int, until_ms: int) -> Iterator[Tweet]:
        """Yield the tweets created in [since, until), oldest first, whether or not they can be seen."""
        for minute in range(since_ms // MINUTE_MS, (until_ms - 1) // MINUTE_MS + 1):
            size = self.slots_in(minute)
            start_ms = minute * MINUTE_MS
            first = max(0, (since_ms - start_ms) * size // MINUTE_MS - 1)
            for index in range(first, size):
                tweet = self.slot(minute, index)
                if tweet.created_at_ms >= until_ms:
                    break
                if tweet.created_at_ms >= since_ms:
                    yield tweet

    # What can be seen of them.

    def visibility(self, tweet_id: int, at_ms: int) -> Visibility:
        """Return whether the provider shows a tweet at a time, and if not, why."""
        tweet = self.tweet(tweet_id)
        return "unknown" if tweet is None else self.visibility_of(tweet, at_ms)

    def visibility_of(self, tweet: Tweet, at_ms: int) -> Visibility:
        """Return what `visibility` says of a tweet at hand."""
        if at_ms < tweet.created_at_ms:
            return "unborn"
        if at_ms >= tweet.deleted_at_ms:
            return "deleted"
        state = self.people.state(tweet.author, at_ms)
        if state != "active":
            return state
        if tweet.kind == "retweet" and not self.is_visible(self.original(tweet), at_ms):
            return "deleted"
        return "visible"

    def is_visible(self, tweet: Tweet | None, at_ms: int) -> bool:
        """Say whether the provider shows a tweet at a time."""
        return tweet is not None and self.visibility_of(tweet, at_ms) == "visible"

    def original(self, tweet: Tweet) -> Tweet | None:
        """Return the tweet that a retweet or quote embeds, or None."""
        return None if tweet.original_id is None else self.tweet(tweet.original_id)

    def author_state(self, index: int, at_ms: int) -> AuthorState:
        """Return whether an author can be seen at a time, and if not, why."""
        return self.people.state(index, at_ms)

    def counts(self, tweet_id: int, at_ms: int) -> Counts | None:
        """Return the counts the provider shows for a tweet at a time, or None where it does not show the tweet.

        They are those of the whole minute *at_ms* falls in. A retweet shows copies of its original's, without views.
        """
        tweet = self.tweet(tweet_id)
        if tweet is None or not self.is_visible(tweet, at_ms):
            return None
        return self.counts_of(tweet, at_ms)

    def counts_of(self, tweet: Tweet, at_ms: int) -> Counts:
        """Return what `counts` says of a tweet at hand, visible or not."""
        if tweet.kind == "retweet":
            original = self.original(tweet)
            if original is not None:
                return msgspec.structs.replace(self.counts_of(original, at_ms), view=None)
        return counts(tweet.curve, tweet.created_at_ms, at_ms, tweet.id >> 3)

    # How a slot becomes a tweet.

    def _written_before(self, minute: int) -> float:
        """Return the tweets written before a minute: the integral of the rate, so that days add up exactly."""
        angle = 2 * math.pi * (minute % 1440) / 1440
        return self._per_minute * (minute - DAILY_SWING * 1440 / (2 * math.pi) * math.sin(angle))

    def _scatter(self, minute: int) -> int:
        return mix(self.seed, 20, minute) & LOW_MASK

    def kind_of_slot(self, minute: int, index: int) -> Kind:
        """Return what a slot means to be, without making its tweet; it may settle for less."""
        draw = mix(self.seed, 21, minute, index) / (1 << 64)
        for bound, kind in KIND_SHARES:
            if draw < bound:
                return kind
        return "tweet"

    def famous_slot(self, minute: int, rank: int, size: int) -> int:
        """Return the slot of a minute that is *rank*-th in fame."""
        return (mix(self.seed, 22, minute) + rank * STRIDES[size % STRIDES[0] == 0]) % size

    def _fame(self, minute: int, index: int, size: int) -> int:
        """Return a slot's rank in fame within its minute; the inverse of `famous_slot`."""
        if size == 1:
            return 0
        stride = STRIDES[size % STRIDES[0] == 0]
        return (index - mix(self.seed, 22, minute)) * pow(stride, -1, size) % size

    def _make(self, minute: int, index: int) -> Tweet:
        rng = dice((self.seed << 64) | (minute << 24) | index)
        size = self.slots_in(minute)
        created_at_ms = minute * MINUTE_MS + int((index + rng.random()) * MINUTE_MS / size)
        tweet_id = snowflake(created_at_ms, index * SCATTER + self._scatter(minute))
        slot = _Slot(self, rng, minute, self._fame(minute, index, size) / size, size, created_at_ms, tweet_id)
        match self.kind_of_slot(minute, index):
            case "retweet":
                return slot.retweet() or slot.own("tweet", None)
            case "quote":
                return slot.own("quote", slot.earlier(("tweet", "quote", "reply")))
            case "reply":
                return slot.own("reply", slot.parent())
            case "edit":
                return slot.edit() or slot.own("tweet", None)
            case _:
                return slot.own("tweet", None)


class _Slot:
    """One slot while its tweet is made."""

    def __init__(
        self, world: World, rng: Random, minute: int, fame: float, size: int, created_at_ms: int, tweet_id: int
    ) -> None:
        self.world = world
        self.people = world.people
        self.rng = rng
        self.minute = minute
        self.fame = fame
        self.size = size
        self.created_at_ms = created_at_ms
        self.id = tweet_id
        self.author = self._active_author()

    def earlier(self, kinds: tuple[Kind, ...]) -> Tweet | None:
        """Return a famous earlier tweet of one of these kinds that can be seen now and is someone else's, or None."""
        world = self.world
        uniform = self.rng.random
        for _ in range(4):
            minute = self.minute - self._minutes_back()
            size = world.slots_in(minute)
            if size == 0:
                continue
            index = world.famous_slot(minute, int(size * uniform() ** 3), size)
            if world.kind_of_slot(minute, index) not in kinds:
                continue
            found = world.slot(minute, index)
            if found.author != self.author and world.is_visible(found, self.created_at_ms):
                return found
        return None

    def parent(self) -> Tweet | None:
        """Return the tweet that is replied to; None stands for one that this world never shows."""
        if self.rng.random() < 0.3:
            return None
        return self.earlier(("tweet", "quote", "reply") if self.rng.random() < 0.35 else ("tweet", "quote"))

    def retweet(self) -> Tweet | None:
        """Return a retweet of an earlier tweet, or None where none was found."""
        original = self.earlier(("tweet", "quote", "reply"))
        if original is None:
            return None
        people = self.people
        handle = people.handle(original.author, self.created_at_ms)
        author = people.author(original.author)
        written = retweeted(handle, str(author.id), author.name, original.written)
        own = self._handle()
        return Tweet(
            id=self.id,
            created_at_ms=self.created_at_ms,
            author=self.author,
            kind="retweet",
            lang=original.lang,
            topic=original.topic,
            written=written,
            curve=original.curve,
            searchable=msgspec.structs.replace(
                original.searchable, author=own.casefold(), to="", kind="retweet", created_at_ms=self.created_at_ms
            ),
            source=self._source(),
            conversation_id=self.id,
            original_id=original.id,
            deleted_at_ms=self._deleted_at_ms(),
        )

    def edit(self) -> Tweet | None:
        """Return a new version of a tweet written up to half an hour ago, or None where none was found."""
        world = self.world
        minute = self.minute - 1 - int(self.rng.random() * 28)
        size = world.slots_in(minute)
        index = int(self.rng.random() * size)
        if size == 0 or world.kind_of_slot(minute, index) != "tweet":
            return None
        before = world.slot(minute, index)
        if not world.is_visible(before, self.created_at_ms):
            return None
        text = before.written.text + " (corrected)"
        start, end = before.written.display_start, before.written.display_end
        written = msgspec.structs.replace(
            before.written, text=text, display_start=start, display_end=len(text) if not before.written.media else end
        )
        return msgspec.structs.replace(
            before,
            id=self.id,
            created_at_ms=self.created_at_ms,
            kind="edit",
            written=written,
            curve=self._curve(before.author),
            searchable=msgspec.structs.replace(before.searchable, created_at_ms=self.created_at_ms),
            conversation_id=self.id,
            edit_of=before.id,
        )

    def own(self, kind: Kind, other: Tweet | None) -> Tweet:
        """Return a tweet with a text of its own: alone, a quote of *other*, or a reply to *other* or to the unseen."""
        if kind == "quote" and other is None:
            kind = "tweet"
        author = self.people.author(self.author)
        topic = self._topic(author.topic, other)
        lang = author.lang if self.rng.random() < 0.93 else LANGUAGES[int(self.rng.random() * 4)].code
        replied = self._addressed(kind, other)
        plan = self._plan(kind, topic, lang, replied)
        written = write(self.rng, plan)
        reply_to_id = self._replied_id(other) if kind == "reply" else None
        return Tweet(
            id=self.id,
            created_at_ms=self.created_at_ms,
            author=self.author,
            kind=kind,
            lang="qme" if plan.words else lang if self.rng.random() < 0.97 else "und",
            topic=topic,
            written=written,
            curve=self._curve(self.author),
            searchable=self._searchable(kind, lang, written, replied),
            source=self._source(),
            conversation_id=self._conversation(other, reply_to_id),
            original_id=other.id if kind == "quote" and other else None,
            reply_to_id=reply_to_id,
            reply_to_author=replied,
            hidden_parent=kind == "reply" and self.rng.random() < 0.02,
            deleted_at_ms=self._deleted_at_ms(),
        )

    def _active_author(self) -> int:
        for _ in range(4):
            drawn = self.people.drawn(self.rng.random())
            if self.people.state(drawn, self.created_at_ms) == "active":
                return drawn
        return 0

    def _minutes_back(self) -> int:
        draw = self.rng.random()
        if draw < 0.93:
            return 1 + int(360 * self.rng.random() ** 3)
        return 1 + int((7 if draw < 0.985 else 400) * 1440 * self.rng.random())

    def _handle(self) -> str:
        return self.people.handle(self.author, self.created_at_ms)

    def _source(self) -> str:
        return SOURCES[int(self.rng.random() ** 2 * len(SOURCES))]

    def _deleted_at_ms(self) -> int:
        """Return when the tweet is deleted: rarely, and then from a minute to ten days after it was written."""
        if self.rng.random() >= DELETED_SHARE:
            return NEVER_MS
        return self.created_at_ms + int(10 ** (4.15 * self.rng.random()) * MINUTE_MS)

    def _topic(self, favourite: int, other: Tweet | None) -> int:
        draw = self.rng.random()
        if other is not None and draw < 0.8:
            return other.topic
        if draw < 0.9:
            return favourite
        rest = self.rng.random() * TOPIC_WEIGHT
        for number, topic in enumerate(TOPICS):
            if rest < topic.weight:
                return number
            rest -= topic.weight
        return NO_TOPIC

    def _addressed(self, kind: Kind, parent: Tweet | None) -> int | None:
        """Return whom the text begins with: the parent's author, or somebody addressed out of the blue."""
        if kind == "reply" and parent is not None:
            return parent.author
        if kind == "reply" or (kind == "tweet" and self.rng.random() < 0.03):
            return self.people.drawn(self.rng.random())
        return None

    def _replied_id(self, parent: Tweet | None) -> int:
        if parent is not None:
            return parent.id
        unseen_ms = self.created_at_ms - int(self.rng.random() ** 4 * 90 * DAY_MS) - 1000
        return snowflake(unseen_ms, self.rng.getrandbits(12))

    def _conversation(self, parent: Tweet | None, reply_to_id: int | None) -> int:
        if reply_to_id is None:
            return self.id
        return parent.conversation_id if parent is not None else reply_to_id

    def _plan(self, kind: Kind, topic: int, lang: str, replied: int | None) -> Plan:
        uniform = self.rng.random
        if kind == "reply" and replied is not None and uniform() < 0.06:
            return Plan(
                lang=lang, length=0, leading=[self._person(replied)], words=[EMOJI[int(uniform() * len(EMOJI))]]
            )
        tags, anchors = self._tags_and_anchors(topic)
        length = 3 + int(uniform() * 22) if uniform() < 0.96 else 60 + int(uniform() * 90)
        leading = [] if replied is None else [self._person(replied)]
        mention_count = int(uniform() < 0.25) + int(uniform() < 0.06)
        return Plan(
            lang=lang,
            length=length,
            tags=tags,
            anchors=anchors,
            leading=leading,
            mentioned=[self._mentioned() for _ in range(mention_count)],
            link_count=int(uniform() < 0.22) + (kind == "quote"),
            media=("photo" if uniform() < 0.8 else "video" if uniform() < 0.7 else "animated_gif")
            if uniform() < 0.22
            else "",
            media_number=self.id - (1 << 34),
        )

    def _person(self, index: int) -> tuple[str, str, str]:
        author = self.people.author(index)
        return str(author.id), author.name, self.people.handle(index, self.created_at_ms)

    def _mentioned(self) -> tuple[str, str, str]:
        who = self._person(self.people.drawn(self.rng.random()))
        return who if self.rng.random() < 0.97 else ("0", "", who[2])

    def _tags_and_anchors(self, topic: int) -> tuple[list[str], list[str]]:
        uniform = self.rng.random
        if topic == NO_TOPIC:
            return [], []
        known = TOPICS[topic]
        anchors = [known.anchors[int(3 * uniform() ** 2)]] if uniform() < 0.8 else []
        tags = [spelled(known.main_tags[int(3 * uniform() ** 2)], uniform())] if not anchors else []
        if uniform() < 0.05:
            anchors.append(TOPICS[(topic + 1) % len(TOPICS)].anchors[0])
        ranks, names = tag_ranks(topic), tags_of(topic)
        while uniform() < 0.42 and len(tags) < 6:
            tags.append(spelled(names[ranks.rank(uniform())], uniform()))
        if tags and uniform() < 0.02:
            tags.append(tags[0].swapcase())
        return tags + self._special_tags(topic), anchors

    def _special_tags(self, topic: int) -> list[str]:
        """Return the giveaway tag (topic 1) or the rising tag (topic 0) as often as their hourly courses ask for."""
        if topic not in (0, 1):
            return []
        share_of_topic = TOPICS[topic].weight / TOPIC_WEIGHT * OWN_TEXT_SHARE
        candidates_per_hour = max(1.0, self.world.rate_per_hour(self.created_at_ms) * share_of_topic)
        wanted = (
            rising_per_hour(self.created_at_ms, self.world.config.rising_peak_ms) if topic == 0 else GIVEAWAY_PER_HOUR
        )
        if self.rng.random() >= wanted / candidates_per_hour:
            return []
        return [spelled(RISING_TAG if topic == 0 else GIVEAWAY_TAG, self.rng.random())]

    def _curve(self, author_index: int) -> Curve:
        rng = self.rng
        uniform = rng.random
        reach = self.people.author(author_index).followers
        luck = math.exp(1.1 * normal(uniform(), uniform()))
        likes = 0.25 * (self.fame + 1 / self.size) ** -0.75 * luck * max(1.0, math.log10(reach + 10) - 1)
        # One tweet in a few days outgrows a 32-bit counter.
        if self.fame == 0 and uniform() < 1 / 5000:
            likes = 4e7
        return Curve(
            likes=likes,
            tau_ms=HOUR_MS * (0.7 + 8 * uniform() ** 2),
            retweets=0.05 + 0.3 * uniform(),
            replies=0.05 + 0.25 * uniform(),
            quotes=0.06 * uniform(),
            bookmarks=0.1 * uniform(),
            views=30 + 60 * uniform(),
            purge_age_ms=int(HOUR_MS * (1 + 70 * uniform())) if uniform() < 0.04 else NEVER_MS,
            purge_share=0.02 + 0.1 * uniform(),
            wobbles=uniform() < 0.1,
        )

    def _searchable(self, kind: Kind, lang: str, written: Written, replied: int | None) -> Searchable:
        folded = written.text.casefold()
        return Searchable(
            author=self._handle().casefold(),
            to=self.people.handle(replied, self.created_at_ms).casefold() if replied is not None else "",
            lang=lang,
            kind=kind,
            has_media=bool(written.media),
            created_at_ms=self.created_at_ms,
            text=folded,
            words=frozenset(WORD.findall(folded)),
            tags=frozenset(tag.text.casefold() for tag in written.hashtags),
            mentions=frozenset(who.screen_name.casefold() for who in written.mentions),
        )
