"""One trace, from the client's program to the database, and the flush that comes later."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2

from arbiter.observability.records import RecordedSpan
from arbiter.orchestrator.agents.models import AgentDraft
from arbiter.orchestrator.client import ArbiterClient
from arbiter.orchestrator.routing.models import Outcome, Task
from arbiter.testing.fixtures import Applications
from arbiter.testing.recording import Recording
from arbiter.tracing import span
from containers.application import Application
from tests.orchestrator.kit import agent


@asynccontextmanager
async def asking(application: Applications, folder: Path) -> AsyncIterator[tuple[Application, ArbiterClient]]:
    """The orchestrator with its data in this folder and one agent, and a client of it."""
    settings = {
        "storage.url": f"sqlite:///{folder / 'arbiter.db'}",
        "caws.record": f"{folder / 'verdicts.jsonl'}",
        "routing.acknowledge": "commit",  # told from the journal, a decision is no span of the database's
    }
    async with application(Application, settings=settings) as arbiter:
        transport = httpx2.ASGITransport(arbiter.asgi())
        async with ArbiterClient("http://arbiter", transport=transport) as client:
            await client.register_agent(AgentDraft.model_validate(agent("ada")))
            yield arbiter, client


def lineage(of: RecordedSpan, recorded: Recording) -> list[str]:
    """The names from the root of the trace down to the span."""
    parents = [one for one in recorded.spans if (one.trace_id, one.span_id) == (of.trace_id, of.parent_id)]
    return [*(lineage(parents[0], recorded) if parents else ()), of.name]


async def test_one_trace_runs_from_client_to_database(
    application: Applications, recorded: Recording, tmp_path: Path
) -> None:
    """What the client does within a span, the service does in the same trace, and the later flush is linked to it."""
    async with asking(application, tmp_path) as (arbiter, client):
        with span("job", tracer=arbiter.tracer()):
            decision = await client.route(Task(task_type="code-review"))
        await arbiter.tracker().flush()
        done = Outcome(success=True, quality_score=0.9, latency_ms=1200)
        await client.report_outcome(decision.task_id, done)
        await client.validate_spec("id: nothing")

    (job,) = recorded.spans_of("job")
    ways = [lineage(one, recorded) for one in recorded.spans if one.trace_id == job.trace_id]
    assert decision.trace_id == job.trace_id
    assert ["job", "POST", "POST /v1/tasks/route", "router.route", "registry.roster"] in ways
    assert any(
        way[:3] == ["job", "POST", "POST /v1/tasks/route"] and way[-1] == "database.write" for way in ways
    )
    flushes = recorded.spans_of("tracker.flush")
    (offered,) = [flush for flush in flushes if job.trace_id in flush.links]
    (event,) = [one for one in recorded.spans_of("tracker.offer") if one.trace_id == job.trace_id]
    assert event.attributes["arbiter.tracker.task_id"] == decision.task_id
    assert offered.trace_id != job.trace_id
    assert offered.attributes["arbiter.tracker.batch_size"] == len(offered.links)
    assert lineage(offered, recorded) == ["tracker.flush"]
    assert any(
        one.trace_id in flush.links for one in recorded.spans_of("tracker.record") for flush in flushes
    )
    below = [one.name for one in recorded.spans if one.parent_id == offered.span_id]
    assert below == ["database.write"]


async def test_every_operation_says_on_its_span_what_it_did(
    application: Applications, recorded: Recording, tmp_path: Path
) -> None:
    """Registration, query, decision, judgement, outcome and event carry what a reader of the trace asks for."""
    async with asking(application, tmp_path) as (_, client):
        await client.find_agents()
        decision = await client.route(Task(task_type="code-review"))
        done = Outcome(success=True, quality_score=0.9, latency_ms=1200)
        await client.report_outcome(decision.task_id, done)
        await client.validate_spec("id: nothing")

    said = {one.name: {key.removeprefix("arbiter.") for key in one.attributes} for one in recorded.spans}
    assert said["registry.register"] >= {"registry.agent_id", "registry.task_types"}
    assert said["registry.query"] >= {"registry.candidates", "registry.matched"}
    about = ("task_type", "task_id", "candidates", "strategy", "explored", "score", "agent_id", "fallback")
    assert said["router.route"] >= {f"router.{name}" for name in about}
    assert said["validator.validate"] >= {"caws.ruleset", "caws.verdict", "caws.findings"}
    assert said["tracker.record"] >= {"tracker.type", "tracker.agent_id"}
    assert said["router.report_outcome"] >= {"router.task_id", "router.success", "router.late"}
    assert said["tracker.flush"] >= {"tracker.batch_size", "tracker.lag_ms"}
