"""The client of twitterapi.io.

Belongs here: its addresses, its parameters, its answers.
Does not belong here: what a tweet's fields mean (``ingest.normalise.mapping``), HTTP in general (``transport``).

Sources: the provider's documentation and live observations. An id that does not exist is simply missing from the
answer; errors also come with HTTP 200 and ``{"status": "error"}``; rules are made inactive, and changing one needs
all of its fields, of which ``is_effect`` is 0 where it is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import httpx
import msgspec
from msgspec import Raw, Struct

from ingest.normalise import lenient, payload
from ingest.provider.protocol import (
    MOST_IDS,
    Absent,
    FoundTweet,
    FoundUser,
    Prices,
    ProviderFailed,
    ProviderRule,
    RuleRefused,
    SearchPage,
    TweetAnswer,
    TweetAnswers,
    Unavailable,
    UserAnswer,
    UserAnswers,
)
from ingest.provider.transport import Transport

PRICES = Prices(tweet=15, user=18, least=15)
"""Credits; 100,000 are one US dollar. An account costs 10 where 100 or more are asked for at once."""

USER_PRICE_IN_BULK = 10


class _Answer(Struct):
    status: str | None = None
    msg: str | None = None
    message: str | None = None
    tweets: list[Raw] | None = None
    users: list[Raw] | None = None
    rules: list[dict[str, Any]] | None = None
    rule_id: str | None = None
    has_next_page: bool | None = None
    next_cursor: str | None = None


class _ShownUser(Struct):
    """What an account's object says beside the account itself."""

    id: str | int | None = None
    unavailable: bool | None = None
    unavailableReason: str | None = None  # noqa: N815 -- the provider's spelling
    message: str | None = None


