"""Settings of the front door, read from the environment and from ``.env``.

Belongs here: every variable of the webhook service and of the provider's client, with unit and reason.
Does not belong here: where the database is (``database/settings.py``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from ingest.errors import ConfigurationError
from ingest.sources.signatures import secret_bytes

MIB = 1 << 20

Secrets = Annotated[tuple[SecretStr, ...], NoDecode]
"""Comma-separated in the environment. Several are accepted: add the new one, change the sender, drop the old one."""


class IngestSettings(BaseSettings):
    """How the front door listens, whom it believes, and what it bounds. An empty variable counts as not set."""

    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True)

    ingest_host: str = "127.0.0.1"
    ingest_port: int = Field(default=8080, ge=0, le=65535)

    twitterapi_io_webhook_keys: Secrets = ()
    x_api_consumer_secrets: Secrets = ()
    standard_webhook_secrets: Secrets = ()

    twitterapi_io_key: SecretStr | None = None
    twitterapi_io_url: str = "https://api.twitterapi.io"
    x_api_bearer_token: SecretStr | None = None
    x_api_url: str = "https://api.x.com"

    ingest_max_body_bytes: int = Field(default=16 * MIB, ge=1_024)
    """As sent. The largest real tweet seen has 23 kB, so that this is a delivery of 700 such tweets."""

    ingest_max_decompressed_bytes: int = Field(default=64 * MIB, ge=1_024, le=128 * MIB)
    """After Content-Encoding is undone; JSON of tweets shrinks to a tenth, bombs to a thousandth."""

    ingest_max_items: int = Field(default=100_000, ge=1)
    """Tweets, or lines, of one delivery; each costs the normaliser some kB, whatever it holds."""

    ingest_deliveries_per_second: float | None = Field(default=None, gt=0)
    """Of one key. Not set: as many as can be committed."""

    ingest_delivery_burst: int = Field(default=100, ge=1)
    """Deliveries of one key that may come at once before its rate counts."""

    ingest_max_in_flight: int = Field(default=512, ge=1)
    """Requests at once. At 2,000 bodies a second this is a quarter of a second of work."""

    ingest_max_buffered_bytes: int = Field(default=256 * MIB, ge=1 * MIB)
    """Bytes of bodies in memory at once, of all requests together: what bounds the process, whatever arrives."""

    ingest_max_connections: int = Field(default=2_048, ge=1)
    """Open sockets; each idle one costs about 10 kB."""

    ingest_header_seconds: float = Field(default=10.0, gt=0)
    """From the first byte of a request, or from connecting, to the end of its headers (slow-loris)."""

    ingest_body_seconds: float = Field(default=20.0, gt=0)
    """From the headers to the end of the body: 16 MiB at 7 Mbit/s."""

    ingest_max_header_bytes: int = Field(default=32 * 1_024, ge=1_024)
    """Request line and headers together; proxies commonly allow 8 to 32 kB."""

    ingest_keep_alive_seconds: int = Field(default=75, ge=1)
    """Longer than the usual 60 s of proxies, so that it is the proxy that closes an idle connection."""

    ingest_drain_seconds: int = Field(default=20, ge=1)
    """After SIGTERM, for requests that are under way; most supervisors send SIGKILL after 30 s."""

    ingest_commit_seconds: float = Field(default=5.0, gt=0)
    """The longest wait in the queue, and the longest commit: together within the 10 s in which X wants its answer."""

    ingest_flushers: int = Field(default=2, ge=1, le=16)
    """Connections that commit. While one waits for the disk, the other fills."""

    ingest_disk_path: Path | None = None
    """The file system of the database, if it is this machine's. Not set: ``STATE_DIR``, if the database is embedded."""

    ingest_min_free_disk_bytes: int = Field(default=512 * MIB, ge=0)
    """Below this nothing is accepted: PostgreSQL needs room to finish what it has (16 MiB of WAL at a time)."""

    ingest_log_deliveries: bool = True
    """A line of JSON for each committed delivery; refusals are logged anyway, at most ten a second for each reason."""

    @field_validator("twitterapi_io_webhook_keys", "x_api_consumer_secrets", "standard_webhook_secrets", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(dict.fromkeys(part.strip() for part in value.split(",") if part.strip()))

    @field_validator("standard_webhook_secrets")
    @classmethod
    def _can_sign(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for secret in value:
            secret_bytes(secret.get_secret_value())
        return value

    def webhook_keys(self) -> tuple[str, ...]:
        """Return the accepted values of ``X-API-Key``."""
        return tuple(key.get_secret_value() for key in self.twitterapi_io_webhook_keys)

    def consumer_secrets(self) -> tuple[str, ...]:
        """Return X's consumer secrets, the one that answers challenges first."""
        return tuple(secret.get_secret_value() for secret in self.x_api_consumer_secrets)

    def signing_secrets(self) -> tuple[str, ...]:
        """Return the secrets of our own senders' signatures, the one that they sign with first."""
        return tuple(secret.get_secret_value() for secret in self.standard_webhook_secrets)


def load() -> IngestSettings:
    """Read the settings, or raise ``ConfigurationError``, which names the variables and never shows a value."""
    try:
        return IngestSettings()
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in problem['loc']).upper()}: {problem['msg']}" for problem in error.errors()
        )
        raise ConfigurationError(f"the settings cannot be used: {problems}") from None


def require_a_webhook_key(settings: IngestSettings) -> None:
    """Raise ``ConfigurationError`` where no sender could be told from a stranger."""
    if not (settings.webhook_keys() or settings.consumer_secrets() or settings.signing_secrets()):
        raise ConfigurationError(
            "no webhook key is set, so that anybody could deliver: set TWITTERAPI_IO_WEBHOOK_KEYS to the key that "
            "the provider sends as X-API-Key (comma-separated while a key is being changed), or "
            "X_API_CONSUMER_SECRETS for X, or STANDARD_WEBHOOK_SECRETS for senders of your own. "
            "`make up` without them makes a key for its own demonstration."
        )
