"""The stand-in over real sockets: the provider's HTTP API with its quirks, the controls, and the pushes."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
import uvicorn
from click.testing import CliRunner
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ingest.standin.clock import Clock
from ingest.standin.command import standin
from ingest.standin.curves import DAY_MS, HOUR_MS, MINUTE_MS, NEVER_MS
from ingest.standin.live import LivePusher
from ingest.standin.provider import Provider
from ingest.standin.push import Webhook, WebhookError
from ingest.standin.server import build_app
from ingest.standin.settings import StandinSettings
from ingest.standin.stream import SyntheticDay, post_all, stream_day
from ingest.standin.world import Tweet
from tests.waiting import wait_until

SEED = 5
NOW_MS = 1_790_000_000_000
KEY = {"X-API-Key": "a-key"}
PATIENCE_SECONDS = 30
Json = dict[str, Any]


def settings(**given: Any) -> StandinSettings:
    small = {"seed": SEED, "tweets_per_hour": 3_000, "authors": 3_000, "api_key": "a-key", "push": False}
    return StandinSettings.model_validate(small | given)


@contextmanager
def served(app: Starlette) -> Iterator[str]:
    """Serve an app on a free port of this machine and give its address."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        config = uvicorn.Config(app, log_level="error", lifespan="off", timeout_graceful_shutdown=1, ws="none")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        try:
            wait_until(lambda: server.started)
            yield f"http://127.0.0.1:{bound.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


class Remote:
    """A provider behind HTTP, held still at NOW_MS."""

    def __init__(self, provider: Provider, http: httpx.Client) -> None:
        self.provider = provider
        self.http = http

    def get(self, path: str, **params: Any) -> Json:
        response = self.http.get(path, params=params or None)
        assert response.status_code == 200, response.text
        loaded: Json = response.json()
        return loaded

    def post(self, path: str, **body: Any) -> Json:
        loaded: Json = self.http.post(path, json=body).json()
        return loaded

    def tweets(self, *, hours: float = 1.0) -> list[Tweet]:
        return list(self.provider.world.between(NOW_MS - int(hours * HOUR_MS), NOW_MS))


@contextmanager
def remote(**given: Any) -> Iterator[Remote]:
    clock = Clock()
    clock.set(NOW_MS, speed=0)
    provider = Provider(settings(**given), clock)
    with served(build_app(provider)) as address, httpx.Client(base_url=address, headers=KEY, trust_env=False) as http:
        yield Remote(provider, http)


@pytest.fixture
def api() -> Iterator[Remote]:
    with remote() as found:
        yield found


# The key, money and limits.


@pytest.mark.parametrize("headers", [{"X-API-Key": "wrong"}, {"X-API-Key": ""}, {"X-API-Key": "é"}])
def test_a_wrong_key_is_401(api: Remote, headers: dict[str, str]) -> None:
    encoded = {name.encode(): value.encode() for name, value in headers.items()}
    for path in ("/oapi/my/info", "/oapi/tweet_filter/get_rules", "/twitter/tweets?tweet_ids=1"):
        assert api.http.get(path, headers=encoded).status_code == 401


def test_the_header_name_has_no_case(api: Remote) -> None:
    assert httpx.get(api.http.base_url.join("/oapi/my/info"), headers={"x-api-key": "a-key"}).status_code == 200


def test_credits_pay_15_a_tweet_18_a_profile_and_never_less_than_15_a_call(api: Remote) -> None:
    def price(path: str, **params: Any) -> int:
        before = api.get("/oapi/my/info")["recharge_credits"]
        api.get(path, **params)
        return int(before - api.get("/oapi/my/info")["recharge_credits"])

    visible = [tweet for tweet in api.tweets() if api.provider.world.is_visible(tweet, NOW_MS)][:7]
    users = [api.provider.world.people.id_of(index) for index in range(120)]
    assert price("/twitter/tweets", tweet_ids=",".join(str(tweet.id) for tweet in visible)) == 7 * 15
    assert price("/twitter/tweets", tweet_ids="1") == 15
    assert price("/twitter/user/batch_info_by_ids", userIds=",".join(map(str, users[:3]))) == 3 * 18
    assert price("/twitter/user/batch_info_by_ids", userIds=",".join(map(str, users))) == 120 * 10
    assert price("/twitter/tweet/advanced_search", query="nosuchword since_time:1789999000") == 15
    assert price("/oapi/tweet_filter/get_rules") == 0


