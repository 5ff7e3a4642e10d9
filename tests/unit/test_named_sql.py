"""Finding the statements of a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from database import named_sql


def test_statements_are_found_by_name_in_the_order_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "some.sql"
    path.write_text(
        "-- What the file is about.\n\n-- Why the second comes first.\n-- name: second\nselect 2;\n\n"
        "-- name: first\nselect\n    1 -- name: is no name here\n;\n",
        encoding="utf-8",
    )
    found = named_sql.statements(path)
    assert list(found) == ["second", "first"]
    assert found["second"] == "select 2"
    assert found["first"] == "select\n    1 -- name: is no name here\n"


def test_a_name_that_is_given_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "twice.sql"
    path.write_text("-- name: one\nselect 1;\n-- name: one\nselect 2;\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"twice\.sql names a statement twice"):
        named_sql.statements(path)


def test_a_file_without_names_has_no_statements(tmp_path: Path) -> None:
    path = tmp_path / "none.sql"
    path.write_text("select 1;\n", encoding="utf-8")
    assert named_sql.statements(path) == {}
