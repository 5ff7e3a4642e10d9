"""Tweets: feeds, rankings, a profile's tweets, search, conversations, and the object as it was delivered.

Belongs here: every list of tweets, and what one tweet is.
Does not belong here: numbers about many tweets (``analytics``), a tweet's counters over time (``engagement``).

Lists are read by keyset: a page costs the same at any depth, and rows that arrive meanwhile neither repeat nor hide
one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from database import normal_forms, snowflake
from database.codec import NO_DICTIONARY, Codec
from datalayer import cursors, rows, search, shared_lists
from datalayer.errors import InvalidQueryError, NotFoundError
from datalayer.records import Author, Entity, Page, Tweet
from datalayer.rows import Connection
from datalayer.windows import ALL_TIME, IdRange, Span, last_hours

MAX_LIMIT = 200
"""A page is for looking at; whoever wants everything exports."""

MAX_THREAD = 500

MAX_TOP_ENGAGED = 100
"""As long as the lists of an hour and of a day are."""

MORE_CANDIDATES = 20
"""Places below the last one that is shown which a tweet may have risen from, or left, since the lists were built."""

_FIRST_SCAN = 200
_LARGEST_SCAN = 4_000
_MOST_SCANS = 8
"""A page with a filter reads at most about 25,000 ids, which takes about 50 ms; then it ends early."""


@dataclass(frozen=True, slots=True)
class Filters:
    """What a feed may be narrowed to; None does not narrow."""

    has_media: bool | None = None
    has_links: bool | None = None
    is_reply: bool | None = None
    lang: str | None = None
    author_id: int | None = None
    min_engagement: int | None = None


NO_FILTERS = Filters()


@dataclass(frozen=True, slots=True)
class ThreadTweet:
    """A tweet of a conversation: ``depth`` 0 is the tweet that began it, or one whose parent is not known."""

    depth: int
    tweet: Tweet


@dataclass(frozen=True, slots=True)
class RawTweet:
    """A tweet's object exactly as the provider sent it, and the delivery it came in."""

    tweet_id: int
    delivery_id: int
    source: str
    received_at: datetime
    is_embedded: bool
    data: dict[str, Any]


def get_tweets(connection: Connection, tweet_ids: Sequence[int]) -> tuple[Tweet, ...]:
    """Return the tweets with these ids, in this order; ids that are not known are left out."""
    if not tweet_ids:
        return ()
    parameters = {"ids": list(tweet_ids), "lowest": min(tweet_ids), "highest": max(tweet_ids)}
    found = rows.all_rows(connection, "tweets", "by_ids", parameters)
    by_id = {row["tweet_id"]: _tweet(row) for row in found}
    return tuple(by_id[tweet_id] for tweet_id in dict.fromkeys(tweet_ids) if tweet_id in by_id)


def get_tweet(connection: Connection, tweet_id: int) -> Tweet:
    """Return one tweet. Raises ``NotFoundError``."""
    found = get_tweets(connection, [tweet_id])
    if not found:
        raise NotFoundError(f"no tweet has the id {tweet_id}")
    return found[0]


def get_feed(
    connection: Connection,
    zone_id: UUID,
    *,
    limit: int = 20,
    cursor: str | None = None,
    span: Span = ALL_TIME,
    filters: Filters = NO_FILTERS,
) -> Page[Tweet]:
    """Return a zone's tweets, newest first."""
    ids = _below(span, "feed", cursor)
    if filters == NO_FILTERS:
        return _plain_page(connection, "feed", "feed_ids", {"zone_id": zone_id}, ids, limit)
    if filters == Filters(author_id=filters.author_id):
        return _shared_page(connection, zone_id, "author", str(filters.author_id), span, cursor, limit)
    statement = "filtered_feed_ids" if filters.author_id is None else "filtered_author_ids"
    narrowing = {
        "zone_id": zone_id,
        "author_id": filters.author_id,
        "has_media": filters.has_media,
        "has_links": filters.has_links,
        "is_reply": filters.is_reply,
        "lang": filters.lang,
        "min_engagement": filters.min_engagement,
    }
    return _scanned_page(connection, "feed", statement, narrowing, ids, limit)


def get_profile_tweets(
    connection: Connection, profile_id: int, *, limit: int = 20, cursor: str | None = None, span: Span = ALL_TIME
) -> Page[Tweet]:
    """Return an account's tweets in every zone and beyond (embedded originals), newest first."""
    ids = _below(span, "profile", cursor)
    return _plain_page(connection, "profile", "profile_ids", {"author_id": profile_id}, ids, limit)


