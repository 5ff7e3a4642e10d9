"""Settings of the alerts and of how long runs are kept, read from the environment and from ``.env``.

Belongs here: where messages go, when a budget counts as nearly spent, the age at which runs are purged.
Does not belong here: what is watched (``watching``).
"""

from __future__ import annotations

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class AlertSettings(BaseSettings):
    """Where alerts go. An empty variable counts as not set; without any address incidents are only written down."""

    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True)

    alert_webhook_url: SecretStr | None = None
    """Many services put a secret into the address."""

    alert_email_to: str | None = None
    alert_email_from: str = "tweet-pipeline@localhost"
    alert_smtp_url: SecretStr = SecretStr("smtp://localhost:25")

    alert_budget_share: float = Field(default=0.8, gt=0, le=1)
    """Of a day's or a month's credits: at four fifths somebody can still do something about it."""

    dagster_runs_kept_days: int = Field(default=14, ge=1)
    """A run leaves some 60 kB, and there are 700 a day."""
