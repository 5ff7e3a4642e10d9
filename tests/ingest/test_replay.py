"""Replaying archives: nothing that was in the files may be missing at the service, whatever fails in between.

Belongs here: a replay against a real HTTP server that can refuse, fail, vanish and be killed.
Does not belong here: the webhook service itself, normalising.
"""

from __future__ import annotations

import asyncio
import bz2
import gzip
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import parse_qs

import psycopg
import pytest
import uvicorn
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ingest.replay.archive import Archive, Dialect, batches, body
from ingest.replay.command import ReplayDefaults, replay_command
from ingest.replay.drain import Drained, ItemCounts, read_accounting, wait_for_drain
from ingest.replay.errors import ReplayStoppedError
from ingest.replay.journal import Journal, Refused, Settled, Watermark
from ingest.replay.run import Progress, ReplayPlan, ReplaySummary, replay

KEY = "the key"

Answer = Callable[[bytes, int], Response | None]
"""Given a body and how many requests came before it: a refusal, or None to accept."""


@dataclass
class Webhook:
    """A server that records what it accepts and answers as it is told to."""

    url: str = ""
    answer: Answer = lambda _body, _before: None
    accepted: list[bytes] = field(default_factory=list)
    requests: list[tuple[str, dict[str, list[str]], str | None]] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0

    async def __call__(self, request: Request) -> Response:
        """Answer one delivery."""
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            content = await request.body()
            before = len(self.requests)
            self.requests.append((request.url.path, parse_qs(request.url.query), request.headers.get("content-type")))
            if request.headers.get("x-api-key") != KEY:
                return JSONResponse({"reason": "wrong_key"}, 401)
            refusal = self.answer(content, before)
            if refusal is not None:
                return refusal
            self.accepted.append(content)
            items = len(content.splitlines())
            return JSONResponse({"status": "accepted", "delivery_id": str(len(self.accepted)), "items": items})
        finally:
            self.at_once -= 1

    @property
    def lines(self) -> Counter[bytes]:
        """The lines of all accepted bodies, and how often each came."""
        return Counter(line for content in self.accepted for line in content.splitlines())


@contextmanager
def serving(webhook: Webhook, port: int = 0) -> Iterator[None]:
    """Run the server in a thread until the block ends."""
    app = Starlette(routes=[Route("/webhooks/{dialect}", webhook.__call__, methods=["POST"])])
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off", timeout_graceful_shutdown=1))
    with socket.create_server(("127.0.0.1", port)) as bound:
        webhook.url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        try:
            yield
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    served = Webhook()
    with serving(served):
        yield served


def plan(webhook: Webhook, state_dir: Path, *files: Path, **changes: object) -> ReplayPlan:
    basis = ReplayPlan(
        files=files,
        dialect="v1_1",
        url=webhook.url,
        key=KEY,
        state_dir=state_dir,
        zone="a zone & more",
        batch=10,
        patience_seconds=0.5,
        first_wait_seconds=0.001,
    )
    return replace(basis, **changes)  # type: ignore[arg-type]


def run(of: ReplayPlan) -> ReplaySummary:
    return asyncio.run(replay(of))


def archive_of(folder: Path, *numbers: int, name: str = "lines.json") -> Path:
    path = folder / name
    path.write_bytes(b"".join(b'{"id": %d}\r\n' % number for number in numbers))
    return path


def lines_of(*files: Path) -> Counter[bytes]:
    return Counter(line for file in files for line in file.read_bytes().splitlines() if line.strip())


def later(seconds: str | None = None) -> Response:
    return Response("busy", 503, headers={} if seconds is None else {"retry-after": seconds})


def first_times(count: int, refusal: Callable[[], Response]) -> Answer:
    return lambda _body, before: refusal() if before < count else None


