"""Payloads in the provider's shapes, made of nothing but invented words, and what hypothesis bends them into.

Belongs here: builders of twitterapi.io, v1.1 and X API v2 objects, strategies that break them.
Does not belong here: assertions.
"""

from __future__ import annotations

import copy
import json
import random
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from database import snowflake

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


def iso_time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S.000Z}"


def x_user(user_id: int = 701, **fields: Any) -> dict[str, Any]:
    """Return a user as X's API v2 shows one."""
    return {
        "id": str(user_id),
        "username": f"writer_{user_id}",
        "name": f"Writer {user_id}",
        "created_at": "2013-12-10T00:04:11.000Z",
        "description": "Words",
        "protected": False,
        "verified": True,
        "verified_type": "blue",
        "public_metrics": {"followers_count": 100, "following_count": 50, "tweet_count": 1_000, "listed_count": 2},
        **fields,
    }


def x_tweet(posted: datetime = POSTED, *, sequence: int = 1, **fields: Any) -> dict[str, Any]:
    """Return a tweet as X's API v2 shows one: without its author."""
    number = tweet_id(posted, sequence)
    return {
        "id": str(number),
        "text": "Plain words",
        "author_id": "701",
        "created_at": iso_time(posted),
        "lang": "en",
        "conversation_id": str(number),
        "edit_history_tweet_ids": [str(number)],
        "public_metrics": {
            "retweet_count": 1,
            "reply_count": 2,
            "like_count": 3,
            "quote_count": 4,
            "bookmark_count": 6,
            "impression_count": 500,
        },
        **fields,
    }


def x_envelope(
    data: Any, *tweets: dict[str, Any], tags: tuple[str, ...] = ("markets",), **fields: Any
) -> dict[str, Any]:
    """Return a delivery of X's filtered stream: ``tweets`` are those that stand in ``includes``."""
    return {
        "data": data,
        "includes": {"users": [x_user(), x_user(702)], "tweets": list(tweets)},
        "matching_rules": [{"id": f"17{index:017}", "tag": tag} for index, tag in enumerate(tags)],
        **fields,
    }


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


ODD_VALUES: list[Any] = [
    None,
    "",
    0,
    -1,
    [0],
    {},
    [],
    "\x00",
    "\ud83d",
    "0",
    "true",
    2**63,
    2**64,
    10**30,
    1.5,
    1e400,
    True,
    "x" * 5_000,
]


def break_some(value: Any, chance: random.Random, *, share: float) -> Any:
    """Replace a share of what a JSON value holds, at any depth, by values of other fields or odd ones, or drop it."""
    keys = list(value) if isinstance(value, dict) else range(len(value))
    others = list(value.values()) if isinstance(value, dict) else list(value)
    for key in keys:
        if chance.random() < share:
            value[key] = chance.choice([*ODD_VALUES, *others])
        elif isinstance(value[key], dict | list):
            break_some(value[key], chance, share=share)
    if isinstance(value, dict) and chance.random() < share:
        value.pop(chance.choice([*value, ""]), None)
    return value


def broken(value: Any) -> st.SearchStrategy[Any]:
    """Return copies of a JSON value with some of its parts dropped or replaced by parts of another type."""
    seeds, shares = st.integers(0, 2**32), st.sampled_from([0.02, 0.1, 0.3])
    return st.builds(
        lambda seed, share: break_some(copy.deepcopy(value), random.Random(seed), share=share), seeds, shares
    )


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
