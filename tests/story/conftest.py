"""Fixtures of the story's tests.

Belongs here: the template in which dbt has built everything once.
Does not belong here: the pipelines that run on clones of it (``running.py``).
"""

from __future__ import annotations

from tests.dbt.conftest import built_template

__all__ = ["built_template"]