class TestPosting:
    def test_every_line_of_every_kind_of_file_arrives_once_and_as_it_was(
        self, webhook: Webhook, tmp_path: Path
    ) -> None:
        plain = archive_of(tmp_path, *range(25))
        zipped, squeezed = tmp_path / "b.json.gz", tmp_path / "c.json.bz2"
        zipped.write_bytes(gzip.compress(b' {"a": 1} \n\n  \n{"b": 2}'))
        squeezed.write_bytes(bz2.compress(b'{"c": "\xc3\xa9"}\n') + bz2.compress(b"{not json\n"))
        summary = run(plan(webhook, tmp_path, plain, zipped, squeezed))
        extra = Counter([b' {"a": 1} ', b'{"b": 2}', b'{"c": "\xc3\xa9"}', b"{not json"])
        assert webhook.lines == lines_of(plain) + extra
        assert (summary.files, summary.posted_items, summary.acknowledged_items) == (3, 29, 29)
        assert sorted(summary.delivery_ids) == [1, 2, 3, 4, 5]
        assert (summary.refused, summary.retries, summary.resumed_items) == ((), 0, 0)

    def test_the_address_names_dialect_and_zone_and_bodies_are_bounded(self, webhook: Webhook, tmp_path: Path) -> None:
        run(plan(webhook, tmp_path, archive_of(tmp_path, *range(1000, 1100)), batch=50, batch_bytes=200))
        assert {request[0] for request in webhook.requests} == {"/webhooks/v1_1"}
        assert {request[1]["zone"][0] for request in webhook.requests} == {"a zone & more"}
        assert {request[2] for request in webhook.requests} == {"application/x-ndjson"}
        assert max(map(len, webhook.accepted)) <= 200
        assert len(webhook.accepted) == 7

    def test_no_more_requests_are_open_than_allowed(self, webhook: Webhook, tmp_path: Path) -> None:
        run(plan(webhook, tmp_path, archive_of(tmp_path, *range(300)), batch=1, concurrency=3))
        assert 1 <= webhook.most_at_once <= 3

    def test_a_rate_is_kept(self, webhook: Webhook, tmp_path: Path) -> None:
        summary = run(plan(webhook, tmp_path, archive_of(tmp_path, *range(60)), batch=10, rate=100.0))
        assert summary.elapsed_seconds >= 0.5

    def test_a_batch_holds_no_more_than_a_seconds_worth_of_a_slow_replay(
        self, webhook: Webhook, tmp_path: Path
    ) -> None:
        run(plan(webhook, tmp_path, archive_of(tmp_path, *range(60)), batch=100, rate=40.0))
        assert [len(content.splitlines()) for content in webhook.accepted] == [40, 20]

    def test_progress_ends_with_everything(self, webhook: Webhook, tmp_path: Path) -> None:
        seen: list[Progress] = []
        files = [archive_of(tmp_path, *range(25), name=name) for name in ("a", "b")]
        asyncio.run(replay(plan(webhook, tmp_path, *files), seen.append))
        assert seen[-1].bytes_read == seen[-1].bytes_total == sum(file.stat().st_size for file in files)
        assert seen[-1].acknowledged_items == 50


