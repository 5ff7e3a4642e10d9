"""The rules that the dbt project keeps, run over its manifest.

Belongs here: what is true of every model.
Does not belong here: what one model computes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestration.marts.documentation import DICTIONARY, dictionary
from orchestration.marts.ledger import MARKS_PER_BUILD, MODELS
from orchestration.marts.project import MANIFEST, PROJECT_DIR, ensure_manifest
from orchestration.marts.verification import MARTS

Node = dict[str, Any]
LAYERS = {"staging": 0, "intermediate": 1, "marts": 2}
KEY_TESTS = {"has_primary_key", "rests_on_key", "is_unique_by", "unique"}
CLOCKS = re.compile(r"\b(now\s*\(|current_timestamp|current_date|clock_timestamp|statement_timestamp|localtimestamp)")


@pytest.fixture(scope="module")
def manifest() -> Node:
    ensure_manifest()
    found: Node = json.loads(MANIFEST.read_text())
    return found


@pytest.fixture(scope="module")
def models(manifest: Node) -> list[Node]:
    return [node for node in manifest["nodes"].values() if node["resource_type"] == "model"]


def parents(manifest: Node, model: Node) -> Iterator[Node]:
    for name in model["depends_on"]["nodes"]:
        yield manifest["nodes"].get(name) or manifest["sources"][name]


def key_tests(manifest: Node, model: Node) -> list[Node]:
    return [
        node
        for node in manifest["nodes"].values()
        if node["resource_type"] == "test" and node.get("attached_node") == model["unique_id"]
    ]


def test_every_model_is_described_by_its_grain_and_every_column_with_its_type(models: list[Node]) -> None:
    for model in models:
        assert model["description"].startswith("One row per"), model["name"]
        assert model["columns"], model["name"]
        for column in model["columns"].values():
            assert column["description"], (model["name"], column["name"])
            assert column["data_type"], (model["name"], column["name"])


def test_every_model_has_a_tested_key(manifest: Node, models: list[Node]) -> None:
    for model in models:
        names = {test["test_metadata"]["name"] for test in key_tests(manifest, model)}
        assert names & KEY_TESTS, model["name"]


def test_only_staging_reads_core_and_exactly_one_table_of_it(manifest: Node, models: list[Node]) -> None:
    for model in models:
        read = [parent["name"] for parent in parents(manifest, model) if parent.get("source_name") in ("core", "ops")]
        assert len(read) == (1 if model["schema"] == "staging" else 0), model["name"]


def test_no_model_reads_a_layer_above_its_own(manifest: Node, models: list[Node]) -> None:
    for model in models:
        for parent in parents(manifest, model):
            if parent["resource_type"] == "model":
                assert LAYERS[parent["schema"]] <= LAYERS[model["schema"]], (model["name"], parent["name"])


def test_names_follow_their_layer(models: list[Node]) -> None:
    for model in models:
        assert model["schema"] in LAYERS
        prefix = {"staging": ("stg_core__", "stg_ops__"), "intermediate": "int_", "marts": ""}[model["schema"]]
        assert model["name"].startswith(prefix)
        assert Path(model["original_file_path"]).parts[1] == model["schema"]


def test_no_model_asks_a_clock(models: list[Node]) -> None:
    """T25: the moment is data."""
    for model in models:
        assert not CLOCKS.search(re.sub(r"--.*", "", model["raw_code"])), model["name"]


def test_hours_are_cut_in_utc_whatever_the_session_says(models: list[Node]) -> None:
    """T24."""
    for model in models:
        for call in re.findall(r"date_trunc\([^()]*\)", model["raw_code"]):
            assert call.endswith("'UTC')"), (model["name"], call)


def test_every_table_is_driven_by_the_ledger_with_a_contract_and_unit_tests_of_both_modes(
    manifest: Node, models: list[Node]
) -> None:
    tables = [model for model in models if model["config"]["materialized"] != "view"]
    assert {model["name"] for model in tables} == set(MODELS)
    for model in tables:
        config = model["config"]
        assert config["incremental_strategy"] == "ledger"
        assert config["full_refresh"] is False
        assert config["contract"]["enforced"] is True
        assert config["on_schema_change"] == "append_new_columns"
        assert set(config["meta"]["ledger"]["bucket"]) <= set(config["unique_key"])
        modes = {
            test["overrides"]["macros"]["is_incremental"]
            for test in manifest["unit_tests"].values()
            if test["model"] == model["name"]
        }
        assert modes == {True, False}, model["name"]


def test_key_columns_are_never_null(models: list[Node]) -> None:
    """T14: a NULL in a key never matches, so its row would be doubled by every build."""
    for model in models:
        for name in model["config"].get("unique_key") or []:
            constraints = {constraint["type"] for constraint in model["columns"][name]["constraints"]}
            assert "not_null" in constraints, (model["name"], name)


def test_every_model_of_the_ledger_comes_after_those_that_mark_it(manifest: Node, models: list[Node]) -> None:
    by_name = {model["name"]: model for model in models}
    for position, name in enumerate(MODELS):
        for dependant in by_name[name]["config"]["meta"]["ledger"].get("dependants", {}):
            assert MODELS.index(dependant) > position
            assert by_name[name]["unique_id"] in by_name[dependant]["depends_on"]["nodes"], (name, dependant)


def test_every_mart_has_a_recount(models: list[Node]) -> None:
    tables = {model["name"] for model in models if model["schema"] == "marts" and model["name"] in MODELS}
    assert {mart.name for mart in MARTS} == tables


def test_the_data_dictionary_is_what_the_models_say(manifest: Node) -> None:
    assert DICTIONARY.read_text() == dictionary(manifest), "run `make docs`"


def test_every_mart_is_read_by_somebody(manifest: Node, models: list[Node]) -> None:
    read = {name for exposure in manifest["exposures"].values() for name in exposure["depends_on"]["nodes"]}
    assert {model["unique_id"] for model in models if model["schema"] == "marts"} <= read


def test_core_says_how_fresh_it_must_be(manifest: Node) -> None:
    for source in manifest["sources"].values():
        if source["source_name"] == "core" and source["name"] != "zones":
            assert source["freshness"]["error_after"]["count"], source["name"]


def test_the_bound_of_a_build_is_the_one_that_runs_reckon_with() -> None:
    assert f"ledger_marks_per_build: {MARKS_PER_BUILD}" in (PROJECT_DIR / "dbt_project.yml").read_text()
