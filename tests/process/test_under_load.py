"""Stops, restarts and kills in the middle of work: nothing that was accepted or acknowledged is lost."""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
import sys
import time
from collections import Counter
from pathlib import Path

import httpx2
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.crowds import (
    AGENT,
    KEEPS_ALL,
    Connection,
    begin,
    finish,
    in_flight,
    kill_again_and_again,
    route,
    stop_in_a_crowd,
)
from tests.observability.receiver import receiving
from tests.processes import probe, running, until
from tests.rolling import ours, roll

PRE_DRAIN_S = 1.5
TRACED = (f"lifecycle.pre_drain_s={PRE_DRAIN_S}", "observability.exporter=auto")


async def test_s01_a_stop_with_requests_in_flight_and_events_in_the_buffer(tmp_path: Path) -> None:
    """As the scenario says, in one process: 50 requests of 2 s in flight, 1000 events in the buffer, a collector.

    The bounds of time allow for a machine that does much else; the bench has the figures.
    """
    with receiving() as collector:
        variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint}
        with running(tmp_path, *KEEPS_ALL, *TRACED, variables=variables) as service:
            httpx2.post(f"{service.url}/v1/agents", json=AGENT).raise_for_status()
            port = int(service.url.rpartition(":")[2])
            buffered = await route(port, 1000, connections=20)
            slow = [await begin(port) for _ in range(50)]
            await asyncio.to_thread(until, lambda: in_flight(service) == 50, what="the requests in flight")

            begun = time.monotonic()
            service.process.send_signal(signal.SIGTERM)
            answers = asyncio.gather(*(_after_two_seconds(one) for one in slow))
            await asyncio.to_thread(
                until, lambda: probe(f"{service.management}/readyz") == 503, what="not ready"
            )
            unready_s = time.monotonic() - begun
            late = await asyncio.gather(*(_late(port) for _ in range(20)))
            phase = httpx2.get(f"{service.management}/tasks").json()["phase"]
            await asyncio.to_thread(until, lambda: _refuses(port), what="connections to be refused")
            refused_s = time.monotonic() - begun
            in_time = await answers
            code = await asyncio.to_thread(service.process.wait, 30)
            total_s = time.monotonic() - begun
        served = Counter(span.name for span in collector.spans if span.kind == Span.SPAN_KIND_SERVER)
    with running(tmp_path) as again:
        summary = httpx2.get(f"{again.url}/v1/performance/summary").json()

    assert buffered == {200: 1000}
    assert unready_s < 1  # 0.1 s in the scenario; the probe itself takes its time on a busy machine
    assert [answer[:12] for answer in late] == [b"HTTP/1.1 200"] * 20
    assert all(b"\r\nconnection: close\r\n" in answer.lower() for answer in late)
    assert phase == "pre-drain"
    assert refused_s >= PRE_DRAIN_S
    assert in_time == [200] * 50
    assert code == 0
    assert total_s < 3 * (PRE_DRAIN_S + 2 + 1)
    assert summary["by_type"]["routing_decision"] == 1050
    assert served["POST /v1/tasks/route"] == 1050
    assert served["GET /v1/agents"] == 20


async def test_kills_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    """After a SIGKILL the database opens, with every agent, decision and outcome that was acknowledged."""
    killed = await kill_again_and_again(tmp_path, 2)

    assert killed.decisions > 2
    assert killed.lost == 0


@pytest.mark.soak
async def test_a_hundred_rolling_restarts_lose_no_request(tmp_path: Path) -> None:
    """Behind a balancer that follows readiness, every request is answered, and every instance ends with 0."""
    rolled = await roll(lambda: ours(tmp_path, sys.executable), 100)

    assert rolled.failed == 0
    assert rolled.codes == {0: 100}


@pytest.mark.soak
async def test_fifty_kills_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    """As above, fifty times on the same database."""
    killed = await kill_again_and_again(tmp_path, 50)

    assert killed.agents > 50
    assert killed.lost == 0


@pytest.mark.soak
async def test_a_thousand_requests_and_events_survive_a_stop(tmp_path: Path) -> None:
    """As S01, with a thousand of each."""
    crowded = await stop_in_a_crowd(tmp_path, 1000)

    assert crowded.answers == {200: 1000}
    assert crowded.events == crowded.offered == 2000
    assert crowded.code == 0


async def _after_two_seconds(connection: Connection) -> int:
    await asyncio.sleep(2)
    return await finish(connection)


async def _late(port: int) -> bytes:
    """What comes until the server closes, although it was not asked to."""
    reader, writer = await asyncio.open_connection("localhost", port)
    writer.write(b"GET /v1/agents?task_type=code-review HTTP/1.1\r\nHost: x\r\n\r\n")
    answer = await asyncio.wait_for(reader.read(), 20)
    writer.close()
    return answer


def _refuses(port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == errno.ECONNREFUSED
