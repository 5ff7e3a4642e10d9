"""The provider's HTTP API over the living world, quirks included, and controls for tests under /standin/.

*Belongs here*: routes, parameters, status codes, the shapes of answers.
*Does not belong here*: the state behind them, rendering of tweets and users, pushes.
"""

import asyncio
import hmac
import math
from collections.abc import Awaitable, Callable
from zlib import crc32

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ingest.standin.curves import DAY_MS, NEVER_MS
from ingest.standin.provider import (
    CREDITS_PER_PROFILE,
    CREDITS_PER_PROFILE_IN_BULK,
    CREDITS_PER_TWEET,
    OUTAGE_KINDS,
    PROFILES_IN_BULK,
    Provider,
    RuleError,
)
from ingest.standin.query import QueryError, time_bounds_ms
from ingest.standin.rules import DEFAULT_INTERVAL_SECONDS, Rule, cached_predicate
from ingest.standin.search import CursorError, Page, Position, page
from ingest.standin.world import Tweet

MOST_IDS = 100
SEARCH_REACH_MS = 7 * DAY_MS
# The cursor of the empty page that follows the last one where has_next_page misleads.
END_CURSOR = "DAACEND"

Handler = Callable[["Call"], Awaitable[Response]]


class BadRequestError(ValueError):
    """A request the provider answers with an error status and a *detail*."""

    def __init__(self, detail: str, status: int = 400) -> None:
        super().__init__(detail)
        self.status = status


class Call:
    """One request to the provider, with typed access to what it says."""

    def __init__(self, request: Request, provider: Provider) -> None:
        self.request = request
        self.provider = provider
        self.now_ms = provider.clock.now_ms()

    def query(self, name: str) -> str:
        """Return a query parameter that must be there."""
        value = self.request.query_params.get(name, "")
        if not value:
            raise BadRequestError(f"query parameter {name} is required", 422)
        return value

    def optional(self, name: str) -> str:
        """Return a query parameter, or an empty text."""
        return self.request.query_params.get(name, "")

    async def body(self) -> dict[str, object]:
        """Return the JSON object in the body."""
        try:
            body = msgspec.json.decode(await self.request.body())
        except msgspec.DecodeError:
            raise BadRequestError("the body is not JSON", 422) from None
        if not isinstance(body, dict):
            raise BadRequestError("the body is not a JSON object", 422)
        return body


def build_app(provider: Provider) -> Starlette:
    """Return the HTTP face of a provider."""
    guarded: list[tuple[str, str, Handler]] = [
        ("POST", "/oapi/tweet_filter/add_rule", _add_rule),
        ("GET", "/oapi/tweet_filter/get_rules", _get_rules),
        ("POST", "/oapi/tweet_filter/update_rule", _update_rule),
        ("DELETE", "/oapi/tweet_filter/delete_rule", _delete_rule),
        ("GET", "/oapi/my/info", _my_info),
        ("GET", "/twitter/tweets", _tweets),
        ("GET", "/twitter/user/info", _user_info),
        ("GET", "/twitter/user/batch_info_by_ids", _users),
        ("GET", "/twitter/user/last_tweets", _last_tweets),
        ("GET", "/twitter/tweet/advanced_search", _search),
    ]
    controls: list[tuple[str, str, Handler]] = [
        ("GET", "/standin/truth/{tweet_id:int}", _truth),
        ("POST", "/standin/outage", _outage),
        ("POST", "/standin/clock", _set_clock),
        ("GET", "/standin/clock", _clock),
        ("GET", "/standin/stats", _stats),
    ]
    routes = [Route(path, _guarded(provider, path, handler), methods=[method]) for method, path, handler in guarded]
    routes += [Route(path, _control(provider, handler), methods=[method]) for method, path, handler in controls]
    return Starlette(routes=routes)


# The way in.


