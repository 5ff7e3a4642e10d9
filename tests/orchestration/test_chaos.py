"""Chaos: a short run of it, and that its audit finds what it is there to find."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import pytest

from database import snowflake
from database.connections import connect
from ingest.standin.stream import SyntheticDay
from orchestration.chaos.audit import Pages, audit_core
from orchestration.chaos.clock import write_shift
from orchestration.chaos.run import Options, run
from orchestration.chaos.sender import posts
from orchestration.demonstration import register
from tests.ingest import landing

DELIVERIES = 120


@pytest.mark.slow
def test_nothing_acknowledged_is_lost_or_doubled_by_a_few_seconds_of_kills() -> None:
    said: list[str] = []
    report = run(Options(minutes=0.1, seed=7, kills=5, with_dagster=False), said.append)
    assert report.is_clean, "\n".join([*said, *report.lines()])
    assert report.killed.total() >= 5
    assert report.acknowledged_tweets > 50
    assert report.tweets > 50
    assert report.findings.buckets > 50
    assert "lost                  0" in list(report.lines())


@pytest.fixture
def owner(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with connect(database_url, application_name="tests", autocommit=True) as connection:
        yield connection


@pytest.fixture
def pages(owner: psycopg.Connection[Any]) -> Pages:
    """The book of a sender whose deliveries were all acknowledged and normalised."""
    start = datetime.now(UTC) - timedelta(hours=20)
    day = SyntheticDay(5, snowflake.to_unix_ms(start), 6, 3_000)
    with owner.transaction():
        register(owner, day.rules)
    book = []
    for post in islice(posts(day, Random(5)), DELIVERIES):
        source, _, zone = post.path.removeprefix("/webhooks/").partition("?zone=")
        count = max(1, len(post.facts.matched))
        count = count if post.facts.kind == "tweets" else items_in(post.body)
        delivery_id = landing.land(owner, post.body, source=source, zone=zone or None, item_count=count)
        book.append((delivery_id, post.facts))
    assert {facts.kind for _, facts in book} == {"tweets", "notice", "dead"}
    landing.drain(owner)
    return book


def items_in(body: bytes) -> int:
    try:
        return len(json.loads(body).get("tweets", [body]))
    except ValueError:
        return 1


def test_an_audit_of_what_is_complete_finds_nothing(owner: psycopg.Connection[Any], pages: Pages) -> None:
    found = audit_core(owner, pages, is_the_end=True)
    assert found.is_clean, found.examples


SABOTAGE = {
    "unaccounted_deliveries": "insert into raw.delivery_queue values (%(delivery)s)",
    "unbalanced_deliveries": "update ops.delivery_accounting set dead_count = dead_count + 1"
    " where delivery_id = %(delivery)s",
    "lost_tweets": "delete from core.twitter_tweets where tweet_id = %(tweet)s",
    "lost_links": "delete from core.twitter_tweet_zones where tweet_id = %(tweet)s",
    "lost_letters": "delete from raw.dead_letters",
    "lost_notices": "delete from core.twitter_compliance_events",
    "invented_tweets": "update core.twitter_tweets set tweet_id = tweet_id + 1 where tweet_id = %(other)s",
    "invented_links": "update core.twitter_tweet_zones set tweet_id = tweet_id + 1 where tweet_id = %(other)s",
    "doubled_items": "update ops.delivery_accounting set normalised_count = normalised_count + 100"
    " where delivery_id = %(delivery)s",
    "wrong_history": "update core.twitter_engagement_history set snapshot_at = snapshot_at + interval '1 second'"
    " where tweet_id = %(counted)s",
    "wrong_metrics": "update core.twitter_tweet_metrics set like_count = like_count + 1 where tweet_id = %(counted)s",
    "lost_deliveries": "delete from raw.deliveries where delivery_id = %(delivery)s",
}


def test_each_kind_of_harm_is_found(owner: psycopg.Connection[Any], pages: Pages) -> None:
    deleted = {facts.deleted for _, facts in pages}
    ordinary = [page for page in pages if page[1].kind == "tweets" and not page[1].tweets & deleted]
    (delivery, facts), (_, others) = ordinary[0], ordinary[-1]
    counted = min(tweet_id for tweet_id, _ in others.observations)
    named = {"delivery": delivery, "tweet": min(facts.matched), "other": max(others.matched), "counted": counted}
    for query, statement in SABOTAGE.items():
        before = audit_core(owner, pages, is_the_end=True)
        owner.execute(statement.encode(), named)
        after = audit_core(owner, pages, is_the_end=True)
        assert any(example.startswith(f"{query}:") for example in after.examples), (query, after.examples)
        assert before.counts != after.counts, query


def test_the_clock_of_a_running_process_can_be_set(tmp_path: Path) -> None:
    (tmp_path / "told.py").write_text("import time\nfor _ in range(2):\n    print(time.time(), flush=True); input()\n")
    clock = tmp_path / "clock"
    write_shift(clock, 3_600.0)
    with subprocess.Popen(
        [sys.executable, "-m", "orchestration.chaos.clock", str(clock), "told"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[2]}"},
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        ahead = float(process.stdout.readline()) - time.time()
        write_shift(clock, -3_600.0)
        print(file=process.stdin, flush=True)
        behind = float(process.stdout.readline()) - time.time()
        process.communicate("\n")
    assert ahead == pytest.approx(3_600, abs=60)
    assert behind == pytest.approx(-3_600, abs=60)
