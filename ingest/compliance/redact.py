"""The block list, and bodies without what it names.

Belongs here: telling by keyed hash what was erased, and rewriting a delivery of any source without it.
Does not belong here: the database, what the fields of a tweet mean elsewhere.

An item whose author was erased, or that retweets an erased author's tweet, becomes ``ERASED_ITEM``: the positions of
the other items stay, and so does the account of the delivery. Of what others wrote only the mention goes: the handle
is replaced by a pseudonym of the same length, so that the positions of the other entities stay true. The pseudonym
begins with a sign that no handle may have.
"""

from __future__ import annotations

import json
import re
from base64 import b32encode
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from typing import Any

from ingest.normalise.records import Item

ERASED_ITEM = b'{"erased":true}'

USER, TWEET, HANDLE = "user", "tweet", "handle"

MAX_REMEMBERED = 500_000
"""Answers that are remembered, since the same accounts come again and again."""

_ERASED = json.loads(ERASED_ITEM)
_GONE = object()
_ID_KEY = re.compile(r"(?:^|_)ids?(?:_str)?$|Ids?$")
_HANDLE_KEYS = frozenset({"screen_name", "username", "userName", "in_reply_to_screen_name", "inReplyToUsername"})
_RETWEETS = ("retweeted_status", "retweeted_tweet")
_MENTION = re.compile(r"(?P<before>[@\uff20]|(?:twitter|x)\.com/)(?P<handle>[A-Za-z0-9_]{1,15})(?![A-Za-z0-9_])")


