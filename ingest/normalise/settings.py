"""Settings of the normaliser, read from the environment and from ``.env``.

Belongs here: every variable of normalising, with unit and reason.
Does not belong here: where the database is (``database/settings.py``).
"""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class NormaliseSettings(BaseSettings):
    """How much a normalising run takes upon itself. An empty variable counts as not set."""

    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True)

    normalize_workers: int = Field(default=2, ge=1, le=32)
    """Processes that work at once while there is a backlog. Reading a batch costs a processor as long as PostgreSQL
    needs to write it, so that two keep one of each at work; more help where there are more than two processors."""
