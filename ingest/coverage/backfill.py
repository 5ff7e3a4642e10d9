"""Asking the provider again for what was missed: its search, landed as if it were a delivery.

Belongs here: which spans are asked for, walking the pages, landing them, noting what is covered by then.
Does not belong here: finding gaps (``ledger``), reading tweets (the normaliser does), Dagster.

What is found goes through ``raw`` like any delivery, so that it is read by the same code, is kept byte for byte, and
meets the live feed by tweet id: asking twice, or for what came by itself, changes nothing. Pages come newest first: a
walk that is cut short by the budget or by a failure has covered the end of its span, and the next run goes on there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import psycopg

from database import named_sql, snowflake
from database.codec import NO_DICTIONARY, Codec
from ingest.coverage import ledger
from ingest.delivery import DeliveryIds
from ingest.normalise.dialects.x_api_v2 import XApiV2
from ingest.provider import health
from ingest.provider.budget import Budget, BudgetExhausted
from ingest.provider.protocol import Provider, ProviderFailed, SearchPage, search_pages

MOST_PAGES = 500
"""Of one rule and span: 10,000 tweets at twitterapi.io, an hour of a busy zone. The next run goes on behind them."""

LEAST_SPAN = timedelta(seconds=1)
"""The search knows whole seconds."""

_LANDING = named_sql.statements(Path(__file__).parents[1] / "sql" / "landing.sql")
_SQL = named_sql.statements(Path(__file__).parent / "sql" / "coverage.sql")


@dataclass(frozen=True)
class Missed:
    """A span of a zone that was not listened to, and was not collected since."""

    zone_id: UUID
    zone: str
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True)
class _Rule:
    tag: str
    query: str
    external_rule_id: str | None


@dataclass
class Report:
    """What a run found, asked for and landed."""

    missed: list[Missed] = field(default_factory=list)
    filled: list[Missed] = field(default_factory=list)
    calls: int = 0
    credits: int = 0
    tweets: int = 0
    deliveries: int = 0
    failure: ProviderFailed | None = None
    is_over_budget: bool = False


class Backfill:
    """Fills gaps through one connection, in autocommit mode, of the role ``pipeline``.

    ``most_credits`` bounds a run beside the budget of the day, of which only what is due by now may be spent.
    """

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        provider: Provider,
        budget: Budget,
        *,
        most_credits: int | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._connection = connection
        self._provider = provider
        self._budget = budget
        self._now = now
        self._ids = DeliveryIds()
        self._codec = Codec({})
        allowances = [budget.allowance(now(), lead=timedelta(hours=1)), most_credits]
        self._credits_left = min((allowance for allowance in allowances if allowance is not None), default=None)

    def run(
        self, since: datetime, *, zone: str | None = None, with_inactive: bool = False, is_dry_run: bool = False
    ) -> Report:
        """Ask for everything that was missed since a moment, newest first. Idempotent, and resumable."""
        report = Report(self.missed(since, zone=zone, with_inactive=with_inactive))
        if is_dry_run:
            return report
        for missed in report.missed:
            reached = self._fill(missed, report)
            if reached is not None and reached < missed.ends_at:
                ledger.cover(self._connection, missed.zone_id, reached, missed.ends_at, "backfill")
                report.filled.append(Missed(missed.zone_id, missed.zone, reached, missed.ends_at))
            if report.failure is not None or report.is_over_budget:
                break
        if report.filled:
            ledger.renew(self._connection, self._now(), since=min(filled.starts_at for filled in report.filled))
        return report

    def missed(self, since: datetime, *, zone: str | None = None, with_inactive: bool = False) -> list[Missed]:
        """Return what was missed and not collected since, newest first."""
        parameters = {"since": since, "until": self._now(), "zone": zone, "with_inactive": with_inactive}
        found = [Missed(*row) for row in self._connection.execute(_SQL["missed"], parameters)]
        return [missed for missed in found if missed.ends_at - missed.starts_at >= LEAST_SPAN]

    def _fill(self, missed: Missed, report: Report) -> datetime | None:
        """Ask for a span through every rule of its zone; return back to when all of them were answered.

        ``None`` where the zone has no rule at this provider.
        """
        place = {"zone_id": missed.zone_id, "source": self._provider.source}
        rules = [_Rule(*row) for row in self._connection.execute(_SQL["rules_to_ask"], place)]
        reached = [self._walk(rule, missed, report) for rule in rules]
        return max(reached, default=None)

    def _walk(self, rule: _Rule, missed: Missed, report: Report) -> datetime:
        """Land the pages of one rule; return back to when they reach, the span's beginning if there are no more."""
        reached = missed.ends_at
        if report.failure is not None or report.is_over_budget:
            return reached
        until = missed.ends_at + LEAST_SPAN
        pages = search_pages(self._provider, rule.query, most_pages=MOST_PAGES, since=missed.starts_at, until=until)
        is_last = False
        try:
            for page in self._paid(pages, report):
                is_last = page.next_cursor is None
                oldest = self._land(rule, page, report)
                reached = min(reached, oldest or reached)
        except ProviderFailed as failed:
            report.failure = failed
            health.note_failure(self._connection, failed, self._now())
        except BudgetExhausted:
            report.is_over_budget = True
        return missed.starts_at if is_last else max(reached, missed.starts_at)

    def _paid(self, pages: Iterator[SearchPage], report: Report) -> Iterator[SearchPage]:
        """Pay for each page before it is asked for, and correct what was paid once its price is known."""
        price = self._provider.prices.of_tweets(self._provider.page_size)
        while True:
            if self._credits_left is not None and self._credits_left < price:
                report.is_over_budget = True
                return
            asked_at = self._now()
            self._budget.reserve(price, calls=1, now=asked_at)
            report.calls += 1
            cost = price
            try:
                page = next(pages, None)
                cost = page.credits if page is not None else 0
            except ProviderFailed as failed:
                cost = price if failed.may_be_billed else 0
                raise
            finally:
                self._budget.settle(price, cost, now=asked_at)
                report.credits += cost
                if self._credits_left is not None:
                    self._credits_left -= cost
            if page is not None:
                yield page
            if page is None or page.next_cursor is None:
                return

    def _land(self, rule: _Rule, page: SearchPage, report: Report) -> datetime | None:
        """Land a page and return the time of its oldest tweet."""
        bodies = list(self._bodies(rule, page))
        received_at = self._now()
        received_ms = snowflake.to_unix_ms(received_at)
        columns = {
            "delivery_ids": [self._ids.next(received_ms) for _ in bodies],
            "received_at": [received_at] * len(bodies),
            "sources": [self._provider.source] * len(bodies),
            "zones": [None] * len(bodies),
            "item_counts": [count for _, count in bodies],
            "body_bytes": [len(body) for body, _ in bodies],
            "dictionary_ids": [NO_DICTIONARY] * len(bodies),
            "bodies": [self._codec.compress(body) for body, _ in bodies],
        }
        if bodies:
            self._connection.execute(_LANDING["land"], columns)
        report.deliveries += len(bodies)
        report.tweets += len(page.tweets)
        return min((snowflake.at(number) for number in map(_id_of, page.tweets) if number), default=None)

    def _bodies(self, rule: _Rule, page: SearchPage) -> Iterator[tuple[bytes, int]]:
        """Return the bodies of a page as the provider would have delivered them, each with its number of items."""
        if self._provider.source == XApiV2.name:
            rules = [{"id": rule.external_rule_id, "tag": rule.tag}]
            for envelope in page.tweets:
                fields = msgspec.json.decode(envelope, type=dict[str, msgspec.Raw])
                yield msgspec.json.encode({**fields, "matching_rules": rules}), 1
        elif page.tweets:
            delivery = {
                "event_type": "tweet",
                "rule_id": rule.external_rule_id,
                "rule_tag": rule.tag,
                "rule_value": rule.query,
                "tweets": [msgspec.Raw(tweet) for tweet in page.tweets],
                "timestamp": page.observed_ms,
            }
            yield msgspec.json.encode(delivery), len(page.tweets)


class _Identified(msgspec.Struct):
    id: str | None = None


class _Found(msgspec.Struct):
    """A tweet as a search shows it: alone, or in an envelope of its own."""

    id: str | None = None
    data: _Identified | None = None


def _id_of(tweet: bytes) -> int | None:
    try:
        found = msgspec.json.decode(tweet, type=_Found)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    number = found.id or (found.data.id if found.data else None)
    return int(number) if number and number.isdecimal() else None
