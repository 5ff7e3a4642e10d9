"""From a provider's tweet to the records of ``core``.

Belongs here: what each field means, which values are plausible, what a retweet takes from its original.
Does not belong here: decoding, other dialects' shapes, SQL.
"""

from __future__ import annotations

from calendar import timegm
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache

from database import normal_forms, snowflake
from ingest.normalise import payload
from ingest.normalise.records import UNKNOWN, Counters, Entity, Item, Profile, Rejection, Sighting, Tweet

FUTURE_TOLERANCE_MS = 5 * 60 * 1000
"""An id may be this far ahead of its receipt: clocks differ. Further ahead it is not a tweet's id."""

CLOCK_TOLERANCE_SECONDS = 2
"""Of 43,705 real tweets, ``created_at`` was the id's second in 43,686 and one second later in 19."""

MAX_DEPTH = 8
"""How deep originals may be embedded. The provider nests two."""

MAX_ENTITIES = 10_000
"""A long post holds 25,000 characters; ordinals are 16 bits wide."""

MAX_VERSIONS = 100
"""A tweet may be edited five times; a list longer than this is garbage."""

MAX_TEXT = 50_000
"""Characters of a text that are kept: twice the longest post. PostgreSQL cannot index much more than a megabyte."""

MAX_NAME = 500
"""Characters of a name, language and the like: the longest real ones have 50. A btree entry ends at 2,704 bytes."""

MAX_COUNT = 10**15
"""Larger counts are garbage; sums of thousands of them still fit a bigint."""

LAST_COUNTED_MS = timegm((2010, 11, 6, 0, 0, 0)) * 1000
"""Ids without a clock were given until the first days of November 2010 (``core.end_tweet_id_of`` relies on it)."""

_FIRST_MS, _LAST_MS = 0, timegm((9999, 1, 1, 0, 0, 0)) * 1000
"""Times beyond these are garbage, and could not be written."""

_MONTHS = {
    "Jan": 1, "Feb": 2, "Mar": 3, "Apr": 4, "May": 5, "Jun": 6,
    "Jul": 7, "Aug": 8, "Sep": 9, "Oct": 10, "Nov": 11, "Dec": 12,
}  # fmt: skip


class _Rejected(Exception):  # noqa: N818 -- a verdict about a tweet, not an error of the program
    def __init__(self, reason: str, detail: str, tweet_id: int | None = None) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.tweet_id = tweet_id


def item_of(
    tweet: payload.Tweet,
    *,
    observed_ms: int | None,
    received_ms: int,
    is_sanitised: bool = False,
    beside: Sequence[payload.Tweet] = (),
    people: Sequence[payload.User] = (),
    author_of: AuthorOf | None = None,
) -> Item:
    """Return the records that a delivered tweet holds, its embedded originals included.

    ``observed_ms`` is when the counters were true; without it (archives) that is the tweet's own time. It is capped
    at ``received_ms``. A tweet that cannot be kept becomes a rejection, its embedded originals are read all the same.
    ``beside`` and ``people`` were shown with it and wrote, quoted or retweeted nothing of it: the tweet it replies to,
    other versions of it, accounts it mentions. ``author_of`` reads a tweet's author where a dialect does so itself.
    """
    walk = _Walk(observed_ms, received_ms, is_sanitised=is_sanitised, author_of=author_of or _author_of)
    walk.visit(tweet, depth=0)
    for other in beside:
        walk.visit(other, depth=1)
    for person in people:
        walk.meet(person)
    return Item(
        observed_ms=walk.observed_ms,
        sightings=tuple(walk.sightings),
        profiles=tuple(walk.profiles),
        rejections=tuple(walk.rejections),
    )


AuthorOf = Callable[[payload.Tweet, int], Profile | None]
"""Returns the profile of a tweet's author, given the tweet's id for the case that it must be rejected."""


def _author_of(tweet: payload.Tweet, tweet_id: int) -> Profile | None:
    return None if tweet.author is None else profile_of(tweet.author, tweet_id)