def _guarded(provider: Provider, path: str, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """Return an endpoint that checks key, outage, rate limit and credits in this order before it answers."""

    async def endpoint(request: Request) -> Response:
        provider.calls[path] = provider.calls.get(path, 0) + 1
        refusal = _wrong_key(provider, request) or await _failing(provider, path) or _limited(provider)
        if refusal is None and path.startswith("/twitter/") and provider.credits <= 0:
            message = "Credits is not enough.Please recharge"
            refusal = JSONResponse({"error": "Unauthorized", "message": message}, 402)
        return refusal or await _answered(handler, Call(request, provider))

    return endpoint


def _control(provider: Provider, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        return await _answered(handler, Call(request, provider))

    return endpoint


async def _answered(handler: Handler, call: Call) -> Response:
    try:
        return await handler(call)
    except BadRequestError as fault:
        return JSONResponse({"detail": str(fault)}, fault.status)
    except (QueryError, CursorError) as fault:
        return JSONResponse({"detail": str(fault)}, 400)
    except RuleError as fault:
        return JSONResponse({"status": "error", "msg": str(fault)})


def _wrong_key(provider: Provider, request: Request) -> Response | None:
    expected = provider.settings.api_key.get_secret_value().encode()
    given = request.headers.get("x-api-key", "").encode()
    if hmac.compare_digest(expected, given):
        return None
    return JSONResponse({"error": "Unauthorized", "message": "Invalid API key"}, 401)


async def _failing(provider: Provider, path: str) -> Response | None:
    match provider.outage:
        case None:
            return None
        case "http_500":
            return JSONResponse({"detail": "Internal Server Error"}, 500)
        case "error":
            return JSONResponse({"status": "error", "msg": "service temporarily unavailable"})
        case "timeout":
            await _hold(provider)
            return JSONResponse({"detail": "upstream timed out"}, 504)
        case "empty":
            return JSONResponse(_nothing(path))


async def _hold(provider: Provider) -> None:
    """Keep a caller waiting until the outage ends or it has been held long enough."""
    loop = asyncio.get_running_loop()
    until = loop.time() + provider.settings.hold_seconds
    # The clock may be set at any time, so that there is no event to wait for.
    while provider.outage and loop.time() < until:  # noqa: ASYNC110
        await asyncio.sleep(0.05)


def _nothing(path: str) -> dict[str, object]:
    """Return what looks like a successful answer with nothing in it."""
    name = {"rule": "rules", "user": "users"}.get(path.split("/")[2].removesuffix("s").partition("_")[0], "tweets")
    name = "rules" if path.startswith("/oapi/tweet_filter") else name
    return {name: [], "status": "success", "msg": "success", "has_next_page": False, "next_cursor": ""}


def _limited(provider: Provider) -> Response | None:
    wait = provider.seconds_to_wait()
    if not wait:
        return None
    headers = {"Retry-After": str(math.ceil(wait))}
    return JSONResponse({"error": "Too Many Requests", "message": "Too many requests"}, 429, headers)


# Rules.


async def _add_rule(call: Call) -> Response:
    body = await call.body()
    rule = call.provider.add_rule(_text(body, "tag"), _text(body, "value"), _interval(body))
    return JSONResponse({"rule_id": rule.rule_id, "status": "success", "msg": "success"})


async def _get_rules(call: Call) -> Response:
    rules = [_shown_rule(rule) for rule in call.provider.rules.values()]
    return JSONResponse({"rules": rules, "status": "success", "msg": "success"})


async def _update_rule(call: Call) -> Response:
    body = await call.body()
    if "interval_seconds" not in body:
        raise BadRequestError("field interval_seconds is required", 422)
    is_effect = body.get("is_effect", 0)
    if is_effect not in (0, 1):
        raise BadRequestError("field is_effect must be 0 or 1", 422)
    call.provider.update_rule(
        _text(body, "rule_id"), _text(body, "tag"), _text(body, "value"), _interval(body), is_effect=is_effect == 1
    )
    return JSONResponse({"status": "success", "msg": "success"})


async def _delete_rule(call: Call) -> Response:
    call.provider.delete_rule(_text(await call.body(), "rule_id"))
    return JSONResponse({"status": "success", "msg": "success"})


def _text(body: dict[str, object], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise BadRequestError(f"field {name} is required and must be a text", 422)
    return value


def _interval(body: dict[str, object]) -> float:
    value = body.get("interval_seconds", DEFAULT_INTERVAL_SECONDS)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadRequestError("field interval_seconds must be a number", 422)
    return float(value)


def _shown_rule(rule: Rule) -> dict[str, object]:
    return {
        "rule_id": rule.rule_id,
        "tag": rule.tag,
        "value": rule.value,
        "interval_seconds": rule.interval_seconds,
        "user_id": 1,
        "is_effect": int(rule.is_effect),
        "is_delete": 0,
        "created_at": rule.created_at_ms // 1000,
    }


async def _my_info(call: Call) -> Response:
    return JSONResponse({"recharge_credits": call.provider.credits, "total_bonus_credits": 0})


# Tweets and users.


async def _tweets(call: Call) -> Response:
    wanted = [part.strip() for part in call.query("tweet_ids").split(",") if part.strip()]
    if len(wanted) > MOST_IDS:
        raise BadRequestError(f"tweet_ids has {len(wanted)} ids, at most {MOST_IDS} are allowed")
    provider = call.provider
    tweets = [provider.world.tweet(int(text)) for text in dict.fromkeys(wanted) if _is_id(text)]
    shown = [tweet for tweet in tweets if tweet is not None and provider.world.is_visible(tweet, call.now_ms)]
    provider.charge(CREDITS_PER_TWEET * len(shown))
    return _raw(
        b'{"tweets":[%b],"status":"success","msg":"success","message":"success","code":0}' % _shown(call, shown)
    )


async def _user_info(call: Call) -> Response:
    call.provider.charge(CREDITS_PER_PROFILE)
    index = call.provider.world.people.with_handle(call.query("userName"), call.now_ms)
    if index is None:
        return JSONResponse({"status": "error", "msg": "user not found", "data": None})
    user = call.provider.renderer.user(index, call.now_ms)
    return _raw(b'{"status":"success","msg":"success","data":%b}' % user)


async def _users(call: Call) -> Response:
    wanted = dict.fromkeys(part.strip() for part in call.query("userIds").split(","))
    people = call.provider.world.people
    found = [people.with_id(int(text)) for text in wanted if _is_id(text)]
    users = [call.provider.renderer.user(index, call.now_ms) for index in found if index is not None]
    price = CREDITS_PER_PROFILE if len(users) < PROFILES_IN_BULK else CREDITS_PER_PROFILE_IN_BULK
    call.provider.charge(price * len(users))
    return _raw(b'{"users":[%b],"status":"success","msg":"success"}' % b",".join(users))


async def _last_tweets(call: Call) -> Response:
    index = _asked_author(call)
    if index is None or call.provider.world.people.state(index, call.now_ms) != "active":
        call.provider.charge(0)
        return JSONResponse({"status": "error", "msg": "user not found or not available", "data": None})
    with_replies = call.optional("includeReplies").lower() == "true"

    def is_theirs(tweet: Tweet) -> bool:
        return tweet.author == index and (with_replies or tweet.kind != "reply")

    found = _page(call, is_theirs, call.now_ms - SEARCH_REACH_MS, call.now_ms + 1)
    more, cursor = _onwards(call, f"author {index}", found)
    return _raw(
        b'{"status":"success","code":0,"msg":"success","data":{"pin_tweet":null,"tweets":[%b]},%b}'
        % (_shown(call, found.tweets), _paging(cursor, more=more))
    )


async def _search(call: Call) -> Response:
    query = call.query("query")
    predicate = cached_predicate(query)
    since_ms, until_ms = time_bounds_ms(query)
    until_ms = call.now_ms + 1 if until_ms is None else min(until_ms, call.now_ms + 1)
    since_ms = until_ms - SEARCH_REACH_MS if since_ms is None else since_ms
    found = _page(call, lambda tweet: predicate(tweet.searchable), since_ms, until_ms)
    more, cursor = _onwards(call, query, found)
    tweets = found.tweets
    if call.optional("queryType") == "Top":
        tweets = sorted(tweets, key=lambda tweet: -call.provider.world.counts_of(tweet, call.now_ms).like)
    return _raw(b'{"tweets":[%b],%b}' % (_shown(call, tweets), _paging(cursor, more=more)))


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 20


def _asked_author(call: Call) -> int | None:
    people = call.provider.world.people
    user_id = call.optional("userId")
    if user_id:
        return people.with_id(int(user_id)) if _is_id(user_id) else None
    return people.with_handle(call.query("userName"), call.now_ms)


def _page(call: Call, matches: Callable[[Tweet], bool], since_ms: int, until_ms: int) -> Page:
    cursor = call.optional("cursor")
    if cursor == END_CURSOR:
        found = Page([], None)
    else:
        position = Position.of(cursor) if cursor else None
        found = page(call.provider.world, matches, since_ms, until_ms, call.now_ms, position)
    call.provider.charge(CREDITS_PER_TWEET * len(found.tweets))
    return found


def _onwards(call: Call, subject: str, found: Page) -> tuple[bool, str]:
    """Return has_next_page and next_cursor.

    After the last page the real provider sometimes promises another that is empty, or one without a cursor. Which of
    them happens here depends on the query, so that it is the same every time.
    """
    if found.rest is not None:
        return True, found.rest.cursor()
    if not call.provider.settings.quirks or call.optional("cursor") == END_CURSOR:
        return False, ""
    match crc32(subject.encode()) % 3:
        case 0:
            return False, ""
        case 1:
            return True, END_CURSOR
        case _:
            return True, ""


def _paging(cursor: str, *, more: bool) -> bytes:
    return b'"has_next_page":%b,"next_cursor":%b' % (b"true" if more else b"false", msgspec.json.encode(cursor))


def _shown(call: Call, tweets: list[Tweet]) -> bytes:
    return b",".join(call.provider.renderer.tweet(tweet, call.now_ms) for tweet in tweets)


def _raw(body: bytes) -> Response:
    return Response(body, media_type="application/json")


# Controls.


async def _truth(call: Call) -> Response:
    world = call.provider.world
    tweet_id = int(call.request.path_params["tweet_id"])
    at = call.optional("at")
    if at and not _is_id(at):
        raise BadRequestError(f"at must be a number of Unix milliseconds, not {at!r}")
    at_ms = int(at) if at else call.now_ms
    tweet = world.tweet(tweet_id)
    truth: dict[str, object] = {"id": str(tweet_id), "at": at_ms, "visibility": world.visibility(tweet_id, at_ms)}
    if tweet is not None:
        counts = world.counts(tweet_id, at_ms)
        truth |= {
            "kind": tweet.kind,
            "created_at_ms": tweet.created_at_ms,
            "deleted_at_ms": None if tweet.deleted_at_ms == NEVER_MS else tweet.deleted_at_ms,
            "author_id": str(world.people.id_of(tweet.author)),
            "author_state": world.people.state(tweet.author, at_ms),
            "original_id": None if tweet.original_id is None else str(tweet.original_id),
            "edit_of": None if tweet.edit_of is None else str(tweet.edit_of),
            "counts": None if counts is None else msgspec.structs.asdict(counts),
        }
    return JSONResponse(truth)


async def _outage(call: Call) -> Response:
    body = await call.body()
    kind = next((known for known in OUTAGE_KINDS if known == body.get("kind", "http_500")), None)
    if kind is None:
        raise BadRequestError(f"kind must be one of {', '.join(OUTAGE_KINDS)}")
    until_ms = call.provider.fail_for(_number(body, "seconds"), kind)
    return JSONResponse({"kind": kind, "until_ms": until_ms})


async def _set_clock(call: Call) -> Response:
    body = await call.body()
    clock = call.provider.clock
    if ("now" in body) == ("offset_seconds" in body):
        raise BadRequestError("the clock needs either now (Unix milliseconds) or offset_seconds (from what it reads)")
    now_ms = _number(body, "now") if "now" in body else clock.now_ms() + 1000 * _number(body, "offset_seconds")
    clock.set(now_ms, _number(body, "speed") if "speed" in body else None)
    return _clock_reading(call)


async def _clock(call: Call) -> Response:
    return _clock_reading(call)


def _clock_reading(call: Call) -> Response:
    return JSONResponse({"now": call.provider.clock.now_ms(), "speed": call.provider.clock.speed})


async def _stats(call: Call) -> Response:
    provider = call.provider
    return JSONResponse(
        {
            "now": call.now_ms,
            "seed": provider.settings.seed,
            "tweets_per_hour": provider.world.rate_per_hour(call.now_ms),
            "rules": len(provider.rules),
            "active_rules": len(provider.active_rules()),
            "credits": provider.credits,
            "outage": provider.outage,
            "calls": provider.calls,
            "pushed": msgspec.structs.asdict(provider.pushed),
        }
    )


def _number(body: dict[str, object], name: str) -> float:
    value = body.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise BadRequestError(f"field {name} is required and must be a number")
    return float(value)
