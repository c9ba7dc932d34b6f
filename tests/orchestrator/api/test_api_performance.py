"""`/v1/performance`: training data a line each, the chain in portions, profiles; what does not fit is refused by field."""

from __future__ import annotations

import json

import pytest

from arbiter.orchestrator.agents.models import AgentStatus
from arbiter.orchestrator.performance.models import EventType, PerformanceEvent
from tests.orchestrator.kit import SPEC, Served, Serving, agent, problem_code

OUTCOME = {"success": True, "quality_score": 0.9, "latency_ms": 1200}
LINES = {"Accept": "application/jsonl"}


async def worked(served: Served, tasks: int) -> None:
    """An agent that has done some tasks."""
    await served.register(agent("a"))
    for _ in range(tasks):
        task = (await served.route())["task_id"]
        (await served.http.post(f"/v1/tasks/{task}/outcome", json=OUTCOME)).raise_for_status()


async def test_events_of_every_kind_are_recorded_once(serving: Serving) -> None:
    """All ten kinds are durable when the answer comes, each counted under its kind; told again, they are known."""
    events = [
        PerformanceEvent(id=f"e-{kind}", type=kind, agent_id="ada", metadata={"cpu_percent": 50})
        for kind in EventType
    ]
    async with serving() as served:
        first = await served.client.record_events(events)
        again = await served.client.record_events([*events, PerformanceEvent(type=EventType.AGENT_SELECTION)])

        assert ((first.new, first.known), (again.new, again.known)) == ((10, 0), (1, 10))
        assert (await served.client.summary()).by_type == {
            kind: 2 if kind is EventType.AGENT_SELECTION else 1 for kind in EventType
        }
        assert (await served.client.verify_integrity()).events == 11


@pytest.mark.parametrize(
    ("events", "field"),
    [
        ([], "events"),
        ([{}], "events.0.type"),
        ([{"type": "lunch"}], "events.0.type"),
        ([{"type": "agent_selection", "colour": 1}], "events.0.colour"),
        ([{"type": "agent_selection", "agent_id": "a b"}], "events.0.agent_id"),
        ([{"type": "agent_selection", "timestamp": "0001-01-01T00:00:00+14:00"}], "events.0.timestamp"),
        ([{"type": "agent_selection", "timestamp": "2026-01-01T00:00:00"}], "events.0.timestamp"),
        ([{"type": "agent_selection", "id": "d.outcome"}], "events.0"),
        ([{"type": "agent_selection", "id": "d.decision"}], "events.0"),
        ([{"type": "agent_selection"}] * 1001, "events"),
    ],
)
async def test_an_event_that_does_not_fit_is_refused_with_all_others(
    serving: Serving, events: list[dict[str, object]], field: str
) -> None:
    """422, the field is named, and nothing of the report is kept."""
    good: dict[str, object] = {"type": "agent_selection"}
    async with serving() as served:
        body = {"events": [*events, good] if 0 < len(events) < 1000 else events}
        answer = await served.http.post("/v1/performance/events", json=body)

        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == field
        assert (await served.client.summary()).events == 0


async def test_what_the_service_sees_itself_is_recorded(serving: Serving) -> None:
    """A registration, a change of status, a verdict, a decision and an outcome are each an event of its kind."""
    async with serving() as served:
        await worked(served, 1)
        await served.client.set_status("a", AgentStatus.DRAINING)
        await served.client.validate_spec(SPEC)

        assert (await served.client.summary()).by_type == {
            EventType.AGENT_REGISTRATION: 1,
            EventType.AGENT_STATUS_CHANGE: 1,
            EventType.CONSTITUTIONAL_VALIDATION: 1,
            EventType.ROUTING_DECISION: 1,
            EventType.TASK_EXECUTION_COMPLETE: 1,
        }


async def test_training_data_come_as_json_lines_where_these_are_accepted(serving: Serving) -> None:
    """One sample a line, `Link` leads to the next batch, and both forms hold the same samples under the same key."""
    async with serving() as served:
        await worked(served, 3)
        address, found, keys = "/v1/performance/training-batches?limit=2", list[object](), set[str]()
        while True:
            answer = await served.http.get(address, headers=LINES)
            assert answer.headers["content-type"].startswith("application/jsonl")
            found += [json.loads(line) for line in answer.text.splitlines()]
            keys.add(answer.headers["arbiter-key-id"])
            if "link" not in answer.headers:
                break
            assert answer.headers["link"].endswith('>; rel="next"')
            address = "/v1/performance/training-batches" + answer.headers["link"][1:].partition(">")[0]
        whole = (await served.http.get("/v1/performance/training-batches")).json()

    assert [one["task"] for one in whole["samples"]] == [one["task"] for one in found]  # type: ignore[index]
    assert keys == {whole["key_id"]}


async def test_the_chain_is_verified_in_portions(serving: Serving) -> None:
    """`next` leads through all events, and is null at the end."""
    async with serving() as served:
        await worked(served, 3)
        await served.tracker.flush()
        seen, cursor = 0, ""
        while cursor is not None:
            query: dict[str, str | int] = {"limit": 2, "cursor": cursor}
            report = (await served.http.get("/v1/performance/integrity", params=query)).json()
            assert report["broken_at"] is None
            seen, cursor = seen + report["events"], report["next"]
        events = (await served.http.get("/v1/performance/summary")).json()["events"]

    assert seen == events >= 6


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("integrity", {"cursor": "nonsense"}),
        ("integrity", {"cursor": "chain.9999999999999999999999"}),
        ("integrity", {"limit": 20_001}),
        ("training-batches", {"cursor": "chain.1"}),
        ("training-batches", {"limit": 0}),
        ("anomalies", {"limit": 1}),
    ],
)
async def test_a_query_that_does_not_fit_is_refused(
    serving: Serving, path: str, query: dict[str, str | int]
) -> None:
    """422, and the field is named."""
    async with serving() as served:
        answer = await served.http.get(f"/v1/performance/{path}", params=query)

        assert answer.status_code == 422
        assert problem_code(answer)
        assert answer.json()["errors"][0]["field"].endswith(next(iter(query)))


async def test_a_profile_shows_what_the_windows_hold(serving: Serving) -> None:
    """Ten executions are a profile of the realtime window; an agent that nobody knows has none."""
    async with serving() as served:
        await worked(served, 10)

        (profile,) = (await served.client.agent_performance("a")).profiles
        unknown = await served.client.agent_performance("nobody")

        assert (profile.window, profile.executions, profile.success_rate) == ("realtime", 10, 1.0)
        assert (unknown.profiles, unknown.baseline, unknown.trend) == ((), None, None)
        assert (await served.client.anomalies()).anomalies == ()
