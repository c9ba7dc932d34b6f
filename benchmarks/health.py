"""Probes under load: 500 in five seconds against a real process with 50 checks, two of which hang."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from benchmarks.harness import Row, percentile
from tests.ports import free_port
from tests.processes import clean_environment, probe, until

__all__ = ["rows"]

PROBES, SECONDS, TARGET_MS = 500, 5.0, 50.0
CONNECTIONS = 50

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]

APPLICATION = """
import asyncio, threading
from dependency_injector import providers
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from arbiter import App, Infrastructure


class Dependencies:
    def __init__(self, health):
        self.calls = 0
        for number in range(48):
            health.register(f"dependency {number}", self.ask)
        health.register("hanging", self.hang, critical=False)
        health.register("hanging in a thread", lambda: threading.Event().wait(), critical=False)

    async def ask(self):
        self.calls += 1
        await asyncio.sleep(0.01)

    async def hang(self):
        await asyncio.Event().wait()


def api(dependencies):
    async def calls(request):
        return PlainTextResponse(str(dependencies.calls))

    async def at_each_probe(request):
        checks = [asyncio.wait_for(dependencies.ask(), 2) for _ in range(48)]
        await asyncio.gather(*checks, asyncio.wait_for(dependencies.hang(), 2), return_exceptions=True)
        return PlainTextResponse("ok")

    return Starlette(routes=[Route("/calls", calls), Route("/at-each-probe", at_each_probe)])


class Shop(Infrastructure):
    asked = providers.Singleton(Dependencies, Infrastructure.health)
    http = providers.Singleton(api, asked)


def create_app():
    return App(Shop)
"""


@dataclass(frozen=True, slots=True)
class Serving:
    url: str
    management: str

    def calls(self) -> int:
        """How often any dependency was asked so far."""
        return int(httpx2.get(f"{self.url}/calls").text)


def rows() -> list[Row]:
    with serving("1") as service:
        latencies = asyncio.run(probed(service))
        begun = time.perf_counter()
        httpx2.get(f"{service.url}/at-each-probe", timeout=10)
        at_each_probe_ms = (time.perf_counter() - begun) * 1000
    with serving("3600") as service:
        before = service.calls()
        asyncio.run(probed(service))
        extra = service.calls() - before
    p99_ms = percentile(latencies, 0.99) * 1000
    load = f"/readyz p99, {PROBES} probes in {SECONDS:g} s, 50 checks, 2 hang"
    return [
        Row(load, p99_ms, "limit", TARGET_MS, "ms", f"< {TARGET_MS:g} ms"),
        Row("one answer", p99_ms, "checks at each probe", at_each_probe_ms, "ms", "answered from memory"),
        Row(f"dependency calls caused by {PROBES} probes", extra, "one for each probe", PROBES, "", "0"),
    ]


@contextmanager
def serving(interval_s: str) -> Iterator[Serving]:
    """The application as a process, ready."""
    port, management = free_port(), free_port()
    chosen = (
        f"server.port={port}", f"management.port={management}", f"health.interval_s={interval_s}",
        "observability.log_level=error", "observability.exporter=none",
    )  # fmt: skip
    command = [sys.executable, "-m", "arbiter", "run", "--app", "probed:create_app"]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "probed.py").write_text(APPLICATION)
        with subprocess.Popen(
            [*command, *(word for one in chosen for word in ("--set", one))],
            cwd=folder,
            env=clean_environment(ARBITER_ENV="test"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            service = Serving(f"http://localhost:{port}", f"http://127.0.0.1:{management}")
            try:
                until(lambda: probe(f"{service.management}/readyz") == 200, limit_s=30, what="ready")
                yield service
            finally:
                process.send_signal(signal.SIGTERM)


async def probed(service: Serving) -> list[float]:
    """The latency in seconds of each probe; they are sent at even distances, whether or not the last was answered."""
    latencies: list[float] = []
    port = int(service.management.rpartition(":")[2])
    idle: asyncio.LifoQueue[Connection] = asyncio.LifoQueue()
    for _ in range(CONNECTIONS):
        idle.put_nowait(await asyncio.open_connection("127.0.0.1", port))

    async def one(at: float) -> None:
        await asyncio.sleep(at - time.perf_counter())
        begun = time.perf_counter()
        connection = await idle.get()
        await _get_ready(connection)
        latencies.append(time.perf_counter() - begun)
        idle.put_nowait(connection)

    start = time.perf_counter() + 0.1
    await asyncio.gather(*(one(start + number * SECONDS / PROBES) for number in range(PROBES)))
    while not idle.empty():
        idle.get_nowait()[1].close()
    return latencies


async def _get_ready(connection: Connection) -> None:
    """By hand, since a client library takes several times what the answer takes."""
    reader, writer = connection
    writer.write(b"GET /readyz HTTP/1.1\r\nHost: probed\r\n\r\n")
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    assert head.startswith(b"http/1.1 200"), head
    await reader.readexactly(int(head.partition(b"content-length:")[2].partition(b"\r\n")[0]))
