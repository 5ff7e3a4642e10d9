"""Fixtures of the front door.

Belongs here: the service on a database of one's own.
Does not belong here: the database (the fixtures for everyone make it), assertions.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from database.connections import Role
from tests.ingest.front_door import FrontDoor, Process, process, serving, settings


@pytest.fixture
def door(role_urls: dict[Role, str]) -> Iterator[FrontDoor]:
    """The service as the role ``ingest_writer``, in this process."""
    with serving(settings(), role_urls["ingest_writer"]) as running:
        yield running


@pytest.fixture
def service_process(role_urls: dict[Role, str], tmp_path: Path) -> Iterator[Process]:
    """The service as a process of its own, which may be killed."""
    with process(role_urls["ingest_writer"], tmp_path) as running:
        yield running