def test_no_credits_are_402() -> None:
    with remote(credits=10) as api:
        api.get("/twitter/tweets", tweet_ids="1")
        refused = api.http.get("/twitter/tweets", params={"tweet_ids": "1"})
        assert refused.status_code == 402
        assert refused.json() == {"error": "Unauthorized", "message": "Credits is not enough.Please recharge"}


def test_calls_beyond_the_rate_are_429_with_the_seconds_to_wait() -> None:
    with remote(calls_per_second=0.5) as api:
        answers = [api.http.get("/oapi/my/info") for _ in range(3)]
        assert answers[-1].status_code == 429
        assert 1 <= int(answers[-1].headers["Retry-After"]) <= 2


# Rules.


def test_a_rule_is_born_inactive_and_an_update_needs_all_its_fields() -> None:
    with remote(default_rules=False) as api:
        made = api.post("/oapi/tweet_filter/add_rule", tag="a", value="kelmora", interval_seconds=0.5)
        assert made["status"] == "success"
        assert len(made["rule_id"]) == 32
        (rule,) = api.get("/oapi/tweet_filter/get_rules")["rules"]
        assert (rule["is_effect"], rule["interval_seconds"]) == (0, 0.5)
        fields = {"rule_id": made["rule_id"], "tag": "a", "value": "kelmora", "interval_seconds": 0.5}
        for name in fields:
            short = {other: value for other, value in fields.items() if other != name}
            assert api.http.post("/oapi/tweet_filter/update_rule", json=short).status_code == 422
        assert api.post("/oapi/tweet_filter/update_rule", **fields, is_effect=1)["status"] == "success"
        assert [rule.tag for rule in api.provider.active_rules()] == ["a"]


def test_an_unchanged_active_rule_cannot_be_updated_and_an_omitted_is_effect_deactivates(api: Remote) -> None:
    shown = api.get("/oapi/tweet_filter/get_rules")["rules"][0]
    fields = {name: shown[name] for name in ("rule_id", "tag", "value", "interval_seconds")}
    again = api.post("/oapi/tweet_filter/update_rule", **fields, is_effect=1)
    assert again == {"status": "error", "msg": "update rule failed"}
    assert api.post("/oapi/tweet_filter/update_rule", **fields)["status"] == "success"
    assert api.get("/oapi/tweet_filter/get_rules")["rules"][0]["is_effect"] == 0


def test_a_rule_is_deleted_by_a_body(api: Remote) -> None:
    rule_id = api.get("/oapi/tweet_filter/get_rules")["rules"][0]["rule_id"]
    gone = api.http.request("DELETE", "/oapi/tweet_filter/delete_rule", json={"rule_id": rule_id})
    assert gone.json()["status"] == "success"
    assert rule_id not in [rule["rule_id"] for rule in api.get("/oapi/tweet_filter/get_rules")["rules"]]
    again = api.http.request("DELETE", "/oapi/tweet_filter/delete_rule", json={"rule_id": rule_id})
    assert again.json()["status"] == "error"


@pytest.mark.parametrize(
    "fields",
    [
        {"tag": "x" * 256, "value": "a"},
        {"tag": "x", "value": "a" * 256},
        {"tag": "x", "value": "a OR"},
        {"tag": "x", "value": "a", "interval_seconds": 0.01},
        {"tag": "x", "value": "a", "interval_seconds": 86_401},
    ],
)
def test_a_rule_outside_the_limits_is_refused_with_status_error(api: Remote, fields: Json) -> None:
    answer = api.post("/oapi/tweet_filter/add_rule", **fields)
    assert answer["status"] == "error"
    assert answer["msg"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"tag": 1, "value": "a"}', b'{"tag":"a","value":null}'])