class _Walk:
    """One pass over a tweet and what it embeds, collecting records."""

    def __init__(self, observed_ms: int | None, received_ms: int, *, is_sanitised: bool, author_of: AuthorOf) -> None:
        self.observed_ms = received_ms if observed_ms is None else min(observed_ms, received_ms)
        self._is_observed_when_posted = observed_ms is None
        self._received_ms = received_ms
        self._is_sanitised = is_sanitised
        self._author_of = author_of
        self.sightings: list[Sighting] = []
        self.profiles: list[Profile] = []
        self.rejections: list[Rejection] = []

    def visit(self, tweet: payload.Tweet, depth: int) -> None:
        try:
            self._keep(tweet)
        except _Rejected as rejected:
            stage = "embedded" if depth else "item"
            self.rejections.append(Rejection(stage, rejected.reason, rejected.detail, rejected.tweet_id))
        for original in (tweet.retweeted_tweet, tweet.quoted_tweet):
            if original is not None and depth < MAX_DEPTH:
                self.visit(original, depth + 1)

    def meet(self, person: payload.User) -> None:
        """Note an account that only stands beside; one without a readable id is nobody."""
        if optional_id(person.id) is not None:
            self.profiles.append(profile_of(person))

    def _keep(self, tweet: payload.Tweet) -> None:
        tweet_id = _required_id(tweet.id, "implausible_id", "the tweet's id")
        created_ms = _created_ms(tweet_id, tweet.created_at, self._received_ms)
        if self._is_observed_when_posted:
            self.observed_ms = min(created_ms, self._received_ms)
            self._is_observed_when_posted = False
        profile = self._author_of(tweet, tweet_id)
        if profile is None:
            raise _Rejected("missing_author", "the tweet has no author", tweet_id)
        self.profiles.append(profile)
        self.sightings.append(
            Sighting(
                tweet=_content(tweet, tweet_id, profile.twitter_user_id, created_ms, is_sanitised=self._is_sanitised),
                counters=UNKNOWN if _is_retweet(tweet) else _counters(tweet),
                versions=() if tweet.edit_history_tweet_ids is None else versions_of(tweet.edit_history_tweet_ids),
            )
        )


def _content(tweet: payload.Tweet, tweet_id: int, author_id: int, created_ms: int, *, is_sanitised: bool) -> Tweet:
    original = tweet.retweeted_tweet
    shown = original if original is not None and original.text else tweet
    entities = _entities(shown.entities)
    kinds = {entity.entity_type for entity in entities}
    reply_to = optional_id(tweet.in_reply_to_id)
    is_reply = bool(tweet.is_reply) or reply_to is not None
    return Tweet(
        tweet_id=tweet_id,
        author_profile_id=author_id,
        conversation_id=optional_id(tweet.conversation_id) or reply_to or (None if is_reply else tweet_id),
        in_reply_to_tweet_id=reply_to,
        in_reply_to_user_id=optional_id(tweet.in_reply_to_user_id),
        retweeted_tweet_id=_id_of(tweet.retweeted_tweet) or optional_id(tweet.retweet_id),
        quoted_tweet_id=_id_of(tweet.quoted_tweet) or optional_id(tweet.quote_id),
        created_ms=created_ms,
        has_media=_has_media(shown),
        has_links="url" in kinds,
        has_hashtags="hashtag" in kinds,
        has_mentions="mention" in kinds,
        is_reply=is_reply,
        is_sanitised=is_sanitised or len(shown.text) > MAX_TEXT,
        text=shown.text[:MAX_TEXT],
        lang=_name(shown.lang),
        source=_name(tweet.source),
        in_reply_to_username=_name(tweet.in_reply_to_username),
        entities=entities,
    )


def profile_of(user: payload.User, tweet_id: int | None = None) -> Profile:
    """Return the profile that a user object shows. Empty texts are unknown, but for ``name``, where "" is real."""
    biography = user.description or (user.profile_bio.description if user.profile_bio else None)
    return Profile(
        twitter_user_id=_required_id(user.id, "missing_author", "the author's id", tweet_id),
        created_ms=_time_of_account(user.created_at),
        followers_count=count(user.followers),
        following_count=count(user.following),
        tweets_count=count(user.statuses_count),
        media_count=count(user.media_count),
        favourites_count=count(user.favourites_count),
        is_verified=user.is_verified,
        is_blue_verified=user.is_blue_verified,
        is_automated=user.is_automated,
        can_dm=user.can_dm,
        possibly_sensitive=user.possibly_sensitive,
        is_protected=user.is_protected,
        username=_name(user.user_name),
        name=None if user.name is None else user.name[:MAX_NAME],
        profile_picture_url=user.profile_picture or None,
        cover_picture_url=user.cover_picture or None,
        description=biography[:MAX_TEXT] if biography else None,
        location=_name(user.location),
        verified_type=_name(user.verified_type),
        automated_by=_name(user.automated_by),
        profile_url=user.url or None,
    )


def versions_of(ids: Iterable[str | None]) -> tuple[int, ...]:
    """Return the versions of an edited tweet, the first one first; nothing for a tweet that was never edited."""
    known = sorted({number for text in ids if (number := optional_id(text)) is not None})
    return tuple(known[:MAX_VERSIONS]) if len(known) > 1 else ()


def count(value: int | list[int] | None) -> int | None:
    """Return a count, or ``None`` for what cannot be one: real streams hold negative friend counts, and ``[0]``."""
    return value if isinstance(value, int) and 0 <= value <= MAX_COUNT else None


def _name(text: str | None) -> str | None:
    """Return a short text, cut where it is absurdly long; ``None`` for an empty one."""
    return text[:MAX_NAME] if text else None


def _is_retweet(tweet: payload.Tweet) -> bool:
    return tweet.retweeted_tweet is not None or tweet.retweet_id is not None


