"""Finding a delivery again, and the figures of the way behind the front door."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from click.testing import CliRunner

from database import snowflake
from database.connections import Role
from ingest import delivery_log
from ingest.__main__ import main
from tests.ingest.front_door import FrontDoor, serving, settings
from tests.ingest.landing import NOW, add_rules, delivery, drain, land, tweet

HOUR = timedelta(hours=1)


def fill(connection: psycopg.Connection) -> dict[str, int]:
    """Land a delivery of each outcome, the first an hour ago and the others now; return their ids."""
    now = datetime.now(UTC)
    connection.autocommit = True
    add_rules(connection)
    ids = {
        "normalised": land(connection, delivery(tweet(1)), received=now - HOUR),
        "duplicate": land(connection, delivery(tweet(1)), received=now),
        "control": land(connection, {"event_type": "ping"}, received=now),
        "dead": land(connection, delivery(tweet(2), {"id": "x"}, tag="one"), item_count=2, received=now),
    }
    drain(connection)
    ids["waiting"] = land(connection, delivery(tweet(3)), received=now)
    return ids


def test_a_delivery_is_found_by_its_id_its_time_its_source_and_its_outcome(connection: psycopg.Connection) -> None:
    ids = fill(connection)
    until = datetime.now(UTC) + HOUR
    for outcome, delivery_id in ids.items():
        (found,) = delivery_log.find(connection, since=until - 24 * HOUR, until=until, outcome=outcome)
        assert found.delivery_id == delivery_id
        assert delivery_log.of_ids(connection, [delivery_id]) == [found]
    (dead,) = delivery_log.of_ids(connection, [ids["dead"]])
    assert (dead.normalised_count, dead.dead_count, dead.open_letters) == (1, 1, "not_a_tweet")
    (waiting,) = delivery_log.of_ids(connection, [ids["waiting"]])
    assert (waiting.normalised_at, waiting.dead_count, waiting.open_letters) == (None, None, None)
    recent = delivery_log.find(connection, since=datetime.now(UTC) - HOUR / 2, until=until)
    assert [found.delivery_id for found in recent] == sorted(set(ids.values()) - {ids["normalised"]}, reverse=True)
    assert delivery_log.find(connection, since=datetime.now(UTC) - HOUR / 2, until=until, source="v1_1") == []
    assert len(delivery_log.find(connection, since=until - 4 * HOUR, until=until, limit=2)) == 2


def test_a_search_reads_its_span_and_not_all_that_ever_came(connection: psycopg.Connection) -> None:
    fill(connection)
    span = {"from_id": snowflake.floor(NOW - HOUR), "to_id": snowflake.floor(NOW + HOUR), "limit": 50}
    connection.execute("set enable_seqscan = off")  # Tables this small are read whole where they may be.
    plan = connection.execute(f"explain {delivery_log._SQL['find']}", {**span, "source": None, "outcome": None})
    lines = [line.strip() for (line,) in plan]
    assert any(line.startswith("Index Cond: ((delivery_id >= ") for line in lines)
    assert not any("Seq Scan" in line for line in lines), lines


def test_the_command_prints_what_was_found(
    connection: psycopg.Connection, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = fill(connection)
    monkeypatch.setenv("DATABASE_URL", database_url)
    by_outcome = CliRunner().invoke(main, ["deliveries", "--outcome", "dead"])
    by_id = CliRunner().invoke(main, ["deliveries", str(ids["dead"])])
    for result in (by_outcome, by_id):
        assert result.exit_code == 0, result.output
        (line,) = [line for line in result.output.splitlines() if str(ids["dead"]) in line]
        assert "not_a_tweet" in line
        assert "1/0/0/1" in line
        assert str(ids["normalised"]) not in result.output


def test_metrics_show_the_queue_duplicates_and_the_lag_of_each_zone(
    role_urls: dict[Role, str], connection: psycopg.Connection
) -> None:
    fill(connection)
    with serving(settings(), role_urls["ingest_writer"]) as door:
        assert door.metric("ingest_queue_deliveries") == 1
        assert 0 <= door.metric("ingest_queue_oldest_seconds") < 600
        recent = {
            name: door.metric(f'ingest_recent_items{{became="{name}"}}') for name in ("duplicate", "control", "dead")
        }
        assert recent == {"duplicate": 1, "control": 1, "dead": 1}
        # The tweets of the zone were posted two hours before this module was loaded, and received an hour ago and now.
        age = door.metric('ingest_zone_newest_tweet_age_seconds{zone="alpha"}')
        assert age > 7_200
        assert age - 3_700 < door.metric('ingest_zone_lag_seconds{zone="alpha"}') < age
        assert 'zone="beta"' not in door.get("/metrics").text


def test_figures_that_nobody_knows_are_not_shown_as_numbers(door: FrontDoor, connection: psycopg.Connection) -> None:
    connection.execute("drop view raw.queue_figures")
    connection.commit()
    assert door.get("/metrics").status_code == 200
    assert "ingest_queue_deliveries NaN" in door.get("/metrics").text
