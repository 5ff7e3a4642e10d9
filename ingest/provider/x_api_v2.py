"""The client of X's API v2: look-ups, rules, recent search.

Belongs here: its addresses, its parameters, its answers.
Does not belong here: what a tweet looks like and the webhook's deliveries (``ingest.normalise.dialects``), HTTP in
general (``transport``).

Source: X's API documentation (OpenAPI 2.167). Fields that were renamed are read under both names. A look-up answers
200 with ``data`` for what is shown and ``errors`` for what is not, each with a type; what is in neither is unknown,
which makes the answer unreadable rather than the tweet absent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import httpx
import msgspec

from ingest.normalise import lenient, payload
from ingest.normalise.dialects.x_api_v2 import Post, Shown, User, tweet_of, user_of
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

PRICES = Prices(tweet=1, user=1, least=0)
"""X bills by the resource shown: the unit of its budget is one post or one account read."""

TWEET_FIELDS = (
    "id,text,author_id,created_at,lang,conversation_id,in_reply_to_user_id,public_metrics,referenced_tweets,"
    "entities,attachments,source,note_tweet,withheld"
)
USER_FIELDS = (
    "id,username,name,created_at,description,location,profile_image_url,profile_banner_url,protected,verified,"
    "verified_type,public_metrics,url,withheld"
)

_NOT_FOUND = "resource-not-found"


class XApiV2Client:
    """The look-up side of X's API v2. Its rules are active from the start and cannot be changed, only replaced."""

    source = "x_api_v2"
    prices = PRICES
    concurrency = 2
    page_size = MOST_IDS

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def tweets_by_ids(self, tweet_ids: Sequence[int]) -> TweetAnswers:
        """Look tweets up, with their authors."""
        asked = _checked(tweet_ids)
        parameters = {
            "ids": ",".join(map(str, asked)),
            "tweet.fields": TWEET_FIELDS,
            "user.fields": USER_FIELDS,
            "expansions": "author_id",
        }
        body = self._get("/2/tweets", parameters)
        authors = _authors(body)
        answers: dict[int, TweetAnswer] = {}
        for shown in _objects(body, "data"):
            tweet = _tweet(shown, authors)
            if tweet is None:
                raise self._unreadable("a tweet without a readable id")
            answers[int(tweet.id)] = FoundTweet(tweet, msgspec.json.encode(shown))
        found = len(answers)
        for tweet_id, told in _errors(body, "tweet").items():
            answers.setdefault(tweet_id, told)
        complete: dict[int, TweetAnswer] = self._complete(asked, answers)
        return TweetAnswers(complete, self._transport.now_ms(), PRICES.of_tweets(found))

    def users_by_ids(self, user_ids: Sequence[int]) -> UserAnswers:
        """Look accounts up."""
        asked = _checked(user_ids)
        body = self._get("/2/users", {"ids": ",".join(map(str, asked)), "user.fields": USER_FIELDS})
        answers: dict[int, UserAnswer] = {}
        for shown in _objects(body, "data"):
            user = _user(shown)
            if user is None:
                raise self._unreadable("an account without a readable id")
            answers[int(user.id)] = FoundUser(user, msgspec.json.encode(shown))
        found = len(answers)
        for user_id, told in _errors(body, "user").items():
            answers.setdefault(user_id, told)
        complete: dict[int, UserAnswer] = self._complete(asked, answers)
        return UserAnswers(complete, self._transport.now_ms(), PRICES.of_users(found))

    def search(
        self, query: str, cursor: str | None = None, *, since: datetime | None = None, until: datetime | None = None
    ) -> SearchPage:
        """Return a page of the last seven days' matching tweets, each an envelope of its own with its author."""
        parameters = {
            "query": query,
            "max_results": str(MOST_IDS),
            "tweet.fields": TWEET_FIELDS,
            "user.fields": USER_FIELDS,
            "expansions": "author_id,referenced_tweets.id,referenced_tweets.id.author_id",
        }
        bounds = (("start_time", since), ("end_time", until))
        parameters |= {name: f"{moment:%Y-%m-%dT%H:%M:%SZ}" for name, moment in bounds if moment is not None}
        body = self._get("/2/tweets/search/recent", parameters | ({"next_token": cursor} if cursor else {}))
        shown = _objects(body, "data")
        includes = body.get("includes")
        envelopes = tuple(msgspec.json.encode({"data": tweet, "includes": includes or {}}) for tweet in shown)
        meta = body.get("meta")
        token = meta.get("next_token") if isinstance(meta, dict) else None
        return SearchPage(
            tweets=envelopes,
            next_cursor=str(token) if token else None,
            observed_ms=self._transport.now_ms(),
            credits=PRICES.of_tweets(len(envelopes)),
        )

    def rules(self) -> tuple[ProviderRule, ...]:
        """Return the rules of the filtered stream. All are active, and none has an interval."""
        body = self._body(self._transport.send("GET", "/2/tweets/search/stream/rules", is_repeatable=True))
        return tuple(_rule(rule) for rule in _objects(body, "data"))

    def add_rule(self, tag: str, query: str, interval_seconds: float) -> ProviderRule:  # noqa: ARG002 -- not offered
        """Make a rule; it delivers at once, so the interval means nothing here."""
        body = self._change({"add": [{"value": query, "tag": tag}]})
        created = _objects(body, "data")
        if not created:
            raise RuleRefused(_problems(body))
        return _rule(created[0])

    def change_rule(self, rule: ProviderRule) -> ProviderRule:
        """Replace a rule, or remove it where it is to be inactive. The new one is made before the old one goes."""
        if not rule.is_active:
            self.delete_rule(rule.rule_id)
            return rule
        made = self.add_rule(rule.tag, rule.query, rule.interval_seconds or 0.0)
        self.delete_rule(rule.rule_id)
        return made

    def delete_rule(self, rule_id: str) -> None:
        """Remove a rule."""
        body = self._change({"delete": {"ids": [rule_id]}})
        if _objects(body, "errors"):
            raise RuleRefused(_problems(body))

    def _get(self, path: str, parameters: Mapping[str, str]) -> dict[str, Any]:
        return self._body(self._transport.send("GET", path, params=parameters))

    def _change(self, change: dict[str, Any]) -> dict[str, Any]:
        try:
            return self._body(self._transport.send("POST", "/2/tweets/search/stream/rules", body=change))
        except ProviderFailed as failed:
            if "HTTP 400," in failed.detail or "HTTP 422," in failed.detail:
                raise RuleRefused(failed.detail) from None
            raise

    def _body(self, response: httpx.Response) -> dict[str, Any]:
        try:
            value, _ = lenient.parse_clean(response.content)
        except lenient.Unreadable as error:
            raise self._unreadable(str(error)) from None
        if not isinstance(value, dict):
            raise self._unreadable("no JSON object")
        return value

    def _complete(self, asked: Sequence[int], answers: Mapping[int, Any]) -> dict[int, Any]:
        """Return the answers to what was asked; none may be missing, since X names what it does not show."""
        missing = [number for number in asked if number not in answers]
        if missing:
            raise self._unreadable(f"{len(missing)} of {len(asked)} ids are neither in data nor in errors")
        return {number: answers[number] for number in asked}

    def _unreadable(self, what: str) -> ProviderFailed:
        detail = f"an answer that cannot be read ({what})"
        return ProviderFailed(self.source, detail, is_retryable=True, may_be_billed=True)


