"""The dashboard: pages rendered here, charts drawn in the browser.

Belongs here: what a page shows, signing in.
Does not belong here: queries (``endpoints`` and the data layer), how it looks (``templates/``, ``static/``).

Every page works without a script but for its charts; a script adds charts, panels and longer lists. All data come from
this origin: no picture, font or script is fetched from anywhere else.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, cast
from urllib.parse import parse_qs, urlencode
from zoneinfo import ZoneInfo

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from api import endpoints, highlight, problems
from api.encoding import plain
from api.errors import Refused
from api.keys import KeyRing
from api.reading import Reading, Result
from api.settings import ApiSettings
from datalayer import engagement, profiles, tweets
from datalayer.analytics import KEPT_WINDOWS, VolumePoint
from datalayer.cache import Answer
from datalayer.freshness import MartFreshness
from datalayer.zones import Zone

ReadingOf = Callable[[Request], Reading]

RANGES: Mapping[str, tuple[Literal["hours", "days"], int]] = {
    "24h": ("hours", 24),
    "7d": ("hours", 168),
    "30d": ("days", 30),
}

KINDS: Mapping[str, str] = {"hashtag": "Hashtags", "mention": "Mentions", "url": "Links"}

CADENCE_MINUTES = {"twitter_zone_stats_hourly": 60, "twitter_top_profiles_by_zone": 15, "twitter_trending_hashtags": 10}
"""How often each mart is built. Older than twice that is late, and the page says so."""

MART_NAMES = {
    "twitter_zone_stats_hourly": "Volume",
    "twitter_top_profiles_by_zone": "Top users",
    "twitter_trending_hashtags": "Trending",
}

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True)
class Freshness:
    """How old a mart is, in words. ``is_late``: older than twice its cadence."""

    name: str
    as_of: datetime
    is_late: bool


@dataclass(frozen=True)
class Trend:
    """A line of what trends. ``question`` is what the search box finds its tweets by."""

    question: str
    tweet_count: int
    unique_authors: int
    expected_tweet_count: float
    lift: float

    @property
    def label(self) -> str:
        """How it is written in the list."""
        return self.question.removeprefix("site:")


def routes(reading_of: ReadingOf, keys: KeyRing, settings: ApiSettings, cookie: str) -> list[Route]:
    """Return the routes of the pages. ``reading_of`` raises ``Refused`` for nobody, who is sent to the sign-in page."""

    def page(answer: Callable[[Request, Reading], Response]) -> Callable[[Request], Response]:
        def guarded(request: Request) -> Response:
            try:
                return answer(request, reading_of(request))
            except Exception as error:
                refused = problems.refusal_of(error)
                if refused is None:
                    raise
                return _refusal_page(request, refused)

        return guarded

    async def sign_in(request: Request) -> Response:
        form = parse_qs((await _bounded_body(request)).decode("utf-8", "replace"))
        key = form.get("key", [""])[0].strip()
        if keys.reader(key) is None:
            return _page("sign_in.html", {"failed": True}, 401)
        answer = RedirectResponse("/", 303)
        answer.set_cookie(
            cookie, key, max_age=settings.api_cookie_days * 86_400, httponly=True, samesite="strict",
            secure=request.url.scheme == "https",
        )  # fmt: skip
        return answer

    def sign_out(_request: Request) -> Response:
        answer = RedirectResponse("/sign-in", 303)
        answer.delete_cookie(cookie)
        return answer

    return [
        Route("/", page(_overview), name="overview"),
        Route("/sign-in", lambda _request: _page("sign_in.html", {"failed": False}), methods=["GET"]),
        Route("/sign-in", sign_in, methods=["POST"]),
        Route("/sign-out", sign_out, methods=["POST"]),
        Route("/zones/{zone}", page(_zone_page), name="zone"),
        Route("/zones/{zone}/list", page(_more), name="more"),
        Route("/zones/{zone}/tweets/{tweet_id:int}", page(_tweet_panel), name="tweet"),
        Route("/zones/{zone}/profiles/{profile_id:int}", page(_profile_panel), name="profile"),
    ]


def _overview(_request: Request, reading: Reading) -> Response:
    result = endpoints.list_zones(reading)
    cards = []
    for zone in result.data:
        points = reading.cached.get_volume_chart(zone.zone_id, hours=24)
        cards.append({"zone": zone, "points": points.value, "is_stale": points.is_stale})
    return _page("overview.html", {"cards": cards, "zones": result.data, "now": reading.clock()})


def _zone_page(request: Request, reading: Reading) -> Response:
    zone, asked = reading.zone(request.path_params["zone"]), request.query_params
    chosen = {
        "range": _chosen(asked.get("range"), *RANGES),
        "window": _chosen(asked.get("window"), "24h", "1h", "6h", "7d"),
        "trend": _chosen(asked.get("trend"), "tweet_count", "lift"),
        "kind": _chosen(asked.get("kind"), *KINDS),
        "users": _chosen(asked.get("users"), "engagement", "tweet_count", "followers"),
        "span": _chosen(asked.get("span"), "all", *KEPT_WINDOWS),
        "tweets": _chosen(asked.get("tweets"), "newest", "top"),
    }
    unit, count = RANGES[chosen["range"]]
    cached = reading.cached
    volume = (
        cached.get_volume_chart(zone.zone_id, hours=count)
        if unit == "hours"
        else cached.get_daily_volume_chart(zone.zone_id, days=count, timezone=zone.timezone)
    )
    trending = _trends(reading, zone, cast("Any", chosen))
    order, span = cast("Any", (chosen["users"], chosen["span"]))
    users = (
        cached.get_top_users(zone.zone_id, limit=10, order_by=order)
        if span == "all"
        else cached.get_top_users_of_kept_window(zone.zone_id, span, limit=10, order_by=order)
    )
    summary = cached.get_zone_summary(zone.zone_id)
    question = (asked.get("q") or "").strip()[:200]
    found = _tweets_of(reading, zone, question, chosen["tweets"], None)
    return _page(
        "zone.html",
        {
            "zone": zone,
            "zones": endpoints.list_zones(reading).data,
            "chosen": chosen,
            "question": question,
            "volume": volume.value,
            "volume_json": _volume_json(volume.value, unit, zone.timezone),
            "uncovered_count": sum(not point.is_covered and point.is_complete is not False for point in volume.value),
            "summary": summary.value,
            "trending": trending.value,
            "kinds": KINDS,
            "most_used": max((trend.tweet_count for trend in trending.value), default=1),
            "users": users.value,
            "found": found,
            "freshness": _freshness(cached.get_mart_freshness(), reading.clock()),
            "is_stale": any(answer.is_stale for answer in (volume, trending, users, summary)),
            "now": reading.clock(),
            "link": lambda **changes: "?" + urlencode({**chosen, **({"q": question} if question else {}), **changes}),
        },
    )


def _trends(reading: Reading, zone: Zone, chosen: Any) -> Answer[tuple[Trend, ...]]:
    """Return the list of what trends: hashtags in their spelling, mentions, or hosts of links."""
    cached, kind, window = reading.cached, chosen["kind"], chosen["window"]
    if kind == "hashtag":
        tags = cached.get_trending_hashtags(zone.zone_id, limit=12, window=window, order_by=chosen["trend"])
        found = tuple(
            Trend(f"#{tag.original_hashtag}", tag.tweet_count, tag.unique_authors, tag.expected_tweet_count, tag.lift)
            for tag in tags.value
        )
        return Answer(found, tags.version, tags.is_stale)
    order: Literal["score", "tweet_count"] = "score" if chosen["trend"] == "lift" else "tweet_count"
    entities = cached.get_trending_entities(zone.zone_id, kind, limit=12, window=window, order_by=order)
    sign = "@" if kind == "mention" else "site:"
    trends = tuple(
        Trend(
            sign + named.entity_value, named.tweet_count, named.unique_authors, named.expected_tweet_count, named.lift
        )
        for named in entities.value
    )
    return Answer(trends, entities.version, entities.is_stale)


def _more(request: Request, reading: Reading) -> Response:
    zone, asked = reading.zone(request.path_params["zone"]), request.query_params
    found = _tweets_of(reading, zone, (asked.get("q") or "")[:200], "newest", asked.get("cursor"))
    return _fragment(
        request, "tweets.html", {"zone": zone, "found": found, "question": asked.get("q") or "", "now": reading.clock()}
    )


def _tweet_panel(request: Request, reading: Reading) -> Response:
    zone, tweet_id = reading.zone(request.path_params["zone"]), request.path_params["tweet_id"]
    with reading.connection() as connection:
        reading.check_tweet(connection, tweet_id)
        curve = engagement.get_engagement_curve(connection, tweet_id)
        thread = reading.conversation(connection, tweet_id)
        tweet = tweets.get_tweet(connection, tweet_id)
    data = {
        "times": [point.snapshot_at.timestamp() for point in curve],
        "total": [point.total_engagement for point in curve],
        "likes": [point.like_count for point in curve],
        "retweets": [point.retweet_count for point in curve],
        "timezone": zone.timezone,
    }
    return _fragment(
        request,
        "tweet.html",
        {
            "zone": zone,
            "tweet": tweet,
            "curve": curve,
            "curve_json": _json(data),
            "thread": thread,
            "now": reading.clock(),
        },
    )


def _profile_panel(request: Request, reading: Reading) -> Response:
    zone, profile_id = reading.zone(request.path_params["zone"]), request.path_params["profile_id"]
    with reading.connection() as connection:
        profile = profiles.get_profile(connection, profile_id)
        growth = profiles.get_profile_growth(connection, profile_id, since=reading.clock() - timedelta(days=90))
        influence = profiles.get_profile_influence(connection, profile_id, now=reading.clock())
        page = tweets.get_feed(connection, zone.zone_id, limit=5, filters=tweets.Filters(author_id=profile_id))
    data = {
        "times": [point.snapshot_at.timestamp() for point in growth],
        "followers": [point.followers_count for point in growth],
        "timezone": zone.timezone,
    }
    return _fragment(
        request,
        "profile.html",
        {
            "zone": zone,
            "profile": profile,
            "growth": growth,
            "growth_json": _json(data),
            "influence": influence,
            "found": Result(page.items),
            "now": reading.clock(),
            "question": "",
        },
    )


def _tweets_of(reading: Reading, zone: Zone, question: str, order: str, cursor: str | None) -> Result:
    """Return the tweets that a page lists: what was searched for, the top ones, or the newest."""
    if not question:
        if order == "top":
            return Result(reading.cached.get_top_engaged_tweets(zone.zone_id, hours=24, limit=20).value)
        if cursor is None:
            answer = reading.cached.get_recent_tweets(zone.zone_id)
            return Result(answer.value.items, answer.value.next_cursor, is_stale=answer.is_stale)
        with reading.connection() as connection:
            page = tweets.get_feed(connection, zone.zone_id, cursor=cursor)
        return Result(page.items, page.next_cursor)
    asked: dict[str, Any] = {"q": None, "hashtag": None, "mention": None, "host": None}
    name, text = _meaning(question)
    asked[name] = text
    return endpoints.search(reading, zone.name, 20, cursor, ranked=False, since=None, until=None, **asked)


def _meaning(question: str) -> tuple[str, str]:
    """Return what a search box's text asks for: ``#tag``, ``@name``, ``site:host`` or words."""
    if " " not in question:
        if question[:1] in ("#", "＃"):
            return "hashtag", question[1:]
        if question[:1] in ("@", "＠"):
            return "mention", question[1:]
        if question.startswith("site:"):
            return "host", question.removeprefix("site:")
    return "q", question