class TestFailures:
    def test_a_busy_service_is_asked_again(self, webhook: Webhook, tmp_path: Path) -> None:
        webhook.answer = first_times(3, lambda: later("0"))
        file = archive_of(tmp_path, *range(25))
        summary = run(plan(webhook, tmp_path, file))
        assert summary.retries == 3
        assert webhook.lines == lines_of(file)

    def test_the_pause_that_the_service_asks_for_is_kept(self, webhook: Webhook, tmp_path: Path) -> None:
        webhook.answer = first_times(1, lambda: later("1"))
        assert run(plan(webhook, tmp_path, archive_of(tmp_path, 1), patience_seconds=30)).elapsed_seconds >= 1.0

    def test_a_service_that_stays_busy_ends_the_replay_with_what_to_do(self, webhook: Webhook, tmp_path: Path) -> None:
        webhook.answer = lambda _body, _before: later()
        with pytest.raises(ReplayStoppedError, match=r"503 busy.*Run the same command again"):
            run(plan(webhook, tmp_path, archive_of(tmp_path, 1)))

    def test_a_service_that_is_not_there_ends_the_replay(self, tmp_path: Path) -> None:
        gone = Webhook()
        with serving(gone):
            pass
        with pytest.raises(ReplayStoppedError, match="ConnectError"):
            run(plan(gone, tmp_path, archive_of(tmp_path, 1)))

    def test_a_wrong_key_is_not_tried_twice(self, webhook: Webhook, tmp_path: Path) -> None:
        with pytest.raises(ReplayStoppedError, match=r"401 .*wrong_key.*key is wrong.*lines 1 to 1 of"):
            run(plan(webhook, tmp_path, archive_of(tmp_path, 1), key="another"))
        assert len(webhook.requests) == 1

    @pytest.mark.parametrize("status", [302, 400, 404])
    def test_any_other_refusal_ends_the_replay(self, webhook: Webhook, tmp_path: Path, status: int) -> None:
        webhook.answer = lambda _body, _before: Response("because", status)
        with pytest.raises(ReplayStoppedError, match=f"answered {status} because"):
            run(plan(webhook, tmp_path, archive_of(tmp_path, 1)))
        assert len(webhook.requests) == 1

    def test_a_service_that_takes_less_is_obeyed(self, webhook: Webhook, tmp_path: Path) -> None:
        webhook.answer = first_times(1, lambda: Response("slower", 429, headers={"Retry-After": "1"}))
        summary = run(plan(webhook, tmp_path, archive_of(tmp_path, 1), patience_seconds=30))
        assert summary.acknowledged_items == 1
        assert summary.elapsed_seconds >= 1.0

    def test_another_service_at_the_address_is_noticed(self, webhook: Webhook, tmp_path: Path) -> None:
        webhook.answer = lambda _body, _before: Response("<html>welcome</html>")
        with pytest.raises(ReplayStoppedError, match=r"not as this project's webhook.*Is the address right"):
            run(plan(webhook, tmp_path, archive_of(tmp_path, 1)))

    def test_a_body_that_is_too_large_is_halved_down_to_the_line_that_is(
        self, webhook: Webhook, tmp_path: Path
    ) -> None:
        webhook.answer = lambda content, _before: Response("too large", 413) if len(content) > 40 else None
        file = tmp_path / "lines.json"
        small = [b'{"id": %d}' % number for number in range(20)]
        huge = b'{"id": "' + b"9" * 50 + b'"}'
        file.write_bytes(b"\n".join([*small[:7], huge, *small[7:]]))
        summary = run(plan(webhook, tmp_path, file, batch=100))
        assert webhook.lines == Counter(small)
        assert summary.refused == (Refused(str(file), 8, f"{len(huge)} bytes are too large: too large"),)
        assert summary.acknowledged_items == 20

    def test_a_file_that_is_cut_off_is_replayed_up_to_the_cut_and_says_so(
        self, webhook: Webhook, tmp_path: Path
    ) -> None:
        file = tmp_path / "cut.json.gz"
        content = gzip.compress(b"".join(b'{"id": "%s"}\n' % os.urandom(20).hex().encode() for _ in range(500)))
        file.write_bytes(content[: len(content) // 2])
        with pytest.raises(ReplayStoppedError, match=r"cut\.json\.gz is damaged or cut off after line"):
            run(plan(webhook, tmp_path, file))

    @pytest.mark.parametrize(
        ("changes", "message"),
        [({"zone": None}, "which zone"), ({"rate": 0.0}, "never end"), ({"files": ()}, "no file given")],
    )
    def test_a_plan_that_cannot_work_says_why(self, tmp_path: Path, changes: dict[str, object], message: str) -> None:
        with pytest.raises(ReplayStoppedError, match=message):
            run(plan(Webhook(), tmp_path, archive_of(tmp_path, 1), **changes))

    def test_a_file_that_is_none_says_so(self, tmp_path: Path) -> None:
        with pytest.raises(ReplayStoppedError, match="is no file"):
            run(plan(Webhook(), tmp_path, tmp_path / "nowhere"))


class TestResuming:
    def test_a_replay_goes_on_where_everything_was_acknowledged(self, webhook: Webhook, tmp_path: Path) -> None:
        files = [archive_of(tmp_path, *range(50), name="a"), archive_of(tmp_path, *range(100, 150), name="b")]
        wanted = plan(webhook, tmp_path, *files, concurrency=1)
        webhook.answer = lambda _body, before: Response("no", 400) if before == 7 else None
        with pytest.raises(ReplayStoppedError):
            run(wanted)
        webhook.answer = lambda _body, _before: None
        summary = run(wanted)
        assert webhook.lines == lines_of(*files)
        assert (summary.resumed_items, summary.acknowledged_items) == (70, 30)
        assert sorted(summary.delivery_ids) == list(range(1, 11))

    def test_a_complete_replay_is_forgotten_so_that_the_next_posts_everything(
        self, webhook: Webhook, tmp_path: Path
    ) -> None:
        file = archive_of(tmp_path, *range(30))
        for _ in range(2):
            assert run(plan(webhook, tmp_path, file)).acknowledged_items == 30
        assert not list((tmp_path / "replay").iterdir())

    def test_without_resume_everything_is_posted_again(self, webhook: Webhook, tmp_path: Path) -> None:
        file = archive_of(tmp_path, *range(50))
        webhook.answer = lambda _body, before: Response("no", 400) if before == 3 else None
        with pytest.raises(ReplayStoppedError):
            run(plan(webhook, tmp_path, file, concurrency=1))
        assert run(plan(webhook, tmp_path, file, resume=False)).acknowledged_items == 50

    @pytest.mark.parametrize("change", ["content", "zone", "url"])
    def test_a_changed_file_or_destination_begins_anew(self, webhook: Webhook, tmp_path: Path, change: str) -> None:
        file = archive_of(tmp_path, *range(50))
        webhook.answer = lambda _body, before: Response("no", 400) if before == 3 else None
        with pytest.raises(ReplayStoppedError):
            run(plan(webhook, tmp_path, file, concurrency=1))
        if change == "content":
            archive_of(tmp_path, *range(51))
        elsewhere = webhook.url.replace("127.0.0.1", "localhost")
        changes = {"zone": {"zone": "other"}, "url": {"url": elsewhere}}.get(change, {})
        summary = run(plan(webhook, tmp_path, file, **changes))
        assert (summary.resumed_items, summary.acknowledged_items) == (0, len(lines_of(file)))

    def test_kill_9_and_resume_misses_nothing(self, webhook: Webhook, tmp_path: Path) -> None:
        file = archive_of(tmp_path, *range(3000))
        program = (
            "import asyncio, pathlib, sys; from ingest.replay.run import *\n"
            "file, url, state = sys.argv[1:]\n"
            f"asyncio.run(replay(ReplayPlan([pathlib.Path(file)], 'v1_1', url, {KEY!r}, pathlib.Path(state), 'z', "
            "batch=10, rate=1000)))"
        )
        with subprocess.Popen([sys.executable, "-c", program, str(file), webhook.url, str(tmp_path)]) as process:
            deadline = time.monotonic() + 30
            while len(webhook.accepted) < 50 and time.monotonic() < deadline:
                time.sleep(0.01)
            process.send_signal(signal.SIGKILL)
        assert 50 <= len(webhook.accepted) < 300
        summary = run(plan(webhook, tmp_path, file, zone="z"))
        assert lines_of(file) <= webhook.lines
        assert summary.resumed_items + summary.acknowledged_items == 3000
        assert summary.resumed_items > 0
        assert webhook.lines.total() <= 3000 + 10 * 4

    def test_a_service_that_is_stopped_and_started_again_misses_nothing(self, tmp_path: Path) -> None:
        file = archive_of(tmp_path, *range(1000))
        served, outcome = Webhook(), list[ReplaySummary]()
        with serving(served):
            port = int(served.url.rpartition(":")[2])
            wanted = plan(served, tmp_path, file, rate=1000.0, patience_seconds=60, first_wait_seconds=0.05)
            client = threading.Thread(target=lambda: outcome.append(run(wanted)))
            client.start()
            while len(served.accepted) < 20:
                time.sleep(0.01)
        with serving(served, port):
            client.join()
        assert outcome[0].retries > 0
        assert lines_of(file) <= served.lines
        assert outcome[0].acknowledged_items == 1000

    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        sizes=st.lists(st.integers(1, 80), min_size=1, max_size=40),
        fates=st.lists(st.sampled_from(["ok", "busy", "lost_answer", "stop", "too_large"]), max_size=40),
        batch=st.integers(1, 12),
        concurrency=st.integers(1, 4),
    )
    def test_whatever_fails_in_between_the_acknowledged_lines_are_all_lines(
        self,
        webhook: Webhook,
        tmp_path_factory: pytest.TempPathFactory,
        sizes: list[int],
        fates: list[str],
        batch: int,
        concurrency: int,
    ) -> None:
        folder = tmp_path_factory.mktemp("replay")
        file = folder / "lines"
        file.write_bytes(b"".join(b"%d-" % at + b"x" * size + b"\n" for at, size in enumerate(sizes)))
        webhook.accepted.clear()
        webhook.requests.clear()
        pending = list(fates)

        def answer(content: bytes, _before: int) -> Response | None:
            fate = pending.pop(0) if pending else "ok"
            if fate == "lost_answer":
                webhook.accepted.append(content)
            if fate == "too_large":
                return Response("", 413) if content.count(b"\n") > 1 else None
            return {"busy": later("0"), "lost_answer": later(), "stop": Response("", 400)}.get(fate)

        webhook.answer = answer
        wanted = plan(webhook, folder, file, batch=batch, concurrency=concurrency, patience_seconds=60)
        for _ in range(len(fates) + 1):
            try:
                summary = run(wanted)
                break
            except ReplayStoppedError:
                continue
        assert lines_of(file) <= webhook.lines
        assert summary.resumed_items + summary.acknowledged_items == len(sizes)
        assert summary.refused == ()


class TestJournal:
    def test_only_an_unbroken_row_of_settled_batches_counts(self, tmp_path: Path) -> None:
        file = archive_of(tmp_path, 1)
        journal = Journal(tmp_path / "replay", file)
        watermark = Watermark(journal)
        for last in (10, 20, 30):
            watermark.sent(last)
        watermark.settled(30, Settled([3], 10))
        assert journal.read() == (0, Settled())
        watermark.settled(10, Settled([1], 10, [Refused(str(file), 4, "too large")]))
        assert journal.read() == (10, Settled([1], 10, [Refused(str(file), 4, "too large")]))
        watermark.settled(20, Settled([2], 10))
        assert journal.read() == (30, Settled([1, 2, 3], 30, [Refused(str(file), 4, "too large")]))

    def test_a_cut_last_entry_is_dropped_and_the_next_one_is_read(self, tmp_path: Path) -> None:
        journal = Journal(tmp_path / "replay", archive_of(tmp_path, 1))
        journal.append(10, Settled([1], 10))
        journal.append(20, Settled([2], 10))
        (stored,) = (tmp_path / "replay").iterdir()
        stored.write_bytes(stored.read_bytes()[:-9])
        assert journal.read() == (10, Settled([1], 10))
        journal.append(20, Settled([3], 10))
        assert journal.read() == (20, Settled([1, 3], 20))


class TestTwitterapiIo:
    WRITTEN_AT_MS = 1_700_000_000_123
    TWEET = b'{"type": "tweet", "id": "%d", "text": "a text"}' % ((WRITTEN_AT_MS - 1_288_834_974_657) * 2**22 + 7)

    def bodies(self, file: Path, dialect: Dialect = "twitterapi_io") -> list[bytes]:
        with Archive(file) as archive:
            return [body(batch, 'a "tag"') for batch in batches(archive.records(dialect), 100, 1000)]

    def test_a_bare_tweet_is_enveloped_with_the_tag_and_the_time_in_its_id(self, tmp_path: Path) -> None:
        file = tmp_path / "tweets"
        file.write_bytes(self.TWEET + b"\n" + b'{"id": 12, "text": "early"}')
        first, second = self.bodies(file)
        assert self.TWEET in first
        assert json.loads(first) == {
            "event_type": "tweet",
            "rule_tag": 'a "tag"',
            "tweets": [json.loads(self.TWEET)],
            "timestamp": self.WRITTEN_AT_MS,
        }
        assert "timestamp" not in json.loads(second)

    @pytest.mark.parametrize(
        "line",
        [
            b'{"event_type":"tweet","rule_id":"1","tweets":[{"id":"1"}],"timestamp":1}',
            b'{"tweets": [], "id": "5"}',
            b'{"event_type":"test_webhook_url"}',
            b'{"id": "1", "cut',
            b"17",
            b'{"id": null}',
        ],
    )
    def test_anything_else_travels_as_it_is(self, tmp_path: Path, line: bytes) -> None:
        file = tmp_path / "lines"
        file.write_bytes(self.TWEET + b"\n" + line + b"\n")
        assert self.bodies(file)[1] == line

    def test_a_file_may_be_one_document(self, tmp_path: Path) -> None:
        one, several, short = (tmp_path / name for name in "abc")
        one.write_text(json.dumps(json.loads(self.TWEET), indent=4))
        several.write_text(json.dumps([json.loads(self.TWEET), {"tweets": []}], indent=4))
        short.write_text(json.dumps([{"tweets": [1]}, {"tweets": [2]}]) + "\n")
        assert [json.loads(content)["rule_tag"] for content in self.bodies(one)] == ['a "tag"']
        assert len(self.bodies(several)) == 2
        assert self.bodies(short) == [b'{"tweets": [1]}', b'{"tweets": [2]}']

    def test_a_first_line_that_is_cut_does_not_hide_the_others(self, tmp_path: Path) -> None:
        file = tmp_path / "lines"
        file.write_bytes(b'{"tweets": [\n{"tweets": []}\n{"tweets": [3]}\n')
        assert self.bodies(file) == [b'{"tweets": [', b'{"tweets": []}', b'{"tweets": [3]}']

    def test_an_empty_file_is_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "empty").write_bytes(b"\n \n")
        assert self.bodies(tmp_path / "empty") == self.bodies(tmp_path / "empty", "v1_1") == []

    def test_envelopes_are_posted_one_a_request(self, webhook: Webhook, tmp_path: Path) -> None:
        file = tmp_path / "envelopes"
        file.write_bytes(b'{"tweets":[1]}\n{"tweets":[2]}\n')
        run(plan(webhook, tmp_path, file, dialect="twitterapi_io", zone=None))
        assert sorted(webhook.accepted) == [b'{"tweets":[1]}', b'{"tweets":[2]}']
        assert webhook.requests[0] == ("/webhooks/twitterapi_io", {}, "application/json")

    def test_a_bare_tweet_without_a_tag_says_what_is_missing(self, webhook: Webhook, tmp_path: Path) -> None:
        file = tmp_path / "tweets"
        file.write_bytes(self.TWEET)
        with pytest.raises(ReplayStoppedError, match=r"line 1 of .* without an envelope.*--tag"):
            run(plan(webhook, tmp_path, file, dialect="twitterapi_io"))