def test_a_body_that_is_no_rule_is_422(api: Remote, body: bytes) -> None:
    assert api.http.post("/oapi/tweet_filter/add_rule", content=body).status_code == 422


# Tweets and users.


def test_deleted_unborn_and_unknown_tweets_are_simply_missing(api: Remote) -> None:
    world = api.provider.world
    tweets = api.tweets(hours=6)
    deleted = next(tweet for tweet in tweets if tweet.deleted_at_ms < NOW_MS)
    seen = next(tweet for tweet in tweets if world.is_visible(tweet, NOW_MS) and tweet.kind == "tweet")
    unborn = next(iter(world.between(NOW_MS + MINUTE_MS, NOW_MS + HOUR_MS)))
    ids = [deleted.id, seen.id, unborn.id, 12, 2**63 - 1]
    answer = api.get("/twitter/tweets", tweet_ids=",".join(map(str, [*ids, "word"])))
    assert answer["status"] == "success"
    (shown,) = answer["tweets"]
    counts = world.counts(seen.id, NOW_MS)
    assert counts is not None
    assert (shown["id"], shown["likeCount"]) == (str(seen.id), counts.like)


def test_at_most_100_ids_are_looked_up_at_once(api: Remote) -> None:
    refused = api.http.get("/twitter/tweets", params={"tweet_ids": ",".join(map(str, range(101)))})
    assert refused.status_code == 400
    assert "100" in refused.json()["detail"]
    assert api.http.get("/twitter/tweets").status_code == 422


def test_users_are_found_by_name_and_by_id_with_growing_numbers(api: Remote) -> None:
    people = api.provider.world.people
    shown = api.get("/twitter/user/info", userName=people.handle(3, NOW_MS).upper())["data"]
    assert shown["id"] == str(people.id_of(3))
    ids = f"{people.id_of(3)},77,{people.id_of(9)}"
    users = api.get("/twitter/user/batch_info_by_ids", userIds=ids)["users"]
    assert [user["id"] for user in users] == [str(people.id_of(3)), str(people.id_of(9))]
    assert users[0] == shown
    assert users[0]["description"] == ""
    api.post("/standin/clock", offset_seconds=30 * 86_400)
    later = api.get("/twitter/user/batch_info_by_ids", userIds=ids)["users"][0]
    assert later["statusesCount"] > shown["statusesCount"]
    assert later["followers"] != shown["followers"]
    assert api.get("/twitter/user/info", userName="nobody")["status"] == "error"


def test_authors_who_cannot_be_seen_say_so_and_hide_their_tweets(api: Remote) -> None:
    world = api.provider.world
    hidden = {
        state: next(index for index in range(world.people.count) if world.people.state(index, NOW_MS) == state)
        for state in ("suspended", "unavailable", "protected")
    }
    ids = ",".join(str(world.people.id_of(index)) for index in hidden.values())
    suspended, unavailable, protected = api.get("/twitter/user/batch_info_by_ids", userIds=ids)["users"]
    assert (suspended["unavailable"], suspended["unavailableReason"]) == (True, "suspended")
    assert unavailable["message"] == "This account is unavailable"
    assert protected["isProtected"] is True
    tweet, day = next(
        (tweet, day)
        for tweet in api.tweets(hours=6)
        for day in range(1, 30)
        if world.people.state(tweet.author, NOW_MS + day * DAY_MS) != "active" and tweet.deleted_at_ms == NEVER_MS
    )
    assert len(api.get("/twitter/tweets", tweet_ids=tweet.id)["tweets"]) == 1
    api.post("/standin/clock", now=NOW_MS + day * DAY_MS)
    assert api.get("/twitter/tweets", tweet_ids=tweet.id)["tweets"] == []
    assert api.get(f"/standin/truth/{tweet.id}")["visibility"] in ("suspended", "unavailable", "protected")


