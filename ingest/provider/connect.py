"""The provider that the settings name, and what may be spent there.

Belongs here: choosing a client, telling its limits, saying what is missing.
Does not belong here: how a client works.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ingest.errors import ConfigurationError
from ingest.provider.budget import Limits
from ingest.provider.protocol import Provider
from ingest.provider.settings import ProviderSettings
from ingest.provider.transport import Time, Transport
from ingest.provider.twitterapi_io import TwitterApiIoClient
from ingest.provider.x_api_v2 import XApiV2Client


@contextmanager
def connected(settings: ProviderSettings, source: str | None = None, timing: Time | None = None) -> Iterator[Provider]:
    """Give a client of ``source``, or of the first provider that has a key: twitterapi.io, then X.

    Raises ``ConfigurationError`` where there is no key.
    """
    chosen = source or (configured(settings) or ("",))[0]
    transport = _transport(settings, chosen, timing)
    try:
        yield TwitterApiIoClient(transport) if chosen == "twitterapi_io" else XApiV2Client(transport)
    finally:
        transport.close()


def configured(settings: ProviderSettings) -> tuple[str, ...]:
    """Return the sources that have a key, the preferred one first."""
    keys = {"twitterapi_io": settings.twitterapi_io_key, "x_api_v2": settings.x_api_bearer_token}
    return tuple(source for source, key in keys.items() if key is not None)


def limits(settings: ProviderSettings, source: str) -> Limits:
    """Return what may be spent at a source."""
    if source == "twitterapi_io":
        return Limits(settings.twitterapi_io_credits_per_day, settings.twitterapi_io_credits_per_month)
    return Limits(settings.x_api_posts_per_day, settings.x_api_posts_per_month)


def _transport(settings: ProviderSettings, source: str, timing: Time | None) -> Transport:
    if source == "twitterapi_io" and settings.twitterapi_io_key is not None:
        return Transport(
            source,
            settings.twitterapi_io_url,
            {"X-API-Key": settings.twitterapi_io_key.get_secret_value()},
            calls_per_second=settings.twitterapi_io_calls_per_second,
            timing=timing,
        )
    if source == "x_api_v2" and settings.x_api_bearer_token is not None:
        return Transport(
            source,
            settings.x_api_url,
            {"Authorization": f"Bearer {settings.x_api_bearer_token.get_secret_value()}"},
            calls_per_second=settings.x_api_calls_per_second,
            timing=timing,
        )
    named = f"of {source!r}" if source else "at all"
    raise ConfigurationError(
        f"no provider can be asked: there is no key {named}. Set TWITTERAPI_IO_KEY or X_API_BEARER_TOKEN "
        "(and TWITTERAPI_IO_URL for a provider that runs elsewhere, such as the stand-in)."
    )
