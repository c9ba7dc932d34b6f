"""A route decision, in process, recorded durably, behind its guard: as a caller of the component has it."""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path

from arbiter.orchestrator.agents.models import AgentDraft
from arbiter.orchestrator.routing.models import Outcome, Task
from arbiter.settings.sources import Sources
from benchmarks.harness import Row, percentile
from containers.application import Application

__all__ = ["rows"]

UPSTREAM_LIMIT_MS = 50.0  # upstream's acceptance A1 of component 002: p95 of a decision
DECISIONS = 400
KINDS = ("code-review", "code-editing", "testing", "debugging")


def rows() -> list[Row]:
    measured = []
    for agents in (100, 1000):
        milliseconds = [taken * 1000 for taken in asyncio.run(_decide(agents))]
        measured.append(
            Row(
                f"route among {agents:,} agents, p95",
                percentile(milliseconds, 0.95),
                "upstream's limit",
                UPSTREAM_LIMIT_MS,
                "ms",
                f"<= {UPSTREAM_LIMIT_MS:g} ms",
            )
        )
    return measured


async def _decide(agents: int) -> list[float]:
    """Seconds for each of the decisions; an outcome follows each, outside the measured time."""
    taken: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        container = Application()
        overrides = {
            "storage.url": f"sqlite:///{folder}/bench.db",
            "registry.max_agents": str(agents),
            "routing.seed": "1",
            "observability.log_level": "error",
        }
        container.settings.read_from(Sources(Path(folder), "test", overrides=overrides))
        async with container:
            for number in range(agents):
                await container.registry().register(_agent(number))
            router = container.router()
            for number in range(DECISIONS):
                task = Task(task_type=KINDS[number % len(KINDS)], languages=("Python",))
                begun = time.perf_counter()
                decision = await router.route(task)
                taken.append(time.perf_counter() - begun)
                await router.report_outcome(
                    decision.task_id, Outcome(success=number % 5 != 0, quality_score=0.8, latency_ms=900)
                )
    return taken[DECISIONS // 10 :]


def _agent(number: int) -> AgentDraft:
    return AgentDraft.model_validate(
        {
            "id": f"agent-{number:05}",
            "name": f"Agent {number}",
            "model_family": "claude-3.5",
            "capabilities": {"task_types": list(KINDS), "languages": ["Python", "Rust"]},
        }
    )