class BlockList:
    """What was erased, by keyed hash. Empty lists answer without hashing anything."""

    def __init__(self, secret: bytes, hashes: Iterable[tuple[str, bytes]]) -> None:
        self._secret = secret
        self._hashes = frozenset((kind, bytes(key_hash)) for kind, key_hash in hashes)
        self._answers: dict[tuple[str, str], bool] = {}

    def __bool__(self) -> bool:
        return bool(self._hashes)

    def hash_of(self, kind: str, value: str) -> bytes:
        """Return the keyed hash that stands for an id or a handle (in any case of its letters)."""
        return blake2b(value.lower().encode(), digest_size=16, key=self._secret, person=kind.encode()).digest()

    def has(self, kind: str, value: object) -> bool:
        """Tell whether an id or a handle was erased."""
        if value is None or not self._hashes:
            return False
        question = (kind, str(value).lower())
        answer = self._answers.get(question)
        if answer is None:
            if len(self._answers) >= MAX_REMEMBERED:
                self._answers.clear()
            answer = self._answers[question] = (kind, self.hash_of(*question)) in self._hashes
        return answer

    def pseudonym(self, handle: str) -> str:
        """Return what stands for a handle: always the same for the same one, as long as it, and never a handle."""
        letters = b32encode(self.hash_of("pseudonym", handle)).decode().lower()
        return f"~{letters}"[: len(handle)]

    def without_mentions(self, text: str) -> str:
        """Return a text with the pseudonyms of those whom it mentions or links to, the same length as before."""

        def replaced(found: re.Match[str]) -> str:
            handle = found["handle"]
            return found["before"] + (self.pseudonym(handle) if self.has(HANDLE, handle) else handle)

        return _MENTION.sub(replaced, text)

    def concerns(self, item: Item) -> bool:
        """Tell whether anything that an item holds was erased. What cannot be read may be, too."""
        if item.rejections:
            return True
        if item.event is not None and (self.has(USER, item.event.user_id) or self.has(TWEET, item.event.tweet_id)):
            return True
        return any(self.has(USER, profile.twitter_user_id) for profile in item.profiles) or any(
            self.has(kind, value) for kind, value in _named(item)
        )

    def redact(self, body: bytes) -> bytes | None:
        """Return a body without what was erased, in the same shape; ``None`` where there is nothing to take out."""
        try:
            value = json.loads(body)
        except (ValueError, RecursionError):
            return self._redact_lines(body)
        redacted = self._body(value)
        return None if redacted == value else _encoded(redacted)

    def _redact_lines(self, body: bytes) -> bytes | None:
        lines = body.split(b"\n")
        redacted = [self._line(line) for line in lines]
        return None if redacted == lines else b"\n".join(redacted)

    def _line(self, line: bytes) -> bytes:
        if not line.strip():
            return line
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            # It cannot be told what belongs to whom: a broken line goes if it names anything that was erased.
            return ERASED_ITEM if self._is_named_in(line.decode(errors="replace")) else line
        redacted = self._body(value)
        return line if redacted == value else _encoded(redacted)

    def _body(self, value: Any) -> Any:
        """Redact an envelope, or an item that stands for itself."""
        if not isinstance(value, dict):
            return self._scrubbed_item(value)
        items = next((name for name in ("tweets", "data") if name in value and not _is_tweet(value)), None)
        if items is None:
            return self._scrubbed_item(value)
        hidden = self._hidden_tweets(value.get("includes"))
        inside = value[items]
        several = isinstance(inside, list)
        kept = [self._scrubbed_item(item, hidden) for item in (inside if several else [inside])]
        others = self._scrub({name: other for name, other in value.items() if name != items}, set())
        others = {} if others is _GONE else others
        # The fields keep their order.
        return {name: (kept if several else kept[0]) if name == items else others.get(name) for name in value}

    def _hidden_tweets(self, includes: Any) -> set[str]:
        """Return the ids of the tweets beside the delivered ones whose authors were erased (X API v2)."""
        found = includes.get("tweets") if isinstance(includes, dict) else None
        return {
            str(tweet.get("id"))
            for tweet in (found if isinstance(found, list) else ())
            if isinstance(tweet, dict) and self._is_owned(tweet)
        }

    def _scrubbed_item(self, item: Any, hidden: set[str] | None = None) -> Any:
        if isinstance(item, dict):
            for reference in item.get("referenced_tweets") or item.get("referenced_posts") or ():
                if isinstance(reference, dict) and reference.get("type") in ("retweeted", "reposted"):
                    target = str(reference.get("id"))
                    if target in (hidden or ()) or self.has(TWEET, target):
                        return _ERASED
        scrubbed = self._scrub(item, hidden or set())
        return _ERASED if scrubbed is _GONE else scrubbed

    def _scrub(self, value: Any, hidden: set[str], key: str = "") -> Any:
        if isinstance(value, dict):
            return self._scrub_object(value, hidden)
        if isinstance(value, list):
            found = (self._scrub(each, hidden, key) for each in value)
            return [each for each in found if each is not _GONE]
        if _ID_KEY.search(key) and isinstance(value, str | int) and not isinstance(value, bool):
            is_erased = self.has(USER, value) or self.has(TWEET, value) or str(value) in hidden
            return None if is_erased else value
        if isinstance(value, str):
            if key in _HANDLE_KEYS and self.has(HANDLE, value):
                return self.pseudonym(value)
            return self.without_mentions(value)
        return value

    def _scrub_object(self, value: Mapping[str, Any], hidden: set[str]) -> Any:
        if self._is_owned(value):
            return _GONE
        if _is_mention(value) and self._is_about(value):
            value = {**value, "name": None} if "name" in value else value
        result = {}
        for key, inside in value.items():
            scrubbed = self._scrub(inside, hidden, key)
            if scrubbed is _GONE:
                if key in _RETWEETS:
                    return _GONE
                if key in ("delete", "status", "tweet", "user") and len(value) <= 3:
                    # A notice about what was erased is gone with it.
                    return _GONE
                scrubbed = None
            result[key] = scrubbed
        return result

    def _is_owned(self, value: Mapping[str, Any]) -> bool:
        """Tell whether an object is an erased account, its tweet, or a tweet that was erased itself."""
        if _is_mention(value):
            return False
        own = value.get("id_str") or value.get("id")
        if _is_tweet(value):
            author = value.get("author") or value.get("user")
            of = (author.get("id_str") or author.get("id")) if isinstance(author, dict) else value.get("author_id")
            return self.has(TWEET, own) or self.has(USER, of)
        return self.has(USER, own) or self.has(TWEET, own) or self.has(USER, value.get("user_id"))

    def _is_about(self, value: Mapping[str, Any]) -> bool:
        handle = value.get("screen_name") or value.get("username")
        return self.has(USER, value.get("id_str") or value.get("id")) or self.has(HANDLE, handle)

    def _is_named_in(self, text: str) -> bool:
        return any(self.has(HANDLE, found["handle"]) for found in _MENTION.finditer(text)) or any(
            self.has(USER, number) or self.has(TWEET, number) for number in set(re.findall(r"\d{1,19}", text))
        )


def _named(item: Item) -> Iterator[tuple[str, object]]:
    """Yield the accounts, tweets and handles that an item's tweets name."""
    for sighting in item.sightings:
        tweet = sighting.tweet
        yield from ((USER, tweet.author_profile_id), (USER, tweet.in_reply_to_user_id))
        yield from ((TWEET, tweet.tweet_id), (TWEET, tweet.in_reply_to_tweet_id), (TWEET, tweet.conversation_id))
        yield from ((TWEET, tweet.quoted_tweet_id), (TWEET, tweet.retweeted_tweet_id))
        yield HANDLE, tweet.in_reply_to_username
        for entity in tweet.entities:
            if entity.entity_type == "mention":
                yield from ((USER, entity.mentioned_user_id), (HANDLE, entity.entity_value))
        for found in _MENTION.finditer(tweet.text):
            yield HANDLE, found["handle"]


def _is_tweet(value: Mapping[str, Any]) -> bool:
    return "text" in value or "full_text" in value


def _is_mention(value: Mapping[str, Any]) -> bool:
    return "indices" in value or ("start" in value and "end" in value)


def _encoded(value: Any) -> bytes:
    # Lone surrogates are kept as the escapes that they came as.
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()