# Search.


def walked(api: Remote, path: str, **params: Any) -> tuple[list[Json], list[Json]]:
    """Follow the cursors as a careful client does, and return (tweets, pages)."""
    pages: list[Json] = []
    cursors = [""]
    while True:
        pages.append(api.get(path, **params, cursor=cursors[-1]))
        following = pages[-1]["next_cursor"]
        if not pages[-1]["has_next_page"] or not following or following in cursors:
            return [tweet for page in pages for tweet in (page.get("data") or page)["tweets"]], pages
        cursors.append(following)


def test_a_search_pages_through_exactly_what_matches_newest_first(api: Remote) -> None:
    world = api.provider.world
    since, end = NOW_MS // 1000 - 3600, NOW_MS // 1000 - 600
    query = f"kelmora since_time:{since} until_time:{end}"
    found, pages = walked(api, "/twitter/tweet/advanced_search", query=query, queryType="Latest")
    expected = [
        str(tweet.id)
        for tweet in world.between(since * 1000, end * 1000)
        if "kelmora" in tweet.searchable.words and world.is_visible(tweet, NOW_MS)
    ]
    assert len(expected) > 100
    assert [tweet["id"] for tweet in found] == expected[::-1]
    assert max(len(page["tweets"]) for page in pages) == 20
    assert "status" not in pages[0]


def test_the_end_of_a_search_misleads_in_the_ways_of_the_real_one(api: Remote) -> None:
    ends = set()
    for word in ("kelmora", "ostrevia", "tessarine", "kelferry", "kelbridge", "nothing", "lang:ja", "lang:ko"):
        query = f"{word} since_time:{NOW_MS // 1000 - 300}"
        _, pages = walked(api, "/twitter/tweet/advanced_search", query=query, queryType="Latest")
        last = pages[-1]
        empty_page = len(pages) > 1 and not last["tweets"] and not last["has_next_page"]
        ends.add("empty page" if empty_page else "no cursor" if last["has_next_page"] else "honest")
    assert ends == {"empty page", "no cursor", "honest"}


def test_without_quirks_a_search_ends_honestly() -> None:
    with remote(quirks=False) as api:
        for word in ("kelmora", "ostrevia", "tessarine", "nothing"):
            query = f"{word} since_time:{NOW_MS // 1000 - 300}"
            _, pages = walked(api, "/twitter/tweet/advanced_search", query=query)
            assert pages[-1]["has_next_page"] is False


def test_an_unreadable_query_or_cursor_is_400(api: Remote) -> None:
    for params in ({"query": "(a"}, {"query": "a", "cursor": "elsewhere"}):
        refused = api.http.get("/twitter/tweet/advanced_search", params=params)
        assert refused.status_code == 400
        assert refused.json()["detail"]


def test_last_tweets_are_an_author_s_own_and_leave_replies_out_unless_asked(api: Remote) -> None:
    world = api.provider.world
    author_id = world.people.id_of(0)
    answer = api.get("/twitter/user/last_tweets", userId=author_id)
    assert len(answer["data"]["tweets"]) == 20
    assert all(tweet["author"]["id"] == str(author_id) and not tweet["isReply"] for tweet in answer["data"]["tweets"])
    name = world.people.handle(0, NOW_MS)
    with_replies = api.get("/twitter/user/last_tweets", userName=name, includeReplies="true")
    assert any(tweet["isReply"] for tweet in with_replies["data"]["tweets"])


# Controls.