def get_top_engaged_tweets(
    connection: Connection, zone_id: UUID, *, now: datetime, hours: int = 24, limit: int = 10
) -> tuple[Tweet, ...]:
    """Return a zone's tweets of the last ``hours`` hours with the largest known engagement; equals go to the larger id.

    Whole hours and the open one, from lists that were built at a moment (``now`` should be their ``as_of``): a tweet
    that rose since then shows after the next build. Counts and order are those of the present.
    """
    if not 1 <= limit <= MAX_TOP_ENGAGED:
        raise InvalidQueryError(f"limit must lie between 1 and {MAX_TOP_ENGAGED}, not {limit}")
    return get_tweets(connection, top_engaged_ids(connection, zone_id, now=now, hours=hours, limit=limit))


def top_engaged_ids(connection: Connection, zone_id: UUID, *, now: datetime, hours: int, limit: int) -> list[int]:
    """Return the ids of ``get_top_engaged_tweets``. Beyond 100 an hour may have had more than its list holds."""
    window = last_hours(now, hours)
    parameters = {
        "zone_id": zone_id,
        "first_hour": window.first_hour,
        "end_of_first_hours": window.days_begin,
        "first_day": window.days_begin.date(),
        "end_day": window.days_end.date(),
        "first_of_last_hours": window.days_end,
        "last_hour": window.last_hour,
        "limit": limit,
        "candidate_limit": limit + MORE_CANDIDATES,
    }
    return [row["tweet_id"] for row in rows.all_rows(connection, "tweets", "top_engaged_ids", parameters)]


def search_by_hashtag(
    connection: Connection,
    zone_id: UUID,
    hashtag: str,
    *,
    limit: int = 20,
    cursor: str | None = None,
    span: Span = ALL_TIME,
) -> Page[Tweet]:
    """Return a zone's tweets with a hashtag in any spelling, newest first."""
    return _shared_page(connection, zone_id, "hashtag", normal_forms.hashtag(hashtag), span, cursor, limit)


def search_by_mention(
    connection: Connection,
    zone_id: UUID,
    username: str,
    *,
    limit: int = 20,
    cursor: str | None = None,
    span: Span = ALL_TIME,
) -> Page[Tweet]:
    """Return a zone's tweets that mention a username, newest first."""
    return _shared_page(connection, zone_id, "mention", normal_forms.mention(username), span, cursor, limit)


def search_by_url_host(
    connection: Connection,
    zone_id: UUID,
    host: str,
    *,
    limit: int = 20,
    cursor: str | None = None,
    span: Span = ALL_TIME,
) -> Page[Tweet]:
    """Return a zone's tweets that link to a host (``www.`` does not matter), newest first."""
    normalized = normal_forms.url_host(host if "://" in host else f"https://{host}")
    return _shared_page(connection, zone_id, "url", normalized, span, cursor, limit)


def search_text(
    connection: Connection,
    zone_id: UUID,
    words: str,
    *,
    limit: int = 20,
    cursor: str | None = None,
    span: Span = ALL_TIME,
    ranked: bool = False,
) -> Page[Tweet]:
    """Return a zone's tweets whose text matches, newest first.

    ``words`` is what people type into search boxes: all words must occur, ``"two words"`` stand side by side, ``or``
    and ``-not`` work. ``ranked`` orders the newest 300 matches by how well they match instead, without a cursor.
    """
    limit = _checked(limit)
    if ranked:
        return Page(get_tweets(connection, search.ranked_ids(connection, zone_id, words, span.ids, limit)))
    found = search.newest_ids(connection, zone_id, words, _below(span, "text", cursor), limit)
    following = None if found.continues_below is None else cursors.encode("text", found.continues_below)
    return Page(get_tweets(connection, found.ids), following)


def get_conversation(connection: Connection, tweet_id: int) -> tuple[ThreadTweet, ...]:
    """Return the conversation that a tweet belongs to, as far as it was collected: each reply below its parent.

    At most 500 replies, the oldest first. Raises ``NotFoundError``.
    """
    row = rows.one_row(connection, "tweets", "conversation_of", {"tweet_id": tweet_id})
    if row is None:
        raise NotFoundError(f"no tweet has the id {tweet_id}")
    conversation_id = row["conversation_id"]
    parameters = {"conversation_id": conversation_id, "first": 0, "limit": MAX_THREAD}
    replies = [found["tweet_id"] for found in rows.all_rows(connection, "tweets", "conversation_ids", parameters)]
    return tuple(_threaded(get_tweets(connection, [conversation_id, tweet_id, *replies])))


