"""An independent recount: what the database must hold after given payloads arrived, from the payloads alone.

Belongs here: reading v1.1 lines and twitterapi.io envelopes a second time, in the plainest Python, and adding up what
the tables and the three marts must say.
Does not belong here: anything imported from the project. Two programs that share a function share its faults, so even
the arithmetic of ids and the normal form of a hashtag are written again.

Everything is kept in memory; 100,000 lines of a public stream take about 15 seconds.
"""

from __future__ import annotations

import bz2
import gzip
import json
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, TypeVar, cast

UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SNOWFLAKE_EPOCH_MS = 1_288_834_974_657
FIRST_SNOWFLAKE = 29_700_859_247
LARGEST_BIGINT = (1 << 63) - 1
PLAUSIBLE = timedelta(seconds=2)
"""How far the time in an id may lie from the time in its payload."""

CONTROL_MESSAGES = frozenset(
    {
        "control",
        "delete",
        "disconnect",
        "event",
        "friends",
        "friends_str",
        "limit",
        "scrub_geo",
        "status_withheld",
        "user_delete",
        "user_protect",
        "user_suspend",
        "user_undelete",
        "user_unprotect",
        "user_unsuspend",
        "user_withheld",
        "warning",
    }
)
"""What the streaming documentation lists besides tweets, by the name of the field that says it."""
CONTROL_EVENTS = frozenset({"test_webhook_url", "connected", "ping"})

TYPE_OF_ENTITY = {"hashtags": "hashtag", "user_mentions": "mention", "urls": "url"}

Object = Mapping[str, object]
Content = TypeVar("Content")


def _one(choices: frozenset[Content]) -> Content:
    """Take the same one of several whenever asked."""
    return next(iter(choices)) if len(choices) == 1 else min(choices, key=repr)


@dataclass(frozen=True, slots=True)
class Entity:
    """One hashtag, mention or link of a tweet, at the place the payload says."""

    entity_type: str
    entity_value: str
    entity_normalized: str
    start_index: int | None
    end_index: int | None


@dataclass(frozen=True, slots=True)
class TweetContent:
    """The row of a tweet without its id, time and counters, and with its entities."""

    author_id: int
    text: str
    lang: str | None
    source: str | None
    has_media: bool
    is_reply: bool
    conversation_id: int
    in_reply_to_tweet_id: int | None
    in_reply_to_user_id: int | None
    in_reply_to_username: str | None
    retweeted_tweet_id: int | None
    quoted_tweet_id: int | None
    entities: tuple[Entity, ...]

    @property
    def has_links(self) -> bool:
        """Whether any link is among the entities."""
        return self._has("url")

    @property
    def has_hashtags(self) -> bool:
        """Whether any hashtag is among the entities."""
        return self._has("hashtag")

    @property
    def has_mentions(self) -> bool:
        """Whether any mention is among the entities."""
        return self._has("mention")

    def _has(self, entity_type: str) -> bool:
        return any(row.entity_type == entity_type for row in self.entities)


@dataclass(frozen=True, slots=True)
class Tweet:
    """A tweet: when it was written, what its row may say, and the zones it is linked to.

    ``contents`` holds every content observed at the newest instant; nearly always it is one.
    """

    tweet_id: int
    twitter_created_at: datetime
    contents: frozenset[TweetContent]
    zones: frozenset[str]

    @property
    def content(self) -> TweetContent:
        """The content, where there is no choice; otherwise always the same one of them."""
        return _one(self.contents)


@dataclass(frozen=True, slots=True)
class Counters:
    """Six counts of a tweet. None means unknown, which is not zero."""

    retweet_count: int | None = None
    reply_count: int | None = None
    like_count: int | None = None
    quote_count: int | None = None
    view_count: int | None = None
    bookmark_count: int | None = None

    @property
    def values(self) -> tuple[int | None, ...]:
        """The six counts in the order of the fields."""
        return (
            self.retweet_count,
            self.reply_count,
            self.like_count,
            self.quote_count,
            self.view_count,
            self.bookmark_count,
        )

    @property
    def total_engagement(self) -> int | None:
        """The sum of the known among retweets, replies, likes and quotes; None if none is known."""
        return known_sum(self.values[:4])


UNKNOWN = Counters()