def test_the_clock_runs_forward_and_the_truth_of_any_time_can_be_asked(api: Remote) -> None:
    world = api.provider.world
    tweet = next(tweet for tweet in api.tweets() if tweet.kind == "tweet" and tweet.deleted_at_ms == NEVER_MS)
    reading = api.post("/standin/clock", offset_seconds=3 * 86_400)
    assert reading == {"now": NOW_MS + 3 * DAY_MS, "speed": 0}
    (shown,) = api.get("/twitter/tweets", tweet_ids=tweet.id)["tweets"]
    truth = api.get(f"/standin/truth/{tweet.id}")
    assert truth["visibility"] == "visible"
    assert shown["likeCount"] == truth["counts"]["like"]
    before = api.get(f"/standin/truth/{tweet.id}", at=NOW_MS)["counts"]
    then = world.counts(tweet.id, NOW_MS)
    assert then is not None
    assert before["like"] == then.like
    assert api.post("/standin/clock", now=NOW_MS, speed=1)["now"] >= NOW_MS
    assert api.http.post("/standin/clock", json={}).status_code == 400
    assert api.http.get("/standin/truth/5", params={"at": "noon"}).status_code == 400


def test_an_outage_fails_in_its_kind_until_the_provider_s_clock_has_passed_it(api: Remote) -> None:
    seen = next(tweet for tweet in api.tweets() if api.provider.world.is_visible(tweet, NOW_MS))
    path = f"/twitter/tweets?tweet_ids={seen.id}"
    api.post("/standin/outage", seconds=3600, kind="http_500")
    assert api.http.get(path).status_code == 500
    assert api.http.get("/oapi/tweet_filter/get_rules").status_code == 500
    api.post("/standin/outage", seconds=3600, kind="error")
    assert api.get(path)["status"] == "error"
    api.post("/standin/outage", seconds=3600, kind="empty")
    looks_like_mass_deletion = api.get(path)
    assert (looks_like_mass_deletion["tweets"], looks_like_mass_deletion["status"]) == ([], "success")
    assert api.get("/twitter/user/batch_info_by_ids", userIds="1")["users"] == []
    assert api.get("/oapi/tweet_filter/get_rules")["rules"] == []
    assert api.get("/standin/stats")["outage"] == "empty"
    api.post("/standin/clock", offset_seconds=3601)
    assert len(api.get(path)["tweets"]) == 1
    assert api.http.post("/standin/outage", json={"seconds": 1, "kind": "fire"}).status_code == 400


def test_an_outage_of_kind_timeout_hangs(api: Remote) -> None:
    api.post("/standin/outage", seconds=3600, kind="timeout")
    with pytest.raises(httpx.ReadTimeout):
        api.http.get("/oapi/my/info", timeout=0.3)
    api.post("/standin/outage", seconds=0, kind="timeout")
    assert api.http.get("/oapi/my/info").status_code == 200


# Pushes.


class Inbox:
    """A webhook that keeps what it gets and can be told to fail first."""

    def __init__(self, *fail_with: int) -> None:
        self.fail_with = list(fail_with)
        self.bodies: list[bytes] = []
        self.keys: set[str] = set()

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/hook", self._take, methods=["POST"])])

    async def _take(self, request: Request) -> Response:
        body = await request.body()
        self.keys.add(request.headers["x-api-key"])
        if self.fail_with:
            return Response(status_code=self.fail_with.pop(0))
        self.bodies.append(body)
        return Response(status_code=200)

    def envelopes(self) -> list[Json]:
        return [loaded for loaded in map(json.loads, self.bodies) if loaded["event_type"] == "tweet"]


def pushing(address: str, clock: Clock, **given: Any) -> LivePusher:
    known = {"webhook_url": f"{address}/hook", "webhook_key": "hook-key", "retry_wait_seconds": 0.01}
    return LivePusher(Provider(settings(**known | {"late_share": 0, "duplicate_share": 0} | given), clock))


def run_until(pusher: LivePusher, condition: Callable[[], bool]) -> None:
    async def run() -> None:
        running = asyncio.create_task(pusher.run())
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not condition():  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(run())


