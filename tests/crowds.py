"""A stop in the middle of a crowd, and kills in the middle of work: what the suite and the bench share."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from tests.processes import Service, answer_of, probe, running, until

__all__ = [
    "AGENT",
    "KEEPS_ALL",
    "Connection",
    "Crowded",
    "Killed",
    "begin",
    "finish",
    "in_flight",
    "kill_again_and_again",
    "route",
    "stop_in_a_crowd",
]

AGENT = {
    "id": "ada",
    "name": "Ada",
    "model_family": "claude-3.5",
    "capabilities": {"task_types": ["code-review"], "languages": [], "specializations": []},
}
TASK = json.dumps({"task_type": "code-review"}).encode()
OUTCOME = {"success": True, "quality_score": 0.9, "latency_ms": 1200}
HALF = len(TASK) // 2
HEAD = (
    "POST /v1/tasks/route HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    f"Content-Length: {len(TASK)}\r\n\r\n"
).encode()
KEEPS_ALL = ("performance.flush_interval_ms=60000", "performance.buffer_size=10000")
BUDGETS = ("lifecycle.pre_drain_s=0.5", "lifecycle.drain_s=15")

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, slots=True)
class Crowded:
    """What came of a stop with requests in flight and events in the buffer; `events` were found after a restart."""

    answers: Counter[int]
    offered: int
    events: int
    code: int
    stop_s: float


async def stop_in_a_crowd(folder: Path, crowd: int) -> Crowded:
    """SIGTERM an orchestrator that has as many offered events in its buffer as requests in flight.

    Each request in flight has sent half of its body, and offers one event more as it is answered in the drain.
    """
    with running(folder, *KEEPS_ALL, *BUDGETS) as service:
        httpx2.post(f"{service.url}/v1/agents", json=AGENT).raise_for_status()
        port = int(service.url.rpartition(":")[2])
        before = await route(port, crowd, connections=min(100, crowd))
        waiting = [await begin(port) for _ in range(crowd)]
        await asyncio.to_thread(until, lambda: in_flight(service) == crowd, what="the crowd")
        begun = time.monotonic()
        service.process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(
            until, lambda: probe(f"{service.url}/livez") == 0, what="the listener to close"
        )
        answers = Counter(await asyncio.gather(*map(finish, waiting)))
        code = await asyncio.to_thread(service.process.wait, 60)
        stop_s = time.monotonic() - begun
    with running(folder) as again:
        summary = httpx2.get(f"{again.url}/v1/performance/summary").json()
    offered = before[200] + answers[200]
    return Crowded(answers, offered, summary["by_type"]["routing_decision"], code, stop_s)


async def route(port: int, tasks: int, *, connections: int) -> Counter[int]:
    """Have so many tasks routed, one after the other on each of so many connections; the statuses of the answers."""

    async def send(number: int) -> list[int]:
        connection = await begin(port)
        answers = [await answered(connection)]
        for _ in range(number - 1):
            connection[1].write(HEAD + TASK[:HALF])
            answers.append(await answered(connection))
        connection[1].close()
        return answers

    shares = [tasks // connections + (number < tasks % connections) for number in range(connections)]
    return Counter(answer for answers in await asyncio.gather(*map(send, shares)) for answer in answers)


async def begin(port: int) -> Connection:
    """A connection on which half of a request has been sent."""
    reader, writer = await asyncio.open_connection("localhost", port)
    writer.write(HEAD + TASK[:HALF])
    await writer.drain()
    return reader, writer


async def finish(connection: Connection) -> int:
    """The status of a whole answer, 0 where none came; then the connection is closed."""
    try:
        return await answered(connection)
    finally:
        connection[1].close()


async def answered(connection: Connection) -> int:
    """Send the rest of the request; the status of a whole answer, 0 where none came."""
    reader, writer = connection
    try:
        writer.write(TASK[HALF:])
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = next(line for line in head.split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(length.split(b":")[1]))
    except (OSError, asyncio.IncompleteReadError):
        return 0
    return int(head[9:12])


def in_flight(service: Service) -> int:
    """How many requests are being answered."""
    return int(answer_of(f"{service.management}/tasks").json()["in_flight"]["requests"])


@dataclass(frozen=True, slots=True)
class Killed:
    """What was acknowledged over all lives, and what of it was not there at the end."""

    agents: int
    decisions: int
    outcomes: int
    lost_agents: int
    lost_decisions: int
    lost_outcomes: int

    @property
    def lost(self) -> int:
        """How much of what was acknowledged is gone."""
        return self.lost_agents + self.lost_decisions + self.lost_outcomes


async def kill_again_and_again(folder: Path, times: int, *, seed: int = 7) -> Killed:
    """SIGKILL an orchestrator at random moments of its work, and start it again on the same database."""
    chance, acknowledged = random.Random(seed), _Acknowledged()  # noqa: S311  moments, not secrets
    for life in range(times):
        with running(folder, "registry.max_agents=100000") as service:
            async with httpx2.AsyncClient(base_url=service.url, timeout=10) as client:
                working = [
                    asyncio.create_task(acknowledged.work(client, f"{life}-{number}")) for number in range(4)
                ]
                await asyncio.sleep(chance.uniform(0.2, 1.2))
                service.process.kill()
                await asyncio.gather(*working)
    with running(folder, "registry.max_agents=100000") as service:
        kept = {one["id"]: one for one in _everybody(service)}
        summary = httpx2.get(f"{service.url}/v1/performance/summary").json()
        forgotten = _unexplained(service, acknowledged.tasks)
    lost = sum(agent not in kept for agent in acknowledged.agents)
    stored = summary["by_type"].get("task_execution_complete", 0)
    counted = sum(one["tally"]["task_count"] for one in kept.values())
    return Killed(
        len(acknowledged.agents),
        len(acknowledged.tasks),
        acknowledged.outcomes,
        lost,
        forgotten,
        max(0, acknowledged.outcomes - min(stored, counted)),
    )


class _Acknowledged:
    """Clients that go on until nobody answers, and remember what they were told is done."""

    def __init__(self) -> None:
        self.agents, self.tasks, self.outcomes = list[str](), list[str](), 0

    async def work(self, client: httpx2.AsyncClient, name: str) -> None:
        """Register an agent, route a task, report its outcome, and again."""
        number = 0
        while True:
            number += 1
            try:
                agent = await client.post("/v1/agents", json={**AGENT, "id": f"a-{name}-{number}"})
                if agent.status_code == httpx2.codes.CREATED:
                    self.agents.append(f"a-{name}-{number}")
                task = (await client.post("/v1/tasks/route", json={"task_type": "code-review"})).json()
                self.tasks.append(task["task_id"])
                outcome = await client.post(f"/v1/tasks/{task['task_id']}/outcome", json=OUTCOME)
                self.outcomes += outcome.status_code == httpx2.codes.OK
            except httpx2.HTTPError:
                return


def _unexplained(service: Service, tasks: list[str]) -> int:
    """Of how many tasks the decision is not known any more."""
    with httpx2.Client(base_url=service.url) as client:
        return sum(client.get(f"/v1/tasks/{task}/decision").status_code != httpx2.codes.OK for task in tasks)


def _everybody(service: Service) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = httpx2.get(f"{service.url}/v1/registry/backup", timeout=30).json()["agents"]
    return found