class TwitterApiIoClient:
    """The look-up side of twitterapi.io."""

    source = "twitterapi_io"
    prices = PRICES
    concurrency = 4
    page_size = 20

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._decode = msgspec.json.Decoder(_Answer).decode
        self._decode_tweet = msgspec.json.Decoder(payload.Tweet).decode
        self._decode_user = msgspec.json.Decoder(payload.User).decode
        self._decode_shown = msgspec.json.Decoder(_ShownUser).decode

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def tweets_by_ids(self, tweet_ids: Sequence[int]) -> TweetAnswers:
        """Look tweets up. What is missing from a successful answer is absent."""
        asked = _checked(tweet_ids)
        answer = self._get("/twitter/tweets", {"tweet_ids": ",".join(map(str, asked))})
        if answer.tweets is None:
            raise self._unreadable("the answer has no list of tweets")
        found = [self._tweet(bytes(raw)) for raw in answer.tweets]
        answers: dict[int, TweetAnswer] = dict.fromkeys(asked, Absent())
        answers.update({int(tweet.tweet.id): tweet for tweet in found if int(tweet.tweet.id) in answers})
        return TweetAnswers(answers, self._transport.now_ms(), PRICES.of_tweets(len(found)))

    def users_by_ids(self, user_ids: Sequence[int]) -> UserAnswers:
        """Look accounts up. Suspended and otherwise unavailable ones are marked as such in the answer."""
        asked = _checked(user_ids)
        answer = self._get("/twitter/user/batch_info_by_ids", {"userIds": ",".join(map(str, asked))})
        if answer.users is None:
            raise self._unreadable("the answer has no list of users")
        answers: dict[int, UserAnswer] = dict.fromkeys(asked, Absent())
        for raw in answer.users:
            user_id, found = self._user(bytes(raw))
            if user_id in answers:
                answers[user_id] = found
        price = USER_PRICE_IN_BULK if len(asked) >= MOST_IDS else PRICES.user
        return UserAnswers(answers, self._transport.now_ms(), max(PRICES.least, price * len(answer.users)))

    def search(
        self, query: str, cursor: str | None = None, *, since: datetime | None = None, until: datetime | None = None
    ) -> SearchPage:
        """Return a page of the newest matching tweets."""
        if since is not None or until is not None:
            bounds = (("since_time", since), ("until_time", until))
            told = [f"{name}:{int(moment.timestamp())}" for name, moment in bounds if moment is not None]
            query = f"({query}) {' '.join(told)}"
        parameters = {"query": query, "queryType": "Latest", "cursor": cursor or ""}
        answer = self._get("/twitter/tweet/advanced_search", parameters)
        if answer.tweets is None:
            raise self._unreadable("the answer has no list of tweets")
        return SearchPage(
            tweets=tuple(bytes(raw) for raw in answer.tweets),
            next_cursor=answer.next_cursor or None if answer.has_next_page else None,
            observed_ms=self._transport.now_ms(),
            credits=PRICES.of_tweets(len(answer.tweets)),
        )

    def rules(self) -> tuple[ProviderRule, ...]:
        """Return every rule that was not deleted."""
        answer = self._answer(self._transport.send("GET", "/oapi/tweet_filter/get_rules", is_repeatable=True))
        if answer.rules is None:
            raise self._unreadable("the answer has no list of rules")
        return tuple(_rule(rule) for rule in answer.rules if not rule.get("is_delete"))

    def add_rule(self, tag: str, query: str, interval_seconds: float) -> ProviderRule:
        """Make a rule; it is inactive."""
        body = {"tag": tag, "value": query, "interval_seconds": interval_seconds}
        answer = self._change("POST", "/oapi/tweet_filter/add_rule", body)
        if not answer.rule_id:
            raise self._unreadable("the answer does not say which id the new rule has")
        return ProviderRule(answer.rule_id, tag, query, interval_seconds, is_active=False)

    def change_rule(self, rule: ProviderRule) -> ProviderRule:
        """Send every field, since one that is left out is not left alone."""
        body = {
            "rule_id": rule.rule_id,
            "tag": rule.tag,
            "value": rule.query,
            "interval_seconds": rule.interval_seconds,
            "is_effect": int(bool(rule.is_active)),
        }
        self._change("POST", "/oapi/tweet_filter/update_rule", body)
        return rule

    def delete_rule(self, rule_id: str) -> None:
        """Remove a rule."""
        self._change("DELETE", "/oapi/tweet_filter/delete_rule", {"rule_id": rule_id})

    def _get(self, path: str, parameters: Mapping[str, str]) -> _Answer:
        return self._answer(self._transport.send("GET", path, params=parameters))

    def _answer(self, response: httpx.Response) -> _Answer:
        """Return a successful answer; the provider also says "error" with HTTP 200."""
        answer = self._read(response)
        if answer.status == "error":
            raise ProviderFailed(self.source, _said(answer), is_retryable=True, may_be_billed=False)
        return answer

    def _change(self, method: str, path: str, body: Mapping[str, object]) -> _Answer:
        """Change a rule. An "error" with HTTP 200, or a 4xx about the fields, is a refusal of this rule."""
        try:
            answer = self._read(self._transport.send(method, path, body=body))
        except ProviderFailed as failed:
            if any(f"HTTP {status}," in failed.detail for status in (400, 422)):
                raise RuleRefused(failed.detail) from None
            raise
        if answer.status == "error":
            raise RuleRefused(_said(answer))
        return answer

    def _read(self, response: httpx.Response) -> _Answer:
        try:
            return self._decode(response.content)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            pass
        try:
            answer = lenient.bend(lenient.parse(response.content), _Answer)
        except (lenient.Unreadable, KeyError) as error:
            raise self._unreadable(str(error)) from None
        if answer is None:
            raise self._unreadable("the answer is no JSON object")
        return answer

    def _tweet(self, raw: bytes) -> FoundTweet:
        """Return a tweet of an answer. One whose id cannot be read spoils the answer: it would count as absent."""
        tweet: payload.Tweet | None = None
        try:
            if b"\\u0000" not in raw:
                tweet = self._decode_tweet(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            tweet = None
        if tweet is None:
            value = self._lenient(raw)
            tweet = lenient.bend({"text": "", **value} if isinstance(value, dict) else value, payload.Tweet)
        if tweet is None or not tweet.id.isdecimal():
            raise self._unreadable("the answer holds a tweet without a readable id")
        return FoundTweet(tweet, raw)

    def _user(self, raw: bytes) -> tuple[int, UserAnswer]:
        shown = self._shown(raw)
        user_id = str(shown.id)
        if not user_id.isdecimal():
            raise self._unreadable("the answer holds an account without a readable id")
        if shown.unavailable:
            return int(user_id), Unavailable(_unavailable_reason(shown))
        try:
            return int(user_id), FoundUser(self._decode_user(raw), raw)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            user = lenient.bend(self._lenient(raw), payload.User)
        if user is None:
            raise self._unreadable("the answer holds an account that cannot be read")
        return int(user_id), FoundUser(user, raw)

    def _shown(self, raw: bytes) -> _ShownUser:
        try:
            return self._decode_shown(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            value = self._lenient(raw)
        if not isinstance(value, dict):
            raise self._unreadable("the answer holds an account that is no JSON object")
        return _ShownUser(
            id=value.get("id"),
            unavailable=value.get("unavailable") in (True, 1, "true"),
            unavailableReason=str(value.get("unavailableReason") or ""),
            message=str(value.get("message") or ""),
        )

    def _lenient(self, raw: bytes) -> Any:
        try:
            return lenient.parse_clean(raw)[0]
        except lenient.Unreadable as error:
            raise self._unreadable(str(error)) from None

    def _unreadable(self, what: str) -> ProviderFailed:
        detail = f"an answer that cannot be read ({what})"
        return ProviderFailed(self.source, detail, is_retryable=True, may_be_billed=True)


def _checked(ids: Sequence[int]) -> list[int]:
    if not 0 < len(ids) <= MOST_IDS:
        raise ValueError(f"a look-up takes 1 to {MOST_IDS} ids, not {len(ids)}")
    return list(dict.fromkeys(ids))


def _said(answer: _Answer) -> str:
    return f"the provider says {(answer.msg or answer.message or 'error')[:200]!r}"


def _unavailable_reason(shown: _ShownUser) -> str:
    """Return ``suspended`` or another single word; the provider says it in one of two fields, or in neither."""
    told = f"{shown.unavailableReason or ''} {shown.message or ''}".lower()
    return "suspended" if "suspend" in told else "unavailable"


def _rule(rule: dict[str, Any]) -> ProviderRule:
    interval = rule.get("interval_seconds")
    is_effect = rule.get("is_effect")
    return ProviderRule(
        rule_id=str(rule.get("rule_id")),
        tag=str(rule.get("tag") or ""),
        query=str(rule.get("value") or ""),
        interval_seconds=float(interval) if isinstance(interval, int | float | str) and interval != "" else None,
        is_active=None if is_effect is None else bool(int(is_effect)),
    )
