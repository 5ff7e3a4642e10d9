"""One message an incident, and one when it is over; and old runs that are purged."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import dagster as dg
import psycopg
import pytest

from database.connections import Role
from orchestration import run_history
from orchestration.alerts import incidents, sending, watching
from orchestration.alerts.incidents import Message, Problem
from orchestration.alerts.settings import AlertSettings

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
FAILED = Problem("run:normalize", "The job normalize failed", "run 1a2b3c4d")


@pytest.fixture
def db(role_urls: dict[Role, str]) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(role_urls["pipeline"], autocommit=True) as connection:
        yield connection


def look(
    db: psycopg.Connection[Any], *problems: Problem, well: tuple[str, ...] = (), minute: int = 0, send: Any = None
) -> list[str]:
    """Update and tell; return the texts that went out."""
    told: list[str] = []
    incidents.update(db, problems, well=well, states=watching.STATES, now=NOW + minute * MINUTE)
    incidents.tell(db, [send or (lambda message: told.append(message.text))], now=NOW + minute * MINUTE)
    return told


def test_an_incident_is_told_once_and_once_when_it_is_over(db: psycopg.Connection[Any]) -> None:
    assert look(db, FAILED) == ["The job normalize failed: run 1a2b3c4d"]
    assert look(db, FAILED, minute=1) == []
    assert look(db, minute=2) == [], "no word of a job is no good word"
    assert look(db, well=("run:normalize",), minute=3) == [
        "Over: The job normalize failed, from 2026-11-22 12:00Z to 12:03Z"
    ]
    assert look(db, well=("run:normalize",), minute=4) == []
    assert look(db, FAILED, minute=5) == ["The job normalize failed: run 1a2b3c4d"]


def test_what_is_looked_at_as_a_whole_is_over_when_it_is_not_found_any_more(db: psycopg.Connection[Any]) -> None:
    stale = Problem("stale:core/twitter_tweets", "core/twitter_tweets is stale", "why")
    assert len(look(db, stale, FAILED)) == 2
    assert look(db, FAILED, minute=1) == ["Over: core/twitter_tweets is stale, from 2026-11-22 12:00Z to 12:01Z"]


def test_a_message_that_cannot_be_sent_is_sent_by_the_next_look(db: psycopg.Connection[Any]) -> None:
    def fail(_: Message) -> None:
        raise RuntimeError("nobody there")

    with pytest.raises(RuntimeError, match="nobody there"):
        look(db, FAILED, send=fail)
    assert look(db, FAILED, minute=1) == ["The job normalize failed: run 1a2b3c4d"]


def test_a_budget_is_an_incident_before_it_is_spent(db: psycopg.Connection[Any]) -> None:
    db.execute(
        "insert into ops.provider_budget values"
        " ('twitterapi_io', 'day', '2026-11-22', 1000, 800, 9), ('twitterapi_io', 'day', '2026-11-21', 1000, 1000, 9),"
        " ('twitterapi_io', 'month', '2026-11-01', 10000, 1800, 9), ('x_api_v2', 'day', '2026-11-22', null, 99, 9)"
    )
    [problem] = incidents.nearly_spent(db, 0.8, NOW)
    assert problem.subject == "budget:twitterapi_io:day:2026-11-22"
    assert "800 of 1,000 credits" in problem.detail


@contextmanager
def serving(server: socketserver.BaseServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_address[1]  # type: ignore[misc]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


MESSAGE = Message("run:normalize", "The job normalize failed", "why", NOW, None)


def test_a_webhook_gets_json_and_its_refusal_is_an_error_without_the_address() -> None:
    received: list[dict[str, Any]] = []
    status = [204]

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(status[0])
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with serving(HTTPServer(("127.0.0.1", 0), Hook)) as port:
        url = f"http://127.0.0.1:{port}/secret"
        [send] = sending.senders(AlertSettings(_env_file=None, alert_webhook_url=url))
        send(MESSAGE)
        status[0] = 500
        with pytest.raises(RuntimeError, match="HTTP 500") as refused:
            send(MESSAGE)
    assert "secret" not in str(refused.value)
    assert received[0]["text"] == "The job normalize failed: why"
    assert (received[0]["status"], received[0]["opened_at"]) == ("firing", "2026-11-22T12:00:00+00:00")


def test_a_mail_is_handed_to_the_server() -> None:
    lines: list[str] = []

    class Mailbox(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 here\r\n")
            is_text = False
            for raw in self.rfile:
                lines.append(raw.decode().rstrip())
                if is_text:
                    is_text = lines[-1] != "."
                    if not is_text:
                        self.wfile.write(b"250 kept\r\n")
                elif lines[-1].upper() == "DATA":
                    is_text = True
                    self.wfile.write(b"354 go on\r\n")
                elif lines[-1].upper() == "QUIT":
                    self.wfile.write(b"221 bye\r\n")
                    return
                else:
                    self.wfile.write(b"250 ok\r\n")

    with serving(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Mailbox)) as port:
        given = {"alert_email_to": "team@example.org", "alert_smtp_url": f"smtp://127.0.0.1:{port}"}
        [send] = sending.senders(AlertSettings(_env_file=None, **given))
        send(MESSAGE)
    assert "Subject: The job normalize failed" in lines
    assert "To: team@example.org" in lines


IS_WELL = [False]


@dg.asset
def numbers() -> None:
    if not IS_WELL[0]:
        raise ValueError("no numbers today")


@dg.asset_check(asset=numbers)
def there_are_numbers() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=IS_WELL[0], description="none were found")


DEFINITIONS = dg.Definitions(
    assets=[numbers],
    asset_checks=[there_are_numbers],
    jobs=[
        dg.define_asset_job("count", dg.AssetSelection.assets(numbers).without_checks()),
        dg.define_asset_job("check", dg.AssetSelection.checks(there_are_numbers)),
    ],
)


def run(instance: dg.DagsterInstance, *jobs: str, is_well: bool) -> None:
    IS_WELL[0] = is_well
    for job in jobs:
        DEFINITIONS.resolve_job_def(job).execute_in_process(instance=instance, raise_on_error=False)


@pytest.mark.slow
def test_the_latest_word_of_a_run_and_of_a_check_counts() -> None:
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    with dg.DagsterInstance.ephemeral() as instance:
        run(instance, "count", "check", is_well=False)
        seen = watching.ended_runs(instance, long_ago)
        assert set(seen.problems) == {"run:count", "check:numbers:there_are_numbers"}
        assert seen.well == {"run:check"}
        assert seen.problems["check:numbers:there_are_numbers"].detail == "none were found"
        run(instance, "count", "check", is_well=True)
        seen = watching.ended_runs(instance, long_ago)
        assert seen.problems == {}
        assert seen.well == {"run:count", "run:check", "check:numbers:there_are_numbers"}
        assert watching.stale_assets(instance) == []
        assert watching.ended_runs(instance, datetime.now(UTC) + timedelta(hours=1)).well == set()

        assert run_history.purge(instance, long_ago) == 0
        assert run_history.purge(instance, datetime.now(UTC) + timedelta(hours=1), most=1) == 1
        assert run_history.purge(instance, datetime.now(UTC) + timedelta(hours=1)) == 1
        left = sorted(record.dagster_run.job_name for record in instance.get_run_records())
        assert left == ["check", "count"], "the latest run of each job stays"
