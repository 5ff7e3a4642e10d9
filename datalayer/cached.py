"""The cached reads: the functions of the modules with a pool and a cache behind them.

Belongs here: which reads are cached, under which key, for how long, and by which version.
Does not belong here: how a cache works (``cache``), what the reads do (their modules).

Lifetimes are the design document's: zone statistics 5 minutes, top profiles 15, trending 10, recent tweets 1. What
comes from a mart is new as soon as the mart is: its version is part of the key and at most a second old. Lists of
tweets change with every delivery and every count: only their lifetime bounds how old they are. What is suppressed
leaves all of them at once: every version ends in when anything was last suppressed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

import psycopg

from datalayer import analytics, engagement, freshness, trending, tweets, zones
from datalayer.analytics import KeptWindow, OrderBy, TopUser, VolumePoint, ZoneSummary
from datalayer.cache import Answer, Cache
from datalayer.engagement import ViralTweet
from datalayer.freshness import MartFreshness
from datalayer.records import Page, Tweet
from datalayer.rows import Connection
from datalayer.trending import TrendingEntity, TrendingHashtag
from datalayer.zones import Zone

Value = TypeVar("Value")
Connect = Callable[[], AbstractContextManager[Connection]]

ZONE_STATS_SECONDS = 5 * 60
TOP_PROFILES_SECONDS = 15 * 60
TRENDING_SECONDS = 10 * 60
RECENT_TWEETS_SECONDS = 60
ZONES_SECONDS = 10

VERSION_SECONDS = 1.0
"""How old the known version of a mart may be."""

_ZONE_STATS = "twitter_zone_stats_hourly"
_TOP_PROFILES = "twitter_top_profiles_by_zone"
_TRENDING = "twitter_trending_hashtags"
_TOP_TWEETS = "twitter_top_engaged_tweets"
_TRENDING_ENTITIES = "twitter_trending_entities"
_TOP_PROFILES_OF_WINDOWS = "twitter_top_profiles_by_zone_window"
_SUPPRESSION = "suppression"


class CachedReads:
    """The reads of dashboards and services. ``connect`` lends a connection of a pool; threads may share this object."""

    def __init__(self, connect: Connect, cache: Cache, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._connect = connect
        self._cache = cache
        self._clock = clock
        self._versions: Mapping[str, str] = {}
        self._versions_at = float("-inf")
        self._mutex = threading.Lock()

    def version(self, model: str) -> str:
        """Return the version of a mart, at most a second old; the last known one while the database is away."""
        with self._mutex:
            if self._clock() - self._versions_at >= VERSION_SECONDS:
                try:
                    with self._connect() as connection:
                        of_marts = freshness.data_versions(connection)
                        self._versions = {**of_marts, _SUPPRESSION: freshness.suppression_version(connection)}
                except psycopg.Error:
                    if not self._versions:
                        raise
                self._versions_at = self._clock()
        return self._versions.get(model, freshness.NEVER_BUILT)

    def get_zones(self) -> Answer[tuple[Zone, ...]]:
        """See ``zones.get_zones``."""
        return self._recent("zones", "zones", tuple[Zone, ...], ZONES_SECONDS, zones.get_zones)

    def get_zone(self, name_or_id: str) -> Answer[Zone]:
        """See ``zones.get_zone``."""
        key = f"zone-named:{name_or_id}"
        return self._recent("zone", key, Zone, ZONES_SECONDS, lambda connection: zones.get_zone(connection, name_or_id))

    def get_volume_chart(self, zone_id: UUID, *, hours: int = 24) -> Answer[tuple[VolumePoint, ...]]:
        """See ``analytics.get_volume_chart``; it ends at the hour that was open when the mart was built."""
        return self._of_mart(
            _ZONE_STATS, "volume", f"zone:{zone_id}:volume:{hours}h", tuple[VolumePoint, ...], ZONE_STATS_SECONDS,
            lambda connection, now: analytics.get_volume_chart(connection, zone_id, now=now, hours=hours),
        )  # fmt: skip

    def get_daily_volume_chart(
        self, zone_id: UUID, *, days: int = 30, timezone: str = "UTC"
    ) -> Answer[tuple[VolumePoint, ...]]:
        """See ``analytics.get_daily_volume_chart``."""
        return self._of_mart(
            _ZONE_STATS, "volume", f"zone:{zone_id}:volume:{days}d:{timezone}", tuple[VolumePoint, ...],
            ZONE_STATS_SECONDS,
            lambda connection, now: analytics.get_daily_volume_chart(
                connection, zone_id, now=now, days=days, timezone=timezone
            ),
        )  # fmt: skip

    def get_zone_summary(self, zone_id: UUID, *, hours: int = 24) -> Answer[ZoneSummary]:
        """See ``analytics.get_zone_summary``."""
        return self._of_mart(
            _ZONE_STATS, "stats", f"zone:{zone_id}:stats:{hours}h", ZoneSummary, ZONE_STATS_SECONDS,
            lambda connection, now: analytics.get_zone_summary(connection, zone_id, now=now, hours=hours),
        )  # fmt: skip

    def get_top_users(
        self, zone_id: UUID, *, limit: int = 10, order_by: OrderBy = "engagement"
    ) -> Answer[tuple[TopUser, ...]]:
        """See ``analytics.get_top_users``."""
        return self._of_mart(
            _TOP_PROFILES, "top-users", f"zone:{zone_id}:top-users:{order_by}:{limit}", tuple[TopUser, ...],
            TOP_PROFILES_SECONDS,
            lambda connection, _now: analytics.get_top_users(connection, zone_id, limit=limit, order_by=order_by),
        )  # fmt: skip

    def get_top_users_of_window(
        self, zone_id: UUID, *, hours: int, limit: int = 10, order_by: OrderBy = "engagement"
    ) -> Answer[tuple[TopUser, ...]]:
        """See ``analytics.get_top_users_of_window``."""
        return self._of_mart(
            _TOP_PROFILES, "top-users", f"zone:{zone_id}:top-users:{order_by}:{limit}:{hours}h", tuple[TopUser, ...],
            TOP_PROFILES_SECONDS,
            lambda connection, now: analytics.get_top_users_of_window(
                connection, zone_id, now=now, hours=hours, limit=limit, order_by=order_by
            ),
        )  # fmt: skip

    def get_top_users_of_kept_window(
        self, zone_id: UUID, window: KeptWindow, *, limit: int = 10, order_by: OrderBy = "engagement"
    ) -> Answer[tuple[TopUser, ...]]:
        """See ``analytics.get_top_users_of_kept_window``."""
        return self._of_mart(
            _TOP_PROFILES_OF_WINDOWS, "top-users", f"zone:{zone_id}:top-users:{order_by}:{limit}:{window}",
            tuple[TopUser, ...], TOP_PROFILES_SECONDS,
            lambda connection, _now: analytics.get_top_users_of_kept_window(
                connection, zone_id, window, limit=limit, order_by=order_by
            ),
        )  # fmt: skip

    def get_trending_entities(
        self,
        zone_id: UUID,
        entity_type: trending.EntityType,
        *,
        limit: int = 20,
        window: trending.Window = "24h",
        order_by: trending.EntityOrderBy = "score",
    ) -> Answer[tuple[TrendingEntity, ...]]:
        """See ``trending.get_trending_entities``."""
        return self._of_mart(
            _TRENDING_ENTITIES, "trending", f"zone:{zone_id}:trending:{entity_type}:{limit}:{window}:{order_by}",
            tuple[TrendingEntity, ...], TRENDING_SECONDS,
            lambda connection, _now: trending.get_trending_entities(
                connection, zone_id, entity_type, limit=limit, window=window, order_by=order_by
            ),
        )  # fmt: skip

    def get_trending_hashtags(
        self,
        zone_id: UUID,
        *,
        limit: int = 20,
        window: trending.Window = "24h",
        order_by: trending.OrderBy = "tweet_count",
    ) -> Answer[tuple[TrendingHashtag, ...]]:
        """See ``trending.get_trending_hashtags``; the window ends at the mart's ``as_of``."""
        key = f"zone:{zone_id}:trending:{limit}:{window}:{order_by}"
        return self._of_mart(
            _TRENDING, "trending", key, tuple[TrendingHashtag, ...], TRENDING_SECONDS,
            lambda connection, now: trending.get_trending_hashtags(
                connection, zone_id, now=now, limit=limit, window=window, order_by=order_by
            ),
        )  # fmt: skip

    def get_recent_tweets(self, zone_id: UUID, *, limit: int = 20) -> Answer[Page[Tweet]]:
        """Return the first page of ``tweets.get_feed``. Later pages are read when they are asked for."""
        key = f"zone:{zone_id}:tweets:{limit}"
        load: Callable[[Connection], Page[Tweet]] = lambda connection: tweets.get_feed(connection, zone_id, limit=limit)  # noqa: E731
        return self._recent("tweets", key, Page[Tweet], RECENT_TWEETS_SECONDS, load)

    def get_top_engaged_tweets(self, zone_id: UUID, *, hours: int = 24, limit: int = 10) -> Answer[tuple[Tweet, ...]]:
        """See ``tweets.get_top_engaged_tweets``; it ends at the hour that was open when the lists were built."""
        return self._of_mart(
            _TOP_TWEETS, "top-tweets", f"zone:{zone_id}:top-tweets:{hours}h:{limit}", tuple[Tweet, ...],
            RECENT_TWEETS_SECONDS,
            lambda connection, now: tweets.get_top_engaged_tweets(
                connection, zone_id, now=now, hours=hours, limit=limit
            ),
        )  # fmt: skip

    def get_viral_tweets(self, zone_id: UUID, *, hours: int = 24, limit: int = 10) -> Answer[tuple[ViralTweet, ...]]:
        """See ``engagement.get_viral_tweets``; it ends at the hour that was open when the lists were built."""
        return self._of_mart(
            _TOP_TWEETS, "viral", f"zone:{zone_id}:viral:{hours}h:{limit}", tuple[ViralTweet, ...],
            RECENT_TWEETS_SECONDS,
            lambda connection, now: engagement.get_viral_tweets(
                connection, zone_id, now=now, hours=hours, limit=limit
            ),
        )  # fmt: skip

    def get_mart_freshness(self) -> tuple[MartFreshness, ...]:
        """See ``freshness.get_mart_freshness``; never cached."""
        with self._connect() as connection:
            return freshness.get_mart_freshness(connection)

    def _of_mart(
        self, model: str, name: str, key: str, kind: Any, seconds: float, read: Callable[[Connection, datetime], Value]
    ) -> Answer[Value]:
        def load() -> tuple[str, Value]:
            with self._connect() as connection, _one_snapshot(connection):
                version = freshness.data_versions(connection).get(model, freshness.NEVER_BUILT)
                as_of = {mart.model: mart.as_of for mart in freshness.get_mart_freshness(connection)}
                return version, read(connection, as_of.get(model) or datetime.now(UTC))

        return self._cache.get(name, key, kind, version=self.version(model), seconds=seconds, load=load)

    def _recent(
        self, name: str, key: str, kind: Any, seconds: float, read: Callable[[Connection], Value]
    ) -> Answer[Value]:
        def load() -> tuple[str, Value]:
            with self._connect() as connection, _one_snapshot(connection):
                return freshness.suppression_version(connection), read(connection)

        version = self.version(_SUPPRESSION)
        return self._cache.get(name, key, kind, version=version, seconds=seconds, load=load)


def _one_snapshot(connection: Connection) -> AbstractContextManager[Any]:
    """Begin a transaction that sees the database at one moment: the version and the data belong together."""
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    return connection.transaction()
