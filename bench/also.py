"""P7, P8 and P9 within the run of all parts: the benchmarks of engagement and of queries can be run alone as well.

Belongs here: running those two on this run's server and telling their figures as the others are told.
Does not belong here: what they measure (``engagement.py``, ``queries.py``).
"""

from __future__ import annotations

from collections.abc import Iterator

from bench import engagement, queries
from bench.figures import Figure, missing
from bench.ground import Ground
from database.connections import connect
from datalayer import embedded_redis


def measure_engagement(ground: Ground) -> Iterator[Figure]:
    """Return the figures of P7."""
    url = ground.database("engagement")
    with connect(url, application_name="bench", autocommit=True) as connection:
        connection.execute("delete from core.twitter_rules")
        connection.execute("delete from core.zones")
        for found in engagement.measure(connection, scale=ground.scale.stored / engagement.TWEETS):
            yield Figure("P7", found.name, found.value, found.unit, found.goal, found.is_met)
    ground.drop("engagement")


def measure_queries(ground: Ground) -> Iterator[Figure]:
    """Return the figures of P8 and P9: the 95th of 100 answers, warm, in milliseconds."""
    url = ground.database("queries")
    with connect(url, application_name="bench", autocommit=True) as connection:
        connection.execute("delete from core.twitter_rules")
        connection.execute("delete from core.zones")
    queries.fill(url, ground.scale.stored, ground.now)
    with connect(url, application_name="bench", autocommit=True) as connection:
        for timing in queries.timings(connection, ground.now):
            yield _figure("P8", timing)
    redis_directory = ground.directory / "redis"
    redis_directory.mkdir()
    with embedded_redis.serving(redis_directory) as redis:
        if isinstance(redis, embedded_redis.NotServed):
            yield missing("P9", "cached reads", redis.reason, "< 1 ms")
        else:
            for timing in queries.cached_timings(url, redis.url):
                yield _figure("P9", timing)
    ground.drop("queries")


def _figure(part: str, timing: queries.Timing) -> Figure:
    name, goal = f"{timing.name}, p95", f"< {timing.target_ms:g} ms"
    return Figure(part, name, timing.p95_ms, "ms", goal, timing.is_met, f"p50 {timing.p50_ms:.2f}")
