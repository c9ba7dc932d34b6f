"""The import law of docs/design.md, where import-linter's words do not reach."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import arbiter

SOURCE = Path(arbiter.__file__).parent
PROJECT = Path(__file__).parent.parent

# external module -> the only places below arbiter/ that may import it
RESERVED = {
    "dependency_injector": ("container/", "infrastructure.py"),
    "dynaconf": ("settings/",),
    "pybreaker": ("resilience/",),
    "redis": ("resilience/shared/",),
    "opentelemetry.sdk": ("observability/",),
    "opentelemetry.exporter": ("observability/",),
    "sqlalchemy": ("orchestrator/storage/", "orchestrator/agents/store", "orchestrator/routing/store", "orchestrator/performance/store"),
    "alembic": ("orchestrator/storage/",),
    "fastapi": ("orchestrator/api/",),
}  # fmt: skip


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("reserved", sorted(RESERVED))
def test_a_library_is_imported_only_in_its_room(reserved: str) -> None:
    """Each wrapped library is known to one room only."""
    trespassers = [
        str(path.relative_to(SOURCE))
        for path in SOURCE.rglob("*.py")
        if not str(path.relative_to(SOURCE)).startswith(RESERVED[reserved])
        and any(name == reserved or name.startswith(f"{reserved}.") for name in imports(path))
    ]

    assert trespassers == []


def test_the_import_law_holds() -> None:
    """Every import-linter contract in pyproject.toml is kept."""
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]

    outcome = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)

    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


def test_importing_the_framework_needs_no_extra() -> None:
    """The framework imports without the orchestrator's packages, and reads no file while it does."""
    script = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"fastapi", "fastapi_offline", "sqlalchemy", "alembic", "yaml", "psycopg", "redis"}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
import logging
from opentelemetry import trace
before = (list(logging.getLogger().handlers), type(trace.get_tracer_provider()))
from arbiter import App, ArbiterError, Infrastructure, Live, SettingsProvider, guarded, operation
import arbiter.cli.commands
assert before == (list(logging.getLogger().handlers), type(trace.get_tracer_provider()))
"""

    outcome = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert outcome.returncode == 0, outcome.stderr


def test_looking_at_an_application_imports_neither_its_database_nor_its_server() -> None:
    """What checks and draws an application pays for no engine, and the library's wiring still works when it is wanted."""
    script = """
import sys
from containers import create_app
container = create_app().container
assert container.validate() == []
container.graph()
loaded = {"sqlalchemy", "fastapi", "uvicorn", "dependency_injector.wiring"} & set(sys.modules)
assert not loaded, loaded

from dependency_injector.wiring import Provide, inject
@inject
def version(api=Provide["clock"]):
    return api
container.wire(modules=[__name__])
assert version() is container.clock()
container.unwire()
"""
    environment = {**os.environ, "ARBITER_ENV": "test", "PYTHONPATH": str(PROJECT)}

    outcome = subprocess.run(
        [sys.executable, "-c", script],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert outcome.returncode == 0, outcome.stderr
