"""The typed client against the real API: every operation there and back, every kind of failure as an error of ours."""

from __future__ import annotations

import socket

import httpx2
import pytest

from arbiter.orchestrator.agents.models import AgentDraft, AgentQuery, AgentStatus
from arbiter.orchestrator.client import AnswerNotUnderstood, ApiProblem, ArbiterClient, ServiceUnreachable
from arbiter.orchestrator.routing.models import Outcome, Task
from arbiter.orchestrator.vocabulary import Capabilities, PerformanceReport
from tests.orchestrator.kit import SPEC, Serving, agent

GOOD = Outcome(success=True, quality_score=0.9, latency_ms=1200)


async def test_agents_there_and_back(serving: Serving) -> None:
    """Each operation on agents answers with the components' own models."""
    async with serving() as served:
        client = served.client
        made = await client.register_agent(AgentDraft.model_validate(agent("a")))
        reported = await client.report_performance(
            "a", PerformanceReport(success=True, quality_score=1, latency_ms=10)
        )
        able = await client.set_capabilities("a", Capabilities(task_types=("testing",), languages=("Go",)))
        offline = await client.set_status("a", AgentStatus.OFFLINE)
        beating = await client.heartbeat("a", queued_tasks=2)
        history = await client.history("a")

        assert made.performance_history.task_count == 0
        assert reported.performance_history.task_count == 1
        assert able.capabilities.languages == ("Go",)
        assert offline.status is AgentStatus.OFFLINE
        assert beating.current_load.queued_tasks == 2
        assert len(history.performance) == 1
        assert await client.get_agent("a") == beating
        await client.unregister_agent("a")
        assert await client.all_agents() == []


async def test_queries_keep_their_conditions_over_pages(serving: Serving) -> None:
    """`all_agents` follows the pages of a query with several languages."""
    async with serving() as served:
        await served.register(*[agent(f"a{n}", languages=["Python", "Go"]) for n in range(5)], agent("b"))

        found = await served.client.all_agents(AgentQuery(languages=("Python", "Go"), limit=2))

        assert [match.agent.id for match in found] == [f"a{n}" for n in range(5)]


async def test_a_task_there_and_back(serving: Serving) -> None:
    """Route, outcome, summaries and training data fit together."""
    async with serving() as served:
        await served.register(agent("a"))
        decision = await served.client.route(Task(task_type="code-review"))
        receipt = await served.client.report_outcome(decision.task_id, GOOD)
        told = await served.client.explain(decision.decision_id)
        await served.tracker.flush()

        assert (receipt.agent_id, receipt.late) == ("a", False)
        assert (told.decision, told.propensity, told.candidates) == (decision, 1.0, 1)
        assert told.outcome is not None
        assert told.outcome.quality_score == GOOD.quality_score
        assert (await served.client.summary()).completed == 1
        assert (await served.client.agent_summary("a")).succeeded == 1
        assert len((await served.client.training_batch(limit=5)).samples) == 1


async def test_specs_and_backups_there_and_back(serving: Serving) -> None:
    """A spec gets its judgement, a backup restores."""
    async with serving() as served:
        await served.register(agent("a"))

        judgement = await served.client.validate_spec(SPEC, "caws-3.4")
        restored = await served.client.restore(await served.client.backup())

        assert judgement.passed
        assert restored.agents == 1


async def test_a_refusal_is_an_error_with_fields(serving: Serving) -> None:
    """A problem document becomes an ApiProblem: status, code, faults, words and hint."""
    async with serving() as served:
        with pytest.raises(ApiProblem) as caught:
            await served.client.report_outcome("nobody-routed-it", GOOD)

    problem = caught.value
    assert (problem.status, problem.code) == (404, "task-unknown")
    assert problem.type == "urn:arbiter:problem:task-unknown"
    assert problem.errors[0][0] == "task_id"
    assert "nobody-routed-it" in problem.message
    assert problem.hint


async def test_retry_after_is_kept(serving: Serving) -> None:
    """A refusal for now says how long now is."""
    async with serving() as served:
        await served.register(agent("a", max_concurrent_tasks=1))
        await served.client.route(Task(task_type="code-review"))

        with pytest.raises(ApiProblem) as caught:
            await served.client.route(Task(task_type="code-review"))

    assert (caught.value.status, caught.value.code) == (503, "no-capacity")
    assert caught.value.retry_after_s is not None
    assert caught.value.retry_after_s >= 1


async def test_nobody_there_says_how_to_start_the_service() -> None:
    """A refused connection is an error with the address and a hint."""
    with socket.socket() as taken:  # bound and not listening: connections are refused
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        async with ArbiterClient(url) as client:
            with pytest.raises(ServiceUnreachable, match="make run") as caught:
                await client.summary()

    assert url in caught.value.message


@pytest.mark.parametrize("url", ["localhost:3000", "nonsense", "http://", "ftp://localhost"])
async def test_an_address_that_is_none_is_told(url: str) -> None:
    """What is no HTTP address ends as the same error, not as a traceback of the HTTP library."""
    async with ArbiterClient(url) as client:
        with pytest.raises(ServiceUnreachable):
            await client.summary()


@pytest.mark.parametrize(
    "answer",
    [
        httpx2.Response(200, text="<html>hello</html>"),
        httpx2.Response(502, text="Bad gateway"),
        httpx2.Response(404, json={"detail": "not ours"}),
        httpx2.Response(200, json={"events": "many"}),
    ],
)
async def test_somebody_elses_answer_is_told_as_such(answer: httpx2.Response) -> None:
    """An answer that is not of this API is an error that names the address."""
    transport = httpx2.MockTransport(lambda _: answer)
    async with ArbiterClient("http://elsewhere.test/x", transport=transport) as client:
        with pytest.raises(AnswerNotUnderstood, match=r"elsewhere\.test/x/v1/performance/summary"):
            await client.summary()
