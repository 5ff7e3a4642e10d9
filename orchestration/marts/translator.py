"""What dbt models look like as assets.

Belongs here: keys, groups, owners, kinds and freshness of the models' assets.
Does not belong here: running them.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DbtProject

from orchestration.catalog import OWNERS

COVERAGE = dg.AssetKey(["ops", "zone_hour_coverage"])
"""Of the pipeline's own tables, the one that is data: which hours were listened to."""

LEDGER_SCHEMA = "ops"
"""Claims and notes of the ledger are dbt sources, so that models can be unit-tested; in the graph they are noise."""

FRESHNESS = {
    "twitter_zone_stats_hourly": (timedelta(minutes=80), timedelta(hours=3)),
    "twitter_top_profiles_by_zone": (timedelta(minutes=25), timedelta(hours=1)),
    "twitter_trending_hashtags": (timedelta(minutes=18), timedelta(minutes=45)),
    "twitter_trending_entities": (timedelta(minutes=18), timedelta(minutes=45)),
    "int_zone_entity_author_hourly": (timedelta(minutes=18), timedelta(minutes=45)),
    "twitter_zone_stats_daily": (timedelta(minutes=80), timedelta(hours=3)),
    "twitter_top_profiles_by_zone_window": (timedelta(minutes=25), timedelta(hours=1)),
    "twitter_top_engaged_tweets": (timedelta(minutes=25), timedelta(hours=1)),
    "int_zone_top_tweets_hourly": (timedelta(minutes=25), timedelta(hours=1)),
    "int_zone_counted_tweets": (timedelta(minutes=18), timedelta(minutes=45)),
    "int_zone_author_hourly": (timedelta(minutes=18), timedelta(minutes=45)),
    "int_zone_tag_author_hourly": (timedelta(minutes=18), timedelta(minutes=45)),
    "int_zone_hourly": (timedelta(minutes=18), timedelta(minutes=45)),
    "int_zone_tag_author_window": (timedelta(minutes=18), timedelta(minutes=45)),
}
"""Age at which a table warns and fails: one missed tick of its schedule and a run's length, then several ticks."""


class MartsTranslator(DagsterDbtTranslator):
    """Translate models to assets ``[schema, table]``; dbt's sources become the assets of the pipeline's location."""

    def get_asset_spec(self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None) -> dg.AssetSpec:
        """Return the stock spec with our kinds, freshness and without the ledger."""
        spec = super().get_asset_spec(manifest, unique_id, project)
        node = self.get_resource_props(manifest, unique_id)
        return spec.replace_attributes(
            deps=[dep for dep in spec.deps if dep.asset_key.path[0] != LEDGER_SCHEMA or dep.asset_key == COVERAGE],
            kinds={"dbt", "postgres", _kind(node)},
            freshness_policy=_freshness(node["name"]),
        )

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        """Return ``[schema, table]``."""
        return dg.AssetKey([dbt_resource_props["schema"], dbt_resource_props["name"]])

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        """Return the layer, which is the schema."""
        return str(dbt_resource_props["schema"])

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> list[str]:  # noqa: ARG002
        """Return the owners of every asset of the project."""
        return list(OWNERS)

    def get_description(self, dbt_resource_props: Mapping[str, Any]) -> str:
        """Return the model's description alone; its SQL is one click away as code."""
        return str(dbt_resource_props.get("description", ""))


def _kind(node: Mapping[str, Any]) -> str:
    return "view" if node.get("config", {}).get("materialized") == "view" else "table"


def _freshness(name: str) -> dg.FreshnessPolicy | None:
    if name not in FRESHNESS:
        return None
    warn, fail = FRESHNESS[name]
    return dg.FreshnessPolicy.time_window(fail_window=fail, warn_window=warn)