def _volume_json(points: tuple[VolumePoint, ...], unit: str, timezone: str) -> str:
    return _json(
        {
            "times": [point.bucket.timestamp() for point in points],
            "tweets": [point.total_tweets for point in points],
            "engagement": [point.total_engagement for point in points],
            "complete": [bool(point.is_complete) for point in points],
            "covered": [point.is_covered for point in points],
            "unit": unit,
            "timezone": timezone,
        }
    )


def _freshness(marts: tuple[MartFreshness, ...], now: datetime) -> list[Freshness]:
    return [
        Freshness(
            MART_NAMES[mart.model], mart.as_of, now - mart.as_of > timedelta(minutes=2 * CADENCE_MINUTES[mart.model])
        )
        for mart in sorted(
            marts, key=lambda mart: list(MART_NAMES).index(mart.model) if mart.model in MART_NAMES else 99
        )
        if mart.model in MART_NAMES
    ]


def _refusal_page(request: Request, refused: Refused) -> Response:
    if refused.status == 401 and request.headers.get("Sec-Fetch-Dest", "document") == "document":
        return RedirectResponse("/sign-in", 303)
    answer = _page("refusal.html", {"refused": refused}, refused.status)
    answer.headers.update(refused.headers)
    return answer


async def _bounded_body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > 4096:
            return b""
    return body