@dataclass(frozen=True, slots=True)
class ProfileContent:
    """What an account said about itself at one instant. ``url``: v1.1's own web page, twitterapi.io's profile page."""

    username: str | None
    name: str | None
    description: str | None
    location: str | None
    url: str | None
    profile_picture_url: str | None
    cover_picture_url: str | None
    is_verified: bool | None
    is_blue_verified: bool | None
    is_protected: bool | None
    verified_type: str | None
    followers_count: int | None
    following_count: int | None
    tweets_count: int | None
    media_count: int | None
    favourites_count: int | None
    twitter_created_at: datetime | None


@dataclass(frozen=True, slots=True)
class Profile:
    """An account: what its row may say (several where the newest instant saw several), and when it was seen.

    A stub, of which only the id is known, has the one content in which everything is None.
    """

    twitter_user_id: int
    contents: frozenset[ProfileContent]
    first_seen_at: datetime
    last_seen_at: datetime

    @property
    def content(self) -> ProfileContent:
        """The content, where there is no choice; otherwise always the same one of them."""
        return _one(self.contents)


STUB = ProfileContent(*([None] * 17))


@dataclass(frozen=True, slots=True)
class Deletion:
    """A notice that a tweet was deleted."""

    tweet_id: int
    user_id: int | None
    event_at: datetime | None
    event_type: str = "delete"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Something unreadable: a whole item, or a tweet embedded in an item that is otherwise good."""

    item_number: int
    reason: str
    is_embedded: bool
    tweet_id: int | None


@dataclass(frozen=True, slots=True)
class Accounting:
    """What became of the items."""

    normalised: int = 0
    duplicate: int = 0
    control: int = 0
    dead: int = 0

    @property
    def items(self) -> int:
        """Everything accepted."""
        return self.normalised + self.duplicate + self.control + self.dead


@dataclass(frozen=True, slots=True)
class Recount:
    """Everything that must be found. A tweet whose counters are all unknown has no entry in ``metrics``."""

    tweets: Mapping[int, Tweet]
    metrics: Mapping[int, Counters]
    history: Mapping[tuple[int, datetime], Counters]
    profiles: Mapping[int, Profile]
    deletions: Counter[Deletion]
    dead_letters: Sequence[DeadLetter]
    accounting: Accounting

    @property
    def entities(self) -> dict[int, tuple[Entity, ...]]:
        """The entities of every tweet that has some, in the order of the payload: hashtags, mentions, links."""
        return {key: tweet.content.entities for key, tweet in self.tweets.items() if tweet.content.entities}

    def in_zone(self, zone: str) -> list[Tweet]:
        """The tweets that are linked to a zone."""
        return [tweet for tweet in self.tweets.values() if zone in tweet.zones]


@dataclass(frozen=True, slots=True)
class HourlyStats:
    """One row of ``twitter_zone_stats_hourly``. Averages are exact fractions; compare with ``same_average``."""

    hour: datetime
    total_tweets: int
    unique_authors: int
    total_retweets: int | None
    total_replies: int | None
    total_likes: int | None
    total_quotes: int | None
    total_views: int | None
    total_engagement: int | None
    avg_engagement: Fraction | None
    avg_retweets: Fraction | None
    avg_likes: Fraction | None
    tweets_with_media: int
    tweets_with_links: int
    reply_tweets: int
    avg_sentiment: None = None


@dataclass(frozen=True, slots=True)
class TopProfile:
    """One row of ``twitter_top_profiles_by_zone``; the profile's own columns may be any of ``profiles``."""

    twitter_user_id: int
    profiles: frozenset[ProfileContent]
    tweet_count: int
    total_engagement: int | None
    avg_engagement: Fraction | None
    last_tweet_at: datetime


@dataclass(frozen=True, slots=True)
class TrendingHashtag:
    """One row of ``twitter_trending_hashtags``."""

    hashtag: str
    original_hashtag: str
    tweet_count_24h: int
    unique_authors_24h: int
    total_engagement_24h: int | None
    last_used_at: datetime
    sample_tweets: tuple[int, ...]


def zone_stats_hourly(counted: Recount, zone: str, as_of: datetime) -> dict[datetime, HourlyStats]:
    """Recount ``twitter_zone_stats_hourly`` for the UTC hours up to ``as_of``; an hour without a tweet has no row."""
    hours: defaultdict[datetime, list[Tweet]] = defaultdict(list)
    for tweet in _until(counted, zone, as_of):
        hours[_hour(tweet.twitter_created_at)].append(tweet)
    return {hour: _hourly_stats(hour, tweets, counted.metrics) for hour, tweets in sorted(hours.items())}


