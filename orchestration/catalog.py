"""How assets are described: names, groups, owners, and what a table says about itself.

Belongs here: what several assets share in the Dagster UI.
Does not belong here: computing anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import dagster as dg

OWNERS = ("team:data-platform",)


def table_spec(
    schema: str,
    table: str,
    description: str,
    *,
    deps: Sequence[dg.AssetKey] = (),
    freshness: dg.FreshnessPolicy | None = None,
    kinds: frozenset[str] = frozenset({"postgres", "python"}),
    metadata: Mapping[str, object] | None = None,
) -> dg.AssetSpec:
    """Return the spec of a table's asset: key ``[schema, table]``, grouped by schema."""
    return dg.AssetSpec(
        key=dg.AssetKey([schema, table]),
        deps=deps,
        description=description,
        group_name=schema,
        owners=OWNERS,
        kinds=set(kinds),
        freshness_policy=freshness,
        metadata={"dagster/table_name": f"{schema}.{table}", **(metadata or {})},
    )
