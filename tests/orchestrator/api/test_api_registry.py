"""`/v1/registry`: a large registry's own backup is taken back, and a bad one is refused by field."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from arbiter.orchestrator.agents.settings import RegistrySettings
from tests.orchestrator.kit import Serving, agent, problem_code

JSON = {"Content-Type": "application/json"}
MOMENT = "2026-05-01T12:00:00.123456Z"
LARGE = RegistrySettings(max_agents=5000)


def backup_of(agents: int) -> dict[str, Any]:
    """A backup as a registry of so many agents with three outcomes each would give it."""
    report = {"success": True, "quality_score": 0.9, "latency_ms": 1200.0, "task_type": "code-review"}
    tally = {"task_count": 3, "successes": 3, "quality_sum": 2.7, "latency_sum_ms": 3600.0}
    drafts = [agent(f"reviewer-{number:05}", languages=["Python", "Go", "Rust"]) for number in range(agents)]
    backup: dict[str, Any] = {
        "taken_at": MOMENT,
        "agents": [
            {**draft, "registered_at": MOMENT, "last_active_at": MOMENT, "tally": tally} for draft in drafts
        ],
        "history": [
            {"agent_id": draft["id"], "key": f"task-{number}", "recorded_at": MOMENT, "report": report}
            for draft in drafts
            for number in range(3)
        ],
        "capability_versions": [
            {"agent_id": draft["id"], "version": 1, "changed_at": MOMENT, "new": draft["capabilities"]}
            for draft in drafts
        ],
    }
    copied: dict[str, Any] = orjson.loads(orjson.dumps(backup))  # its parts are shared no more
    return copied


async def test_a_backup_of_thousands_of_agents_is_restored(serving: Serving) -> None:
    """Five megabytes of agents, outcomes and versions come in, and go out again as they came."""
    body = orjson.dumps(backup_of(5000))
    async with serving(registry=LARGE) as served:
        restored = await served.http.post("/v1/registry/restore", content=body, headers=JSON)

        assert len(body) > 5_000_000
        assert (restored.status_code, restored.json()) == (200, {"agents": 5000})
        first = (await served.http.get("/v1/registry/backup")).content
        again = await served.http.post("/v1/registry/restore", content=first, headers=JSON)
        assert again.json() == {"agents": 5000}
        second = orjson.loads((await served.http.get("/v1/registry/backup")).content)
        assert {**second, "taken_at": None} == {**orjson.loads(first), "taken_at": None}
        assert len(second["history"]) == 15_000


Spoil = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    ("spoil", "field"),
    [
        (lambda backup: backup["agents"][9].update(id="two words"), "agents.9.id"),
        (lambda backup: backup["agents"][7]["capabilities"].pop("task_types"), "agents.7.capabilities.task_types"),
        (lambda backup: backup["agents"][9]["tally"].update(successes=-1), "agents.9.tally.successes"),
        (lambda backup: backup["history"][29]["report"].update(latency_ms=-1), "history.29.report.latency_ms"),
        (lambda backup: backup["capability_versions"][5].update(version=0), "capability_versions.5.version"),
        (lambda backup: backup.update(colour="red"), "colour"),
        (lambda backup: backup.pop("history"), "history"),
        (lambda backup: backup.update(format=2), "format"),
        (lambda backup: backup["agents"][1].update(id="reviewer-00000"), "agents.1.id"),
        (lambda backup: backup["history"][4].update(agent_id="nobody"), "history.4.agent_id"),
        (lambda backup: backup["history"][1].update(key="task-0"), "history.1"),
    ],
)  # fmt: skip
async def test_a_bad_backup_is_refused_by_field_and_changes_nothing(
    serving: Serving, spoil: Spoil, field: str
) -> None:
    """Wherever the fault is, its path is named, and the registry stands as it stood."""
    backup = backup_of(10)
    spoil(backup)
    async with serving() as served:
        await served.register(agent("mine"))

        answer = await served.http.post("/v1/registry/restore", json=backup)

        assert answer.status_code == 422
        assert problem_code(answer) in {"invalid", "backup-invalid"}
        assert [fault["field"] for fault in answer.json()["errors"]] == [field]
        assert [held.id for held in (await served.registry.backup()).agents] == ["mine"]


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        (b"{", "application/json", 400, "malformed-json"),
        (b"[]", "application/json", 422, "invalid"),
        (b"{}", "text/plain", 415, "unsupported-media-type"),
        (b"", "application/json", 400, "malformed-json"),
    ],
)
async def test_what_is_no_backup_is_told_as_for_any_body(
    serving: Serving, body: bytes, kind: str, status: int, code: str
) -> None:
    """A backup is read on a thread, and refused as everything else is."""
    async with serving() as served:
        answer = await served.http.post("/v1/registry/restore", content=body, headers={"Content-Type": kind})

        assert (answer.status_code, problem_code(answer)) == (status, code)
        assert answer.json()["errors"][0]["field"] == "body"


async def test_a_backup_larger_than_the_registry_gets_409(serving: Serving) -> None:
    """A registry takes no more agents by a restore than by registrations."""
    async with serving(registry=RegistrySettings(max_agents=3)) as served:
        answer = await served.http.post("/v1/registry/restore", json=backup_of(4))

        assert (answer.status_code, problem_code(answer)) == (409, "registry-full")
