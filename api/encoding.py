"""Records as JSON.

Belongs here: what JSON readers need that Python does not: ids as texts, because JavaScript rounds them.
Does not belong here: HTTP.
"""

from __future__ import annotations

from typing import Any

import msgspec

IDS = frozenset(
    {
        "tweet_id",
        "conversation_id",
        "in_reply_to_tweet_id",
        "retweeted_tweet_id",
        "quoted_tweet_id",
        "mentioned_user_id",
        "twitter_user_id",
        "profile_id",
        "delivery_id",
        "sample_tweets",
    }
)


def encode(value: Any) -> bytes:
    """Return a record, or anything made of records, as JSON."""
    return msgspec.json.encode(plain(value))


def plain(value: Any) -> Any:
    """Return a record as JSON's own types, ids as texts. A provider's raw object stays as it is."""
    return _with_text_ids(msgspec.to_builtins(value))


def _with_text_ids(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _member(name, inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_with_text_ids(inner) for inner in value]
    return value


def _member(name: str, value: Any) -> Any:
    if name not in IDS:
        return value if name == "raw" else _with_text_ids(value)
    if isinstance(value, list | tuple):
        return [str(inner) for inner in value]
    return None if value is None else str(value)
