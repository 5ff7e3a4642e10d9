"""Settings of the database layer, read from the environment and from ``.env``.

Belongs here: every variable that says where a database is or where its state lies.
Does not belong here: settings of a service (``ingest/settings.py`` and the like), secrets of providers.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

DEFAULT_EMBEDDED_PORT = 54329
"""Not 5432, so that an installed PostgreSQL is left alone; still easy to remember and to type into a BI tool."""

_POSTGRES_SCHEMES = ("postgresql://", "postgres://")


class DatabaseSettings(BaseSettings):
    """Where PostgreSQL and Redis are. An empty variable counts as not set.

    URLs are left out of ``repr``: they hold passwords.
    """

    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True)

    database_url: str | None = Field(default=None, repr=False)
    redis_url: str | None = Field(default=None, repr=False)
    state_dir: Path = Path(".state")
    embedded_postgres_port: int = Field(default=DEFAULT_EMBEDDED_PORT, ge=1, le=65535)
    ingest_database_url: str | None = Field(default=None, repr=False)
    pipeline_database_url: str | None = Field(default=None, repr=False)
    bi_database_url: str | None = Field(default=None, repr=False)
    api_database_url: str | None = Field(default=None, repr=False)

    @field_validator("state_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator(
        "database_url", "ingest_database_url", "pipeline_database_url", "bi_database_url", "api_database_url"
    )
    @classmethod
    def _postgres_url(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(_POSTGRES_SCHEMES):
            raise ValueError("must look like postgresql://user:password@host:5432/database")
        return value
