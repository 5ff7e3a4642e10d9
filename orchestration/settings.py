"""Settings of the processes that `make up` runs, read from the environment and from ``.env``.

Belongs here: ports, whether the stand-in provider runs, where Dagster keeps its own tables.
Does not belong here: settings that one service reads for itself.
"""

from __future__ import annotations

from pydantic import Field, SecretStr

from database.settings import DatabaseSettings


class RuntimeSettings(DatabaseSettings):
    """What the supervisor needs to know beside where the database is."""

    ingest_port: int = Field(default=8080, ge=1, le=65535)
    api_port: int = Field(default=8081, ge=1, le=65535)
    dagster_port: int = Field(default=3000, ge=1, le=65535)
    standin_port: int = Field(default=8090, ge=1, le=65535)

    dagster_database_url: str | None = Field(default=None, repr=False)
    """Where Dagster keeps runs and events; not set: the database ``dagster`` on the same server."""

    twitterapi_io_webhook_keys: SecretStr | None = None
    twitterapi_io_key: SecretStr | None = None
    api_keys: SecretStr | None = None
    x_api_bearer_token: SecretStr | None = None

    @property
    def is_local_demonstration(self) -> bool:
        """Nothing real is configured: no database, no provider. Only then do synthetic tweets harm nobody's numbers."""
        real = (self.database_url, self.twitterapi_io_key, self.x_api_bearer_token)
        return all(value is None for value in real)
