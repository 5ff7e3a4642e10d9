"""Which hours were listened to: heart-beats through the real service, gaps, rule periods, outages, replays."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from database import snowflake
from database.connections import Role
from ingest.coverage import ledger
from ingest.normalise.worker import Worker
from ingest.provider import health
from ingest.provider.protocol import ProviderFailed
from tests.ingest.front_door import serving, settings
from tests.waiting import wait_until

Connection = psycopg.Connection[Any]

NOON = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=6)
ZONE = UUID(int=7)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)

_sequence = itertools.count()


@pytest.fixture
def db(role_urls: dict[Role, str]) -> Iterator[Connection]:
    """The pipeline's connection to a database with one zone, whose rule has been active since three hours ago."""
    with psycopg.connect(role_urls["pipeline"], autocommit=True) as connection:
        connection.execute("insert into core.zones (id, name) values (%s, 'storms')", (ZONE,))
        add_period(connection, NOON, None)
        yield connection


def add_period(db: Connection, active_from: datetime, active_to: datetime | None, zone: UUID = ZONE) -> None:
    db.execute(
        """
        insert into core.twitter_rule_periods
        (rule_id, active_from, active_to, confirmed_at, zone_id, source, external_rule_id, query)
        values (%s, %s, %s, %s, %s, 'twitterapi_io', 'x', 'rain')
        """,
        (UUID(int=1), active_from, active_to, active_to or active_from, zone),
    )


def beat(db: Connection, *moments: datetime, normalised: bool = True) -> None:
    """Write beats as if they had come through the service and, unless told otherwise, through the normaliser."""
    ids = [snowflake.floor(moment) + next(_sequence) % 4096 for moment in moments]
    db.execute(
        """
        insert into raw.deliveries (delivery_id, received_at, body_bytes, item_count, source, body)
        select delivery_id, received_at, 2, 1, 'heartbeat', ''::bytea
        from unnest(%s::bigint[], %s::timestamptz[]) as beats (delivery_id, received_at)
        """,
        (ids, list(moments)),
    )
    if normalised:
        account(db, *ids)


def account(db: Connection, *delivery_ids: int) -> None:
    db.execute(
        """
        insert into ops.delivery_accounting
        (delivery_id, item_count, normalised_count, duplicate_count, control_count, dead_count, parser_version)
        select delivery_id, 1, 0, 0, 1, 0, 1 from unnest(%s::bigint[]) as delivery_id
        """,
        (list(delivery_ids),),
    )


def minutes(start: datetime, end: datetime) -> Iterator[datetime]:
    while start <= end:
        yield start
        start += MINUTE