def _checked(ids: Sequence[int]) -> list[int]:
    if not 0 < len(ids) <= MOST_IDS:
        raise ValueError(f"a look-up takes 1 to {MOST_IDS} ids, not {len(ids)}")
    return list(dict.fromkeys(ids))


def _objects(body: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    value = body.get(name)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _errors(body: Mapping[str, Any], resource: str) -> dict[int, Absent | Unavailable]:
    """Return what the answer says of each id that it does not show. Errors about embedded resources are left out."""
    told: dict[int, Absent | Unavailable] = {}
    for error in _objects(body, "errors"):
        number = str(error.get("resource_id") or error.get("value") or "")
        if error.get("resource_type", resource) == resource and number.isdecimal():
            told[int(number)] = _told(error)
    return told


def _told(error: Mapping[str, Any]) -> Absent | Unavailable:
    """Read one error. A suspended author's tweet has the type of one that was not found; only its detail tells."""
    words = f"{error.get('title', '')} {error.get('detail', '')}".lower()
    kind = str(error.get("type") or "").rpartition("/")[2]
    if "suspended" in words:
        return Unavailable("suspended")
    if kind == _NOT_FOUND:
        return Absent()
    if kind == "not-authorized-for-resource":
        return Unavailable("protected")
    return Unavailable(kind or "unavailable")


def _authors(body: Mapping[str, Any]) -> Shown:
    includes = body.get("includes")
    users = _objects(includes, "users") if isinstance(includes, dict) else []
    bent = (lenient.bend(user, User) for user in users)
    return Shown((user for user in bent if user is not None), ())


def _tweet(shown: Mapping[str, Any], authors: Shown) -> payload.Tweet | None:
    """Return a tweet in the shape that is read: its counters, its author and what it refers to."""
    post = lenient.bend({"text": "", **shown}, Post)
    return tweet_of(post, authors) if post is not None and post.id.isdecimal() else None


def _user(shown: Mapping[str, Any]) -> payload.User | None:
    user = lenient.bend(shown, User)
    return user_of(user) if user is not None and user.id.isdecimal() else None


def _rule(rule: Mapping[str, Any]) -> ProviderRule:
    return ProviderRule(
        rule_id=str(rule.get("id")),
        tag=str(rule.get("tag") or ""),
        query=str(rule.get("value") or ""),
        interval_seconds=None,
        is_active=True,
    )


def _problems(body: Mapping[str, Any]) -> str:
    told = [f"{error.get('title', '')}: {error.get('detail', '')}".strip(": ") for error in _objects(body, "errors")]
    return "; ".join(told)[:300] or "X made no rule and does not say why"
