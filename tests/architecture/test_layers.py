"""Who may import whom, and what a module says of itself."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.repository import ROOT, modules, named, sql_files

LINTER = Path(sys.executable).with_name("lint-imports")
VAGUE = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "managers", "base"}


def lint(configuration: Path) -> subprocess.CompletedProcess[str]:
    command = [str(LINTER), "--config", str(configuration), "--no-cache"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_every_import_follows_the_layers() -> None:
    result = lint(ROOT / "pyproject.toml")
    assert result.returncode == 0, result.stdout


def test_an_import_against_the_layers_is_found(tmp_path: Path) -> None:
    """The linter is not silent because it looks at nothing: the contract, turned round, is broken."""
    turned = re.sub(
        r"layers = \[.*\]", 'layers = ["database", "ingest : datalayer"]', (ROOT / "pyproject.toml").read_text()
    )
    configuration = tmp_path / "pyproject.toml"
    configuration.write_text(turned)
    result = lint(configuration)
    assert result.returncode == 1, result.stdout
    assert "BROKEN" in result.stdout


@pytest.mark.parametrize("module", modules(), ids=named)
def test_a_module_says_what_it_is_and_what_belongs_there(module: Path) -> None:
    tree = ast.parse(module.read_text())
    docstring = ast.get_docstring(tree) or ""
    assert docstring, "it has no docstring"
    if module.name == "__init__.py":
        assert len(tree.body) == 1, "a package holds a docstring and nothing else"
    elif "migrations" not in module.parts:
        assert re.search(r"does\s+not\s+belong\s+here", docstring, re.IGNORECASE)
        assert re.search(r"(?<!not )belongs\s+here", docstring, re.IGNORECASE)


def test_no_module_has_a_name_that_says_nothing() -> None:
    parts = {part for module in modules() for part in (*module.relative_to(ROOT).parts[:-1], module.stem)}
    assert parts & VAGUE == set()


def test_only_settings_read_the_environment() -> None:
    """PATH is not a setting: it is where the system's programs are."""
    read = {(named(module), name) for module in modules() for name in environment_reads(ast.parse(module.read_text()))}
    assert {(module, name) for module, name in read if name != "PATH"} == set()


def environment_reads(tree: ast.Module) -> Iterator[str]:
    """Yield the names of variables that are looked up by name. A whole environment may be handed to a child."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args:
            is_look_up = ast.unparse(node.func) in {"os.getenv", "os.environ.get", "environ.get", "getenv"}
            key = node.args[0]
        elif isinstance(node, ast.Subscript):
            is_look_up = ast.unparse(node.value) in {"os.environ", "environ"}
            key = node.slice
        else:
            continue
        if is_look_up and isinstance(key, ast.Constant):
            yield str(key.value)


@pytest.mark.parametrize("path", sql_files(), ids=named)
def test_sql_is_indented_by_fours_and_one_level_at_a_time(path: Path) -> None:
    """sqlfluff's rule for this is off: see the root's .sqlfluff."""
    before = 0
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        if not line.strip():
            continue
        indent = len(line) - len(line.lstrip())
        assert line[:indent] == " " * indent, f"line {number} has a tab"
        assert indent % 4 == 0, f"line {number}"
        assert indent <= before + 4, f"line {number} is indented by more than one level"
        before = indent
