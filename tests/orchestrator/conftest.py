"""The fixtures that the orchestrator's tests share."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from tests.orchestrator.databases import (
    any_database,
    any_url,
    database,
    migrated_file,
    migrated_template,
    postgres_server,
    sqlite_url,
)
from tests.orchestrator.kit import Serving, serve

__all__ = [
    "any_database",
    "any_url",
    "database",
    "migrated_file",
    "migrated_template",
    "postgres_server",
    "serving",
    "sqlite_url",
]


@pytest.fixture
def serving(tmp_path: Path) -> Serving:
    """`serve` on a database of this test's own."""
    return partial(serve, tmp_path)
