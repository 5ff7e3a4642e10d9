"""What an endpoint is given to answer with, and what it answers.

Belongs here: the pool, the cached reads, the reader's scope.
Does not belong here: HTTP.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from psycopg_pool import ConnectionPool

from api.errors import Refused
from api.keys import Reader
from datalayer import tweets
from datalayer.cached import CachedReads
from datalayer.rows import Connection
from datalayer.zones import Zone


@dataclass(frozen=True)
class Result:
    """An answer. ``version`` is that of the mart it comes from, None where it comes from the tweets themselves."""

    data: Any
    next_cursor: str | None = None
    version: str | None = None
    is_stale: bool = False


@dataclass(frozen=True)
class Reading:
    """One request's way to the data."""

    pool: ConnectionPool[Connection]
    cached: CachedReads
    reader: Reader
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Lend a connection in autocommit mode."""
        with self.pool.connection() as connection:
            yield connection

    def zone(self, name_or_id: str) -> Zone:
        """Return a zone that the reader may see. One that is closed to it does not exist for it."""
        zone = self.cached.get_zone(name_or_id).value
        if not self.reader.may_read(zone.name):
            raise Refused(404, "not-found", f"there is no zone {name_or_id!r}")
        return zone

    def check_tweet(self, connection: Connection, tweet_id: int) -> None:
        """Refuse a tweet that no zone of the reader collected, as if it did not exist."""
        if self.reader.zones is None:
            return
        if not self.reader.zones.intersection(tweets.get_zone_names_of(connection, tweet_id)):
            raise Refused(404, "not-found", f"no tweet has the id {tweet_id}")

    def check_every_zone(self) -> None:
        """Refuse what would show other zones' tweets to a key that does not open them."""
        if self.reader.zones is not None:
            raise Refused(403, "forbidden", "this key opens single zones: an account's tweets need one that opens all")