def coverage(db: Connection) -> list[tuple[int, bool, int]]:
    """Return hours (after noon), whether each was covered, and its seconds."""
    rows = db.execute("select hour, is_covered, covered_seconds from ops.zone_hour_coverage order by hour").fetchall()
    return [((hour - NOON) // HOUR, is_covered, seconds) for hour, is_covered, seconds in rows]


def gaps(db: Connection) -> list[tuple[str, float, float | None]]:
    """Return the gaps that stop collection: what, and from when to when in minutes after noon."""
    rows = db.execute(
        "select kind, starts_at, ends_at from ops.gaps where stops_collection order by starts_at, kind"
    ).fetchall()
    return [
        (kind, (start - NOON) / MINUTE, None if end is None else (end - NOON) / MINUTE) for kind, start, end in rows
    ]


def marked(db: Connection) -> set[int]:
    taken = db.execute("delete from ops.twitter_zone_stats_hourly__marks returning hour").fetchall()
    return {(hour - NOON) // HOUR for (hour,) in taken}


def test_a_beat_goes_through_the_real_service_and_counts_once_it_is_normalised(role_urls: dict[Role, str]) -> None:
    before = datetime.now(UTC)
    with psycopg.connect(role_urls["pipeline"], autocommit=True) as db:
        with serving(settings(), role_urls["ingest_writer"], beat_seconds=0.05):
            wait_until(lambda: db.execute("select count(*) >= 3 from raw.deliveries").fetchone() == (True,))
        uptime = "select ops.pipe_uptime(%s, now()) <> '{}'"
        assert db.execute(uptime, (before,)).fetchone() == (False,)
        progress = Worker(db).drain()
        assert progress.controls == progress.items >= 3
        assert db.execute(uptime, (before,)).fetchone() == (True,)
        assert db.execute("select count(*) from raw.dead_letters").fetchone() == (0,)


def test_nobody_else_can_beat(role_urls: dict[Role, str]) -> None:
    with serving(settings(), role_urls["ingest_writer"]) as door:
        assert door.post("/webhooks/heartbeat", b"{}").status_code in (401, 403)


def test_a_door_that_refuses_deliveries_does_not_beat(role_urls: dict[Role, str], tmp_path: Any) -> None:
    full = settings(ingest_disk_path=tmp_path, ingest_min_free_disk_bytes=1 << 62)
    with serving(full, role_urls["ingest_writer"], beat_seconds=0.02, wait_until_ready=False) as door:
        name = 'ingest_requests_total{outcome="disk_nearly_full",source="heartbeat"}'
        wait_until(lambda: door.metric(name) >= 2)
        with psycopg.connect(role_urls["pipeline"]) as db:
            assert db.execute("select count(*) from raw.deliveries").fetchone() == (0,)


def test_before_the_first_beat_nothing_is_told(db: Connection) -> None:
    assert ledger.renew(db, NOON + HOUR) is None
    assert coverage(db) == []


def test_hours_with_a_beat_each_minute_are_covered_and_a_restart_is_no_gap(db: Connection) -> None:
    beat(db, *minutes(NOON, NOON + 90 * MINUTE))
    beat(db, *minutes(NOON + 92 * MINUTE, NOON + 149 * MINUTE))
    ledger.renew(db, NOON + 150 * MINUTE)
    assert coverage(db) == [(0, True, 3600), (1, True, 3600), (2, True, 1800)]
    assert gaps(db) == []


def test_silence_is_a_gap_that_lasts_until_the_next_beat(db: Connection) -> None:
    beat(db, *minutes(NOON, NOON + 70 * MINUTE))
    ledger.renew(db, NOON + 100 * MINUTE)
    assert gaps(db) == [("service_down", 70, None)]
    assert coverage(db) == [(0, True, 3600), (1, False, 600)]
    assert marked(db) == {0, 1}
    beat(db, *minutes(NOON + 110 * MINUTE, NOON + 180 * MINUTE))
    ledger.renew(db, NOON + 180 * MINUTE)
    assert gaps(db) == [("service_down", 70, 110)]
    assert coverage(db) == [(0, True, 3600), (1, False, 1200), (2, True, 3600)]
    assert marked(db) == {1, 2}


def test_a_gap_that_began_before_the_window_keeps_its_beginning(db: Connection) -> None:
    beat(db, NOON)
    ledger.renew(db, NOON + 100 * MINUTE)
    ledger.renew(db, NOON + 200 * MINUTE, since=NOON + 150 * MINUTE)
    assert gaps(db) == [("service_down", 0, None)]


def test_beats_that_are_normalised_late_close_the_gap_that_they_seemed_to_be(db: Connection) -> None:
    beat(db, *minutes(NOON, NOON + 20 * MINUTE))
    beat(db, *minutes(NOON + 21 * MINUTE, NOON + 60 * MINUTE), normalised=False)
    ledger.renew(db, NOON + 60 * MINUTE)
    assert gaps(db) == [("service_down", 20, None)]
    for (delivery_id,) in db.execute(
        "select delivery_id from raw.deliveries where not exists"
        " (select from ops.delivery_accounting as a where a.delivery_id = deliveries.delivery_id)"
    ).fetchall():
        account(db, delivery_id)
    ledger.renew(db, NOON + 60 * MINUTE)
    assert gaps(db) == []
    assert coverage(db) == [(0, True, 3600)]


def test_renewing_again_changes_nothing_and_marks_nothing(db: Connection) -> None:
    beat(db, *minutes(NOON, NOON + 40 * MINUTE), *minutes(NOON + 50 * MINUTE, NOON + 70 * MINUTE))
    now = NOON + 71 * MINUTE
    ledger.renew(db, now)
    marked(db)
    again = ledger.renew(db, now)
    assert again is not None
    assert (again.gap_changes, again.hour_changes) == (0, 0)
    assert marked(db) == set()


def test_an_hour_in_which_no_rule_of_the_zone_was_active_is_not_covered(db: Connection) -> None:
    db.execute("update core.twitter_rule_periods set active_to = %s", (NOON + 65 * MINUTE,))
    add_period(db, NOON + 95 * MINUTE, None)
    beat(db, *minutes(NOON, NOON + 120 * MINUTE))
    ledger.renew(db, NOON + 120 * MINUTE)
    assert gaps(db) == [("rule_inactive", 65, 95)]
    assert coverage(db) == [(0, True, 3600), (1, False, 1800)]


def test_a_rule_without_a_provider_to_ask_counts_since_it_was_made(db: Connection) -> None:
    db.execute("insert into core.zones (id, name) values (%s, 'by hand')", (UUID(int=8),))
    db.execute(
        "insert into core.twitter_rules (zone_id, tag, query, created_at) values (%s, 'one', 'sun', %s)",
        (UUID(int=8), NOON + 30 * MINUTE),
    )
    beat(db, *minutes(NOON, NOON + 60 * MINUTE))
    ledger.renew(db, NOON + 60 * MINUTE)
    seconds = db.execute("select covered_seconds from ops.zone_hour_coverage where zone_id = %s", (UUID(int=8),))
    assert seconds.fetchall() == [(1800,)]


def fail(db: Connection, *moments: datetime, detail: str = "HTTP 500, which says nothing", retry: bool = True) -> None:
    for moment in moments:
        failed = ProviderFailed("twitterapi_io", detail, is_retryable=retry, may_be_billed=False)
        health.note_failure(db, failed, moment)


def test_an_outage_of_the_provider_is_a_gap_from_its_last_answer_to_its_next(db: Connection) -> None:
    beat(db, *minutes(NOON, NOON + 180 * MINUTE))
    health.note_success(db, "twitterapi_io", NOON + 50 * MINUTE)
    fail(db, *(NOON + minute * MINUTE for minute in (65, 80, 95)))
    ledger.renew(db, NOON + 100 * MINUTE)
    assert gaps(db) == [("provider_down", 50, None)]
    health.note_success(db, "twitterapi_io", NOON + 110 * MINUTE)
    ledger.renew(db, NOON + 180 * MINUTE)
    assert gaps(db) == [("provider_down", 50, 110)]
    assert coverage(db) == [(0, False, 3000), (1, False, 600), (2, True, 3600)]


def test_one_failed_call_is_no_outage_and_a_refused_key_says_nothing_about_deliveries(db: Connection) -> None:
    beat(db, *minutes(NOON, NOON + 60 * MINUTE))
    fail(db, NOON + 10 * MINUTE)
    health.note_success(db, "twitterapi_io", NOON + 25 * MINUTE)
    fail(db, NOON + 30 * MINUTE, NOON + 45 * MINUTE, detail="HTTP 401, the key is refused", retry=False)
    ledger.renew(db, NOON + 60 * MINUTE)
    assert gaps(db) == []
    assert coverage(db) == [(0, True, 3600)]
    told = db.execute("select kind, stops_collection from ops.gaps").fetchall()
    assert told == [("provider_down", False)]


def test_without_credits_nothing_is_delivered_and_left_out_looks_are_told(db: Connection) -> None:
    beat(db, *minutes(NOON, NOON + 60 * MINUTE))
    fail(db, NOON + 30 * MINUTE, NOON + 45 * MINUTE, detail="HTTP 402, no credits", retry=False)
    db.execute(
        "insert into ops.engagement_coverage values (%s, 'hourly', 10, 6, 0, 4, 3)", ((NOON + 45 * MINUTE).date(),)
    )
    ledger.renew(db, NOON + 60 * MINUTE)
    told = db.execute("select kind, source, stops_collection from ops.gaps order by source nulls last").fetchall()
    assert told == [("limit_reached", "twitterapi_io", True), ("limit_reached", None, False)]
    assert coverage(db) == [(0, False, 0)]


def test_what_was_collected_afterwards_is_covered_whatever_happened_then(db: Connection) -> None:
    beat(db, *minutes(NOON, NOON + 40 * MINUTE), *minutes(NOON + 55 * MINUTE, NOON + 60 * MINUTE))
    ledger.renew(db, NOON + 60 * MINUTE)
    assert coverage(db) == [(0, False, 2700)]
    marked(db)
    ledger.cover(db, ZONE, NOON + 40 * MINUTE, NOON + 55 * MINUTE, "backfill")
    ledger.renew(db, NOON + 60 * MINUTE)
    assert coverage(db) == [(0, True, 3600)]
    assert marked(db) == {0}


def test_a_replay_of_long_ago_covers_the_hours_of_its_tweets_and_no_others(db: Connection) -> None:
    zone = UUID(int=9)
    db.execute("insert into core.zones (id, name) values (%s, 'archive')", (zone,))
    received = snowflake.floor(NOON)
    day = datetime(2019, 7, 3, tzinfo=UTC)
    for at in (day, day + 50 * MINUTE, day + 70 * MINUTE, day + timedelta(days=300)):
        db.execute(
            "insert into core.twitter_tweet_zones"
            " (tweet_id, zone_id, author_profile_id, twitter_created_at, first_matched_at) values (%s, %s, 1, %s, %s)",
            (snowflake.floor(at), zone, at, NOON),
        )
    assert ledger.cover_replay(db, "archive", [received, received + 1]) == 2
    rows = db.execute(
        "select hour, is_covered, covered_seconds from ops.zone_hour_coverage where zone_id = %s order by hour", (zone,)
    ).fetchall()
    assert rows == [(hour, True, 3600) for hour in (day, day + HOUR, day + timedelta(days=300))]
