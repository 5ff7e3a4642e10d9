"""The benchmark runs and tells what it measured. How fast anything is, no test says."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from bench import __main__ as bench
from bench import figures

CONDITIONS = figures.Conditions("2026-01-01T00:00:00+00:00", "tiny", 2, 0.5, 1.5, 3.0)


@pytest.mark.slow
def test_a_tiny_run_prints_each_figure_beside_its_goal():
    result = subprocess.run(
        [sys.executable, "-m", "bench", "--scale", "tiny", "--only", "P2,P3"],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    (ratio,) = [line for line in lines if "synthetic: normalising beside the naive client" in line]
    assert "≥ 40" in ratio
    assert ("met" in ratio) or ("missed" in ratio)
    assert any("load average" in line for line in lines)
    assert lines[-1].startswith("written to ")


def test_a_goal_that_is_missed_is_printed_as_missed_and_nothing_else_is():
    missed = figures.at_least("P3", "ratio", 0.5, "×", 0.6)
    met = figures.at_most("P4", "p99", 12, "ms", 50)
    without = figures.Figure("P5", "size", 1, "B")
    assert [figure.verdict for figure in (missed, met, without)] == ["missed", "met", ""]
    assert "missed" in figures.line(missed)


def test_what_was_not_measured_has_no_number():
    line = figures.line(figures.missing("P2", "real stream", "no data"))
    assert "not measured: no data" in line
    assert "0" not in line


def test_the_figures_are_written_as_json_and_as_markdown(tmp_path):
    path = figures.write([figures.at_least("P3", "ratio", 0.5, "×", 0.6)], CONDITIONS, tmp_path)
    assert "| P3 | ratio | 0.50 × | ≥ 0.6 | missed |" in path.read_text()
    written = json.loads(path.with_suffix(".json").read_text())
    assert written["figures"][0]["value"] == 0.5
    assert written["conditions"]["load_after"] == 1.5


@pytest.mark.parametrize("options", [["--only", "P99"], ["--scale", "huge"], ["--scale", "12"]])
def test_a_goal_or_a_scale_that_does_not_exist_is_refused_with_those_that_do(options):
    result = CliRunner().invoke(bench.main, options)
    assert result.exit_code == 2
    assert "tiny" in result.output or "P10" in result.output