def account(connection: psycopg.Connection, *rows: tuple[int, int, int, int, int, int]) -> None:
    """Put rows where normalising puts them, under ids small enough to read."""
    connection.execute(
        "create table ops.delivery_accounting_of_tests partition of ops.delivery_accounting for values from (0) to (9)"
    )
    for row in rows:
        connection.execute(
            "insert into ops.delivery_accounting (delivery_id, item_count, normalised_count, duplicate_count, "
            "control_count, dead_count, parser_version) values (%s, %s, %s, %s, %s, %s, 1)",
            row,
        )


class TestDraining:
    def test_it_waits_until_every_delivery_is_accounted_for(self) -> None:
        known = {1: ItemCounts(10, 7, 1, 1, 1)}
        asked: list[list[int]] = []

        def accounting(ids: object) -> dict[int, ItemCounts]:
            asked.append(list(ids))  # type: ignore[call-overload]
            return {key: counts for key, counts in known.items() if key in asked[-1]}

        def sleep(_seconds: float) -> None:
            known.setdefault(len(known) + 1, ItemCounts(5, 5))

        drained = wait_for_drain(accounting, [3, 1, 2], timeout_seconds=60, sleep=sleep)
        assert drained == Drained(ItemCounts(20, 17, 1, 1, 1), 3, 0)
        assert asked == [[1, 2, 3], [2, 3], [3]]

    def test_it_gives_up_in_time_and_says_how_many_wait(self) -> None:
        moments = iter(range(100))
        drained = wait_for_drain(
            lambda _ids: {}, [1, 2], timeout_seconds=5, sleep=lambda _: None, clock=lambda: float(next(moments))
        )
        assert drained == Drained(ItemCounts(), 0, 2)

    def test_the_accounting_is_read_from_the_database(self, connection: psycopg.Connection) -> None:
        account(connection, (5, 10, 4, 3, 2, 1), (6, 1, 1, 0, 0, 0))
        assert read_accounting(connection, [5, 7]) == {5: ItemCounts(10, 4, 3, 2, 1)}