def _chosen(value: str | None, *known: str) -> str:
    return value if value in known else known[0]


def _json(value: Any) -> str:
    """Return JSON that can stand inside a script element: nothing in it can end the element."""
    return msgspec.json.encode(plain(value)).decode().replace("<", "\\u003c")


def _fragment(request: Request, template: str, values: Mapping[str, Any]) -> Response:
    """Return a part of a page to the script that asks for it, and a page of its own to anybody else."""
    if request.headers.get("X-Fragment") == "1":
        return _page(template, values)
    return _page("alone.html", {**values, "part": template})


def _page(template: str, values: Mapping[str, Any], status: int = 200) -> Response:
    body = _TEMPLATES.get_template(template).render(values)
    return HTMLResponse(body, status, headers={"Cache-Control": "private, no-cache"})


def compact(number: float | None) -> str:
    """Return a number as people skim it: 1,234 is 1.2K; what is unknown is a dash."""
    if number is None:
        return "–"
    for size, sign in ((1e9, "B"), (1e6, "M"), (1e3, "K")):
        if abs(number) >= size:
            return f"{number / size:.1f}".removesuffix(".0") + sign
    return f"{number:.0f}" if number == int(number) else f"{number:.1f}"


def exact(number: float | None) -> str:
    """Return a number in full."""
    return "unknown" if number is None else f"{number:,}"


