"""twitterapi.io: webhook envelopes of whole tweets.

Belongs here: the envelope, its kinds of events, and decoding a tweet.
Does not belong here: what a tweet's fields mean (``mapping``).

``{"event_type": "tweet", "rule_id": …, "rule_tag": …, "tweets": [Tweet, …], "timestamp": ms}``: one rule a delivery,
``timestamp`` the time of sending in Unix milliseconds. Source: the provider's documentation and captured envelopes.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw, Struct

from database import snowflake
from ingest.normalise import lenient, mapping, payload
from ingest.normalise.dialects.fallback import read_leniently
from ingest.normalise.dialects.protocol import Envelope, RuleName
from ingest.normalise.records import Item, Profile, Rejection

CONTROL_EVENTS = frozenset({"test_webhook_url", "connected", "ping"})
"""Events without tweets: the validation of the webhook's address, and greetings of the socket lane."""


KNOWN_AUTHORS = 5_000
"""More than a batch has; with their bytes, some 15 MB."""

_NULL = Raw(b"null")


class _Delivery(Struct):
    event_type: str | None = None
    rule_id: str | None = None
    rule_tag: str | None = None
    timestamp: int | None = None
    tweets: list[Raw] | None = None


class _Tweet(payload.Tweet, gc=False, rename=payload.provider_name):
    """A tweet whose author is left as bytes."""

    author: Raw = _NULL  # type: ignore[assignment]
    quoted_tweet: _Tweet | None = None
    retweeted_tweet: _Tweet | None = None


class _Authors:
    """Reads authors, and those whose bytes it knows only once: of a batch's, six of ten are the same to the byte."""

    def __init__(self) -> None:
        self._decode = msgspec.json.Decoder(payload.User).decode
        self._known: dict[bytes, Profile] = {}

    def of(self, tweet: payload.Tweet, tweet_id: int) -> Profile | None:
        """Return the author of a tweet that was decoded as ``_Tweet``."""
        raw = bytes(tweet.author)  # type: ignore[call-overload]
        if raw == b"null":
            return None
        profile = self._known.get(raw)
        if profile is None:
            profile = mapping.profile_of(self._decode(raw), tweet_id)
            if len(self._known) >= KNOWN_AUTHORS:
                self._known.clear()
            self._known[raw] = profile
        return profile


class TwitterApiIo:
    """The dialect of twitterapi.io."""

    name = "twitterapi_io"

    def __init__(self) -> None:
        self._decode_delivery = msgspec.json.Decoder(_Delivery).decode
        self._decode_tweet = msgspec.json.Decoder(_Tweet).decode
        self._author_of = _Authors().of

    def split(self, body: bytes) -> Envelope:
        """Return the tweets of an envelope. A control event is one item, the envelope itself."""
        try:
            delivery = self._decode_delivery(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            try:
                delivery = _bend_delivery(lenient.parse(body))
            except lenient.Unreadable as error:
                return Envelope(items=(), rejection=Rejection("envelope", "unreadable_body", str(error)))
        if delivery.event_type in CONTROL_EVENTS:
            return Envelope(items=(body,))
        if delivery.event_type not in (None, "tweet") or delivery.tweets is None:
            detail = f"event_type is {delivery.event_type!r} and there is no list of tweets"
            return Envelope(items=(), rejection=Rejection("envelope", "unknown_event", detail))
        return Envelope(
            items=tuple(bytes(tweet) for tweet in delivery.tweets),
            observed_ms=delivery.timestamp if delivery.timestamp and delivery.timestamp > snowflake.EPOCH_MS else None,
            rules=(RuleName(delivery.rule_id or None, delivery.rule_tag or None),)
            if delivery.rule_id or delivery.rule_tag
            else (),
        )

    def read(self, item: bytes, envelope: Envelope, received_ms: int) -> Item:
        """Return the records of a tweet; none of a control event."""
        if not envelope.rules and self._is_control(item):
            return Item(observed_ms=received_ms)
        observed_ms = received_ms if envelope.observed_ms is None else envelope.observed_ms
        if b"\\u0000" not in item:
            try:
                return mapping.item_of(
                    self._decode_tweet(item),
                    observed_ms=observed_ms,
                    received_ms=received_ms,
                    author_of=self._author_of,
                )
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                pass
        return read_leniently(item, _bent_tweet, observed_ms=observed_ms, received_ms=received_ms)

    def _is_control(self, item: bytes) -> bool:
        try:
            return self._decode_delivery(item).event_type in CONTROL_EVENTS
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return False


def _bent_tweet(value: Any) -> payload.Tweet | None:
    tweet = lenient.bend(value, payload.Tweet)
    if tweet is not None and tweet.retweeted_tweet is None and value.get("retweeted_tweet"):
        # A retweet whose original cannot be read (a mere id has been reported): its counts are copies all the same.
        return msgspec.structs.replace(tweet, **dict.fromkeys(payload.COUNTS))
    return tweet


def _bend_delivery(value: Any) -> _Delivery:
    """Return a delivery whose strict decoding failed. A single tweet, or an object of tweets, counts as a list."""
    if not isinstance(value, dict):
        return _Delivery(event_type=type(value).__name__)
    tweets = value.get("tweets")
    if isinstance(tweets, dict):
        value = {**value, "tweets": [tweets] if "id" in tweets else list(tweets.values())}
    return lenient.bend(value, _Delivery) or _Delivery()
