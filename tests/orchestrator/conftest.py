"""The fixtures that the orchestrator's tests share."""

from __future__ import annotations

from functools import partial

import pytest
import structlog

from tests.orchestrator.databases import (
    any_database,
    any_url,
    database,
    emptied_url,
    migrated_file,
    migrated_template,
    new_url,
    postgres_server,
    reused_url,
    sqlite_url,
)
from tests.orchestrator.kit import Serving, serve

__all__ = [
    "any_database",
    "any_url",
    "database",
    "emptied_url",
    "migrated_file",
    "migrated_template",
    "new_url",
    "postgres_server",
    "reused_url",
    "serving",
    "sqlite_url",
]


@pytest.fixture
def serving(any_url: str) -> Serving:
    """`serve` on a database of this test's own, of each kind in turn."""
    return partial(serve, any_url)


@pytest.fixture(autouse=True)
def plain_tracebacks() -> None:
    """Without a configuration structlog draws tracebacks with all locals, which takes seconds, on the event loop."""
    plain = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[structlog.processors.add_log_level, plain])