def _counters(tweet: payload.Tweet) -> Counters:
    return (
        count(tweet.retweet_count),
        count(tweet.reply_count),
        count(tweet.like_count),
        count(tweet.quote_count),
        count(tweet.view_count),
        count(tweet.bookmark_count),
    )


def _has_media(tweet: payload.Tweet) -> bool:
    extended = tweet.extended_entities is not None and bool(tweet.extended_entities.media)
    return extended or (tweet.entities is not None and bool(tweet.entities.media))


def _entities(entities: payload.Entities | None) -> tuple[Entity, ...]:
    if entities is None:
        return ()
    found: list[Entity] = []
    for tag in entities.hashtags or ():
        _add(found, "hashtag", tag.indices, tag.text, normal_forms.hashtag(tag.text))
    for mention in entities.user_mentions or ():
        normal_form = normal_forms.mention(mention.screen_name)
        _add(found, "mention", mention.indices, mention.screen_name, normal_form, user_id=optional_id(mention.id_str))
    for link in entities.urls or ():
        target = link.expanded_url or link.url
        if target:
            _add(found, "url", link.indices, target, normal_forms.url(target), host=normal_forms.url_host(target))
    return tuple(found)


def _add(
    found: list[Entity],
    entity_type: str,
    indices: payload.Indices | None,
    value: str,
    normal_form: str,
    *,
    user_id: int | None = None,
    host: str | None = None,
) -> None:
    """Append an entity, unless it has no content or stands beyond what any tweet can hold."""
    ordinal = len(found)
    if not normal_form or ordinal >= MAX_ENTITIES:
        return
    start, end = (_index(indices[0]), _index(indices[1])) if indices else (None, None)
    found.append(Entity(ordinal, entity_type, start, end, user_id, value, normal_form, host))


def _index(position: int) -> int | None:
    return position if 0 <= position < 1 << 31 else None


def _created_ms(tweet_id: int, created_at: str | None, received_ms: int) -> int:
    """Return when a tweet was posted: by its id, which must agree with ``created_at``; by the latter for old ids."""
    stated_ms = parse_time(created_at)
    if not snowflake.has_time(tweet_id):
        if stated_ms is None or stated_ms >= LAST_COUNTED_MS:
            raise _Rejected(
                "implausible_id",
                f"the id {tweet_id} holds no time, as those before November 2010; created_at is {_excerpt(created_at)}",
                tweet_id,
            )
        return stated_ms
    id_ms = snowflake.unix_ms(tweet_id)
    if id_ms > received_ms + FUTURE_TOLERANCE_MS:
        raise _Rejected("implausible_id", f"{_told(tweet_id)}, which is after its receipt", tweet_id)
    if stated_ms is not None and abs(stated_ms // 1000 - id_ms // 1000) > CLOCK_TOLERANCE_SECONDS:
        raise _Rejected("implausible_id", f"{_told(tweet_id)}, created_at says {_excerpt(created_at)}", tweet_id)
    return id_ms


def _told(tweet_id: int) -> str:
    return f"the id {tweet_id} says {snowflake.at(tweet_id):%Y-%m-%d %H:%M:%S}Z"


def _excerpt(text: str | None) -> str:
    return repr(text if text is None else text[:64])


def parse_time(text: str | None) -> int | None:
    """Return Unix milliseconds of ``Thu Aug 14 07:37:46 +0000 2025`` or of an ISO 8601 time; else ``None``."""
    if not text:
        return None
    try:
        milliseconds = _unix_ms(text)
    except (ValueError, KeyError, OverflowError):
        return None
    return milliseconds if _FIRST_MS <= milliseconds < _LAST_MS else None


def _unix_ms(text: str) -> int:
    if len(text) == 30 and text[20:25] == "+0000":
        clock = int(text[11:13]) * 3600 + int(text[14:16]) * 60 + int(text[17:19])
        return (_midnight(text[4:7], text[8:10], text[26:30]) + clock) * 1000
    is_iso = text[:4].isdecimal()
    moment = datetime.fromisoformat(text) if is_iso else datetime.strptime(text, "%a %b %d %H:%M:%S %z %Y")
    return snowflake.to_unix_ms(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


@lru_cache(maxsize=10_000)
def _midnight(month: str, day: str, year: str) -> int:
    return timegm((int(year), _MONTHS[month], int(day), 0, 0, 0))


_time_of_account = lru_cache(maxsize=20_000)(parse_time)
"""The same accounts come again and again."""


def optional_id(text: str | None) -> int | None:
    """Return an id, or ``None`` for what is none: ``null``, "", "0", words."""
    if not text or len(text) > 19 or not text.isdecimal():
        return None
    number = int(text)
    return number if 0 < number <= snowflake.MAX_ID else None


def _required_id(text: str, reason: str, what: str, tweet_id: int | None = None) -> int:
    number = optional_id(text)
    if number is None:
        raise _Rejected(reason, f"{what} is {_excerpt(text)}, which is no id", tweet_id)
    return number


def _id_of(tweet: payload.Tweet | None) -> int | None:
    return None if tweet is None else optional_id(tweet.id)
