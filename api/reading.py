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
from datalayer.tweets import ThreadTweet
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
        if not self.reader.zones & tweets.get_zone_names_of(connection, [tweet_id])[tweet_id]:
            raise Refused(404, "not-found", f"no tweet has the id {tweet_id}")

    def conversation(self, connection: Connection, tweet_id: int) -> tuple[ThreadTweet, ...]:
        """Return a tweet's conversation without what only zones that are closed to the reader collected.

        What no zone collected stays: an embedded original was delivered inside a tweet that somebody may read.
        """
        thread = tweets.get_conversation(connection, tweet_id)
        if self.reader.zones is None:
            return thread
        names = tweets.get_zone_names_of(connection, [part.tweet.tweet_id for part in thread])
        return tuple(
            part for part in thread if not names[part.tweet.tweet_id] or names[part.tweet.tweet_id] & self.reader.zones
        )

    def check_every_zone(self) -> None:
        """Refuse what would show other zones' tweets to a key that does not open them."""
        if self.reader.zones is not None:
            raise Refused(403, "forbidden", "this key opens single zones: an account's tweets need one that opens all")
