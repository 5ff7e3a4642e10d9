"""The API over HTTP: who may read what, what changes an ETag, how errors look, what an export holds."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta

import httpx
import psycopg
import pyarrow.parquet as parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette

from api.app import build
from api.errors import ConfigurationError
from api.highlight import pieces
from api.keys import KeyRing
from api.limits import RateLimit
from api.settings import require_keys
from database.connections import Role
from datalayer import tweets
from datalayer.records import Entity, Tweet
from tests.api.conftest import ALL_ZONES, NEWS_ONLY, asking, settings
from tests.datalayer.world import World


def data(client: httpx.Client, path: str, **query: object):
    answer = client.get(path, params=query)  # type: ignore[arg-type]
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


def test_ids_are_texts_everywhere(client: httpx.Client) -> None:
    tweet = data(client, "/v1/zones/news/tweets", limit=1)[0]

    assert isinstance(tweet["tweet_id"], str)
    assert isinstance(tweet["author"]["twitter_user_id"], str)
    assert data(client, f"/v1/tweets/{tweet['tweet_id']}") == tweet
    assert all(isinstance(user["profile_id"], str) for user in data(client, "/v1/zones/news/top-users"))


def test_pages_put_together_are_the_whole_feed(client: httpx.Client) -> None:
    found, cursor = [], None
    while True:
        answer = client.get(
            "/v1/zones/news/tweets", params={"limit": 7} | ({"cursor": cursor} if cursor else {})
        ).json()
        found += [tweet["text"] for tweet in answer["data"]]
        cursor = answer["next_cursor"]
        if cursor is None:
            break

    assert [text.split()[2] for text in found] == [str(number) for number in range(30)]


@pytest.mark.parametrize(
    "path", ["/v1/zones", "/v1/zones/news/tweets", "/v1/tweets/5", "/v1/zones/news/exports/tweets"]
)
def test_without_a_key_nothing_is_read(app: Starlette, path: str) -> None:
    with asking(app) as stranger:
        answer = stranger.get(path)
        assert answer.status_code == 401
        assert answer.headers["content-type"] == "application/problem+json"
        assert "WWW-Authenticate" in answer.headers
        assert stranger.get(path, headers={"Authorization": "Bearer wrong-key-of-sixteen"}).status_code == 401
        assert stranger.get("/v1/zones", headers={"Authorization": f"Bearer {ALL_ZONES}"}).status_code == 200


def test_a_key_of_one_zone_sees_nothing_of_the_others(app: Starlette, world: World) -> None:
    secret = world.connection.execute("select tweet_id from core.twitter_tweets where text = '=secret'").fetchone()
    assert secret is not None
    with asking(app, NEWS_ONLY) as reader:
        assert [zone["name"] for zone in data(reader, "/v1/zones")] == ["news"]
        for path in (
            "/v1/zones/other",
            "/v1/zones/other/tweets",
            "/v1/zones/other/exports/tweets",
            f"/v1/tweets/{secret[0]}",
            f"/v1/tweets/{secret[0]}/raw",
            "/zones/other",
        ):
            assert reader.get(path).status_code == 404, path
        assert reader.get("/v1/profiles/9/tweets").status_code == 403
        assert reader.get("/v1/audit-log").status_code == 403


def test_a_conversation_leaves_out_the_replies_of_closed_zones(app: Starlette, world: World) -> None:
    news, other = (
        world.connection.execute("select id from core.zones where name = %s", (name,)).fetchone()[0]  # type: ignore[index]
        for name in ("news", "other")
    )
    root = world.tweet(news, text="root")
    open_reply = world.tweet(news, reply_to=root, conversation=root)
    closed_reply = world.tweet(other, reply_to=root, conversation=root)
    embedded = world.tweet(reply_to=root, conversation=root)
    world.connection.commit()

    with asking(app) as reader:
        seen = {}
        for key in (ALL_ZONES, NEWS_ONLY):
            answer = reader.get(f"/v1/tweets/{root}/conversation", headers={"Authorization": f"Bearer {key}"})
            seen[key] = {int(part["tweet"]["tweet_id"]) for part in answer.json()["data"]}

    assert seen[ALL_ZONES] == {root, open_reply, closed_reply, embedded}
    assert seen[NEWS_ONLY] == {root, open_reply, embedded}


def test_an_etag_lasts_as_long_as_the_data_version(client: httpx.Client, app: Starlette, world: World) -> None:
    first = client.get("/v1/zones/news/volume")
    etag = first.headers["ETag"]
    assert client.get("/v1/zones/news/volume", headers={"If-None-Match": etag}).status_code == 304
    assert client.get("/v1/zones/news/volume?hours=25", headers={"If-None-Match": etag}).status_code == 200

    world.build_marts(world.now + timedelta(minutes=9))
    world.connection.commit()
    app.state.service.cached._versions_at = float("-inf")

    again = client.get("/v1/zones/news/volume", headers={"If-None-Match": etag})
    assert again.status_code == 200
    assert again.headers["ETag"] != etag


def test_an_answer_from_tweets_has_the_etag_of_its_content(client: httpx.Client) -> None:
    etag = client.get("/v1/zones/news/tweets").headers["ETag"]

    assert client.get("/v1/zones/news/tweets", headers={"If-None-Match": f'"x", {etag}'}).status_code == 304


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/v1/zones/nowhere/tweets", 404, "nowhere"),
        ("/v1/zones/news/tweets?limit=0", 400, "between 1 and 200"),
        ("/v1/zones/news/tweets?limit=ten", 400, "whole number"),
        ("/v1/zones/news/tweets?cursor=abc", 400, "cursor"),
        ("/v1/zones/news/tweets?since=yesterday", 400, "a time such as"),
        ("/v1/zones/news/tweets?since=2026-01-01T00:00:00", 400, "no time zone"),
        ("/v1/zones/news/tweets?has_media=yes", 400, "true or false"),
        ("/v1/zones/news/tweets?colour=red", 400, "colour"),
        ("/v1/zones/news/tweets?limit=1&limit=2", 400, "more than once"),
        ("/v1/zones/news/search", 400, "exactly one"),
        ("/v1/zones/news/search?q=%21%21", 400, "no word"),
        ("/v1/zones/news/volume?days=3&timezone=Mars", 400, "time zone"),
        ("/v1/zones/news/exports/passwords", 404, "known:"),
        ("/v1/tweets/5", 404, "no tweet"),
        ("/v1/nothing", 404, "nothing at this path"),
    ],
)
def test_a_wrong_question_is_told_what_was_wrong(client: httpx.Client, path: str, status: int, said: str) -> None:
    answer = client.get(path)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert said in problem["detail"]


def test_a_key_that_asks_too_often_is_told_when_to_come_back(world: World, role_urls: dict[Role, str]) -> None:
    app = build(settings(api_requests_per_minute=60, api_burst=3), role_urls["api_reader"], None)
    with asking(app) as reader:
        for key in (ALL_ZONES, NEWS_ONLY):
            answers = [reader.get("/v1/zones", headers={"X-API-Key": key}) for _ in range(4)]
            assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
            assert answers[-1].headers["Retry-After"] == "1"


def test_a_bucket_fills_again_with_time() -> None:
    seconds = [0.0]
    limit = RateLimit(per_minute=60, burst=2, clock=lambda: seconds[0])
    assert [limit.ask("a").wait_seconds for _ in range(3)] == [0, 0, 1]
    seconds[0] += 1
    assert limit.ask("a").wait_seconds == 0


def test_a_database_that_is_away_is_a_503_that_says_to_retry(world: World) -> None:
    app = build(settings(), "postgresql://api_reader:x@127.0.0.1:1/nothing", None)
    app.state.service.pool.timeout = 0.2
    with asking(app, ALL_ZONES) as reader:
        answer = reader.get("/v1/zones")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
        assert reader.get("/readyz").status_code == 503
        assert reader.get("/healthz").status_code == 200


def test_marts_that_were_never_built_are_said_to_be(connection: psycopg.Connection, role_urls: dict[Role, str]) -> None:
    connection.execute("insert into core.zones (name) values ('news')")
    connection.commit()
    with asking(build(settings(), role_urls["api_reader"], None), ALL_ZONES) as reader:
        answer = reader.get("/v1/zones/news/trending")
        assert answer.status_code == 503
        assert "build_marts" in answer.json()["detail"]
        assert reader.get("/v1/zones/news/tweets").json()["data"] == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"api_keys": None}, "API_KEYS is not set"),
        ({"api_keys": None, "api_open": True, "api_host": "0.0.0.0"}, "can be reached"),
    ],
)
def test_the_service_refuses_to_start_without_a_key(given: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        require_keys(settings(**given))
    require_keys(settings())
    require_keys(settings(api_keys=None, api_open=True))


@pytest.mark.parametrize("configured", ["short", "long-enough-key-1234:", " , "])
def test_keys_that_cannot_be_meant_are_refused(configured: str) -> None:
    with pytest.raises(ConfigurationError, match="API_KEYS"):
        KeyRing(configured)


def rows_of_export(client: httpx.Client, table: str, format_name: str) -> list[dict[str, object]]:
    answer = client.get(f"/v1/zones/news/exports/{table}", params={"format": format_name})
    assert answer.status_code == 200, answer.text
    if format_name == "ndjson":
        return [json.loads(line) for line in answer.text.splitlines()]
    if format_name == "csv":
        return list(csv.DictReader(io.StringIO(answer.text)))
    return parquet.read_table(io.BytesIO(answer.content)).to_pylist()


@pytest.mark.parametrize("format_name", ["ndjson", "csv", "parquet"])
@pytest.mark.parametrize(
    ("table", "relation", "key"),
    [
        ("zone-stats-hourly", "marts.twitter_zone_stats_hourly", "total_tweets"),
        ("top-profiles", "marts.twitter_top_profiles_by_zone", "tweet_count"),
        ("trending-hashtags", "marts.twitter_trending_hashtags", "tweet_count_24h"),
        ("tweets", "core.twitter_tweet_zones", "tweet_id"),
    ],
)
def test_an_export_equals_its_table(
    client: httpx.Client, world: World, table: str, relation: str, key: str, format_name: str
) -> None:
    expected = world.connection.execute(
        f"select {key}::text from {relation} where zone_id = (select id from core.zones where name = 'news')"
    ).fetchall()

    found = rows_of_export(client, table, format_name)

    assert sorted(str(row[key]) for row in found) == sorted(value for (value,) in expected)


def test_the_formats_of_an_export_agree_value_for_value(client: httpx.Client) -> None:
    lines, table = rows_of_export(client, "tweets", "ndjson"), rows_of_export(client, "tweets", "parquet")

    assert [row["text"] for row in lines] == [row["text"] for row in table]
    assert [row["like_count"] for row in lines] == [row["like_count"] for row in table]
    assert [row["view_count"] for row in table] == [None] * 30


def test_a_text_that_a_spreadsheet_would_run_is_defused(client: httpx.Client) -> None:
    answer = client.get("/v1/zones/other/exports/tweets?format=csv")

    assert "'=secret" in answer.text


def test_an_export_is_narrowed_to_a_span_of_time(client: httpx.Client, world: World) -> None:
    since = (world.now - timedelta(hours=2)).isoformat()

    answer = client.get("/v1/zones/news/exports/tweets", params={"since": since})

    assert len(answer.text.splitlines()) == 3


def test_every_answer_forbids_what_a_page_does_not_need(client: httpx.Client) -> None:
    for path in ("/", "/v1/zones", "/static/dashboard.css", "/nothing"):
        headers = client.get(path).headers
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"


def test_metrics_count_requests_by_route_not_by_address(client: httpx.Client) -> None:
    client.get("/v1/zones/news/tweets")
    client.get("/v1/zones/other/tweets")

    text = client.get("/metrics").text

    assert 'api_requests_total{route="/v1/zones/{zone}/tweets",status="200"} 2.0' in text
    assert "datalayer_cache_reads_total" in text


def test_a_page_shows_the_zone_with_entities_highlighted_and_texts_escaped(client: httpx.Client) -> None:
    page = client.get("/zones/news").text

    assert "&lt;b&gt;&amp;&lt;/b&gt;" in page
    assert "<b>&" not in page
    assert "/zones/news/tweets/" in page


def test_a_browser_signs_in_with_a_key_and_out_again(app: Starlette) -> None:
    with asking(app, follow_redirects=False) as browser:
        assert browser.get("/zones/news").headers["location"] == "/sign-in"
        assert browser.post("/sign-in", data={"key": "wrong"}).status_code == 401
        answer = browser.post("/sign-in", data={"key": NEWS_ONLY})
        assert "HttpOnly" in answer.headers["set-cookie"]
        assert "SameSite=strict" in answer.headers["set-cookie"]
        assert browser.get("/zones/news").status_code == 200
        assert browser.get("/zones/other").status_code == 404
        browser.post("/sign-out")
        assert browser.get("/zones/news").status_code == 303


def tweet_with(text: str, *entities: Entity) -> Tweet:
    nothing = dict.fromkeys(Tweet.__dataclass_fields__)
    return Tweet(**{**nothing, "text": text, "entities": entities})  # type: ignore[arg-type]


def test_positions_count_code_points_of_the_escaped_text() -> None:
    text = "👩🏽‍🚀 &amp; #Tag"
    start = text.index("#Tag")

    found = list(pieces(tweet_with(text, Entity("hashtag", "Tag", "tag", start, start + 4))))

    assert [(piece.kind, piece.text) for piece in found] == [("text", "👩🏽‍🚀 & "), ("hashtag", "#Tag")]


def test_a_link_that_is_not_one_of_the_web_stays_text() -> None:
    found = list(pieces(tweet_with("click", Entity("url", "javascript:alert(1)", "", 0, 5))))

    assert [piece.kind for piece in found] == ["text"]


@given(
    text=st.text(max_size=30),
    places=st.lists(st.tuples(st.integers(-2, 35), st.integers(-2, 35)), max_size=6),
)
def test_whatever_the_positions_no_letter_is_lost_or_doubled(text: str, places: list[tuple[int, int]]) -> None:
    text = text.replace("&", "")
    entities = [Entity("hashtag", "x", "x", start, end) for start, end in places]

    assert "".join(piece.text for piece in pieces(tweet_with(text, *entities))) == text


def test_a_feed_fragment_continues_where_the_page_ended(client: httpx.Client, world: World) -> None:
    zone = world.connection.execute("select id from core.zones where name = 'news'").fetchone()
    assert zone is not None
    cursor = tweets.get_feed(world.connection, zone[0]).next_cursor

    fragment = client.get("/zones/news/list", params={"cursor": cursor}, headers={"X-Fragment": "1"}).text

    assert fragment.count("<article") == 10
    assert "<html" not in fragment