def _hourly_stats(hour: datetime, tweets: Sequence[Tweet], metrics: Mapping[int, Counters]) -> HourlyStats:
    counters = [metrics.get(tweet.tweet_id, UNKNOWN) for tweet in tweets]
    engagements = [counts.total_engagement for counts in counters]
    retweets, replies, likes, quotes, views, _ = zip(*(counts.values for counts in counters), strict=True)
    return HourlyStats(
        hour=hour,
        total_tweets=len(tweets),
        unique_authors=_distinct_authors(tweets),
        total_retweets=known_sum(retweets),
        total_replies=known_sum(replies),
        total_likes=known_sum(likes),
        total_quotes=known_sum(quotes),
        total_views=known_sum(views),
        total_engagement=known_sum(engagements),
        avg_engagement=_known_average(engagements),
        avg_retweets=_known_average(retweets),
        avg_likes=_known_average(likes),
        tweets_with_media=sum(tweet.content.has_media for tweet in tweets),
        tweets_with_links=sum(tweet.content.has_links for tweet in tweets),
        reply_tweets=sum(tweet.content.is_reply for tweet in tweets),
    )


def top_profiles_by_zone(counted: Recount, zone: str, as_of: datetime) -> dict[int, TopProfile]:
    """Recount ``twitter_top_profiles_by_zone`` over the tweets written up to ``as_of``, by account id."""
    authors: defaultdict[int, list[Tweet]] = defaultdict(list)
    for tweet in _until(counted, zone, as_of):
        authors[tweet.content.author_id].append(tweet)
    return {author: _top_profile(author, tweets, counted) for author, tweets in sorted(authors.items())}


def _top_profile(author: int, tweets: Sequence[Tweet], counted: Recount) -> TopProfile:
    engagements = [counted.metrics.get(tweet.tweet_id, UNKNOWN).total_engagement for tweet in tweets]
    return TopProfile(
        twitter_user_id=author,
        profiles=counted.profiles[author].contents,
        tweet_count=len(tweets),
        total_engagement=known_sum(engagements),
        avg_engagement=_known_average(engagements),
        last_tweet_at=max(tweet.twitter_created_at for tweet in tweets),
    )


def trending_hashtags(counted: Recount, zone: str, as_of: datetime) -> dict[str, TrendingHashtag]:
    """Recount ``twitter_trending_hashtags``: 23 whole UTC hours and the open one up to and with ``as_of``."""
    since = _hour(as_of) - timedelta(hours=23)
    users: defaultdict[str, list[Tweet]] = defaultdict(list)
    for tweet in _until(counted, zone, as_of):
        if tweet.twitter_created_at >= since:
            for tag in {row.entity_normalized for row in tweet.content.entities if row.entity_type == "hashtag"}:
                users[tag].append(tweet)
    return {tag: _trending_hashtag(tag, tweets, counted.metrics) for tag, tweets in sorted(users.items())}


def _trending_hashtag(tag: str, tweets: Sequence[Tweet], metrics: Mapping[int, Counters]) -> TrendingHashtag:
    engagement = {tweet.tweet_id: metrics.get(tweet.tweet_id, UNKNOWN).total_engagement for tweet in tweets}
    votes = Counter(_first_spelling(tweet, tag) for tweet in tweets)
    return TrendingHashtag(
        hashtag=tag,
        original_hashtag=min(votes, key=lambda spelling: (-votes[spelling], spelling)),
        tweet_count_24h=len(tweets),
        unique_authors_24h=_distinct_authors(tweets),
        total_engagement_24h=known_sum(engagement.values()),
        last_used_at=max(tweet.twitter_created_at for tweet in tweets),
        sample_tweets=tuple(sorted(engagement, key=lambda key: _rank(engagement[key], key))[:3]),
    )


def _rank(engagement: int | None, tweet_id: int) -> tuple[bool, int, int]:
    """The most engaged first, the unknown last, the youngest id first among equals."""
    return (engagement is None, -(engagement or 0), -tweet_id)


def _first_spelling(tweet: Tweet, tag: str) -> str:
    """The spelling with the smallest start index; without an index last; the smallest spelling among equals."""
    rows = [row for row in tweet.content.entities if row.entity_type == "hashtag" and row.entity_normalized == tag]
    first = min(rows, key=lambda row: (row.start_index is None, row.start_index or 0, row.entity_value))
    return first.entity_value


def _until(counted: Recount, zone: str, as_of: datetime) -> list[Tweet]:
    """The tweets that count. One that was deleted does not, whenever the notice came, nor does a retweet of it."""
    gone = {deletion.tweet_id for deletion in counted.deletions}
    return [
        tweet
        for tweet in counted.in_zone(zone)
        if tweet.twitter_created_at <= as_of and not gone & {tweet.tweet_id, tweet.content.retweeted_tweet_id}
    ]


