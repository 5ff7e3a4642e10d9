"""The service on a database of its own, asked without a network, and over one for browsers."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import httpx
import psycopg
import pytest
import uvicorn
from starlette.applications import Starlette

from api.app import build
from api.settings import ApiSettings
from database.connections import Role
from tests.datalayer.world import World

ALL_ZONES = "a-key-for-every-zone"
NEWS_ONLY = "a-key-for-news-alone"


@pytest.fixture
def world(connection: psycopg.Connection) -> World:
    """Two zones with tweets of some hours, marts built and committed."""
    world = World(connection)
    news, other = world.zone("news"), world.zone("other")
    for hours in range(30):
        world.tweet(
            news, ago=timedelta(hours=hours), author=hours % 3 + 1, likes=hours, tags=("One", "Two")[: hours % 3],
            text=f"rain number {hours} #One <b>&amp;</b>", links=("https://a.example/x",) if hours % 4 == 0 else (),
        )  # fmt: skip
    world.tweet(other, author=9, text="=secret")
    world.build_marts()
    connection.commit()
    return world


def settings(**given: object) -> ApiSettings:
    return ApiSettings(_env_file=None, **({"api_keys": f"{ALL_ZONES},{NEWS_ONLY}:news"} | given))  # type: ignore[arg-type]


@pytest.fixture
def app(world: World, role_urls: dict[Role, str]) -> Starlette:
    """The application as the role that serves it."""
    return build(settings(api_requests_per_minute=100_000, api_burst=100_000), role_urls["api_reader"], None)


@pytest.fixture
def client(app: Starlette) -> Iterator[httpx.Client]:
    """A client whose key opens every zone."""
    with asking(app, ALL_ZONES) as client:
        yield client


@contextmanager
def serving(app: Starlette) -> Iterator[str]:
    """Serve an application on a free port."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", access_log=False))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        deadline = time.monotonic() + 10
        while not server.started:
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def asking(app: Starlette, key: str | None = None, *, follow_redirects: bool = True) -> Iterator[httpx.Client]:
    """Serve an application and lend a client of it."""
    headers = {"X-API-Key": key} if key else {}
    with (
        serving(app) as address,
        httpx.Client(base_url=address, headers=headers, follow_redirects=follow_redirects, timeout=30) as client,
    ):
        yield client