def test_active_rules_are_pushed_with_the_key_after_a_test_message() -> None:
    inbox, clock = Inbox(503, 503), Clock()
    clock.set(NOW_MS, speed=0)
    with served(inbox.app()) as address:
        pusher = pushing(address, clock, backlog_seconds=600)
        clock.set(NOW_MS + 60_000)
        run_until(pusher, lambda: pusher.counters.acknowledged > 5 and pusher.waiting == 0)
    assert inbox.bodies[0] == b'{"event_type":"test_webhook_url"}'
    assert inbox.keys == {"hook-key"}
    assert pusher.counters.retries == 2
    envelopes = inbox.envelopes()
    assert {envelope["rule_tag"] for envelope in envelopes} == {"kelmora", "ostrevia", "tessarine", "busiest"}
    assert max(len(envelope["tweets"]) for envelope in envelopes) <= 20
    assert pusher.provider.credits < pusher.provider.settings.credits


def test_each_check_delivers_what_is_new_and_the_newest_again() -> None:
    clock = Clock()
    clock.set(NOW_MS, speed=0)
    pusher = pushing("http://unused", clock, backlog_seconds=0)
    rule = pusher.provider.active_rules()[0]
    pusher.provider.rules = {rule.rule_id: rule}

    def checked(at_ms: int) -> list[Json]:
        clock.set(at_ms, speed=0)
        asyncio.run(pusher.check_rules())
        return [tweet for body in drained(pusher) for tweet in body["tweets"]]

    checked(NOW_MS)
    first = checked(NOW_MS + 10_000)
    second = checked(NOW_MS + 20_000)
    assert first
    assert second[0]["id"] == first[-1]["id"]
    assert not {tweet["id"] for tweet in second[1:]} & {tweet["id"] for tweet in first}


def drained(pusher: LivePusher) -> list[Json]:
    bodies = []
    while pusher.waiting:
        bodies.append(json.loads(pusher._waiting.get_nowait()[0]))
    return bodies


def test_an_activated_rule_brings_a_backlog_and_a_deactivated_one_falls_silent() -> None:
    clock = Clock()
    clock.set(NOW_MS, speed=0)
    pusher = pushing("http://unused", clock, default_rules=False, backlog_seconds=1800)
    rule = pusher.provider.add_rule("all of it", "kelmora OR ostrevia OR tessarine", 60)
    asyncio.run(pusher.check_rules())
    assert pusher.waiting == 0
    pusher.provider.update_rule(rule.rule_id, rule.tag, rule.value, 60, is_effect=True)
    asyncio.run(pusher.check_rules())
    burst = [tweet for body in drained(pusher) for tweet in body["tweets"]]
    assert len(burst) > 200
    pusher.provider.update_rule(rule.rule_id, rule.tag, rule.value, 60, is_effect=False)
    clock.set(NOW_MS + HOUR_MS, speed=0)
    asyncio.run(pusher.check_rules())
    assert pusher.waiting == 0


def test_what_is_written_during_an_outage_is_never_pushed() -> None:
    clock = Clock()
    clock.set(NOW_MS, speed=0)
    pusher = pushing("http://unused", clock, backlog_seconds=60)
    asyncio.run(pusher.check_rules())
    drained(pusher)
    pusher.provider.fail_for(3600, "http_500")
    for minutes in (20, 59):
        clock.set(NOW_MS + minutes * MINUTE_MS, speed=0)
        asyncio.run(pusher.check_rules())
        assert pusher.waiting == 0
    clock.set(NOW_MS + 61 * MINUTE_MS, speed=0)
    asyncio.run(pusher.check_rules())
    times = [int(tweet["id"]) >> 22 for body in drained(pusher) for tweet in body["tweets"][1:]]
    assert times
    assert min(times) + 1_288_834_974_657 >= NOW_MS + 59 * MINUTE_MS


def test_a_full_queue_drops_and_counts() -> None:
    clock = Clock()
    clock.set(NOW_MS, speed=0)
    pusher = pushing("http://unused", clock, backlog_seconds=3600, queue_size=3)
    asyncio.run(pusher.check_rules())
    assert pusher.waiting == 3
    assert pusher.counters.dropped > 10


def test_a_webhook_that_is_down_is_tried_again_and_given_up() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
        pusher = pushing(address, Clock(), retries=2, backlog_seconds=600)
        run_until(pusher, lambda: pusher.counters.given_up > 3)
    assert pusher.counters.acknowledged == 0
    assert pusher.counters.retries >= 2 * pusher.counters.given_up
    assert "ConnectError" in pusher.counters.last_fault


