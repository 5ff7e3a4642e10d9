"""What the repository says of itself is true, and it speaks of the project alone."""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pydantic_settings import BaseSettings

from tests.architecture.repository import ROOT, modules, named, tracked

INDEX_VARIABLES = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "UV_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX")
HOME_OF_SOMEBODY = re.compile(r"/(?:root|home/\w+|Users/\w+|work)/")
INDEX_OF_PACKAGES = re.compile(
    r"pypi\.(?:org|python)|pythonhosted|registry\.npmjs|/simple/?\b.*https?:|artifactory|jfrog"
)


def texts() -> Iterator[tuple[Path, str]]:
    for path in tracked():
        try:
            yield path, path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_the_lock_names_packages_with_hashes_and_no_host() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    assert "://" not in lock
    assert not re.search(r"^\s*(-i|-f|--index-url|--extra-index-url|--find-links|--trusted-host)\b", lock, re.MULTILINE)
    packages = re.split(r"^(?=[A-Za-z0-9])", lock, flags=re.MULTILINE)[1:]
    assert len(packages) > 100
    for package in packages:
        assert re.match(r"[A-Za-z0-9._-]+==[^\s;]+", package), package.partition("\n")[0]
        assert "--hash=sha256:" in package, package.partition("\n")[0]


def test_no_file_names_a_machine_or_where_packages_come_from() -> None:
    here = {str(ROOT), *(urlsplit(os.environ.get(name, "")).hostname or "" for name in INDEX_VARIABLES)} - {""}
    for path, text in texts():
        for pattern in (HOME_OF_SOMEBODY, INDEX_OF_PACKAGES):
            found = pattern.search(text)
            assert not found or path == Path(__file__), (named(path), found and found.group())
        for word in here:
            assert word not in text, (named(path), word)


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "docs/operations.md", "docs/bi.md", ".ci/run"])
def test_every_make_command_that_a_text_gives_exists(name: str) -> None:
    given = set(re.findall(r"(?:^|\$ |`|\()make ([a-z][a-z-]*)", (ROOT / name).read_text(), re.MULTILINE))
    assert given <= make_targets()
    assert given or name.startswith("docs/")


def test_every_make_command_is_listed_by_help() -> None:
    makefile = (ROOT / "Makefile").read_text()
    described = set(re.findall(r"^([a-z][a-z-]*):.*## \S", makefile, re.MULTILINE))
    phony = set(re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[0].split())
    assert described == phony == make_targets()


def test_every_file_that_a_text_links_to_exists() -> None:
    for path, text in texts():
        if path.suffix == ".md":
            for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", text):
                assert (path.parent / target).exists(), (named(path), target)


def settings_classes() -> list[type[BaseSettings]]:
    """Return the classes that read ``.env``."""
    found = set()
    for module in modules():
        if module.name == "settings.py":
            loaded = importlib.import_module(".".join(module.relative_to(ROOT).with_suffix("").parts))
            found |= {value for value in vars(loaded).values() if isinstance(value, type)}
    chosen = [each for each in found if issubclass(each, BaseSettings) and each.model_config.get("env_file") == ".env"]
    return sorted(chosen, key=lambda each: each.__name__)


def example_variables() -> set[str]:
    return set(re.findall(r"^# ([A-Z][A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))


@pytest.mark.parametrize("settings", settings_classes(), ids=lambda settings: settings.__name__)
def test_every_setting_is_in_the_example(settings: type[BaseSettings]) -> None:
    prefix = settings.model_config.get("env_prefix", "")
    names = {f"{prefix}{name}".upper() for name in settings.model_fields}
    assert names - example_variables() == set()


def test_the_example_names_nothing_that_no_one_reads() -> None:
    known = {
        f"{settings.model_config.get('env_prefix', '')}{name}".upper()
        for settings in settings_classes()
        for name in settings.model_fields
    }
    assert example_variables() - known == {"REAL_DATA_DIR", "TEST_DATABASE_URL"}
