"""Stops, restarts and kills in the middle of work: nothing that was accepted or acknowledged is lost."""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.crowds import kill_again_and_again, stop_in_a_crowd
from tests.observability.receiver import receiving
from tests.processes import probe, until
from tests.rolling import Instance, ask, ours, roll


async def test_s01_a_stop_with_fifty_requests_in_flight(tmp_path: Path) -> None:
    """Readiness fails first, new requests are answered and sent away, connections are refused only in the drain, the
    requests in flight are answered, and every request's span is at the collector.
    """
    with receiving() as collector:
        service = ours(tmp_path, sys.executable, "lifecycle.pre_drain_s=2")
        service.variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint}
        service.start()
        try:
            await asyncio.to_thread(until, lambda: _ready(service) == 200, limit_s=60)
            slow = [asyncio.create_task(ask(service.port, "/slow")) for _ in range(50)]
            await asyncio.to_thread(until, lambda: _seen(service)["in_flight"]["requests"] == 50)
            ended = asyncio.create_task(service.stop(signal.SIGTERM))
            await asyncio.to_thread(until, lambda: _ready(service) == 503, what="readiness to fail")
            late = await asyncio.gather(*(_quick(service.port) for _ in range(20)))
            phase = _seen(service)["phase"]
            await asyncio.to_thread(until, lambda: _refuses(service), what="connections to be refused")
            refusing = _seen(service)["phase"]
            answers, code = await asyncio.gather(*slow), await ended
        finally:
            service.kill()
        served = [span for span in collector.spans if span.kind == Span.SPAN_KIND_SERVER]

    assert [answer[:12] for answer in late] == [b"HTTP/1.1 200"] * 20
    assert all(b"\r\nconnection: close\r\n" in answer.lower() for answer in late)
    assert (phase, refusing) == ("pre-drain", "draining")
    assert answers == [200] * 50
    assert code == 0
    assert len(served) == 70


async def test_s01_offered_events_are_flushed_exactly_once(tmp_path: Path) -> None:
    """Events that waited in the buffer, and those of requests that were in flight, are all there after a restart."""
    crowded = await stop_in_a_crowd(tmp_path, 50)

    assert crowded.answers == {200: 50}
    assert crowded.offered == 100
    assert crowded.events == crowded.offered
    assert crowded.code == 0


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


def _ready(service: Instance) -> int:
    return probe(f"http://127.0.0.1:{service.readiness_port}/readyz")


def _seen(service: Instance) -> dict[str, Any]:
    seen: dict[str, Any] = httpx2.get(f"http://127.0.0.1:{service.readiness_port}/tasks").json()
    return seen


async def _quick(port: int) -> bytes:
    """What comes until the server closes, although it was not asked to."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /quick HTTP/1.1\r\nHost: x\r\n\r\n")
    answer = await asyncio.wait_for(reader.read(), 20)
    writer.close()
    return answer


def _refuses(service: Instance) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", service.port)) == errno.ECONNREFUSED