# A bounded day, and the command.


def test_a_synthetic_day_is_streamed_whole_and_accounted_for() -> None:
    inbox = Inbox()
    seen: list[tuple[int, int]] = []
    with served(inbox.app()) as address:
        summary = stream_day(
            f"{address}/hook",
            "k",
            seed=SEED,
            start_ms=NOW_MS,
            hours=6,
            tweets=1_500,
            progress=lambda *at: seen.append(at),
        )
    envelopes = inbox.envelopes()
    assert summary.acknowledged == summary.deliveries == len(envelopes)
    assert summary.tweets == summary.tweets_acknowledged == sum(len(envelope["tweets"]) for envelope in envelopes)
    matches = {(tweet["id"], envelope["rule_id"]) for envelope in envelopes for tweet in envelope["tweets"]}
    assert summary.distinct_matches == len(matches)
    assert summary.distinct_tweets == len({tweet_id for tweet_id, _ in matches})
    assert set(summary.by_kind) == {"fresh", "late", "duplicate"}
    assert seen[-1][0] == summary.tweets
    same = SyntheticDay(SEED, NOW_MS, 6, 1_500)
    assert sorted(envelope.body for envelope in same) == sorted(inbox.bodies[1:])


def test_a_webhook_that_refuses_or_does_not_answer_is_named() -> None:
    with served(Inbox(401).app()) as address, pytest.raises(WebhookError, match=r"refused .* HTTP 401"):
        stream_day(f"{address}/hook", "k", seed=SEED, start_ms=NOW_MS, hours=1, tweets=100)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        webhook = Webhook(f"http://127.0.0.1:{closed.getsockname()[1]}/hook", "k", retries=0)
        with pytest.raises(WebhookError, match="did not answer"):
            post_all(webhook, SyntheticDay(SEED, NOW_MS, 1, 100))


def test_a_rate_is_kept() -> None:
    made = list(SyntheticDay(SEED, NOW_MS, 1, 200))
    tweets = sum(len(envelope.tweets) for envelope in made)
    with served(Inbox().app()) as address:
        summary = post_all(Webhook(f"{address}/hook", "k"), made, tweets_per_second=tweets)
    assert summary.tweets_acknowledged == tweets
    assert summary.seconds > 0.9


def test_a_refused_delivery_is_not_tried_again() -> None:
    inbox = Inbox(200, *[400] * 1_000)
    with served(inbox.app()) as address:
        summary = stream_day(f"{address}/hook", "k", seed=SEED, start_ms=NOW_MS, hours=1, tweets=200)
    assert summary.refused == summary.deliveries > 0
    assert summary.retries == 0


def test_the_command_answers_until_sigterm_and_leaves_with_0() -> None:
    code = "from ingest.standin.command import standin; standin()"
    with subprocess.Popen(
        [sys.executable, "-c", code, "--port", "0", "--seed", "3", "--no-push"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        address = process.stdout.readline().split()[3].rstrip(",")
        wait_until(lambda: answers(f"{address}/standin/stats"))
        assert httpx.get(f"{address}/standin/stats").json()["seed"] == 3
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_SECONDS) == 0


def answers(address: str) -> bool:
    try:
        return httpx.get(address).status_code == 200
    except httpx.TransportError:
        return False


def test_a_wrong_setting_or_a_taken_port_is_explained_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    result = CliRunner().invoke(standin, ["--seed", "-1"])
    assert result.exit_code == 1
    assert "STANDIN_SEED" in result.output
    monkeypatch.setenv("STANDIN_PORT", "many")
    assert "STANDIN_PORT" in CliRunner().invoke(standin, []).output
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        result = CliRunner().invoke(standin, ["--port", str(taken.getsockname()[1])])
    assert result.exit_code == 1, "an option overrides even a wrong environment variable"
    assert "Cannot listen" in result.output
