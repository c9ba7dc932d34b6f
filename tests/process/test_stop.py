"""SIGTERM, a full stop, and what is there afterwards."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from pathlib import Path

import httpx2
import pytest

from tests.processes import probe, running, until

AGENT = {
    "id": "ada",
    "name": "Ada",
    "model_family": "claude-3.5",
    "capabilities": {"task_types": ["code-review"], "languages": ["Python"], "specializations": []},
}
TASK = {"task_type": "code-review", "languages": ["Python"]}
OUTCOME = {"success": True, "quality_score": 0.9, "latency_ms": 1200}


def test_sigterm_ends_an_idle_service_cleanly(tmp_path: Path) -> None:
    """An idle service ends with exit code 0, and its management port outlives its main port."""
    with running(tmp_path) as service:
        code = service.terminate()

    assert code == 0
    assert "app.stop.failed" not in service.output()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_request_in_flight_is_answered_during_the_stop(tmp_path: Path, number: int) -> None:
    """S14: a request whose body is half sent at the signal is read and answered; management answers all the while."""
    body = json.dumps(AGENT).encode()
    with running(tmp_path, "lifecycle.pre_drain_s=0.5", "lifecycle.drain_s=5") as service:
        with socket.create_connection(
            ("localhost", int(service.url.rsplit(":", 1)[1])), timeout=10
        ) as connection:
            head = f"POST /v1/agents HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            connection.sendall(head.encode() + body[:10])
            service.process.send_signal(number)
            until(lambda: probe(f"{service.url}/livez") == 0, what="the listener to close")
            during = [probe(f"{service.management}{path}") for path in ("/livez", "/readyz", "/metrics")]
            connection.sendall(body[10:])
            answer = connection.recv(65536)
        code = service.process.wait(20)

    assert during == [200, 503, 200]
    assert answer.startswith(b"HTTP/1.1 201")
    assert code == 0


async def test_everything_acknowledged_survives_a_stop_under_load(tmp_path: Path) -> None:
    """S01: clients that go on, over new connections, until they are refused lose nothing, before and after a restart."""
    acknowledged = refused = 0
    stopping = asyncio.Event()
    broken: list[str] = []

    async def work(client: httpx2.AsyncClient) -> None:
        nonlocal acknowledged, refused
        while True:
            try:
                decision = await client.post("/v1/tasks/route", json=TASK)
                outcome = await client.post(f"/v1/tasks/{decision.json()['task_id']}/outcome", json=OUTCOME)
            except httpx2.ConnectError:
                refused += 1
                return
            except httpx2.HTTPError as error:
                broken.append(repr(error))
                return
            if (decision.status_code, outcome.status_code) != (200, 200):
                broken.append(f"{decision.text} {outcome.text}")
                return
            acknowledged += 1
            if acknowledged == 100:
                stopping.set()

    with running(tmp_path, "lifecycle.pre_drain_s=0.5", "performance.flush_interval_ms=60000") as service:
        async with httpx2.AsyncClient(base_url=service.url) as client:
            (await client.post("/v1/agents", json=AGENT)).raise_for_status()
            workers = [asyncio.create_task(work(client)) for _ in range(8)]
            await asyncio.wait_for(stopping.wait(), 30)
            service.process.send_signal(signal.SIGTERM)
            await asyncio.gather(*workers)
        code = await asyncio.to_thread(service.process.wait, 30)
    with running(tmp_path) as again:
        agent = httpx2.get(f"{again.url}/v1/agents/ada").json()
        summary = httpx2.get(f"{again.url}/v1/performance/summary").json()

    assert broken == []
    assert refused == 8
    assert code == 0
    assert agent["performance_history"]["task_count"] == acknowledged
    assert agent["performance_history"]["success_rate"] == pytest.approx(
        (0.8 * 5 + acknowledged) / (5 + acknowledged)
    )
    assert summary["by_type"]["task_execution_complete"] == acknowledged
    assert summary["by_type"]["routing_decision"] >= acknowledged


def test_a_killed_service_keeps_what_it_acknowledged(tmp_path: Path) -> None:
    """After SIGKILL the database opens, and every acknowledged agent and outcome is in it."""
    with running(tmp_path) as service:
        httpx2.post(f"{service.url}/v1/agents", json=AGENT).raise_for_status()
        task = httpx2.post(f"{service.url}/v1/tasks/route", json=TASK).json()["task_id"]
        httpx2.post(f"{service.url}/v1/tasks/{task}/outcome", json=OUTCOME).raise_for_status()
        service.terminate(signal.SIGKILL)
    with running(tmp_path) as again:
        agent = httpx2.get(f"{again.url}/v1/agents/ada").json()
        repeated = httpx2.post(f"{again.url}/v1/tasks/{task}/outcome", json=OUTCOME)

    assert agent["performance_history"]["task_count"] == 1
    assert repeated.status_code == 200


def test_readiness_fails_first_while_requests_are_still_served(tmp_path: Path) -> None:
    """During the pre-drain `/readyz` is 503, `/livez` 200, and requests are answered with Connection: close."""
    with running(tmp_path, "lifecycle.pre_drain_s=3") as service:
        service.process.send_signal(signal.SIGTERM)
        until(lambda: probe(f"{service.management}/readyz") == 503, what="readiness to fail")
        answer = httpx2.get(f"{service.url}/v1/agents", params={"task_type": "code-review"})
        alive = probe(f"{service.management}/livez")
        code = service.process.wait(20)

    assert answer.status_code == 200
    assert answer.headers["connection"] == "close"
    assert alive == 200
    assert code == 0
