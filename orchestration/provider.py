"""The provider that runs talk to.

Belongs here: the Dagster resource, what a failing provider means for a run, and skipping where none is configured.
Does not belong here: clients and budgets (``ingest.provider``).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import dagster as dg
import psycopg

from ingest.errors import ConfigurationError
from ingest.provider import connect
from ingest.provider.budget import Budget
from ingest.provider.protocol import Provider, ProviderFailed
from ingest.provider.settings import ProviderSettings


@dataclass(frozen=True)
class Access:
    """A provider's client, and the books that its calls are entered in."""

    provider: Provider
    budget: Budget


class TweetProvider(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The provider whose key is set: twitterapi.io, else X. Settings are read when it is opened."""

    @contextmanager
    def access(self, connection: psycopg.Connection[Any], source: str | None = None) -> Iterator[Access]:
        """Open the provider, or ``source``. Without a key the run fails, saying which variable to set."""
        settings = ProviderSettings()
        try:
            with connect.connected(settings, source) as provider:
                limits = connect.limits(settings, provider.source)
                yield Access(provider, Budget(connection, provider.source, limits))
        except ConfigurationError as error:
            raise dg.Failure(str(error), allow_retries=False) from None

    def sources(self) -> tuple[str, ...]:
        """Return the sources that have a key."""
        return connect.configured(ProviderSettings())


def is_configured(_: dg.ScheduleEvaluationContext) -> bool:
    """Tell whether there is a provider to ask; schedules skip quietly without one."""
    return bool(connect.configured(ProviderSettings()))


def failure(failed: ProviderFailed, metadata: dict[str, Any]) -> dg.Failure:
    """Return the failure of a run whose provider failed: a retry at once would meet the same."""
    advice = (
        "Nothing is lost: the next run goes on where this one stopped, and no tweet counts as deleted."
        if failed.is_retryable
        else "Put this right; the runs after it go on where this one stopped."
    )
    return dg.Failure(f"{failed}. {advice}", metadata=metadata, allow_retries=False)
