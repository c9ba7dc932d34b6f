"""What a start leaves for later: a service that is ready has imported nothing that only others need (docs/start.md)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[2]
APPLICATION = """\
import json, sys
from arbiter import App
from containers.application import Application

class Watched(App):
    def run(self, *, on_ready=None, **more):
        def tell(_):
            from fastapi.openapi.models import OpenAPI
            print(json.dumps([name for name, module in sys.modules.items() if module is not None]))
            print(json.dumps(OpenAPI.__pydantic_complete__))
            self.ask_to_stop()
        return super().run(on_ready=tell, **more)

def create_app():
    return Watched(Application)
"""
LATER = (
    "alembic",  # an older database
    "prometheus_client",  # a scrape
    "opentelemetry.exporter",  # a collector
    "opentelemetry.sdk._logs",
    "rich",  # words on a screen
    "pydantic.v1",  # nobody
    "dependency_injector.wiring",  # a wired container
    "psycopg",  # another kind of database
    "sqlalchemy.dialects.postgresql",
    "httpx2",  # a webhook that has something to say
    "jsonschema_rs",  # a spec of a newer CAWS
    "unidiff",  # a change to judge
    "defusedxml",  # a report of another tool
)


def test_a_start_imports_nothing_that_only_others_need(tmp_path: Path) -> None:
    """`arbiter run` on a new database is ready before anything is imported that its service does without."""
    (tmp_path / "watched.py").write_text(APPLICATION)
    settings = ("server.port=0", "management.port=0", f"storage.url=sqlite:///{tmp_path}/new.db")
    command = [sys.executable, "-m", "arbiter", "run", "--app", "watched:create_app"]

    done = subprocess.run(
        [*command, *(word for setting in settings for word in ("--set", setting))],
        cwd=tmp_path,
        env={**os.environ, "ARBITER_ENV": "test", "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
    imported, document = map(json.loads, done.stdout.splitlines()[-2:])
    assert not [name for name in imported if name.startswith(LATER)]
    assert {"fastapi", "sqlalchemy.dialects.sqlite", "uvicorn", "structlog", "pydantic"} <= set(imported)
    assert document is False, "the OpenAPI document's models were built"
