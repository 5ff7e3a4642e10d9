"""The dashboards for Superset name only what is there: datasets, columns and measures of the marts."""

from __future__ import annotations

import importlib.util
import re
from types import ModuleType
from typing import Any

import pytest
import yaml

from tests.architecture.repository import ROOT

SUPERSET = ROOT / "bi" / "superset"


@pytest.fixture(scope="module")
def bundle() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bundle", SUPERSET / "bundle.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    return yaml.safe_load((SUPERSET / "dashboards.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def documents(bundle: ModuleType, described: dict[str, Any]) -> dict[str, Any]:
    made = bundle.files(described, "postgresql://bi_reader:secret@db.example:5432/tweets")
    return {path: yaml.safe_load(text) for path, text in made.items()}


def test_every_chart_shows_columns_and_measures_of_its_dataset(
    documents: dict[str, Any], described: dict[str, Any]
) -> None:
    datasets = {document["uuid"]: document for path, document in documents.items() if path.startswith("datasets/")}
    for name, chart in described["charts"].items():
        document = documents[f"charts/{name}.yaml"]
        dataset = datasets[document["dataset_uuid"]]
        known = {column["column_name"] for column in dataset["columns"]}
        measures = {metric["metric_name"] for metric in dataset["metrics"]}
        shown = {*chart.get("columns", []), *(chart[key] for key in ("by", "order") if key in chart)}
        assert shown <= known, name
        assert set(re.findall(r"[a-z_0-9]+", chart.get("only", ""))) - {"is", "not", "null"} <= known, name
        assert {*chart.get("metrics", []), *([chart["metric"]] if "metric" in chart else [])} <= measures, name


def test_every_measure_adds_up_columns_that_there_are(documents: dict[str, Any]) -> None:
    words = {"sum", "count", "distinct", "numeric", "nullif"}
    for path, document in documents.items():
        if path.startswith("datasets/"):
            known = {column["column_name"] for column in document["columns"]}
            assert document["main_dttm_col"] in known, path
            for metric in document["metrics"]:
                assert set(re.findall(r"[a-z_][a-z_0-9]+", metric["expression"])) - words <= known, metric[
                    "metric_name"
                ]


def test_every_column_and_every_dataset_has_a_description(documents: dict[str, Any]) -> None:
    for path, document in documents.items():
        if path.startswith("datasets/"):
            assert document["description"], path
            assert all(column["description"] for column in document["columns"]), path
            assert all(metric["description"] for metric in document["metrics"]), path


def test_every_chart_is_on_a_dashboard_whose_rows_are_twelve_wide(
    documents: dict[str, Any], described: dict[str, Any]
) -> None:
    placed: set[str] = set()
    for path, document in documents.items():
        if path.startswith("dashboards/"):
            cells = [cell for cell in document["position"].values() if isinstance(cell, dict)]
            placed |= {cell["meta"]["uuid"] for cell in cells if cell["type"] == "CHART"}
    for dashboard in described["dashboards"]:
        assert all(sum(row["charts"].values()) == 12 for row in dashboard["rows"])
    assert placed == {document["uuid"] for path, document in documents.items() if path.startswith("charts/")}
