"""Settings of the database layer, read from the environment and from ``.env``.

Belongs here: every variable that says where a database is or where its state lies.
Does not belong here: settings of a service (``ingest/settings.py`` and the like), secrets of providers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, field_validator, model_validator
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


class RetentionSettings(DatabaseSettings):
    """How long partitions are kept, in whole months beside the present one, and where they go; 0 keeps for ever."""

    archive_dir: Path | None = None
    """Not set: ``archive`` under ``STATE_DIR``."""

    retention_core_months: int = Field(default=13, ge=0)
    """The same month of last year can always be compared."""

    retention_raw_months: int = Field(default=3, ge=0)
    """As long as a parser's mistake may stay unnoticed: what was archived is read again only after it is restored."""

    retention_accounting_months: int = Field(default=13, ge=0)

    purge_after_days: int = Field(default=30, ge=0)
    """How long what is suppressed keeps its content: X lets the deletion of an account be undone for 30 days."""

    retention_drops_history: bool = False
    """Whether the partition of everything before the first month leaves as well, once it is old enough. It holds the
    old originals of retweets, and archives that somebody replayed on purpose."""

    @property
    def archive_directory(self) -> Path:
        """Return where archived partitions lie."""
        return self.archive_dir or self.state_dir / "archive"

    def months_kept(self, schema: str) -> int:
        """Return how long the partitions of a schema's tables are kept."""
        return {
            "core": self.retention_core_months,
            "raw": self.retention_raw_months,
            "ops": self.retention_accounting_months,
        }[schema]

    @model_validator(mode="after")
    def _rests_on_what_is_kept(self) -> Self:
        raw = self.retention_raw_months or _FOR_EVER
        for name in ("retention_core_months", "retention_accounting_months"):
            if (getattr(self, name) or _FOR_EVER) < raw:
                raise ValueError(f"{name.upper()} must not be shorter than RETENTION_RAW_MONTHS: raw is read into it")
        return self


_FOR_EVER = 1 << 30
