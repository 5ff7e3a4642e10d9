"""What is suppressed is nowhere to be read: every statement that reads tweets for people says that it leaves it out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from database import named_sql
from tests.architecture.repository import ROOT, named

TABLES = re.compile(r"\bcore\.(twitter_tweets|twitter_tweet_zones)\b")
CHECK = "suppressed_at is null"
FOLDERS = {"datalayer/sql": "*.sql", "api": "*.sql", "orchestration/marts": "verify_*.sql"}
READERS = sorted(path for folder, pattern in FOLDERS.items() for path in (ROOT / folder).glob(pattern))
ALLOWED = {
    "mark": "marks more buckets than need be, never fewer",
    "choose": "chooses buckets to compare, and compares an empty one as well",
}
"""Statements of the verification that may look at everything, and why."""


@pytest.mark.parametrize("path", READERS, ids=named)
def test_a_statement_that_reads_tweets_for_people_leaves_out_what_is_suppressed(path: Path) -> None:
    for name, statement in named_sql.statements(path).items():
        if TABLES.search(statement) and name not in ALLOWED:
            assert CHECK in statement, f"{name} reads {TABLES.findall(statement)} without `{CHECK}`"


@pytest.mark.parametrize("table", ["twitter_tweets", "twitter_tweet_zones"])
def test_the_marts_read_only_what_may_be_shown(table: str) -> None:
    staging = ROOT / "dbt_project" / "models" / "staging" / "core" / f"stg_core__{table}.sql"
    assert CHECK in staging.read_text()
