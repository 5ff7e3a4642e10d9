"""The dashboard in a real browser: it draws, is read by keyboard, is accessible, and fetches nothing from elsewhere.

Needs Chromium; the accessibility rules are axe-core's, as axe-playwright-python ships them.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import pytest

from api.app import build
from database.connections import Role
from tests.api.conftest import serving, settings
from tests.datalayer.world import World

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
AXE = files("axe_playwright_python") / "axe.min.js"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed (apt-get install chromium)"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield launched
        launched.close()


@pytest.fixture
def address(world: World, role_urls: dict[Role, str]) -> Iterator[str]:
    world.connection.execute(
        "update core.twitter_profiles set is_monitored = true, followers_count = 5 where twitter_user_id = 1"
    )
    newest = world.connection.execute(
        """
        select max(links.tweet_id)
        from core.twitter_tweet_zones as links
        inner join core.zones as zones on links.zone_id = zones.id
        where zones.name = 'news'
        """
    ).fetchone()
    assert newest is not None
    for minutes in (1, 2, 3):
        world.connection.execute(
            """
            insert into core.twitter_engagement_history (tweet_id, snapshot_at, like_count)
            values (%s, %s + %s * interval '1 minute', %s)
            """,
            (newest[0], world.now, minutes, minutes * 7),
        )
    world.connection.commit()
    app = build(settings(api_keys=None, api_open=True, api_burst=10_000), role_urls["api_reader"], None)
    with serving(app) as url:
        yield url


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    """A page that is closed before its server: what it still loads when a test ends is no problem of the page's."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, bypass_csp=True)
    opened = context.new_page()
    problems: list[str] = []
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    yield opened
    context.close()
    assert problems == []


def test_the_page_draws_the_volume_and_fetches_nothing_from_elsewhere(page: Any, address: str) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    page.goto(f"{address}/zones/news")

    page.wait_for_selector("#volume-chart canvas")
    assert all(url.startswith(address) for url in asked)


def test_the_engagement_of_a_tweet_opens_in_a_panel_and_closes_by_keyboard(page: Any, address: str) -> None:
    page.goto(f"{address}/zones/news")
    page.focus("#feed .curve-link >> nth=0")
    page.keyboard.press("Enter")
    page.wait_for_selector("#panel[open] canvas")
    page.keyboard.press("Escape")
    page.wait_for_selector("#panel:not([open])", state="attached")


def test_values_of_a_chart_are_read_out_along_the_arrow_keys(page: Any, address: str) -> None:
    page.goto(f"{address}/zones/news")
    page.focus("#volume-chart")
    page.keyboard.press("ArrowLeft")

    assert "Tweets: 1" in page.inner_text("#volume-chart .said")


def test_older_tweets_are_added_below(page: Any, address: str) -> None:
    page.goto(f"{address}/zones/news")
    page.click("a[data-more]")
    page.wait_for_function("document.querySelectorAll('#feed article').length === 30")


def test_a_search_finds_by_words_tag_name_and_site(page: Any, address: str) -> None:
    for question, count in (("rain number 7", 1), ("#one", 20), ("site:a.example", 8), ("@nobody", 0)):
        page.goto(f"{address}/zones/news")
        page.fill("#q", question)
        page.press("#q", "Enter")
        page.wait_for_url("**q=**")
        assert page.locator("#feed article").count() == count, question


def test_the_chosen_theme_stays(page: Any, address: str) -> None:
    page.goto(f"{address}/zones/news")
    page.click("#theme")
    chosen = page.get_attribute("html", "data-theme")
    page.reload()

    assert chosen == page.get_attribute("html", "data-theme") == "dark"


@pytest.mark.parametrize("path", ["/", "/zones/news", "/zones/news?q=rain", "/sign-in"])
def test_nothing_is_wider_than_a_phone(page: Any, address: str, path: str) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(address + path)

    assert page.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("path", ["/", "/zones/news", "/zones/news?range=30d&q=rain", "/sign-in"])
def test_axe_finds_nothing(browser: Any, address: str, path: str, width: int, theme: str) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme, bypass_csp=True)
    page = context.new_page()
    page.goto(address + path)
    page.evaluate(AXE.read_text(encoding="utf-8"))

    found = page.evaluate("axe.run()")["violations"]

    context.close()
    assert [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found] == []
