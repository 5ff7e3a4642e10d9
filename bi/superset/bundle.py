"""Make a file that Superset imports from ``dashboards.yaml``: ``python bi/superset/bundle.py URL --out tweets.zip``.

Belongs here: turning that description into Superset's export format (1.0.0).
Does not belong here: what is shown.

It runs in Superset's own environment as well: PyYAML is all it needs. ``URL`` is the address of the database as the
role ``bi_reader``; its password becomes part of the file, so keep that file to yourself. Superset changes dashboards
that it has, but neither charts nor datasets: a chart's id follows from all that is said of it, a changed one is new.
"""

from __future__ import annotations

import argparse
import json
import uuid
import zipfile
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
MODELS = HERE.parents[1] / "dbt_project" / "models" / "marts"
NAMESPACE = uuid.UUID("7b0f5f5e-6a5e-4f0c-9d0e-2f6f5b1c8a11")
VERSION = "1.0.0"

ZONE_NAME = {"name": "zone_name", "data_type": "text", "description": "Name of the zone."}


def files(spec: dict[str, Any], url: str) -> dict[str, str]:
    """Return the files of the bundle by path. Raises ``KeyError`` where something is named that is not there."""
    documents: dict[str, dict[str, Any]] = {
        "metadata.yaml": {"version": VERSION, "type": "Dashboard", "timestamp": "2026-01-01T00:00:00+00:00"},
        f"databases/{_file(spec['database'])}": _database(spec["database"], url),
    }
    for name, dataset in spec["datasets"].items():
        documents[f"datasets/{_file(spec['database'], '')}/{_file(name)}"] = _dataset(name, dataset, spec["database"])
    for name, chart in spec["charts"].items():
        documents[f"charts/{_file(name)}"] = _chart(name, chart, spec["datasets"][chart["dataset"]])
    for dashboard in spec["dashboards"]:
        documents[f"dashboards/{_file(dashboard['slug'])}"] = _dashboard(dashboard, spec)
    return {path: yaml.safe_dump(document, sort_keys=False) for path, document in documents.items()}


def columns(model: str) -> list[dict[str, Any]]:
    """Return the columns of a mart as its model describes them."""
    described = yaml.safe_load((MODELS / f"{model}.yml").read_text(encoding="utf-8"))
    found: list[dict[str, Any]] = next(entry for entry in described["models"] if entry["name"] == model)["columns"]
    return found


def _id(kind: str, name: str) -> str:
    return str(uuid.uuid5(NAMESPACE, f"{kind}/{name}"))


def _chart_id(name: str, chart: dict[str, Any]) -> str:
    return _id("chart", f"{name} {json.dumps(chart, sort_keys=True)}")


def _file(name: str, ending: str = ".yaml") -> str:
    return name.lower().replace(" ", "_").replace("-", "_") + ending


def _database(name: str, url: str) -> dict[str, Any]:
    scheme, _, rest = url.partition("://")
    return {
        "database_name": name,
        "sqlalchemy_uri": f"{scheme.split('+')[0]}+psycopg2://{rest}",
        "expose_in_sqllab": True,
        "allow_dml": False,
        "extra": {"allows_virtual_table_explore": True},
        "uuid": _id("database", name),
        "version": VERSION,
    }


def _dataset(name: str, dataset: dict[str, Any], database: str) -> dict[str, Any]:
    described = columns(dataset["model"])
    if "zone_name," in dataset["sql"]:
        described = [ZONE_NAME, *described]
    return {
        "table_name": name,
        "description": dataset["description"],
        "main_dttm_col": dataset["time"],
        "cache_timeout": dataset["cache_minutes"] * 60,
        "schema": "marts",
        "sql": dataset["sql"].strip(),
        "uuid": _id("dataset", name),
        "database_uuid": _id("database", database),
        "version": VERSION,
        "columns": [
            {
                "column_name": column["name"],
                "description": column.get("description"),
                "type": column["data_type"].upper(),
                "is_dttm": column["data_type"].startswith(("timestamp", "date")),
                "groupby": True,
                "filterable": True,
            }
            for column in described
        ],
        "metrics": [
            {"metric_name": metric, "expression": expression, "verbose_name": label, "description": description}
            for metric, (expression, label, description) in dataset["metrics"].items()
        ],
    }


def _chart(name: str, chart: dict[str, Any], dataset: dict[str, Any]) -> dict[str, Any]:
    viz_type, params = _params(chart, dataset)
    return {
        "slice_name": chart["name"],
        "viz_type": viz_type,
        "params": {"viz_type": viz_type, "adhoc_filters": _filters(chart), "time_range": "No filter", **params},
        "cache_timeout": None,
        "uuid": _chart_id(name, chart),
        "dataset_uuid": _id("dataset", chart["dataset"]),
        "version": VERSION,
    }


