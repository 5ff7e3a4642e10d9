"""Classic v1.1: newline-delimited JSON of archives and sample streams.

Belongs here: the v1.1 shapes, and turning them into the common shape.
Does not belong here: what a tweet's fields mean (``mapping``).

Source: the v1.1 data dictionary, and 43,705 tweets of public sample streams from 2013 to 2019. A line holds a tweet, a
notice such as ``{"delete": …}``, or nothing.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec
from msgspec import Struct

from database import snowflake
from ingest.normalise import lenient, mapping, payload
from ingest.normalise.dialects.fallback import read_leniently
from ingest.normalise.dialects.protocol import Envelope
from ingest.normalise.records import ComplianceEvent, Item

NOTICES = frozenset({
    "delete", "scrub_geo", "limit", "status_withheld", "user_withheld", "disconnect", "warning", "friends",
    "friends_str", "event", "user_delete", "user_undelete", "user_protect", "user_unprotect", "user_suspend",
    "user_unsuspend", "control",
})  # fmt: skip
"""The keys that messages other than tweets begin with."""

_LINK_TEXT = re.compile(r"<[^<>]*>")


class _User(Struct, gc=False):
    id_str: str | None = None
    id: int | None = None
    screen_name: str | None = None
    name: str | None = None
    description: str | None = None
    location: str | None = None
    verified: bool | None = None
    protected: bool | None = None
    followers_count: int | None = None
    friends_count: int | None = None
    statuses_count: int | None = None
    favourites_count: int | None = None
    created_at: str | None = None
    profile_image_url_https: str | None = None
    profile_banner_url: str | None = None


class _ExtendedTweet(Struct, gc=False):
    full_text: str | None = None
    entities: payload.Entities | None = None
    extended_entities: payload.ExtendedEntities | None = None


class _EditHistory(Struct, gc=False):
    edit_tweet_ids: list[str] | None = None


class _Status(Struct, gc=False):
    id_str: str | None = None
    id: int | None = None
    text: str | None = None
    full_text: str | None = None
    source: str | None = None
    created_at: str | None = None
    lang: str | None = None
    retweet_count: int | None = None
    favorite_count: int | None = None
    reply_count: int | None = None
    quote_count: int | None = None
    in_reply_to_status_id_str: str | None = None
    in_reply_to_status_id: int | None = None
    in_reply_to_user_id_str: str | None = None
    in_reply_to_user_id: int | None = None
    in_reply_to_screen_name: str | None = None
    user: _User | None = None
    entities: payload.Entities | None = None
    extended_entities: payload.ExtendedEntities | None = None
    extended_tweet: _ExtendedTweet | None = None
    retweeted_status: _Status | None = None
    quoted_status: _Status | None = None
    quoted_status_id_str: str | None = None
    quoted_status_id: int | None = None
    edit_history: _EditHistory | None = None


class _TweetReference(Struct, gc=False):
    id_str: str | None = None
    id: int | None = None
    user_id_str: str | None = None
    user_id: int | None = None


class _DeleteNotice(Struct, gc=False):
    status: _TweetReference | None = None
    timestamp_ms: str | None = None


class _AboutNotice(Struct, gc=False):
    """What every other notice of the compliance stream says: about whom, when, and where it is withheld."""

    id: int | str | None = None
    user_id: int | str | None = None
    timestamp_ms: str | None = None
    withheld_in_countries: list[str] | None = None


class _Notice(Struct, gc=False):
    delete: _DeleteNotice | None = None
    status_withheld: _AboutNotice | None = None
    user_withheld: _AboutNotice | None = None
    user_delete: _AboutNotice | None = None
    user_undelete: _AboutNotice | None = None
    user_protect: _AboutNotice | None = None
    user_unprotect: _AboutNotice | None = None
    user_suspend: _AboutNotice | None = None
    user_unsuspend: _AboutNotice | None = None
    scrub_geo: _AboutNotice | None = None


class V1:
    """The dialect of v1.1 archives."""

    name = "v1_1"

    def __init__(self) -> None:
        self._decode_status = msgspec.json.Decoder(_Status).decode
        self._decode_notice = msgspec.json.Decoder(_Notice).decode

    def split(self, body: bytes) -> Envelope:
        """Return the lines of a body that are not blank."""
        return Envelope(items=tuple(line for line in (raw.strip() for raw in body.split(b"\n")) if line))

    def read(self, item: bytes, envelope: Envelope, received_ms: int) -> Item:  # noqa: ARG002
        """Return the records of a line. The counters were true when the delivered tweet was posted."""
        if b"\\u0000" not in item:
            try:
                if item.startswith(b'{"delete"'):
                    return _noticed(self._decode_notice(item), received_ms)
                tweet = _whole_tweet(self._decode_status(item))
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                tweet = None
            if tweet is not None:
                return mapping.item_of(tweet, observed_ms=None, received_ms=received_ms)
        return self._read_other(item, received_ms)

    def _read_other(self, item: bytes, received_ms: int) -> Item:
        """Return what a line holds that is no ordinary tweet: a notice, a broken tweet, noise."""
        try:
            value = lenient.parse(item)
            if isinstance(value, dict) and value and next(iter(value)) in NOTICES:
                return _noticed(lenient.bend(value, _Notice), received_ms)
        except lenient.Unreadable:
            pass
        return read_leniently(item, _bent_tweet, observed_ms=None, received_ms=received_ms)


def _noticed(notice: _Notice | None, received_ms: int) -> Item:
    """Return the event that a notice tells; a notice of another kind is a control message without one."""
    if notice is not None and notice.delete is None:
        return _noticed_otherwise(notice, received_ms)
    deletion = notice.delete if notice else None
    status = deletion.status if deletion else None
    tweet_id = _number(status.id_str, status.id) if status else None
    if deletion is None or status is None or tweet_id is None:
        return Item(observed_ms=received_ms)
    told_ms = _number(deletion.timestamp_ms, None)
    event_ms = received_ms if told_ms is None else min(told_ms, received_ms)
    event = ComplianceEvent(tweet_id, "delete", event_ms, _number(status.user_id_str, status.user_id))
    return Item(observed_ms=event_ms, event=event)


def _noticed_otherwise(notice: _Notice, received_ms: int) -> Item:
    """Return the event of a notice that is no deletion of a tweet. Withheld nowhere any more is an event of its own."""
    for name in notice.__struct_fields__[1:]:
        about: _AboutNotice | None = getattr(notice, name)
        if about is not None:
            break
    else:
        return Item(observed_ms=received_ms)
    subject, user_id = _loose_number(about.id), _loose_number(about.user_id)
    told_ms = _number(about.timestamp_ms, None)
    event_ms = received_ms if told_ms is None else min(told_ms, received_ms)
    is_lifted = about.withheld_in_countries == []
    if name == "status_withheld":
        tweet_id, event_type = subject, "unwithheld" if is_lifted else "withheld"
    else:
        tweet_id, user_id = None, user_id if name == "scrub_geo" else subject
        event_type = "user_unwithheld" if name == "user_withheld" and is_lifted else name
    if tweet_id is None and (user_id is None or name == "status_withheld"):
        return Item(observed_ms=received_ms)
    event = ComplianceEvent(tweet_id, event_type, event_ms, user_id)
    return Item(observed_ms=event_ms, event=event)


def _loose_number(value: int | str | None) -> int | None:
    return _number(value, None) if isinstance(value, str) else _number(None, value)


def _bent_tweet(value: Any) -> payload.Tweet | None:
    status = lenient.bend(value, _Status)
    return _whole_tweet(status) if status else None


def _whole_tweet(status: _Status) -> payload.Tweet | None:
    """Return the tweet in the common shape, unless it lacks an id or a text."""
    if (status.id_str is None and status.id is None) or _text(status) is None:
        return None
    return _tweet(status)


def _number(text: str | None, number: int | None) -> int | None:
    """Return an id or a time from its text, which is exact where a JSON number may not be; else from the number."""
    if text is not None and text.isdecimal() and len(text) < 20:
        number = int(text)
    return number if number is not None and 0 < number <= snowflake.MAX_ID else None


def _id_text(text: str | None, number: int | None) -> str | None:
    return text or (None if number is None else str(number))


def _text(status: _Status) -> str | None:
    extended = status.extended_tweet
    return status.full_text or (extended.full_text if extended else None) or status.text


def _tweet(status: _Status) -> payload.Tweet:
    """Return a v1.1 status in the common shape. Views, bookmarks and the conversation have no source in it."""
    extended = status.extended_tweet if status.extended_tweet and status.extended_tweet.full_text else None
    return payload.Tweet(
        id=_id_text(status.id_str, status.id) or "",
        text=_text(status) or "",
        source=_LINK_TEXT.sub("", status.source) if status.source else None,
        retweet_count=status.retweet_count,
        reply_count=status.reply_count,
        like_count=status.favorite_count,
        quote_count=status.quote_count,
        created_at=status.created_at,
        lang=status.lang,
        in_reply_to_id=_id_text(status.in_reply_to_status_id_str, status.in_reply_to_status_id),
        in_reply_to_user_id=_id_text(status.in_reply_to_user_id_str, status.in_reply_to_user_id),
        in_reply_to_username=status.in_reply_to_screen_name,
        author=_user(status.user) if status.user else None,
        entities=(extended.entities if extended else None) or status.entities,
        extended_entities=(extended.extended_entities if extended else None) or status.extended_entities,
        quote_id=_id_text(status.quoted_status_id_str, status.quoted_status_id),
        quoted_tweet=_tweet(status.quoted_status) if status.quoted_status else None,
        retweeted_tweet=_tweet(status.retweeted_status) if status.retweeted_status else None,
        edit_history_tweet_ids=status.edit_history.edit_tweet_ids if status.edit_history else None,
    )


def _user(user: _User) -> payload.User:
    return payload.User(
        id=_id_text(user.id_str, user.id) or "",
        user_name=user.screen_name,
        name=user.name,
        url=f"https://x.com/{user.screen_name}" if user.screen_name else None,
        profile_picture=user.profile_image_url_https,
        cover_picture=user.profile_banner_url,
        description=user.description,
        location=user.location,
        is_verified=user.verified,
        is_protected=user.protected,
        followers=user.followers_count,
        following=user.friends_count,
        statuses_count=user.statuses_count,
        favourites_count=user.favourites_count,
        created_at=user.created_at,
    )
