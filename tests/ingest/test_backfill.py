"""Filling gaps from the provider's search, against the stand-in over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from database import snowflake
from database.connections import Role
from ingest.coverage import ledger
from ingest.coverage.backfill import Backfill, Report
from ingest.normalise.dialects.x_api_v2 import XApiV2
from ingest.normalise.worker import Worker
from ingest.provider.protocol import Prices, Provider, SearchPage
from ingest.standin.query import compiled
from tests.ingest.provider_world import HOUR_MS, Pipeline, ProviderWorld, pipeline, provider_world
from tests.ingest.test_coverage import beat, minutes

NOW_MS = snowflake.to_unix_ms(datetime.now(UTC).replace(minute=0, second=0, microsecond=0))
NOW = snowflake.from_unix_ms(NOW_MS)
HOUR = timedelta(hours=1)

QUERY = "filter:replies OR filter:quote"
"""What matches a good part of the world, and needs its parentheses beside the bounds of time."""


@pytest.fixture(scope="module")
def world() -> Iterator[ProviderWorld]:
    with provider_world(NOW_MS, tweets_per_hour=600) as serving:
        yield serving


@pytest.fixture
def flow(world: ProviderWorld, role_urls: dict[Role, str]) -> Iterator[Pipeline]:
    """A zone that was listened to for three hours but for the second one."""
    with pipeline(role_urls["pipeline"], world) as opened:
        opened.add_zone()
        opened.connection.execute("update core.twitter_rules set query = %s, created_at = %s", (QUERY, NOW - 3 * HOUR))
        beat(opened.connection, *minutes(NOW - 3 * HOUR, NOW - 2 * HOUR), *minutes(NOW - HOUR, NOW))
        ledger.renew(opened.connection, NOW)
        yield opened


@pytest.fixture
def provider(world: ProviderWorld) -> Iterator[Provider]:
    with world.client() as client:
        yield client


def fill(flow: Pipeline, provider: Provider, per_day: int | None = None, **how: Any) -> Report:
    most = how.pop("most_credits", None)
    filling = Backfill(flow.connection, provider, flow.budget(per_day), most_credits=most, now=flow.world.now)
    return filling.run(NOW - timedelta(days=1), **how)


def collected(flow: Pipeline) -> set[int]:
    Worker(flow.connection).drain()
    return {number for (number,) in flow.connection.execute("select tweet_id from core.twitter_tweet_zones")}


def truth(world: ProviderWorld) -> set[int]:
    """Return what the search shows of the gap: its bounds are whole seconds, and the last one is part of it."""
    matches = compiled(QUERY)
    shown = world.tweets(NOW_MS - 2 * HOUR_MS, NOW_MS - HOUR_MS + 1_000)
    return {tweet.id for tweet in shown if matches(tweet.searchable)}


def coverage(flow: Pipeline) -> list[bool]:
    rows = flow.connection.execute("select is_covered from ops.zone_hour_coverage order by hour").fetchall()
    return [is_covered for (is_covered,) in rows]


def calls(world: ProviderWorld) -> int:
    return sum(world.standin.calls.values())


def test_a_gap_is_filled_by_what_the_search_shows_beside_what_came_by_itself(
    flow: Pipeline, provider: Provider, world: ProviderWorld
) -> None:
    late = [tweet for tweet in world.tweets(NOW_MS - 2 * HOUR_MS, NOW_MS - HOUR_MS) if tweet.id in truth(world)][:5]
    flow.collect(late)
    assert coverage(flow) == [True, False, True]

    before = calls(world)
    dry = fill(flow, provider, is_dry_run=True)
    assert [(missed.zone, missed.starts_at, missed.ends_at) for missed in dry.missed] == [
        ("kelmora", NOW - 2 * HOUR, NOW - HOUR)
    ]
    assert calls(world) == before
    assert collected(flow) == {tweet.id for tweet in late}

    report = fill(flow, provider)
    assert collected(flow) == truth(world)
    assert len(truth(world)) > 30
    assert report.calls == calls(world) - before > 1
    assert coverage(flow) == [True, True, True]
    assert flow.budget().spending(flow.world.now())[0].spent_credits == report.credits
    assert flow.connection.execute("select count(*) from raw.dead_letters").fetchone() == (0,)

    again = fill(flow, provider)
    assert (again.missed, again.calls) == ([], 0)


def test_a_run_that_may_not_spend_all_covers_the_end_and_the_next_goes_on(flow: Pipeline, provider: Provider) -> None:
    first = fill(flow, provider, most_credits=350)
    assert first.is_over_budget
    assert first.calls == 1
    [filled] = first.filled
    assert NOW - 2 * HOUR < filled.starts_at < filled.ends_at == NOW - HOUR
    assert coverage(flow) == [True, False, True]
    second = fill(flow, provider)
    assert second.missed[0].ends_at == filled.starts_at
    assert collected(flow) == truth(flow.world)
    assert coverage(flow) == [True, True, True]


def test_a_spent_budget_and_a_failing_provider_cover_nothing(
    flow: Pipeline, provider: Provider, world: ProviderWorld
) -> None:
    assert fill(flow, provider, per_day=0).is_over_budget
    world.fail(1, "http_500")
    report = fill(flow, provider)
    world.fail(0, "http_500")
    assert report.failure is not None
    assert report.filled == []
    assert coverage(flow) == [True, False, True]


def test_hours_in_which_a_zone_was_switched_off_are_asked_for_only_on_request(
    flow: Pipeline, provider: Provider
) -> None:
    flow.connection.execute(
        """
        insert into core.twitter_rule_periods
        (rule_id, active_from, active_to, confirmed_at, zone_id, source, external_rule_id, query)
        select id, %s, %s, now(), zone_id, source, 'x', query from core.twitter_rules
        """,
        (NOW - 3 * HOUR, NOW - 2 * HOUR),
    )
    beat(flow.connection, *minutes(NOW - 2 * HOUR + timedelta(minutes=1), NOW - HOUR - timedelta(minutes=1)))
    ledger.renew(flow.connection, NOW)
    assert fill(flow, provider, is_dry_run=True).missed == []
    [missed] = fill(flow, provider, is_dry_run=True, with_inactive=True).missed
    assert (missed.starts_at, missed.ends_at) == (NOW - 2 * HOUR, NOW)


class PageOfX:
    """X's search, as far as it takes part: one page of one tweet in an envelope of its own."""

    source = XApiV2.name
    prices = Prices(tweet=1, user=1, least=0)
    page_size = 100

    def search(self, query: str, cursor: str | None = None, **span: datetime) -> SearchPage:
        number = snowflake.floor(NOW - 90 * timedelta(minutes=1)) + 5
        envelope = {
            "data": {
                "id": str(number),
                "text": "rain",
                "author_id": "7",
                "created_at": f"{snowflake.at(number):%FT%TZ}",
            },
            "includes": {"users": [{"id": "7", "username": "somebody", "name": "S"}]},
        }
        return SearchPage((msgspec.json.encode(envelope),), None, NOW_MS, 1)


def test_what_x_shows_is_landed_as_x_delivers_it(flow: Pipeline) -> None:
    flow.connection.execute("update core.twitter_rules set source = 'x_api_v2', external_rule_id = '99'")
    report = fill(flow, PageOfX())  # type: ignore[arg-type]
    assert (report.tweets, report.deliveries) == (1, 1)
    assert len(collected(flow)) == 1
    zones: list[tuple[UUID, list[UUID]]] = flow.connection.execute(
        "select zone_id, rule_ids from core.twitter_tweet_zones"
    ).fetchall()
    assert zones == flow.connection.execute("select zone_id, array[id] from core.twitter_rules").fetchall()
    assert coverage(flow) == [True, True, True]
