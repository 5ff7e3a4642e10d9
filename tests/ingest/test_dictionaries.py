"""Dictionaries: trained once, from nobody's text, and worth their place."""

from __future__ import annotations

from itertools import islice

import psycopg

from database.codec import Codec
from ingest import dictionaries
from ingest.standin.stream import payloads

OTHER_SEED = 99
BEGIN_MS = 1_773_489_600_000


def test_the_first_dictionary_is_trained_once_and_another_only_when_asked(connection: psycopg.Connection) -> None:
    first = dictionaries.ensure(connection)
    assert dictionaries.ensure(connection) == first == 1
    assert dictionaries.train_another(connection) == 2
    assert dictionaries.ensure(connection) == 2
    rows = connection.execute("select dictionary_id, source from raw.compression_dictionaries order by 1").fetchall()
    assert rows == [(1, "twitterapi_io"), (2, "twitterapi_io")]


def test_a_dictionary_makes_deliveries_of_another_world_a_tenth_smaller_at_least() -> None:
    trained = Codec({1: dictionaries.trained()}, current=1)
    bodies = [envelope.body for envelope in islice(payloads(OTHER_SEED, BEGIN_MS, 1, 3_000), 100)]
    plain_bytes = sum(len(Codec({}).compress(body)) for body in bodies)
    trained_bytes = sum(len(trained.compress(body)) for body in bodies)
    assert trained_bytes < 0.9 * plain_bytes
    assert all(trained.decompress(trained.compress(body), 1) == body for body in bodies)
