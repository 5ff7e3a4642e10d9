"""What a provider can be asked, and what it can answer.

Belongs here: the contract of the clients, its answers and its two ways of not answering.
Does not belong here: any provider's format, HTTP, the database.

*Absent*, *unavailable* and *the provider failed* are three different things. The first two are answers about a tweet
or an account; the third says nothing about either, so it is an exception and can never be mistaken for an answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from ingest.normalise import payload

MOST_IDS = 100
"""Ids in one look-up, at both providers."""


class ProviderFailed(RuntimeError):  # noqa: N818 -- the name says what happened
    """The provider did not answer, or its answer cannot be believed. It says nothing about what was asked for.

    ``is_retryable``: the same call may succeed later. ``may_be_billed``: the provider may have charged for it, so
    that it was not simply repeated. ``retry_after_seconds``: what the provider asked for, if anything.
    """

    def __init__(
        self,
        source: str,
        detail: str,
        *,
        is_retryable: bool,
        may_be_billed: bool,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(f"{source}: {detail}")
        self.source = source
        self.detail = detail
        self.is_retryable = is_retryable
        self.may_be_billed = may_be_billed
        self.retry_after_seconds = retry_after_seconds


class RuleRefused(RuntimeError):  # noqa: N818 -- the name says what happened
    """The provider answered, and does not take a rule: its query, tag or interval must be changed."""


@dataclass(frozen=True)
class FoundTweet:
    """A tweet as it is now. ``raw`` is the provider's object, byte for byte as far as it can be cut out."""

    tweet: payload.Tweet
    raw: bytes


@dataclass(frozen=True)
class FoundUser:
    """An account as it is now."""

    user: payload.User
    raw: bytes


@dataclass(frozen=True)
class Absent:
    """The provider answered without it. Once is no proof of a deletion."""


@dataclass(frozen=True)
class Unavailable:
    """The provider says that it exists or existed and is not shown: ``suspended``, ``protected`` and the like."""

    reason: str


TweetAnswer = FoundTweet | Absent | Unavailable
UserAnswer = FoundUser | Absent | Unavailable


@dataclass(frozen=True)
class TweetAnswers:
    """One answer for each id that was asked for, when they were true, and what they cost in credits."""

    answers: Mapping[int, TweetAnswer]
    observed_ms: int
    credits: int


@dataclass(frozen=True)
class UserAnswers:
    """One answer for each id that was asked for, when they were true, and what they cost in credits."""

    answers: Mapping[int, UserAnswer]
    observed_ms: int
    credits: int


@dataclass(frozen=True)
class SearchPage:
    """One page of a search, newest tweets first, byte for byte; ``next_cursor`` is ``None`` on the last one."""

    tweets: tuple[bytes, ...]
    next_cursor: str | None
    observed_ms: int
    credits: int


@dataclass(frozen=True)
class ProviderRule:
    """A rule as the provider keeps it. ``is_active`` is ``None`` where the provider does not say."""

    rule_id: str
    tag: str
    query: str
    interval_seconds: float | None
    is_active: bool | None


@dataclass(frozen=True)
class Prices:
    """What calls cost, in the provider's own unit ("credits")."""

    tweet: int
    user: int
    least: int

    def of_tweets(self, count: int) -> int:
        """Return the price of a call that shows ``count`` tweets."""
        return max(self.least, self.tweet * count)

    def of_users(self, count: int) -> int:
        """Return the price of a call that shows ``count`` accounts."""
        return max(self.least, self.user * count)


class Provider(Protocol):
    """A provider's client. Methods block, and may be called from several threads at once.

    Every method raises ``ProviderFailed`` where there is no answer. Look-ups and searches are never repeated after
    the provider may have billed them.
    """

    source: str
    prices: Prices
    concurrency: int
    """How many calls at once make sense."""

    def tweets_by_ids(self, tweet_ids: Sequence[int]) -> TweetAnswers:
        """Look up to ``MOST_IDS`` tweets up."""
        ...

    def users_by_ids(self, user_ids: Sequence[int]) -> UserAnswers:
        """Look up to ``MOST_IDS`` accounts up."""
        ...

    page_size: int
    """The most tweets that a page of a search shows."""

    def search(
        self, query: str, cursor: str | None = None, *, since: datetime | None = None, until: datetime | None = None
    ) -> SearchPage:
        """Return a page of the tweets that match a query, newest first; of a span of time, to the whole second."""
        ...

    def rules(self) -> tuple[ProviderRule, ...]:
        """Return every rule, active or not."""
        ...

    def add_rule(self, tag: str, query: str, interval_seconds: float) -> ProviderRule:
        """Make a rule and return it as the provider keeps it: active or not, as is its custom.

        Raises ``RuleRefused``.
        """
        ...

    def change_rule(self, rule: ProviderRule) -> ProviderRule:
        """Give the rule of this id the other fields' values; return it, with another id where that is the custom.

        Must not be called for a rule that is so already. Raises ``RuleRefused``.
        """
        ...

    def delete_rule(self, rule_id: str) -> None:
        """Remove a rule. Raises ``RuleRefused`` where there is none."""
        ...


def search_pages(
    provider: Provider,
    query: str,
    *,
    most_pages: int,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Iterator[SearchPage]:
    """Yield the pages of a search until the end, or ``most_pages``.

    The provider has been seen to promise a next page that is empty, to promise one without a cursor, and to lead in
    a circle: a cursor that was used ends the walk.
    """
    cursor: str | None = None
    used: set[str | None] = set()
    for _ in range(most_pages):
        used.add(cursor)
        page = provider.search(query, cursor, since=since, until=until)
        yield page
        cursor = page.next_cursor
        if cursor is None or cursor in used:
            return
