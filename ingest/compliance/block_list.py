"""The block list in the database, and deliveries that are rewritten for its sake.

Belongs here: loading the list and adding to it, storing a body anew.
Does not belong here: what a body without the erased looks like (``redact``), erasing (``erase``).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psycopg

from database import named_sql
from database.codec import NO_DICTIONARY, Codec
from ingest.compliance.redact import BlockList

Key = tuple[str, str]
"""A kind (``user``, ``tweet``, ``handle``) and an id or a handle."""

_SQL = named_sql.statements(Path(__file__).parent / "sql" / "block_list.sql")
_codec = Codec({}, NO_DICTIONARY)


class LoadedBlockList(BlockList):
    """A block list that knows which version of the table it is."""

    version: tuple[Any, ...] = ()


def load(connection: psycopg.Connection[Any], known: BlockList | None = None) -> BlockList:
    """Return the present block list; ``known`` itself where nothing was added since it was loaded."""
    version = connection.execute(_SQL["version"]).fetchone() or ()
    if isinstance(known, LoadedBlockList) and known.version == version:
        return known
    loaded = LoadedBlockList(secret(connection), connection.execute(_SQL["hashes"]).fetchall())
    loaded.version = version
    return loaded


def secret(connection: psycopg.Connection[Any]) -> bytes:
    """Return the key that the list is hashed with."""
    row = connection.execute(_SQL["secret"]).fetchone()
    if row is None:
        raise LookupError("ops.erasure_key is empty: without its key the block list knows nobody")
    return bytes(row[0])


def of(connection: psycopg.Connection[Any], keys: Iterable[Key]) -> BlockList:
    """Return a list of just these keys, hashed as the stored one is."""
    hashing = BlockList(secret(connection), ())
    return BlockList(secret(connection), [(kind, hashing.hash_of(kind, value)) for kind, value in keys])


def add(connection: psycopg.Connection[Any], keys: Iterable[Key]) -> None:
    """Add keys to the stored list, in the caller's transaction. Idempotent."""
    hashing = BlockList(secret(connection), ())
    hashed = [(kind, hashing.hash_of(kind, value)) for kind, value in keys]
    parameters = {"kinds": [kind for kind, _ in hashed], "hashes": [key_hash for _, key_hash in hashed]}
    connection.execute(_SQL["block"], parameters)


def rewrite_delivery(connection: psycopg.Connection[Any], delivery_id: int, body: bytes, reason: str) -> None:
    """Store another body for a delivery, with its checksum and why, in the caller's transaction.

    Without a dictionary: dictionaries are trained on synthetic payloads, but this body is rare and need not depend on
    one.
    """
    connection.execute(
        _SQL["rewrite_delivery"],
        {
            "delivery_id": delivery_id,
            "frame": _codec.compress(body),
            "body_bytes": len(body),
            "body": body,
            "reason": reason,
        },
    )
