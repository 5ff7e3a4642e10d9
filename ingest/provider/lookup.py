"""Looking many ids up: in calls of a hundred, several at once, paid for, and with an eye on answers that lie.

Belongs here: cutting ids into calls, putting the answers together, doubting an answer that is too empty.
Does not belong here: which ids to ask for, writing what was answered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, TypeVar

from ingest.provider.budget import Budget
from ingest.provider.protocol import (
    MOST_IDS,
    Absent,
    Provider,
    ProviderFailed,
    TweetAnswer,
    TweetAnswers,
    Unavailable,
    UserAnswer,
    UserAnswers,
)

Answer = TypeVar("Answer", TweetAnswer, UserAnswer)

CREDIBLE_SHARE = 0.5
"""Of the ids that were there last time, at least this share is still there. Of real tweets a few in a hundred go
within a week; an answer without half of them is a sign of trouble at the provider, not among its users."""


@dataclass
class Answers(Generic[Answer]):
    """What several calls answered, each id with the time that its answer was true at.

    ``failure`` is the first call's that failed, if one did: the ids of such calls are missing from ``by_id``.
    ``reserved`` and ``credits``: what was paid for beforehand, and what it cost as far as is known.
    """

    by_id: dict[int, tuple[Answer, int]] = field(default_factory=dict)
    failure: ProviderFailed | None = None
    calls: int = 0
    reserved: int = 0
    credits: int = 0

    def missing(self) -> dict[int, str]:
        """Return what is not shown, with the reason that the provider gives, or ``absent``."""
        reasons = {}
        for number, (answer, _) in self.by_id.items():
            if isinstance(answer, Absent):
                reasons[number] = "absent"
            elif isinstance(answer, Unavailable):
                reasons[number] = answer.reason
        return reasons

    def forget(self, numbers: Sequence[int]) -> None:
        """Leave answers out that are not believed."""
        for number in numbers:
            self.by_id.pop(number, None)


def look_tweets_up(provider: Provider, budget: Budget, tweet_ids: Sequence[int], now: datetime) -> Answers[TweetAnswer]:
    """Ask for any number of tweets. Raises ``BudgetExhausted``, and then nothing was asked."""
    return _ask(provider.tweets_by_ids, provider.prices.of_tweets, provider, budget, tweet_ids, now)


def look_users_up(provider: Provider, budget: Budget, user_ids: Sequence[int], now: datetime) -> Answers[UserAnswer]:
    """Ask for any number of accounts. Raises ``BudgetExhausted``, and then nothing was asked."""
    return _ask(provider.users_by_ids, provider.prices.of_users, provider, budget, user_ids, now)


def cost_of_tweets(provider: Provider, count: int) -> int:
    """Return the most that looking ``count`` tweets up can cost."""
    calls, rest = divmod(count, MOST_IDS)
    return calls * provider.prices.of_tweets(MOST_IDS) + (provider.prices.of_tweets(rest) if rest else 0)


def affordable_tweets(provider: Provider, allowance: int) -> int:
    """Return how many tweets can be looked up for so much."""
    calls, rest = divmod(allowance, provider.prices.of_tweets(MOST_IDS))
    return calls * MOST_IDS + (rest // provider.prices.tweet if rest >= provider.prices.least else 0)


def is_credible(answers: Mapping[int, tuple[Answer, int]], known_absent: frozenset[int]) -> bool:
    """Tell whether enough of what was there last time is still there."""
    expected = [number for number in answers if number not in known_absent]
    missing = sum(isinstance(answers[number][0], Absent) for number in expected)
    return missing <= len(expected) * CREDIBLE_SHARE


def _ask(
    call: Callable[[Sequence[int]], TweetAnswers] | Callable[[Sequence[int]], UserAnswers],
    price: Callable[[int], int],
    provider: Provider,
    budget: Budget,
    ids: Sequence[int],
    now: datetime,
) -> Answers[Answer]:
    portions = [ids[start : start + MOST_IDS] for start in range(0, len(ids), MOST_IDS)]
    answers: Answers[Answer] = Answers(calls=len(portions), reserved=sum(price(len(portion)) for portion in portions))
    budget.reserve(answers.reserved, calls=answers.calls, now=now)
    with ThreadPoolExecutor(max_workers=provider.concurrency) as pool:
        for portion, answered in zip(portions, pool.map(lambda part: _attempt(call, part), portions), strict=True):
            if isinstance(answered, ProviderFailed):
                answers.failure = answers.failure or answered
                answers.credits += price(len(portion)) if answered.may_be_billed else 0
            else:
                answers.credits += answered.credits
                answers.by_id.update(
                    {number: (answer, answered.observed_ms) for number, answer in answered.answers.items()}  # type: ignore[misc]
                )
    return answers


def _attempt(
    call: Callable[[Sequence[int]], TweetAnswers] | Callable[[Sequence[int]], UserAnswers], ids: Sequence[int]
) -> TweetAnswers | UserAnswers | ProviderFailed:
    try:
        return call(ids)
    except ProviderFailed as failed:
        return failed
