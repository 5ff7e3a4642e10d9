"""The second try at an item that the strict decoder refused.

Belongs here: what all dialects do with broken items.
Does not belong here: any dialect's shape.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ingest.normalise import lenient, mapping, payload
from ingest.normalise.records import Item, Rejection


def read_leniently(
    item: bytes, tweet_of: Callable[[Any], payload.Tweet | None], *, observed_ms: int | None, received_ms: int
) -> Item:
    """Return the records of an item as far as it can be understood; a rejection where it cannot.

    ``tweet_of`` turns a cleaned JSON value into a tweet, or ``None`` where it has no id or no text.
    """
    try:
        value, is_sanitised = lenient.parse_clean(item)
        tweet = tweet_of(value)
    except lenient.Unreadable as error:
        return rejected("unreadable_item", str(error), received_ms)
    if tweet is None:
        detail = "an object without an id or a text" if isinstance(value, dict) else f"a {type(value).__name__}"
        return rejected("not_a_tweet", f"the item is {detail}", received_ms)
    return mapping.item_of(tweet, observed_ms=observed_ms, received_ms=received_ms, is_sanitised=is_sanitised)


def rejected(reason: str, detail: str, received_ms: int) -> Item:
    """Return an item that is a dead letter as a whole."""
    return Item(observed_ms=received_ms, rejections=(Rejection("item", reason, detail),))
