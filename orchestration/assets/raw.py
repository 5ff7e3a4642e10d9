"""The layer ``raw``: written by the ingest service, not by Dagster, and watched from here.

Belongs here: what the graph says about the tables that the service writes.
Does not belong here: writing them (``ingest``).
"""

from __future__ import annotations

from orchestration.catalog import table_spec

SPECS = (
    table_spec(
        "raw",
        "deliveries",
        "One row per acknowledged delivery, byte for byte. Written by the webhook service before it answers 2xx; "
        "normalising reports here how many wait, for how long, and how long the way to core takes.",
        kinds=frozenset({"postgres", "webhook"}),
    ),
)
