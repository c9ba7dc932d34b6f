"""`/v1/agents` and `/v1/registry`, over the real registry."""

from __future__ import annotations

from arbiter.orchestrator.agents.settings import RegistrySettings
from tests.orchestrator.kit import Serving, agent, problem_code


async def test_a_new_agent_gets_201_and_its_address(serving: Serving) -> None:
    """Registering answers 201 with the agent and a Location that leads to it."""
    async with serving() as served:
        answer = await served.http.post("/v1/agents", json=agent("a.b-1"))

        assert answer.status_code == 201
        assert answer.headers["location"] == "/v1/agents/a.b-1"
        assert (await served.http.get(answer.headers["location"])).json() == answer.json()
        assert answer.json()["performance_history"] == {
            "success_rate": 0.8,
            "average_quality": 0.7,
            "average_latency_ms": 5000.0,
            "task_count": 0,
        }


async def test_a_taken_id_gets_409(serving: Serving) -> None:
    """Registering an id again is refused with a problem of its own type."""
    async with serving() as served:
        await served.http.post("/v1/agents", json=agent("a"))

        again = await served.http.post("/v1/agents", json=agent("a"))

        assert (again.status_code, problem_code(again)) == (409, "agent-exists")


async def test_a_full_registry_gets_409_of_another_type(serving: Serving) -> None:
    """Over max_agents the status is the same as for a taken id, and the type is not."""
    async with serving(registry=RegistrySettings(max_agents=1)) as served:
        await served.http.post("/v1/agents", json=agent("a"))

        over = await served.http.post("/v1/agents", json=agent("b"))

        assert (over.status_code, problem_code(over)) == (409, "registry-full")


async def test_a_query_returns_only_what_matches_with_score_and_reason(serving: Serving) -> None:
    """Languages and max_utilization are both to be met, and each match says how well and why."""
    async with serving() as served:
        await served.register(
            agent("both", languages=["Python", "Go"], max_concurrent_tasks=2),
            agent("busy", languages=["Python", "Go"], max_concurrent_tasks=1),
            agent("half", languages=["Python"]),
        )
        served.registry.reserve("busy")
        served.registry.reserve("both")

        answer = await served.http.get("/v1/agents?language=Python&language=Go&max_utilization=60")

        (match,) = answer.json()["agents"]
        assert match["agent"]["id"] == "both"
        assert 0 < match["match_score"] <= 1
        assert match["match_reason"]


async def test_max_utilization_is_exclusive(serving: Serving) -> None:
    """An agent at exactly the asked utilisation is not below it."""
    async with serving() as served:
        await served.register(agent("half", max_concurrent_tasks=2))
        served.registry.reserve("half")

        at = await served.http.get("/v1/agents?max_utilization=50")
        above = await served.http.get("/v1/agents?max_utilization=50.1")

        assert (len(at.json()["agents"]), len(above.json()["agents"])) == (0, 1)


async def test_pages_follow_one_another(serving: Serving) -> None:
    """`next` of one page is the cursor of the following one, until all agents were seen once."""
    async with serving() as served:
        await served.register(*[agent(f"a{number}") for number in range(5)])

        seen, cursor = [], ""
        while cursor is not None:
            page = (await served.http.get("/v1/agents", params={"limit": 2, "cursor": cursor})).json()
            seen += [match["agent"]["id"] for match in page["agents"]]
            cursor = page["next"]

        assert sorted(seen) == [f"a{number}" for number in range(5)]


async def test_a_removed_agent_is_gone(serving: Serving) -> None:
    """DELETE answers 204 without a body; afterwards the agent is unknown, also to DELETE."""
    async with serving() as served:
        await served.register(agent("a"))

        removed = await served.http.delete("/v1/agents/a")

        assert (removed.status_code, removed.content) == (204, b"")
        for answer in (await served.http.get("/v1/agents/a"), await served.http.delete("/v1/agents/a")):
            assert (answer.status_code, problem_code(answer)) == (404, "agent-not-found")


async def test_performance_moves_the_averages_and_is_recorded(serving: Serving) -> None:
    """A report outside of routing counts in the agent's averages and in the performance summary."""
    async with serving() as served:
        await served.register(agent("a"))
        report = {"success": False, "quality_score": 0.1, "latency_ms": 8000}

        answer = await served.http.post("/v1/agents/a/performance", json=report)

        history = answer.json()["performance_history"]
        assert history["task_count"] == 1
        assert history["success_rate"] < 0.8
        assert history["average_latency_ms"] > 5000
        await served.tracker.flush()
        summary = (await served.http.get("/v1/performance/agents/a")).json()
        assert (summary["completed"], summary["succeeded"]) == (1, 0)


async def test_status_capabilities_heartbeat_and_history(serving: Serving) -> None:
    """An agent's owner can say what it may be asked for, what it can do and that it lives; changes are kept."""
    async with serving() as served:
        await served.register(agent("a"))

        offline = await served.http.put("/v1/agents/a/status", json={"status": "offline"})
        able = await served.http.put("/v1/agents/a/capabilities", json={"task_types": ["testing"]})
        silent = await served.http.post("/v1/agents/a/heartbeat")
        beating = await served.http.post("/v1/agents/a/heartbeat", json={"queued_tasks": 3})
        history = await served.http.get("/v1/agents/a/history")

        assert offline.json()["status"] == "offline"
        assert able.json()["capabilities"]["task_types"] == ["testing"]
        assert silent.status_code == 200
        assert beating.json()["current_load"]["queued_tasks"] == 3
        assert [version["new"]["task_types"] for version in history.json()["capabilities"]] == [
            ["code-review"],
            ["testing"],
        ]


async def test_a_backup_restores_everything(serving: Serving) -> None:
    """What backup gives, restore takes; afterwards a second backup holds the same."""
    async with serving() as served:
        await served.register(agent("a"), agent("b"))
        await served.http.post(
            "/v1/agents/a/performance", json={"success": True, "quality_score": 0.9, "latency_ms": 100}
        )
        backup = (await served.http.get("/v1/registry/backup")).json()
        before = (await served.http.get("/v1/agents/a")).json()
        await served.http.delete("/v1/agents/a")

        restored = await served.http.post("/v1/registry/restore", json=backup)

        assert (restored.status_code, restored.json()) == (200, {"agents": 2})
        assert (await served.http.get("/v1/agents/a")).json() == before
        again = (await served.http.get("/v1/registry/backup")).json()
        assert {**again, "taken_at": None} == {**backup, "taken_at": None}
