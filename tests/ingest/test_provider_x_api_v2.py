"""The client of X's API v2 against a server that answers as X's documentation says, over real sockets."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ingest.provider import connect as provider_connect
from ingest.provider.protocol import (
    Absent,
    FoundTweet,
    FoundUser,
    Provider,
    ProviderFailed,
    ProviderRule,
    RuleRefused,
    Unavailable,
    search_pages,
)
from ingest.provider.settings import ProviderSettings
from ingest.provider.transport import Time

TOKEN = "a-token"
PROBLEM = "https://api.twitter.com/2/problems/"


@dataclass
class DocumentedX:
    """A server whose next answers are given beforehand, in order; the last one is repeated."""

    answers: list[tuple[int, Any, dict[str, str]]] = field(default_factory=list)
    requests: list[tuple[str, str, dict[str, str], Any]] = field(default_factory=list)
    url: str = ""
    slept: list[float] = field(default_factory=list)

    def says(self, body: Any, status: int = 200, **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers.append((status, body, named))

    async def answer(self, request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return JSONResponse({"title": "Unauthorized", "type": "about:blank", "status": 401}, 401)
        body = await request.json() if request.method == "POST" else None
        self.requests.append((request.method, request.url.path, dict(request.query_params), body))
        status, answer, headers = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return JSONResponse(answer, status, headers)


@contextmanager
def served(app: Starlette) -> Iterator[str]:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        config = uvicorn.Config(app, log_level="error", lifespan="off", timeout_graceful_shutdown=1, ws="none")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive()
                time.sleep(0.01)
            yield f"http://127.0.0.1:{bound.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture
def documented() -> Iterator[DocumentedX]:
    x = DocumentedX()
    routes = [Route("/{path:path}", x.answer, methods=["GET", "POST"])]
    with served(Starlette(routes=routes)) as url:
        x.url = url
        yield x


@contextmanager
def client(x: DocumentedX, wall: Callable[[], float] = time.time) -> Iterator[Provider]:
    settings = ProviderSettings.model_validate(
        {"x_api_bearer_token": TOKEN, "x_api_url": x.url, "x_api_calls_per_second": 1_000}
    )
    # Sleeping moves the clock on instead of passing time.
    skipped = [0.0]

    def sleep(seconds: float) -> None:
        x.slept.append(seconds)
        skipped[0] += seconds

    timing = Time(monotonic=lambda: time.monotonic() + skipped[0], wall=wall, sleep=sleep)
    with provider_connect.connected(settings, "x_api_v2", timing) as provider:
        yield provider


def tweet(number: int, **given: Any) -> dict[str, Any]:
    return {
        "id": str(number),
        "text": "storm",
        "author_id": "7",
        "created_at": "2026-09-21T14:13:20.000Z",
        "edit_history_tweet_ids": [str(number)],
        "public_metrics": {
            "retweet_count": 1,
            "reply_count": 2,
            "like_count": 3,
            "quote_count": 4,
            "bookmark_count": 5,
            "impression_count": 6,
        },
    } | given


AUTHOR = {
    "id": "7",
    "username": "storm_watch",
    "name": "Storm",
    "protected": False,
    "public_metrics": {"followers_count": 10, "following_count": 20, "tweet_count": 30, "listed_count": 40},
}


def error(number: int, kind: str, title: str, detail: str = "", resource: str = "tweet") -> dict[str, Any]:
    return {
        "resource_id": str(number),
        "resource_type": resource,
        "parameter": "ids",
        "value": str(number),
        "title": title,
        "detail": detail,
        "type": PROBLEM + kind,
    }


def test_what_is_shown_is_found_and_what_is_not_is_told_apart(documented: DocumentedX) -> None:
    documented.says(
        {
            "data": [tweet(1)],
            "includes": {"users": [AUTHOR]},
            "errors": [
                error(2, "resource-not-found", "Not Found Error"),
                error(3, "not-authorized-for-resource", "Authorization Error"),
                error(4, "resource-not-found", "Forbidden", "User has been suspended: [4]."),
                error(5, "resource-unavailable", "Unavailable"),
            ],
        }
    )
    with client(documented) as provider:
        answers = provider.tweets_by_ids([1, 2, 3, 4, 5])
    found = answers.answers[1]
    assert isinstance(found, FoundTweet)
    assert found.tweet.author is not None
    assert (found.tweet.author.user_name, found.tweet.author.followers, found.tweet.author.statuses_count) == (
        "storm_watch",
        10,
        30,
    )
    names = ("retweet", "reply", "like", "quote", "bookmark", "view")
    assert [getattr(found.tweet, f"{name}_count") for name in names] == [1, 2, 3, 4, 5, 6]
    assert answers.answers[2] == Absent()
    assert answers.answers[3] == Unavailable("protected")
    assert answers.answers[4] == Unavailable("suspended")
    assert answers.answers[5] == Unavailable("resource-unavailable")
    assert answers.credits == 1
    method, path, query, _ = documented.requests[0]
    assert (method, path, query["ids"]) == ("GET", "/2/tweets", "1,2,3,4,5")


def test_renamed_fields_are_read_under_both_names(documented: DocumentedX) -> None:
    renamed = tweet(1, public_metrics={"repost_count": 8, "like_count": 3})
    reposted = tweet(2, referenced_posts=[{"type": "reposted", "id": "9"}])
    author = AUTHOR | {"public_metrics": {"followers_count": 10, "post_count": 31}}
    documented.says({"data": [renamed, reposted], "includes": {"users": [author]}})
    with client(documented) as provider:
        answers = provider.tweets_by_ids([1, 2]).answers
    first, second = answers[1], answers[2]
    assert isinstance(first, FoundTweet)
    assert isinstance(second, FoundTweet)
    assert (first.tweet.retweet_count, first.tweet.like_count, first.tweet.reply_count) == (8, 3, None)
    assert first.tweet.author is not None
    assert first.tweet.author.statuses_count == 31
    assert second.tweet.like_count is None, "the counts of a repost are its original's"


def test_an_id_that_is_neither_shown_nor_named_spoils_the_answer_and_is_not_absent(documented: DocumentedX) -> None:
    documented.says({"data": [tweet(1)]})
    with client(documented) as provider, pytest.raises(ProviderFailed, match="1 of 2 ids are neither"):
        provider.tweets_by_ids([1, 2])


def test_accounts_are_found_or_told_apart(documented: DocumentedX) -> None:
    documented.says(
        {
            "data": [AUTHOR],
            "errors": [
                error(8, "resource-not-found", "Forbidden", "User has been suspended: [8].", "user"),
                error(9, "resource-not-found", "Not Found Error", "", "user"),
            ],
        }
    )
    with client(documented) as provider:
        answers = provider.users_by_ids([7, 8, 9]).answers
    assert isinstance(answers[7], FoundUser)
    assert answers[8] == Unavailable("suspended")
    assert answers[9] == Absent()


def test_a_rate_limit_that_was_used_up_is_waited_out_before_the_next_call(documented: DocumentedX) -> None:
    now = 1_790_000_000.0
    documented.says({"data": [tweet(1)]}, x_rate_limit_remaining="0", x_rate_limit_reset=str(int(now) + 25))
    documented.says({"data": [tweet(1)]}, x_rate_limit_remaining="299")
    with client(documented, wall=lambda: now) as provider:
        provider.tweets_by_ids([1])
        assert sum(documented.slept) == 0
        provider.tweets_by_ids([1])
    assert sum(documented.slept) == pytest.approx(25, abs=0.5)


def test_too_many_requests_are_repeated_when_the_provider_says_so(documented: DocumentedX) -> None:
    documented.says({"title": "Too Many Requests"}, 429, retry_after="7")
    documented.says({"data": [tweet(1)]})
    with client(documented) as provider:
        assert isinstance(provider.tweets_by_ids([1]).answers[1], FoundTweet)
    assert documented.slept == [7.0]


def test_a_pause_of_many_minutes_is_left_to_the_next_run(documented: DocumentedX) -> None:
    documented.says({"title": "Too Many Requests"}, 429, retry_after="900")
    with client(documented) as provider, pytest.raises(ProviderFailed) as failure:
        provider.tweets_by_ids([1])
    assert failure.value.retry_after_seconds == 900
    assert failure.value.is_retryable
    assert not failure.value.may_be_billed
    assert documented.slept == []


def test_an_error_of_the_server_is_not_repeated_since_it_may_be_billed(documented: DocumentedX) -> None:
    documented.says({"title": "Internal Server Error"}, 500)
    with client(documented) as provider:
        with pytest.raises(ProviderFailed) as failure:
            provider.tweets_by_ids([1])
        assert failure.value.may_be_billed
        assert len(documented.requests) == 1
        with pytest.raises(ProviderFailed):
            provider.rules()
    assert len(documented.requests) == 1 + 4, "reading the rules costs nothing and is repeated"


def test_a_search_follows_the_token_and_each_tweet_carries_what_it_refers_to(documented: DocumentedX) -> None:
    documented.says({"data": [tweet(2)], "includes": {"users": [AUTHOR]}, "meta": {"next_token": "n"}})
    documented.says({"data": [tweet(1)], "includes": {"users": [AUTHOR]}, "meta": {}})
    with client(documented) as provider:
        pages = list(search_pages(provider, "storm", most_pages=9))
    assert [len(page.tweets) for page in pages] == [1, 1]
    assert b"storm_watch" in pages[0].tweets[0]
    assert documented.requests[1][2]["next_token"] == "n"


def test_a_rule_is_active_from_the_start_and_is_replaced_to_change_it(documented: DocumentedX) -> None:
    created = {"data": [{"id": "11", "value": "rain", "tag": "weather"}], "meta": {"summary": {"created": 1}}}
    documented.says(created)
    documented.says({"meta": {"summary": {"deleted": 1}}})
    with client(documented) as provider:
        changed = provider.change_rule(ProviderRule("10", "weather", "rain", 60.0, is_active=True))
    assert changed == ProviderRule("11", "weather", "rain", None, is_active=True)
    assert [body for *_, body in documented.requests] == [
        {"add": [{"value": "rain", "tag": "weather"}]},
        {"delete": {"ids": ["10"]}},
    ]


def test_a_rule_that_x_does_not_take_is_refused_with_its_reason(documented: DocumentedX) -> None:
    documented.says({"meta": {"summary": {"created": 0}}, "errors": [{"title": "DuplicateRule", "detail": "exists"}]})
    with client(documented) as provider, pytest.raises(RuleRefused, match="DuplicateRule: exists"):
        provider.add_rule("weather", "rain", 60.0)


def test_a_wrong_token_says_what_to_check(documented: DocumentedX) -> None:
    settings = ProviderSettings.model_validate({"x_api_bearer_token": "wrong", "x_api_url": documented.url})
    with (
        provider_connect.connected(settings, "x_api_v2") as provider,
        pytest.raises(ProviderFailed, match="401, the key is not accepted"),
    ):
        provider.rules()
