"""What the marts hold, for people who read instead of connecting: the data dictionary, and dbt's pages in one file.

Belongs here: writing both from the manifest. ``make docs`` runs it.
Does not belong here: the descriptions themselves, which stand beside the models and in the database as comments.
"""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from database.settings import DatabaseSettings
from orchestration.marts.project import EXECUTABLE, MANIFEST, PROJECT_DIR, ensure_manifest

DICTIONARY = Path(__file__).parents[2] / "docs" / "data-dictionary.md"

HEAD = """# Data dictionary

Every table and view of the schema `marts`, made by `make docs` from the descriptions beside the models; a test fails
where the two differ. The same texts are comments in the database. `docs/bi.md` says what each is good for.
"""


def dictionary(manifest: Mapping[str, Any]) -> str:
    """Return the data dictionary as Markdown, tables by name, columns in their order."""
    models = [
        node for node in manifest["nodes"].values() if node["resource_type"] == "model" and node["schema"] == "marts"
    ]
    by_name = sorted(models, key=lambda node: str(node["name"]))
    return "\n".join([HEAD, *("\n".join(_table(model)) for model in by_name)])


def write_dictionary() -> Path:
    """Write the data dictionary and return where it is."""
    ensure_manifest()
    DICTIONARY.write_text(dictionary(json.loads(MANIFEST.read_text())))
    return DICTIONARY


def write_pages(directory: Path) -> Path:
    """Write dbt's documentation, lineage graph included, into one file that needs no server; return where it is.

    Without a database: the columns are those of the contracts.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="dbt-docs-") as target:
        shutil.copy(MANIFEST, target)
        subprocess.run(
            [
                *(EXECUTABLE, "--quiet", "docs", "generate", "--static", "--empty-catalog", "--no-compile"),
                *("--project-dir", PROJECT_DIR, "--profiles-dir", PROJECT_DIR, "--target-path", target),
            ],
            env={**os.environ, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"},
            check=True,
        )
        return Path(shutil.copyfile(Path(target) / "static_index.html", directory / "index.html"))


def _table(model: Mapping[str, Any]) -> Iterator[str]:
    kind = "view" if model["config"]["materialized"] == "view" else "table"
    yield f"## {model['name']}\n"
    yield f"A {kind}. {_line(model['description'])}\n"
    if kind == "table":
        yield f"Key: {', '.join(f'`{name}`' for name in model['config']['unique_key'])}.\n"
    yield "| column | type | what |"
    yield "|---|---|---|"
    for column in model["columns"].values():
        yield f"| `{column['name']}` | {column['data_type']} | {_line(column['description'])} |"
    yield ""


def _line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def main() -> None:
    """Write both and say where they are."""
    print(write_dictionary())
    print(write_pages(DatabaseSettings().state_dir / "docs"))


if __name__ == "__main__":
    main()