def _distinct_authors(tweets: Iterable[Tweet]) -> int:
    return len({tweet.content.author_id for tweet in tweets})


def _hour(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def known_sum(values: Iterable[int | None]) -> int | None:
    """Add what is known; None if nothing is."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _known_average(values: Iterable[int | None]) -> Fraction | None:
    known = [value for value in values if value is not None]
    return Fraction(sum(known), len(known)) if known else None


def same_average(expected: Fraction | None, stored: Decimal | float | None) -> bool:
    """Tell whether a stored average is the expected one, up to the digits that a database keeps of a fraction."""
    if expected is None or stored is None:
        return expected is None and stored is None
    tolerance = Fraction(1, 10**9) * max(abs(expected), Fraction(1))
    return bool(abs(Fraction(stored) - expected) <= tolerance)


def recount_v1_1(lines: Iterable[bytes | str], zone: str = "zone", received_at: datetime | None = None) -> Recount:
    """Count what must be there after ``lines`` were replayed, in this order, into one zone.

    ``received_at`` stands for the present: an id from after it is implausible.
    """
    book = _Book(received_at or datetime.now(UTC))
    for line in lines:
        if line.strip():
            _count_line(book, line, zone)
    return book.close()


def _count_line(book: _Book, line: bytes | str, zone: str) -> None:
    book.next_item()
    try:
        item = _json_object(line)
        if _is_control_message(item):
            book.control(_deletion(item))
            return
        tweet = _v1_1_tweet(item)
        observed_at = _written_at(tweet, book.received_at)
    except UnreadableError as error:
        book.dead(error)
    else:
        book.item(tweet, observed_at, {zone})


def recount_envelopes(
    deliveries: Iterable[tuple[bytes | str, datetime]], rule_zones: Mapping[str, Iterable[str]]
) -> Recount:
    """Count what must be there after twitterapi.io's envelopes arrived, each with the time of its receipt.

    ``rule_zones`` maps a rule's id or tag to the names of its zones; the id is looked up first. The items of an
    envelope are its tweets; a ping is one control item, and a body that cannot be read is one dead item.
    """
    book = _Book(datetime.min.replace(tzinfo=UTC))
    zones = {rule: frozenset(names) for rule, names in rule_zones.items()}
    for body, received_at in deliveries:
        book.received_at = received_at
        _count_envelope(book, body, zones)
    return book.close()


def _count_envelope(book: _Book, body: bytes | str, zones: Mapping[str, frozenset[str]]) -> None:
    try:
        envelope = _json_object(body)
        tweets = _enveloped(envelope)
    except UnreadableError as error:
        book.next_item()
        book.dead(error)
        return
    if tweets is None:
        book.next_item()
        book.control(None)
        return
    observed_at = _sent_at(envelope, book.received_at)
    matched = zones.get(str(envelope.get("rule_id"))) or zones.get(str(envelope.get("rule_tag")))
    for item in tweets:
        _count_enveloped(book, item, observed_at, matched)


def _enveloped(envelope: Object) -> list[object] | None:
    """The items of an envelope; None if it only says that the provider is there."""
    if envelope.get("event_type") in CONTROL_EVENTS:
        return None
    tweets = envelope.get("tweets")
    if not isinstance(tweets, list):
        raise UnreadableError("not_an_envelope")
    return tweets


def _count_enveloped(book: _Book, item: object, observed_at: datetime, zones: frozenset[str] | None) -> None:
    book.next_item()
    if zones is None:
        book.dead(UnreadableError("unknown_rule"))
        return
    try:
        tweet = _twitterapi_io_tweet(_object(item))
        _written_at(tweet, book.received_at)
    except UnreadableError as error:
        book.dead(error)
    else:
        book.item(tweet, observed_at, zones)


def _sent_at(envelope: Object, received_at: datetime) -> datetime:
    milliseconds = _count(envelope.get("timestamp"))
    return received_at if milliseconds is None else min(_from_ms(milliseconds), received_at)


@dataclass(slots=True)
class _Sightings:
    """The contents seen at the newest instant so far."""

    newest_at: datetime
    contents: set[object]

    def add(self, observed_at: datetime, content: object) -> None:
        if observed_at > self.newest_at:
            self.newest_at, self.contents = observed_at, {content}
        elif observed_at == self.newest_at:
            self.contents.add(content)


@dataclass(slots=True)
class _Book:
    """What has been counted so far."""

    received_at: datetime
    item_number: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    deletions: Counter[Deletion] = field(default_factory=Counter)
    tweets: dict[int, _Sightings] = field(default_factory=dict)
    written: dict[int, datetime] = field(default_factory=dict)
    zones: defaultdict[int, set[str]] = field(default_factory=lambda: defaultdict(set))
    history: dict[tuple[int, datetime], Counters] = field(default_factory=dict)
    profiles: dict[int, _Sightings] = field(default_factory=dict)
    seen: dict[int, tuple[datetime, datetime]] = field(default_factory=dict)

    def next_item(self) -> None:
        self.item_number += 1

    def control(self, deletion: Deletion | None) -> None:
        self.outcomes["control"] += 1
        if deletion:
            self.deletions[deletion] += 1

    def dead(self, error: UnreadableError) -> None:
        self.outcomes["dead"] += 1
        self.dead_letters.append(DeadLetter(self.item_number, error.reason, False, error.tweet_id))

    def item(self, tweet: _Parsed, observed_at: datetime, zones: Iterable[str]) -> None:
        known = self.zones[tweet.tweet_id]
        new = set(zones) - known
        self.outcomes["normalised" if new else "duplicate"] += 1
        known |= new
        self._observe(tweet, observed_at)

    def _observe(self, tweet: _Parsed, observed_at: datetime) -> None:
        self._observe_author(tweet.content.author_id, tweet.profile, observed_at)
        self._observe_content(tweet, observed_at)
        if tweet.counters != UNKNOWN:
            key = (tweet.tweet_id, observed_at)
            self.history[key] = _larger(self.history.get(key, UNKNOWN), tweet.counters)
        self._observe_embedded(tweet, observed_at)

    def _observe_embedded(self, tweet: _Parsed, observed_at: datetime) -> None:
        for reason in tweet.unreadable:
            self._dead_embedded(reason)
        for original in tweet.originals:
            try:
                _written_at(original, self.received_at)
            except UnreadableError as error:
                self._dead_embedded(error)
                self._observe_embedded(original, observed_at)
            else:
                self._observe(original, observed_at)

    def _dead_embedded(self, error: UnreadableError) -> None:
        self.dead_letters.append(DeadLetter(self.item_number, error.reason, True, error.tweet_id))

    def _observe_content(self, tweet: _Parsed, observed_at: datetime) -> None:
        self.written.setdefault(tweet.tweet_id, _written_at(tweet, self.received_at))
        self.tweets.setdefault(tweet.tweet_id, _Sightings(observed_at, set())).add(observed_at, tweet.content)

    def _observe_author(self, author: int, profile: ProfileContent | None, observed_at: datetime) -> None:
        first, last = self.seen.get(author, (observed_at, observed_at))
        self.seen[author] = (min(first, observed_at), max(last, observed_at))
        if profile:
            self.profiles.setdefault(author, _Sightings(observed_at, set())).add(observed_at, profile)

    def close(self) -> Recount:
        return Recount(
            tweets={key: self._tweet(key) for key in sorted(self.tweets)},
            metrics=_latest(self.history),
            history=dict(sorted(self.history.items())),
            profiles={key: self._profile(key) for key in sorted(self.seen)},
            deletions=self.deletions,
            dead_letters=self.dead_letters,
            accounting=Accounting(**self.outcomes),
        )

    def _tweet(self, key: int) -> Tweet:
        contents = cast("set[TweetContent]", self.tweets[key].contents)
        return Tweet(key, self.written[key], frozenset(contents), frozenset(self.zones.get(key, ())))

    def _profile(self, key: int) -> Profile:
        found = self.profiles.get(key)
        contents = cast("set[ProfileContent]", found.contents) if found else {STUB}
        return Profile(key, frozenset(contents), *self.seen[key])


def _larger(one: Counters, other: Counters) -> Counters:
    pairs = zip(one.values, other.values, strict=True)
    return Counters(*(max((value for value in pair if value is not None), default=None) for pair in pairs))


def _latest(history: Mapping[tuple[int, datetime], Counters]) -> dict[int, Counters]:
    """The newest known value of each counter; history has already settled the ties."""
    latest: dict[int, Counters] = {}
    for (tweet_id, _), newer in sorted(history.items(), key=lambda entry: entry[0]):
        pairs = zip(newer.values, latest.get(tweet_id, UNKNOWN).values, strict=True)
        latest[tweet_id] = Counters(*(new if new is not None else old for new, old in pairs))
    return latest


class UnreadableError(Exception):
    """No tweet that could be stored, and why."""

    def __init__(self, reason: str, tweet_id: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.tweet_id = tweet_id


@dataclass(frozen=True, slots=True)
class _Parsed:
    """A tweet read from a payload, with what it embeds. The counters of a retweet are unknown."""

    tweet_id: int
    payload_created_at: datetime | None
    profile: ProfileContent | None
    content: TweetContent
    counters: Counters
    originals: tuple[_Parsed, ...] = ()
    unreadable: tuple[UnreadableError, ...] = ()


def _v1_1_tweet(item: Object) -> _Parsed:
    tweet_id = _id(item, "id")
    if tweet_id is None:
        raise UnreadableError("not_a_tweet")
    longer = _object(item.get("extended_tweet"))
    texts = (item.get("full_text"), longer.get("full_text"), item.get("text"))
    text = next((_text(part) for part in texts if isinstance(part, str)), None)
    if text is None:
        raise UnreadableError("not_a_tweet", tweet_id)
    user = _object(item.get("user"))
    author_id = _id(user, "id")
    if author_id is None:
        raise UnreadableError("missing_author", tweet_id)
    part = longer or item
    reply_to = _id(item, "in_reply_to_status_id")
    own = _Parsed(
        tweet_id=tweet_id,
        payload_created_at=_time(item.get("created_at")),
        profile=_v1_1_profile(user),
        content=TweetContent(
            author_id=author_id,
            text=text,
            lang=_stated(item.get("lang")),
            source=_stated(item.get("source")),
            has_media=_has_media(part.get("extended_entities"), part.get("entities")),
            is_reply=reply_to is not None,
            conversation_id=reply_to or tweet_id,
            in_reply_to_tweet_id=reply_to,
            in_reply_to_user_id=_id(item, "in_reply_to_user_id"),
            in_reply_to_username=_stated(item.get("in_reply_to_screen_name")),
            retweeted_tweet_id=_id(_object(item.get("retweeted_status")), "id"),
            quoted_tweet_id=_id(item, "quoted_status_id") or _id(_object(item.get("quoted_status")), "id"),
            entities=_entities(_object(part.get("entities"))),
        ),
        counters=Counters(
            retweet_count=_count(item.get("retweet_count")),
            reply_count=_count(item.get("reply_count")),
            like_count=_count(item.get("favorite_count")),
            quote_count=_count(item.get("quote_count")),
        ),
    )
    return _with_originals(own, item.get("retweeted_status"), item.get("quoted_status"), _v1_1_tweet)


def _twitterapi_io_tweet(item: Object) -> _Parsed:
    tweet_id = _id(item, "id")
    text = item.get("text")
    if tweet_id is None or not isinstance(text, str):
        raise UnreadableError("not_a_tweet", tweet_id)
    user = _object(item.get("author"))
    author_id = _id(user, "id")
    if author_id is None:
        raise UnreadableError("missing_author", tweet_id)
    reply_to = _id(item, "inReplyToId")
    is_reply = item.get("isReply") is True or reply_to is not None
    quoted = item.get("quoted_tweet")
    own = _Parsed(
        tweet_id=tweet_id,
        payload_created_at=_time(item.get("createdAt")) or _time(item.get("created_at")),
        profile=_twitterapi_io_profile(user),
        content=TweetContent(
            author_id=author_id,
            text=_text(text),
            lang=_stated(item.get("lang")),
            source=_stated(item.get("source")),
            has_media=_has_media(item.get("extendedEntities"), item.get("entities")),
            is_reply=is_reply,
            conversation_id=_id(item, "conversationId") or (reply_to if is_reply else None) or tweet_id,
            in_reply_to_tweet_id=reply_to,
            in_reply_to_user_id=_id(item, "inReplyToUserId"),
            in_reply_to_username=_stated(item.get("inReplyToUsername")),
            retweeted_tweet_id=_id(_object(item.get("retweeted_tweet")), "id"),
            quoted_tweet_id=_id(_object(quoted), "id") or _whole_id(quoted),
            entities=_entities(_object(item.get("entities"))),
        ),
        counters=Counters(
            retweet_count=_count(item.get("retweetCount")),
            reply_count=_count(item.get("replyCount")),
            like_count=_count(item.get("likeCount")),
            quote_count=_count(item.get("quoteCount")),
            view_count=_count(item.get("viewCount")),
            bookmark_count=_count(item.get("bookmarkCount")),
        ),
    )
    return _with_originals(own, item.get("retweeted_tweet"), quoted, _twitterapi_io_tweet)


def _with_originals(own: _Parsed, retweeted: object, quoted: object, read: Callable[[Object], _Parsed]) -> _Parsed:
    """Read what is embedded; on a retweet the text and what is drawn from it are the original's."""
    embedded = [_embedded(found, read) for found in (retweeted, quoted)]
    original = embedded[0]
    return replace(
        own,
        content=_drawn_from(original.content, own.content) if isinstance(original, _Parsed) else own.content,
        counters=own.counters if original is None else UNKNOWN,
        originals=tuple(found for found in embedded if isinstance(found, _Parsed)),
        unreadable=tuple(found for found in embedded if isinstance(found, UnreadableError)),
    )


def _embedded(found: object, read: Callable[[Object], _Parsed]) -> _Parsed | UnreadableError | None:
    if not isinstance(found, dict) or not found:
        return None
    try:
        return read(cast("Object", found))
    except UnreadableError as error:
        return error


def _drawn_from(original: TweetContent, own: TweetContent) -> TweetContent:
    return replace(
        own, text=original.text, lang=original.lang, has_media=original.has_media, entities=original.entities
    )


def _v1_1_profile(user: Object) -> ProfileContent | None:
    username = _stated(user.get("screen_name"))
    if username is None:
        return None
    return ProfileContent(
        username=username,
        name=_any_text(user.get("name")),
        description=_stated(user.get("description")),
        location=_stated(user.get("location")),
        url=_stated(user.get("url")),
        profile_picture_url=_stated(user.get("profile_image_url_https")),
        cover_picture_url=_stated(user.get("profile_banner_url")),
        is_verified=_flag(user.get("verified")),
        is_blue_verified=None,
        is_protected=_flag(user.get("protected")),
        verified_type=None,
        followers_count=_count(user.get("followers_count")),
        following_count=_count(user.get("friends_count")),
        tweets_count=_count(user.get("statuses_count")),
        media_count=None,
        favourites_count=_count(user.get("favourites_count")),
        twitter_created_at=_time(user.get("created_at")),
    )


def _twitterapi_io_profile(user: Object) -> ProfileContent | None:
    username = _stated(user.get("userName"))
    if username is None:
        return None
    biography = _object(user.get("profile_bio"))
    return ProfileContent(
        username=username,
        name=_any_text(user.get("name")),
        description=_stated(biography.get("description")) or _stated(user.get("description")),
        location=_stated(user.get("location")),
        url=_stated(user.get("url")),
        profile_picture_url=_stated(user.get("profilePicture")),
        cover_picture_url=_stated(user.get("coverPicture")),
        is_verified=_flag(user.get("isVerified")),
        is_blue_verified=_flag(user.get("isBlueVerified")),
        is_protected=_flag(user.get("isProtected")),
        verified_type=_stated(user.get("verifiedType")),
        followers_count=_count(user.get("followers")),
        following_count=_count(user.get("following")),
        tweets_count=_count(user.get("statusesCount")),
        media_count=_count(user.get("mediaCount")),
        favourites_count=_count(user.get("favouritesCount")),
        twitter_created_at=_time(user.get("createdAt")),
    )


def _is_control_message(item: Object) -> bool:
    return "id" not in item and "id_str" not in item and not CONTROL_MESSAGES.isdisjoint(item)


def _deletion(item: Object) -> Deletion | None:
    """The notice in a control message, if it is one. A notice that names no tweet is unreadable."""
    notice = _object(item.get("delete"))
    if "status" not in notice:
        return None
    status = _object(notice["status"])
    tweet_id = _id(status, "id")
    if tweet_id is None:
        raise UnreadableError("unreadable_deletion")
    milliseconds = _count(notice.get("timestamp_ms"))
    return Deletion(tweet_id, _id(status, "user_id"), None if milliseconds is None else _from_ms(milliseconds))


def _written_at(tweet: _Parsed, received_at: datetime) -> datetime:
    """When a tweet was written: the time in its id where there is one, which must agree with its payload."""
    stated = tweet.payload_created_at
    if tweet.tweet_id < FIRST_SNOWFLAKE:
        if stated is None:
            raise UnreadableError("missing_created_at", tweet.tweet_id)
        return stated
    written = _from_ms((tweet.tweet_id >> 22) + SNOWFLAKE_EPOCH_MS)
    if written > received_at or (stated is not None and abs(written - stated) > PLAUSIBLE):
        raise UnreadableError("implausible_id", tweet.tweet_id)
    return written


def _entities(found: Object) -> tuple[Entity, ...]:
    rows = [_entity(kind, _object(entry)) for kind in TYPE_OF_ENTITY for entry in _list(found.get(kind))]
    return tuple(row for row in rows if row)


def _entity(kind: str, entry: Object) -> Entity | None:
    fields, normal_form = ENTITIES[kind]
    value = next((text for text in (_stated(entry.get(name)) for name in fields) if text), None)
    if value is None:
        return None
    start, end = _indices(entry.get("indices"))
    return Entity(TYPE_OF_ENTITY[kind], value, normal_form(value), start, end)


def _hashtag_form(spelling: str) -> str:
    return unicodedata.normalize("NFKC", spelling).casefold()


def _link_form(link: str) -> str:
    """Lower the scheme and the host; paths are case-sensitive, and so is who is named before the host."""
    parts = re.match(r"([^:/?#]+://)([^/?#]*@)?([^/?#]*)", link)
    if not parts:
        return link
    return parts[1].lower() + (parts[2] or "") + parts[3].lower() + link[parts.end() :]


def _mention_form(username: str) -> str:
    return username.casefold()


ENTITIES: dict[str, tuple[Sequence[str], Callable[[str], str]]] = {
    "hashtags": (("text",), _hashtag_form),
    "user_mentions": (("screen_name",), _mention_form),
    "urls": (("expanded_url", "url"), _link_form),
}
"""Where the value of each kind is found, the first that says something, and its normal form."""


def _indices(found: object) -> tuple[int | None, int | None]:
    pair = _list(found)
    if len(pair) != 2:
        return (None, None)
    return (_count(pair[0]), _count(pair[1]))


def _has_media(extended: object, entities: object) -> bool:
    return any(_list(_object(part).get("media")) for part in (extended, entities))


def _json_object(line: bytes | str) -> Object:
    try:
        text = line.decode("utf-8") if isinstance(line, bytes) else line
        found = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise UnreadableError("not_json") from error
    if not isinstance(found, dict):
        raise UnreadableError("not_a_tweet")
    return cast("Object", found)


def _refuse(constant: str) -> None:
    """NaN and Infinity are Python's idea of JSON, nobody else's."""
    raise ValueError(constant)


def _object(found: object) -> Object:
    return cast("Object", found) if isinstance(found, dict) else {}


def _list(found: object) -> list[object]:
    return cast("list[object]", found) if isinstance(found, list) else []


def _text(found: object) -> str:
    """A text as PostgreSQL can hold it: without U+0000, and U+FFFD for each half of a broken surrogate pair."""
    return re.sub("[\ud800-\udfff]", "\ufffd", str(found).replace("\0", ""))


def _any_text(found: object) -> str | None:
    return _text(found) if isinstance(found, str) else None


def _stated(found: object) -> str | None:
    """A text, or None where it is missing or empty."""
    return _any_text(found) or None


def _flag(found: object) -> bool | None:
    return found if isinstance(found, bool) else None


def _count(found: object) -> int | None:
    """A count, given as a number or as its digits; None for anything else, for negatives, and beyond a bigint."""
    if isinstance(found, str) and re.fullmatch("[0-9]{1,19}", found):
        found = int(found)
    if isinstance(found, bool) or not isinstance(found, int):
        return None
    return found if 0 <= found <= LARGEST_BIGINT else None


def _id(item: Object, name: str) -> int | None:
    """An id: the text form if there is one, since numbers lose digits in some tools. Zero and "" are no ids."""
    return _whole_id(item.get(f"{name}_str")) or _whole_id(item.get(name))


def _whole_id(found: object) -> int | None:
    return _count(found) or None


def _time(found: object) -> datetime | None:
    if not isinstance(found, str):
        return None
    try:
        return datetime.strptime(found, "%a %b %d %H:%M:%S %z %Y").astimezone(UTC)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(found)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def _from_ms(milliseconds: int) -> datetime:
    """The time of a Unix time in milliseconds; one beyond the calendar is the end of the calendar."""
    try:
        return UNIX_EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)


def read_lines(paths: Iterable[Path]) -> Iterator[bytes]:
    """Yield the lines of plain, ``.gz`` and ``.bz2`` files, one file after the other."""
    for path in paths:
        with _open(path) as lines:
            yield from lines


def _open(path: Path) -> BinaryIO:
    if path.suffix == ".bz2":
        return cast("BinaryIO", bz2.open(path))
    return cast("BinaryIO", gzip.open(path)) if path.suffix == ".gz" else path.open("rb")
