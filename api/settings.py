"""Settings of the read API, read from the environment and from ``.env``.

Belongs here: every variable of this service, with unit and reason.
Does not belong here: where the database and Redis are (``database/settings.py``).
"""

from __future__ import annotations

import ipaddress

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from api.errors import ConfigurationError


class ApiSettings(BaseSettings):
    """How the API listens, whom it lets in and what it bounds. An empty variable counts as not set."""

    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True)

    api_host: str = "127.0.0.1"
    api_port: int = Field(default=8081, ge=0, le=65535)

    api_keys: SecretStr | None = None
    """Comma-separated. ``key`` may read every zone, ``key:zone1|zone2`` those. Add the new one, then drop the old."""

    api_open: bool = False
    """Lets everybody in who reaches the port, for the local demonstration: only on a loopback address."""

    api_requests_per_minute: int = Field(default=600, ge=1)
    """Each key's, sustained. A dashboard page that is looked at all the time makes about 20."""

    api_burst: int = Field(default=120, ge=1)
    """Requests that a key may make at once."""

    api_connections: int = Field(default=8, ge=1, le=64)
    """To the database. Two cores answer no faster with more."""

    api_cookie_days: int = Field(default=30, ge=1)
    """How long a browser stays signed in to the dashboard."""


def require_keys(settings: ApiSettings) -> None:
    """Raise ``ConfigurationError`` where nobody, or everybody, could read."""
    if settings.api_keys is not None:
        return
    if not settings.api_open:
        raise ConfigurationError(
            "API_KEYS is not set: give comma-separated keys, each alone (every zone) or as key:zone1|zone2. "
            "For a demonstration on this machine alone set API_OPEN=true instead."
        )
    if not _is_loopback(settings.api_host):
        raise ConfigurationError(
            f"API_OPEN lets everybody in, and API_HOST={settings.api_host} can be reached from elsewhere: "
            "set API_KEYS, or let API_HOST be 127.0.0.1."
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
