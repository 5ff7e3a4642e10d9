"""Settings of the provider's client, read from the environment and from ``.env``.

Belongs here: keys, addresses, rates and spending limits of look-ups.
Does not belong here: the webhook's settings (``ingest/settings.py``), reading them at import.
"""

from __future__ import annotations

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class ProviderSettings(BaseSettings):
    """How a provider is reached and what may be spent. An empty variable counts as not set."""

    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True)

    twitterapi_io_key: SecretStr | None = None
    twitterapi_io_url: str = "https://api.twitterapi.io"

    twitterapi_io_calls_per_second: float = Field(default=3.0, gt=0)
    """What an account with 1,000 credits is allowed; 6, 10 and 20 from 5,000, 10,000 and 50,000 credits."""

    twitterapi_io_credits_per_day: int | None = Field(default=1_000_000, ge=0)
    """100,000 credits are one US dollar, and a tweet that is looked up costs 15. Without a limit, following 10,000
    tweets an hour on the whole grid would cost about 700 dollars a day: this stops at 10."""

    twitterapi_io_credits_per_month: int | None = Field(default=None, ge=0)

    x_api_bearer_token: SecretStr | None = None
    x_api_url: str = "https://api.x.com"

    x_api_calls_per_second: float = Field(default=3.0, gt=0)
    """3,500 look-ups in 15 minutes are 3.9 a second."""

    x_api_posts_per_day: int | None = Field(default=5_000, ge=0)
    """X bills each post and each account that is shown."""

    x_api_posts_per_month: int | None = Field(default=None, ge=0)
