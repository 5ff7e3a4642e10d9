"""Payloads in the provider's shapes, made of nothing but invented words, and what hypothesis bends them into.

Belongs here: builders of twitterapi.io and v1.1 objects, strategies that break them.
Does not belong here: assertions.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from database import snowflake
from hypothesis import strategies as st

RECEIVED = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)
RECEIVED_MS = snowflake.to_unix_ms(RECEIVED)

POSTED = datetime(2026, 3, 14, 11, 30, tzinfo=UTC)


def tweet_id(posted: datetime = POSTED, sequence: int = 1) -> int:
    """Return the id of a tweet that was posted at a time."""
    return snowflake.floor(posted) | sequence


def twitter_time(moment: datetime) -> str:
    return f"{moment:%a %b %d %H:%M:%S +0000 %Y}"


def user(user_id: int = 701, **fields: Any) -> dict[str, Any]:
    """Return a twitterapi.io user."""
    return {
        "type": "user",
        "id": str(user_id),
        "userName": f"writer_{user_id}",
        "name": f"Writer {user_id}",
        "url": f"https://x.com/writer_{user_id}",
        "followers": 100,
        "following": 50,
        "statusesCount": 1_000,
        "favouritesCount": 10,
        "mediaCount": 5,
        "isVerified": False,
        "isBlueVerified": True,
        "verifiedType": None,
        "createdAt": "Tue Dec 10 00:04:11 +0000 2013",
        "description": "",
        "profile_bio": {"description": "Words & more words"},
        "location": "",
        "automatedBy": None,
        "isAutomated": False,
        **fields,
    }


def tweet(posted: datetime = POSTED, *, sequence: int = 1, **fields: Any) -> dict[str, Any]:
    """Return a twitterapi.io tweet."""
    number = tweet_id(posted, sequence)
    return {
        "type": "tweet",
        "id": str(number),
        "text": "Plain words",
        "source": "Twitter for iPhone",
        "retweetCount": 1,
        "replyCount": 2,
        "likeCount": 3,
        "quoteCount": 4,
        "viewCount": 500,
        "bookmarkCount": 6,
        "createdAt": twitter_time(posted),
        "lang": "en",
        "isReply": False,
        "inReplyToId": None,
        "inReplyToUserId": None,
        "inReplyToUsername": None,
        "conversationId": str(number),
        "author": user(),
        "entities": {"hashtags": [], "urls": [], "user_mentions": []},
        "extendedEntities": {},
        "quoted_tweet": None,
        "retweeted_tweet": None,
        **fields,
    }


def envelope(*tweets: dict[str, Any], tag: str = "markets", sent: datetime = RECEIVED, **fields: Any) -> dict[str, Any]:
    """Return a twitterapi.io webhook delivery."""
    return {
        "event_type": "tweet",
        "rule_id": "0f" * 16,
        "rule_tag": tag,
        "rule_value": "words",
        "tweets": list(tweets),
        "timestamp": snowflake.to_unix_ms(sent),
        **fields,
    }


def v1_user(user_id: int = 701, **fields: Any) -> dict[str, Any]:
    """Return a v1.1 user."""
    return {
        "id": user_id,
        "id_str": str(user_id),
        "screen_name": f"writer_{user_id}",
        "name": f"Writer {user_id}",
        "description": "Words",
        "location": None,
        "verified": False,
        "protected": False,
        "followers_count": 100,
        "friends_count": 50,
        "statuses_count": 1_000,
        "favourites_count": 10,
        "created_at": "Tue Dec 10 00:04:11 +0000 2013",
        **fields,
    }


def v1_tweet(posted: datetime = POSTED, *, sequence: int = 1, **fields: Any) -> dict[str, Any]:
    """Return a v1.1 tweet."""
    number = tweet_id(posted, sequence)
    return {
        "created_at": twitter_time(posted),
        "id": number,
        "id_str": str(number),
        "text": "Plain words",
        "source": '<a href="https://example.com" rel="nofollow">A client</a>',
        "truncated": False,
        "user": v1_user(),
        "retweet_count": 0,
        "favorite_count": 0,
        "reply_count": 0,
        "quote_count": 0,
        "lang": "en",
        "entities": {"hashtags": [], "urls": [], "user_mentions": [], "symbols": []},
        **fields,
    }


def deletion(number: int, told: datetime = RECEIVED, user_id: int | None = 701) -> dict[str, Any]:
    """Return a v1.1 deletion notice."""
    status = {"id": number, "id_str": str(number)}
    if user_id is not None:
        status |= {"user_id": user_id, "user_id_str": str(user_id)}
    return {"delete": {"status": status, "timestamp_ms": str(snowflake.to_unix_ms(told))}}


def encoded(value: Any) -> bytes:
    """Return a value as JSON, lone surrogates and NUL as escapes, as senders write them."""
    return json.dumps(value).encode()


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec=None), max_size=8)
    | st.sampled_from(["", "0", "-1", "12", "true", "\x00", "\ud83d", 2**63, -(2**63), 2**64, 10**30, 1e400]),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=8), children, max_size=4),
    max_leaves=8,
)
"""Any JSON value, and some that JSON has no room for but its parsers accept."""


@st.composite
def broken(draw: st.DrawFn, value: Any) -> Any:
    """Return a copy of a JSON value with some of its parts dropped or replaced by parts of another type."""
    if isinstance(value, dict):
        changed = {key: draw(_maybe_broken(inner)) for key, inner in value.items() if draw(_mostly)}
        return changed | {key: draw(json_values) for key in value if not draw(_mostly)}
    if isinstance(value, list):
        return [draw(_maybe_broken(inner)) for inner in value if draw(_mostly)]
    return value if draw(_mostly) else draw(json_values)


_mostly = st.integers(0, 15).map(bool)


def _maybe_broken(value: Any) -> st.SearchStrategy[Any]:
    return broken(value) if isinstance(value, dict | list) else st.just(value) | json_values


@st.composite
def damaged(draw: st.DrawFn, raw: bytes) -> bytes:
    """Return bytes that were flipped, cut, doubled or filled up in some places."""
    body = bytearray(raw)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(0, len(body) - 1)))
        match draw(st.integers(0, 3)):
            case 0 if body:
                body[place] ^= 1 << draw(st.integers(0, 7))
            case 1:
                del body[place : place + draw(st.integers(1, 40))]
            case 2:
                body[place:place] = draw(st.binary(max_size=8))
            case _:
                body[place:place] = body[place : place + 40]
    return bytes(body)
