"""`/v1/tasks` and `/v1/performance`, over the real router, registry and tracker."""

from __future__ import annotations

from arbiter.orchestrator.routing.settings import RoutingSettings
from tests.orchestrator.kit import Serving, agent, problem_code

GOOD = {"success": True, "quality_score": 0.9, "latency_ms": 1200}
BAD = {"success": False, "quality_score": 0.1, "latency_ms": 9000, "error": "The tests do not pass."}


async def test_a_route_returns_the_decision_with_its_reasons(serving: Serving) -> None:
    """A decision names the agent, the alternatives, the strategy, the confidence and the reason."""
    async with serving() as served:
        await served.register(agent("a"), agent("b"))

        answer = await served.http.post("/v1/tasks/route", json={"task_id": "t1", "task_type": "code-review"})

        decision = answer.json()
        assert answer.status_code == 200
        assert decision["task_id"] == "t1"
        assert {decision["selected_agent"], *(one["agent_id"] for one in decision["alternatives"])} == {
            "a",
            "b",
        }
        assert decision["strategy"] == "epsilon-greedy"
        assert 0 <= decision["confidence"] <= 1
        assert decision["reason"]
        assert decision["decided_at"].endswith("Z")


async def test_outcomes_move_the_averages_and_the_next_decisions(serving: Serving) -> None:
    """After failures of one agent the next tasks go to the other, and its averages have fallen."""
    async with serving(routing=RoutingSettings(exploration_rate=0, seed=1)) as served:
        await served.register(agent("a"), agent("b"))
        decisions = [await served.route()]
        first = decisions[0]["selected_agent"]
        other = {"a": "b", "b": "a"}[first]

        for _ in range(5):
            report = BAD if decisions[-1]["selected_agent"] == first else GOOD
            await served.http.post(f"/v1/tasks/{decisions[-1]['task_id']}/outcome", json=report)
            decisions.append(await served.route())

        assert decisions[-1]["selected_agent"] == other
        fallen = (await served.http.get(f"/v1/agents/{first}")).json()["performance_history"]
        assert fallen["success_rate"] < 0.8


async def test_an_outcome_counts_once(serving: Serving) -> None:
    """The same outcome again gets the same answer; a different one is refused; neither counts again."""
    async with serving() as served:
        await served.register(agent("a"))
        task_id = (await served.route())["task_id"]

        first = await served.http.post(f"/v1/tasks/{task_id}/outcome", json=GOOD)
        again = await served.http.post(f"/v1/tasks/{task_id}/outcome", json=GOOD)
        other = await served.http.post(f"/v1/tasks/{task_id}/outcome", json=BAD)

        assert (first.status_code, again.status_code, other.status_code) == (200, 200, 409)
        assert first.json() == again.json()
        assert problem_code(other) == "outcome-differs"
        counted = (await served.http.get("/v1/agents/a")).json()["performance_history"]["task_count"]
        assert counted == 1


async def test_an_outcome_for_an_unknown_task_gets_404(serving: Serving) -> None:
    """Nobody routed it, so that there is nothing to report on; the field is named."""
    async with serving() as served:
        answer = await served.http.post("/v1/tasks/nobody-routed-it/outcome", json=GOOD)

        assert (answer.status_code, problem_code(answer)) == (404, "task-unknown")
        assert answer.json()["errors"][0]["field"] == "task_id"


async def test_a_missing_capability_is_named(serving: Serving) -> None:
    """Where no agent has what a task needs, the answer is 422 and says what it is."""
    async with serving() as served:
        await served.register(agent("a", languages=["Python"]))

        answer = await served.http.post(
            "/v1/tasks/route", json={"task_type": "code-review", "languages": ["Rust"]}
        )

        assert (answer.status_code, problem_code(answer)) == (422, "no-capable-agent")
        assert "Rust" in answer.json()["detail"]
        assert answer.json()["errors"][0]["field"] == "languages"


async def test_no_capacity_says_when_to_ask_again(serving: Serving) -> None:
    """Where every capable agent is at its limit, the answer is 503 with Retry-After; an outcome frees the place."""
    async with serving() as served:
        await served.register(agent("a", max_concurrent_tasks=1))
        held = await served.route()

        full = await served.http.post("/v1/tasks/route", json={"task_type": "code-review"})
        await served.http.post(f"/v1/tasks/{held['task_id']}/outcome", json=GOOD)
        free = await served.http.post("/v1/tasks/route", json={"task_type": "code-review"})

        assert (full.status_code, problem_code(full)) == (503, "no-capacity")
        assert int(full.headers["retry-after"]) >= 1
        assert free.status_code == 200


async def test_the_summary_adds_up_with_what_was_sent(serving: Serving) -> None:
    """Completed and succeeded executions, means and totals are those of the outcomes reported."""
    async with serving() as served:
        await served.register(agent("a"))
        for report in (GOOD, GOOD, BAD):
            decision = await served.route()
            await served.http.post(
                f"/v1/tasks/{decision['task_id']}/outcome", json={**report, "cost": 0.5, "tokens_used": 10}
            )
        await served.tracker.flush()

        whole = (await served.http.get("/v1/performance/summary")).json()
        one = (await served.http.get("/v1/performance/agents/a")).json()

        assert (whole["completed"], whole["succeeded"]) == (3, 2)
        assert whole["success_rate"] == 2 / 3
        assert whole["average_latency_ms"] == (1200 + 1200 + 9000) / 3
        assert whole["total_tokens"] == 30
        assert (one["agent_id"], one["completed"]) == ("a", 3)


async def test_training_data_holds_no_name(serving: Serving) -> None:
    """A batch has a sample for each completed execution, and neither agent nor task id in it."""
    async with serving() as served:
        await served.register(agent("very-secret-agent"))
        decision = await served.route()
        await served.http.post(f"/v1/tasks/{decision['task_id']}/outcome", json=GOOD)
        await served.tracker.flush()

        batch = await served.http.get("/v1/performance/training-batches?limit=10")

        assert len(batch.json()["samples"]) == 1
        assert "very-secret-agent" not in batch.text
        assert decision["task_id"] not in batch.text


async def test_a_decision_is_explained_by_either_id(serving: Serving) -> None:
    """Grounds and outcome are told by the task's id and by the decision's; an unknown one is 404."""
    async with serving() as served:
        await served.register(agent("a"), agent("b"))
        decision = await served.route()
        before = (await served.http.get(f"/v1/tasks/{decision['task_id']}/decision")).json()
        await served.http.post(f"/v1/tasks/{decision['task_id']}/outcome", json=BAD)
        after = (await served.http.get(f"/v1/tasks/{decision['decision_id']}/decision")).json()
        unknown = await served.http.get("/v1/tasks/nothing/decision")

    assert (before["decision"], before["outcome"], before["candidates"]) == (decision, None, 2)
    assert after["outcome"]["error"] == BAD["error"]
    assert 0 < before["propensity"] <= 1
    assert (unknown.status_code, problem_code(unknown)) == (404, "task-unknown")