def raw(connection: Connection, tweet_id: int) -> RawTweet:
    """Return a tweet's whole object as it was delivered, also where it was embedded in another one.

    Raises ``NotFoundError`` for an unknown tweet and for one whose delivery was archived.
    """
    row = rows.one_row(connection, "tweets", "delivery_of", {"tweet_id": tweet_id})
    if row is None:
        raise NotFoundError(f"no tweet has the id {tweet_id}")
    if row["body"] is None:
        raise NotFoundError(f"delivery {row['delivery_id']}, which held tweet {tweet_id}, was archived")
    body = _codec(connection, row["dictionary_id"]).decompress(bytes(row["body"]), row["dictionary_id"])
    found = find_tweet_object(body, tweet_id)
    if found is None:
        raise NotFoundError(f"the delivery {row['delivery_id']} does not hold tweet {tweet_id}")
    data, depth = found
    return RawTweet(tweet_id, row["delivery_id"], row["source"], row["received_at"], depth > 0, data)


def find_tweet_object(body: bytes, tweet_id: int) -> tuple[dict[str, Any], int] | None:
    """Return the object of a tweet in a delivery's body and how many tweets it is embedded in; None if it is not there.

    A body is one JSON value, or one on each line. An object is a tweet's if it has the id and a text.
    """
    best: tuple[dict[str, Any], int] | None = None
    for value in _json_values(body, str(tweet_id)):
        for candidate, depth in _tweet_objects(value, 0):
            if _is(candidate, tweet_id) and (best is None or depth < best[1]):
                best = candidate, depth
    return best


def _json_values(body: bytes, needle: str) -> Iterator[Any]:
    try:
        yield json.loads(body)
    except ValueError:
        for line in body.splitlines():
            if needle.encode() in line:
                try:
                    yield json.loads(line)
                except ValueError:
                    continue


def _tweet_objects(value: Any, depth: int) -> Iterator[tuple[dict[str, Any], int]]:
    if isinstance(value, dict):
        is_tweet = "text" in value or "full_text" in value
        if is_tweet:
            yield value, depth
        for inner in value.values():
            yield from _tweet_objects(inner, depth + is_tweet)
    elif isinstance(value, list):
        for inner in value:
            yield from _tweet_objects(inner, depth)


def _is(candidate: Mapping[str, Any], tweet_id: int) -> bool:
    return str(candidate.get("id_str") or candidate.get("id") or "") == str(tweet_id)


def _codec(connection: Connection, dictionary_id: int) -> Codec:
    if dictionary_id == NO_DICTIONARY:
        return Codec({})
    found = rows.all_rows(connection, "tweets", "dictionaries", {"dictionary_id": dictionary_id})
    return Codec({row["dictionary_id"]: bytes(row["dictionary"]) for row in found})


def _threaded(tweets: Sequence[Tweet]) -> Iterator[ThreadTweet]:
    """Yield each tweet after its parent, depth first, siblings in the order of time."""
    known = {tweet.tweet_id for tweet in tweets}
    children: dict[int | None, list[Tweet]] = {}
    for tweet in sorted(tweets, key=lambda tweet: tweet.tweet_id):
        parent = tweet.in_reply_to_tweet_id
        children.setdefault(parent if parent in known and parent != tweet.tweet_id else None, []).append(tweet)
    waiting = [(0, tweet) for tweet in reversed(children.get(None, []))]
    while waiting:
        depth, tweet = waiting.pop()
        yield ThreadTweet(depth, tweet)
        waiting.extend((depth + 1, reply) for reply in reversed(children.pop(tweet.tweet_id, [])))


def _plain_page(
    connection: Connection, name: str, statement: str, narrowing: Mapping[str, object], ids: IdRange, limit: int
) -> Page[Tweet]:
    parameters = {**narrowing, "first": ids.first, "end": ids.end, "limit": _checked(limit) + 1}
    found = [row["tweet_id"] for row in rows.all_rows(connection, "tweets", statement, parameters)]
    following = cursors.encode(name, found[limit - 1]) if len(found) > limit else None
    return Page(get_tweets(connection, found[:limit]), following)


def _scanned_page(
    connection: Connection, name: str, statement: str, narrowing: Mapping[str, object], ids: IdRange, limit: int
) -> Page[Tweet]:
    found, below = _scan(connection, statement, narrowing, ids, _checked(limit))
    following = None if below is None else cursors.encode(name, below)
    return Page(get_tweets(connection, found), following)