class TestCommand:
    def invoke(self, webhook: Webhook, tmp_path: Path, *arguments: str, key: str | None = KEY) -> tuple[int, str]:
        defaults = ReplayDefaults(webhook.url, key, tmp_path)
        outcome = CliRunner().invoke(replay_command(lambda: defaults), list(arguments))
        return outcome.exit_code, outcome.output

    def test_it_says_what_was_replayed(self, webhook: Webhook, tmp_path: Path) -> None:
        file = archive_of(tmp_path, *range(1500))
        code, output = self.invoke(webhook, tmp_path, str(file), "--zone", "z", "--batch", "1000")
        assert code == 0
        assert "replayed 1 files: 1,500 items posted, 1,500 acknowledged in 2 deliveries, 0 refused" in output

    def test_it_says_what_became_of_the_items(
        self, webhook: Webhook, tmp_path: Path, connection: psycopg.Connection
    ) -> None:
        account(connection, (1, 3, 1, 0, 1, 1))
        defaults = ReplayDefaults(webhook.url, KEY, tmp_path, lambda: nullcontext(connection))
        files = [str(archive_of(tmp_path, *range(3)))]
        outcome = CliRunner().invoke(replay_command(lambda: defaults), [*files, "--zone", "z"])
        assert "of 3 items: 1 accepted, 0 duplicate, 1 control messages, 1 dead-lettered\n" in outcome.output

    def test_a_stop_is_a_sentence_and_no_traceback(self, webhook: Webhook, tmp_path: Path) -> None:
        code, output = self.invoke(webhook, tmp_path, str(tmp_path / "missing.jsonl"))
        assert (code, "Traceback" in output) == (1, False)
        assert "missing.jsonl" in output

    def test_without_a_zone_lines_go_into_the_archive(self, webhook: Webhook, tmp_path: Path) -> None:
        code, output = self.invoke(webhook, tmp_path, str(archive_of(tmp_path, 1)))
        assert code == 0, output
        assert "1 acknowledged" in output

    def test_without_a_key_it_says_how_to_give_one(self, webhook: Webhook, tmp_path: Path) -> None:
        code, output = self.invoke(webhook, tmp_path, str(archive_of(tmp_path, 1)), "--zone", "z", key=None)
        assert code == 2
        assert "TWITTERAPI_IO_WEBHOOK_KEYS" in output

    def test_refused_lines_are_named(self, webhook: Webhook, tmp_path: Path) -> None:
        webhook.answer = lambda _body, _before: Response("no", 413)
        code, output = self.invoke(webhook, tmp_path, str(archive_of(tmp_path, *range(30))), "--zone", "z")
        assert code == 0
        assert "30 refused" in output
        assert "refused: and 10 lines more" in output


def test_the_real_minutes_arrive_whole(webhook: Webhook, tmp_path: Path) -> None:
    folder = os.environ.get("REAL_DATA_DIR")
    if not folder:
        pytest.skip("REAL_DATA_DIR is not set: the real archive is not part of the repository")
    files = sorted((Path(folder) / "public-stream-2019-v1.1").glob("*.json.bz2"))[:2]
    summary = run(plan(webhook, tmp_path, *files, batch=100))
    unpacked = [bz2.decompress(file.read_bytes()) for file in files]
    assert webhook.lines == Counter(line for content in unpacked for line in content.split(b"\r\n") if line)
    assert summary.acknowledged_items == webhook.lines.total()
