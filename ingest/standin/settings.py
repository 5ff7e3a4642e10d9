"""Settings of the stand-in provider, from environment variables that begin with STANDIN_.

*Belongs here*: names, defaults and bounds of settings.
*Does not belong here*: reading the environment anywhere else, or at import.
"""

from typing import Annotated

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from ingest.standin.feed import Habits
from ingest.standin.push import Webhook
from ingest.standin.world import Config

Share = Annotated[float, Field(ge=0, le=1)]


class StandinSettings(BaseSettings):
    """Everything a stand-in can be told; nothing has to be."""

    model_config = SettingsConfigDict(env_prefix="STANDIN_", extra="ignore")

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8090, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    seed: int = Field(default=20_260_101, ge=0, description="Decides the whole world.")
    tweets_per_hour: float = Field(default=10_000, gt=0, description="Mean over a day of tweets written in the world.")
    authors: int = Field(default=30_000, ge=20, le=1_000_000, description="Accounts in the world.")
    speed: float = Field(default=1.0, ge=0, description="Seconds of the world in a real second.")

    push: bool = Field(default=True, description="Deliver to the webhook.")
    default_rules: bool = Field(default=True, description="Begin with the four default rules, active.")
    webhook_url: str = Field(default="http://127.0.0.1:8080/webhooks/twitterapi_io", description="Where deliveries go.")
    webhook_key: SecretStr = Field(default=SecretStr("standin-key"), description="The X-API-Key sent with deliveries.")
    retries: int = Field(default=5, ge=0, description="Further tries of a delivery.")
    retry_wait_seconds: float = Field(default=0.5, ge=0, description="First wait before a further try, then doubled.")
    longest_retry_wait_seconds: float = Field(default=30.0, ge=0, description="Longest wait before a further try.")
    queue_size: int = Field(
        default=2_000, ge=1, description="Deliveries that may wait; what comes then is dropped and counted."
    )
    concurrency: int = Field(default=4, ge=1, description="Deliveries under way at once.")
    batch_size: int = Field(default=20, ge=1, description="Most tweets in a delivery.")
    late_share: Share = Field(default=0.01, description="Share of tweets delivered minutes to hours late.")
    duplicate_share: Share = Field(default=0.01, description="Share of deliveries sent twice.")
    redelivers_newest: bool = Field(default=True, description="Send the newest tweet again at every check of a rule.")
    backlog_seconds: float = Field(default=1_200, ge=0, description="How far back a rule's first check reaches.")

    api_key: SecretStr = Field(default=SecretStr("standin-key"), description="The X-API-Key that callers must send.")
    credits: int = Field(
        default=1_000_000_000, description="Credits at the start; 100,000 are one dollar at the real provider."
    )
    calls_per_second: float = Field(default=0, ge=0, description="Calls allowed a second; 0 allows any number.")
    quirks: bool = Field(default=True, description="Let has_next_page mislead as the real provider's does.")
    hold_seconds: float = Field(default=60, ge=0, description="Longest a call hangs in an outage of kind timeout.")

    def world(self) -> Config:
        """Return what shapes the world besides its seed."""
        return Config(tweets_per_hour=self.tweets_per_hour, authors=self.authors)

    def habits(self) -> Habits:
        """Return how deliveries misbehave."""
        return Habits(
            batch_size=self.batch_size,
            late_share=self.late_share,
            duplicate_share=self.duplicate_share,
            redelivers_newest=self.redelivers_newest,
            backlog_ms=int(self.backlog_seconds * 1000),
        )

    def webhook(self) -> Webhook:
        """Return where deliveries go and how hard they are tried."""
        return Webhook(
            url=self.webhook_url,
            key=self.webhook_key.get_secret_value(),
            retries=self.retries,
            first_wait_seconds=self.retry_wait_seconds,
            longest_wait_seconds=self.longest_retry_wait_seconds,
        )
