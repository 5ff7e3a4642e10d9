"""Several workers on one queue: helpers are called for a backlog, share it, and may die."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from ingest.normalise import crew as crew_module
from ingest.normalise import worker
from ingest.normalise.crew import Crew, HelpersFailedError, _Helper
from ingest.normalise.worker import Progress
from tests.ingest import landing
from tests.ingest.landing import HOUR_AGO, Connection, delivery, fresh, one
from tests.waiting import wait_until

TWEETS = 1_200
IN_A_DELIVERY = 4


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with fresh(database_url) as opened:
        yield opened


def land_overlapping(connection: Connection, count: int = TWEETS) -> int:
    """Land deliveries of which each holds the second half of the one before; return the number of items."""
    tweets = [landing.tweet(number, age=timedelta(hours=2, seconds=number)) for number in range(1, count + 1)]
    step = IN_A_DELIVERY // 2
    starts = range(0, count - step, step)
    with connection.transaction():
        for start in starts:
            some = tweets[start : start + IN_A_DELIVERY]
            landing.land(connection, delivery(*some, tag="both"), item_count=len(some))
    return sum(len(tweets[start : start + IN_A_DELIVERY]) for start in starts)


def waiting(connection: Connection) -> int:
    return int(one(connection, "select count(*) from raw.delivery_queue"))


def conninfo(connection: Connection) -> str:
    return make_conninfo(connection.info.dsn, password=connection.info.password)


def assert_complete(connection: Connection, progress: Progress, items: int) -> None:
    """Everything is there once, and what the workers say they did adds up to it."""
    assert waiting(connection) == 0
    assert one(connection, "select count(*) from core.twitter_tweets") == TWEETS
    assert one(connection, "select count(*) from core.twitter_tweet_zones") == 2 * TWEETS
    assert sum(sum(counts) for counts in landing.accounts(connection).values()) == items
    assert (progress.items, progress.new_tweets, progress.normalised) == (items, TWEETS, TWEETS)
    assert progress.duplicates == items - TWEETS


def test_a_crew_normalises_everything_once_and_adds_up_what_all_have_done(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "ITEMS_PER_BATCH", 100)
    items = land_overlapping(connection)
    with Crew(connection, 3) as crew:
        progress = crew.drain()
    assert_complete(connection, progress, items)
    assert progress.batches > 5


def test_a_helper_works_alone_tells_what_it_did_and_leaves_when_asked(connection: Connection) -> None:
    items = land_overlapping(connection)
    helper = _Helper(conninfo(connection))
    wait_until(lambda: waiting(connection) == 0)
    helper.leave()
    assert helper.is_gone(30)
    assert helper.exit_code == 0
    assert_complete(connection, helper.progress, items)


def test_a_killed_helper_gives_its_batch_back(connection: Connection) -> None:
    items = land_overlapping(connection)
    with psycopg.connect(conninfo(connection)) as other:
        # The helper's batch waits for this row, so that it is killed in the middle.
        other.execute("select 1 from core.zones for update")
        helper = _Helper(conninfo(connection))
        wait_until(lambda: bool(one(connection, "select count(*) from pg_locks where not granted")))
        os.kill(helper._process.pid, signal.SIGKILL)
        assert helper.is_gone(30)
    assert waiting(connection) > 0
    with Crew(connection, 1) as crew:
        assert_complete(connection, crew.drain(), items)


def test_a_crew_looks_again_at_what_a_helper_had_locked_and_did_not_take(connection: Connection) -> None:
    more_than_a_batch = 2_200
    items = land_overlapping(connection, more_than_a_batch)
    with Crew(connection, 2) as crew, psycopg.connect(conninfo(connection)) as other:
        # The helper's batch waits for this row: all deliveries are locked while the crew looks for more.
        other.execute("select 1 from core.zones for update")
        crew.call()
        wait_until(lambda: bool(one(connection, "select count(*) from pg_locks where not granted")))
        timer = threading.Timer(1.0, other.rollback)
        timer.start()
        progress = crew.drain()
        timer.join()
    assert waiting(connection) == 0
    assert (progress.items, progress.new_tweets) == (items, more_than_a_batch)


def test_an_idle_queue_calls_nobody(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: Any) -> Any:
        raise AssertionError("a helper was called")

    monkeypatch.setattr(crew_module, "_Helper", forbidden)
    landing.land(connection, delivery(landing.tweet(), sent=HOUR_AGO))
    with Crew(connection, 4) as crew:
        assert crew.drain().items == 1


def test_helpers_that_die_at_once_are_an_error_and_not_called_for_ever(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "ITEMS_PER_BATCH", 10)
    land_overlapping(connection)
    with Crew(connection, 2) as crew:
        crew._conninfo = "host=127.0.0.1 port=1"
        with pytest.raises(HelpersFailedError):
            work_waiting_for_helpers(crew)


def work_waiting_for_helpers(crew: Crew) -> None:
    while crew.worker.run_batch():
        for helper in crew._helpers:
            helper.is_gone(30)