def _scan(
    connection: Connection, statement: str, narrowing: Mapping[str, object], ids: IdRange, limit: int
) -> tuple[list[int], int | None]:
    """Read ids in growing steps until ``limit`` of them pass; return them and where the list goes on."""
    passed: list[int] = []
    end, scan_limit = ids.end, max(_FIRST_SCAN, limit * 2)
    for _ in range(_MOST_SCANS):
        wanted = limit - len(passed)
        step = {"first": ids.first, "end": end, "limit": wanted, "scan_limit": scan_limit}
        row = rows.one_row(connection, "tweets", statement, {**narrowing, **step})
        assert row is not None  # noqa: S101 -- the statement has one row whatever it finds
        passed += row["ids"]
        if len(row["ids"]) == wanted:
            return passed, passed[-1]
        if row["scanned_count"] < scan_limit:
            return passed, None
        end = row["last_id"]
        scan_limit = min(scan_limit * 4, _LARGEST_SCAN)
    return passed, end


def _shared_page(
    connection: Connection,
    zone_id: UUID,
    kind: shared_lists.Kind,
    normalized: str | None,
    span: Span,
    cursor: str | None,
    limit: int,
) -> Page[Tweet]:
    if not normalized:
        raise InvalidQueryError("nothing to search for is left when signs and spaces are taken away")
    ids = _below(span, kind, cursor)
    found = shared_lists.newest_ids(connection, zone_id, kind, normalized, ids, _checked(limit))
    following = None if found.continues_below is None else cursors.encode(kind, found.continues_below)
    return Page(get_tweets(connection, found.ids), following)


def _below(span: Span, name: str, cursor: str | None) -> IdRange:
    ids = span.ids
    if cursor is None:
        return ids
    return IdRange(ids.first, min(ids.end, cursors.decode(name, cursor)[0]))


def _checked(limit: int) -> int:
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidQueryError(f"limit must lie between 1 and {MAX_LIMIT}, not {limit}")
    return limit


def _tweet(row: Mapping[str, Any]) -> Tweet:
    author = Author(
        twitter_user_id=row["author_profile_id"],
        username=row["username"],
        name=row["name"],
        profile_picture_url=row["profile_picture_url"],
        is_verified=row["is_verified"],
        is_blue_verified=row["is_blue_verified"],
        followers_count=row["followers_count"],
    )
    return Tweet(
        tweet_id=row["tweet_id"],
        author=author,
        text=row["text"],
        lang=row["lang"],
        twitter_created_at=row["twitter_created_at"],
        collected_at=row["collected_at"],
        conversation_id=row["conversation_id"],
        in_reply_to_tweet_id=row["in_reply_to_tweet_id"],
        in_reply_to_username=row["in_reply_to_username"],
        retweeted_tweet_id=row["retweeted_tweet_id"],
        quoted_tweet_id=row["quoted_tweet_id"],
        has_media=row["has_media"],
        has_links=row["has_links"],
        is_reply=row["is_reply"],
        sentiment_score=row["sentiment_score"],
        retweet_count=row["retweet_count"],
        reply_count=row["reply_count"],
        like_count=row["like_count"],
        quote_count=row["quote_count"],
        view_count=row["view_count"],
        bookmark_count=row["bookmark_count"],
        total_engagement=row["total_engagement"],
        observed_at=row["observed_at"],
        entities=tuple(Entity(*entity) for entity in row["entities"] or ()),
    )


def newest_id(connection: Connection, zone_id: UUID, ids: IdRange | None = None) -> int | None:
    """Return the id of a zone's newest tweet, None where it has none."""
    ids = ids or IdRange(0, snowflake.MAX_ID)
    row = rows.one_row(connection, "tweets", "newest_id", {"zone_id": zone_id, "first": ids.first, "end": ids.end})
    return None if row is None else row["tweet_id"]


def get_zone_names_of(connection: Connection, tweet_ids: Sequence[int]) -> Mapping[int, frozenset[str]]:
    """Return the names of the zones that collected each tweet; none for an embedded original, or an unknown tweet."""
    names: dict[int, set[str]] = {tweet_id: set() for tweet_id in tweet_ids}
    parameters = {"ids": list(names), "lowest": min(names, default=0), "highest": max(names, default=0)}
    for row in rows.all_rows(connection, "tweets", "zone_names_of", parameters):
        names[row["tweet_id"]].add(row["name"])
    return {tweet_id: frozenset(found) for tweet_id, found in names.items()}
