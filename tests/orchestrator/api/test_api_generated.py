"""The OpenAPI document is good enough for a machine: a client that somebody else's generator makes of it works."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from arbiter.testing.fixtures import Services
from containers import create_app
from tests.processes import clean_environment

CONFIG = {"post_hooks": [], "content_type_overrides": {"application/yaml": "application/octet-stream"}}
"""The generator knows no YAML, and takes it as it comes."""

PROGRAM = """
import sys
from arbiter_orchestrator_client import Client
from arbiter_orchestrator_client.api.agents import find_agents, register_agent
from arbiter_orchestrator_client.api.performance import summarize_agent
from arbiter_orchestrator_client.api.tasks import report_outcome, route_task
from arbiter_orchestrator_client.models import AgentDraft, Capabilities, Outcome, Problem, Task

with Client(base_url=sys.argv[1]) as client:
    able = Capabilities(task_types=["code-review"], languages=["Python"])
    draft = AgentDraft(id="ada", name="Ada", model_family="claude-3.5", capabilities=able)
    print(register_agent.sync(client=client, body=draft).id)
    again = register_agent.sync(client=client, body=draft)
    print(isinstance(again, Problem), again.type_)
    (match,) = find_agents.sync(client=client, task_type="code-review", language=["Python"]).agents
    print(match.agent.performance_history.success_rate, match.match_reason)
    decision = route_task.sync(client=client, body=Task(task_type="code-review"))
    outcome = Outcome(success=True, quality_score=0.9, latency_ms=1200.0)
    print(decision.selected_agent, report_outcome.sync(decision.task_id, client=client, body=outcome).success)
    print(summarize_agent.sync("ada", client=client).completed)
"""


@pytest.mark.timeout(180)
def test_a_generated_client_works(running: Services, tmp_path: Path) -> None:
    """Every part of the document is understood, and the client registers, queries, routes, reports and sums up."""
    settings = {"storage.url": f"sqlite:///{tmp_path / 'arbiter.db'}", "performance.spool_dir": ""}
    with running(create_app(), settings=settings) as service:
        document, config = tmp_path / "openapi.json", tmp_path / "config.json"
        document.write_text(httpx2.get(f"{service.url}/openapi.json").text)
        config.write_text(json.dumps(CONFIG))
        made = _run(
            "-m", "openapi_python_client", "generate", "--path", document, "--config", config,
            "--output-path", tmp_path / "client", "--fail-on-warning",
        )  # fmt: skip
        assert made.returncode == 0, made.stdout + made.stderr

        used = _run("-c", PROGRAM, service.url, path=tmp_path / "client")

    assert used.returncode == 0, used.stderr
    assert used.stdout.splitlines() == [
        "ada",
        "True urn:arbiter:problem:agent-exists",
        "0.8 task type code-review; languages Python; success rate 0.800 over 0 outcomes and the prior",
        "ada True",
        "1",
    ]


def _run(*arguments: str | Path, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        env=clean_environment(**({} if path is None else {"PYTHONPATH": str(path)})),
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