def _params(chart: dict[str, Any], dataset: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return Superset's name for a kind of chart and what it wants to know."""
    kind, time = chart["kind"], dataset["time"]
    number = chart.get("format", "SMART_NUMBER")
    for metric in [chart["metric"]] if "metric" in chart else chart.get("metrics", []):
        dataset["metrics"][metric]
    if kind == "number":
        return "big_number_total", {"metric": chart["metric"], "y_axis_format": number, "header_font_size": 0.4}
    if kind in ("bars", "lines"):
        params = {
            "x_axis": time,
            "granularity_sqla": time,
            "time_grain_sqla": chart["grain"],
            "metrics": chart["metrics"],
            "groupby": [chart["by"]] if "by" in chart else [],
            "y_axis_format": number,
            "rich_tooltip": True,
            "show_legend": True,
            "row_limit": 10_000,
        }
        if kind == "bars":
            return "echarts_timeseries_bar", {**params, "stack": "Stack", "orientation": "vertical"}
        return "echarts_timeseries_line", {**params, "connectNulls": False}
    if kind == "ranking":
        return "echarts_timeseries_bar", {
            "x_axis": chart["by"],
            "metrics": [chart["metric"]],
            "groupby": [],
            "orientation": "horizontal",
            "x_axis_sort": chart["metric"],
            "x_axis_sort_asc": True,
            "row_limit": chart["most"],
            "order_desc": True,
            "timeseries_limit_metric": chart["metric"],
            "y_axis_format": number,
            "show_legend": False,
        }
    if kind == "rows":
        return "table", {
            "query_mode": "raw",
            "all_columns": chart["columns"],
            "order_by_cols": [json.dumps([chart["order"], not chart.get("descending", False)])],
            "row_limit": chart.get("most", 100),
            "table_timestamp_format": "smart_date",
            "show_cell_bars": True,
        }
    raise KeyError(f"there is no kind of chart {kind!r}")


def _filters(chart: dict[str, Any]) -> list[dict[str, Any]]:
    if "only" not in chart:
        return []
    return [{"clause": "WHERE", "expressionType": "SQL", "sqlExpression": chart["only"]}]


def _dashboard(dashboard: dict[str, Any], spec: dict[str, Any]) -> dict[str, Any]:
    slug = dashboard["slug"]
    return {
        "dashboard_title": dashboard["title"],
        "description": dashboard["description"],
        "slug": slug,
        "uuid": _id("dashboard", slug),
        "position": _position(dashboard, spec),
        "metadata": {
            "color_scheme": "supersetColors",
            "cross_filters_enabled": True,
            "native_filter_configuration": [_zone_filter(slug, spec, dashboard)],
        },
        "published": True,
        "version": VERSION,
    }


def _position(dashboard: dict[str, Any], spec: dict[str, Any]) -> dict[str, Any]:
    rows = {}
    charts = {}
    for number, row in enumerate(dashboard["rows"]):
        row_id = f"ROW-{number}"
        cells = []
        for name, width in row["charts"].items():
            cells.append(f"CHART-{name}")
            charts[f"CHART-{name}"] = {
                "type": "CHART",
                "id": f"CHART-{name}",
                "children": [],
                "parents": ["ROOT_ID", "GRID_ID", row_id],
                "meta": {
                    "width": width,
                    "height": row["height"],
                    "chartId": list(spec["charts"]).index(name) + 1,
                    "uuid": _chart_id(name, spec["charts"][name]),
                    "sliceName": spec["charts"][name]["name"],
                },
            }
        rows[row_id] = {
            "type": "ROW",
            "id": row_id,
            "children": cells,
            "parents": ["ROOT_ID", "GRID_ID"],
            "meta": {"background": "BACKGROUND_TRANSPARENT"},
        }
    return {
        "DASHBOARD_VERSION_KEY": "v2",
        "ROOT_ID": {"type": "ROOT", "id": "ROOT_ID", "children": ["GRID_ID"]},
        "GRID_ID": {"type": "GRID", "id": "GRID_ID", "children": list(rows), "parents": ["ROOT_ID"]},
        "HEADER_ID": {"type": "HEADER", "id": "HEADER_ID", "meta": {"text": dashboard["title"]}},
        **rows,
        **charts,
    }


def _zone_filter(slug: str, spec: dict[str, Any], dashboard: dict[str, Any]) -> dict[str, Any]:
    """Return a filter by zone, which reaches every chart whose rows have one."""
    shown = [name for row in dashboard["rows"] for name in row["charts"]]
    with_zones = [spec["charts"][name]["dataset"] for name in shown]
    first = next(name for name in with_zones if "zone_name," in spec["datasets"][name]["sql"])
    return {
        "id": f"NATIVE_FILTER-{slug}",
        "name": "Zone",
        "filterType": "filter_select",
        "type": "NATIVE_FILTER",
        "description": "",
        "targets": [{"datasetUuid": _id("dataset", first), "column": {"name": "zone_name"}}],
        "controlValues": {"multiSelect": True, "enableEmptyFilter": False, "searchAllOptions": False},
        "defaultDataMask": {"extraFormData": {}, "filterState": {}, "ownState": {}},
        "scope": {"rootPath": ["ROOT_ID"], "excluded": []},
        "cascadeParentIds": [],
    }


def main() -> None:
    """Write the bundle."""
    parser = argparse.ArgumentParser(description="Make a file of the dashboards that Superset imports.")
    parser.add_argument("url", help="postgresql://bi_reader:password@host:port/database")
    parser.add_argument("--out", type=Path, default=Path("tweet_analytics.zip"))
    arguments = parser.parse_args()
    spec = yaml.safe_load((HERE / "dashboards.yaml").read_text(encoding="utf-8"))
    with zipfile.ZipFile(arguments.out, "w", zipfile.ZIP_DEFLATED) as bundle:
        for path, text in files(spec, arguments.url).items():
            bundle.writestr(f"tweet_analytics/{path}", text)
    print(f"wrote {arguments.out}: superset import-dashboards --path {arguments.out} --username …")


if __name__ == "__main__":
    main()