def ago(moment: datetime, now: datetime) -> str:
    """Return how long ago a moment was, in the largest unit that fits."""
    seconds = max(0, int((now - moment).total_seconds()))
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return "just now"


def change(present: float | None, previous: float | None) -> str | None:
    """Return how much an amount changed, None where there is nothing to compare with."""
    if present is None or not previous:
        return None
    return f"{(present - previous) / previous:+.0%}"


def local(moment: datetime, timezone: str) -> str:
    """Return a moment as a clock on a wall of the zone shows it."""
    return f"{moment.astimezone(ZoneInfo(timezone)):%d %b %Y %H:%M} {timezone}"


def initials(name: str | None, username: str | None) -> str:
    """Return up to two letters that stand for an account; pictures are not fetched from strangers."""
    words = [word for word in (name or username or "?").split() if word[:1].isalnum()]
    return "".join(word[0] for word in words[:2]).upper() or "?"


def hue(profile_id: int) -> int:
    """Return an account's colour, the same on every page."""
    return (profile_id * 2_654_435_761) % 360


def bars(points: tuple[VolumePoint, ...]) -> list[tuple[int, float, bool]]:
    """Return place, height (0 to 1) and whether it is known, for a small chart."""
    most = max((point.total_tweets or 0 for point in points), default=0) or 1
    return [
        (place, (point.total_tweets or 0) / most, point.total_tweets is not None) for place, point in enumerate(points)
    ]


def total(points: tuple[VolumePoint, ...]) -> int | None:
    """Return the sum of what is known, None where nothing is."""
    known = [point.total_tweets for point in points if point.total_tweets is not None]
    return sum(known) if known else None


_TEMPLATES.filters.update(
    compact=compact, exact=exact, local=local, hue=hue, bars=bars, total=total, unescape=html.unescape
)
_TEMPLATES.globals.update(
    ago=ago,
    change=change,
    initials=initials,
    pieces=highlight.pieces,
    iso=lambda moment: moment.astimezone(UTC).isoformat(),
)
