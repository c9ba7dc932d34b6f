"""Restarting one of two instances after the other, behind a balancer and under load: what the suite and the bench share."""

from __future__ import annotations

import asyncio
import itertools
import signal
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.ports import free_port
from tests.processes import clean_environment

__all__ = ["Instance", "Rolled", "ask", "ours", "peer", "roll"]

LOOK_S = 0.25
"""Seconds between two looks of the balancer at an instance's readiness."""

PRE_DRAIN_S = 1.0
"""Longer than the balancer takes to see it."""

API = """
import asyncio
from fastapi import FastAPI


def api(**more):
    app = FastAPI(**more)

    @app.get("/work")
    async def work():
        await asyncio.sleep(0.02)
        return {"done": True}

    @app.get("/slow")
    async def slow():
        await asyncio.sleep(5)
        return {"done": True}

    @app.get("/quick")
    async def quick():
        return {"hello": "world"}

    return app
"""
OURS = """
from dependency_injector import providers
from arbiter import App, Infrastructure
from api import api


class Small(Infrastructure):
    http = providers.Singleton(api)


def create_app():
    return App(Small)
"""
PEER = """
from contextlib import asynccontextmanager
from api import api


@asynccontextmanager
async def lifespan(app):
    yield


app = api(lifespan=lifespan)


@app.get("/readyz")
async def readyz():
    return {"status": "pass"}
"""


@dataclass
class Instance:
    """One of several alike: how it is started, where it serves and where it says whether it is ready."""

    command: Sequence[str]
    folder: Path
    port: int
    readiness_port: int
    variables: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    is_ready: bool = False

    def start(self) -> None:
        """Begin to start; whether it is ready is for the balancer to see."""
        self.process = subprocess.Popen(
            self.command,
            cwd=self.folder,
            env=clean_environment(ARBITER_ENV="test", **self.variables),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def kill(self) -> None:
        """End it, if it still runs."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)

    async def stop(self, number: int = signal.SIGTERM) -> int:
        """Send the signal, and wait for the end; the exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        return await asyncio.to_thread(self.process.wait, 60)


def ours(folder: Path, python: str, *settings: str) -> Instance:
    """A small FastAPI application through the whole host."""
    port, management = free_port(), free_port()
    _write(folder)
    chosen = (
        "server.host=127.0.0.1", f"server.port={port}", f"management.port={management}",
        f"lifecycle.pre_drain_s={PRE_DRAIN_S}", *settings,
    )  # fmt: skip
    command = [python, "-m", "arbiter", "run", "--app", "ours:create_app"]
    return Instance(
        [*command, *(word for one in chosen for word in ("--set", one))], folder, port, management
    )


def peer(folder: Path, python: str) -> Instance:
    """The same application on plain uvicorn, with a lifespan."""
    port = free_port()
    _write(folder)
    options = ["--host", "127.0.0.1", "--port", str(port), "--no-access-log", "--log-level", "warning"]
    return Instance([python, "-m", "uvicorn", "peer:app", *options], folder, port, port)


def _write(folder: Path) -> None:
    for name, text in (("api", API), ("ours", OURS), ("peer", PEER)):
        (folder / f"{name}.py").write_text(text)


async def ask(port: int, path: str) -> int:
    """One request on a connection of its own: the status, 0 where no whole answer came."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            answer = await asyncio.wait_for(reader.read(), 30)
        finally:
            writer.close()
    except (OSError, TimeoutError):
        return 0
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    lengths = [line.split(b":")[1] for line in lines if line.startswith(b"content-length:")]
    return int(head[9:12]) if lengths and int(lengths[0]) == len(body) else 0


@dataclass
class _Balancer:
    """Hands each new connection to the next instance that was ready when it last looked; tries none twice."""

    instances: Sequence[Instance]
    turns: itertools.count[int] = field(default_factory=itertools.count)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[int]:
        """From the port to the last connection."""
        looking = [asyncio.create_task(self._look(one)) for one in self.instances]
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        try:
            yield int(server.sockets[0].getsockname()[1])
        finally:
            for task in looking:
                task.cancel()
            server.close()

    async def _look(self, instance: Instance) -> None:
        while True:
            instance.is_ready = await ask(instance.readiness_port, "/readyz") == 200
            await asyncio.sleep(LOOK_S)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ready = [one for one in self.instances if one.is_ready]
        # Cancelled when all is over: a task that says so would be reported by its stream.
        with suppress(OSError, asyncio.CancelledError):
            if ready:
                chosen = ready[next(self.turns) % len(ready)]
                behind, ahead = await asyncio.open_connection("127.0.0.1", chosen.port)
                await asyncio.gather(_pump(reader, ahead), _pump(behind, writer))
        writer.close()


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    try:
        while part := await source.read(65536):
            target.write(part)
            await target.drain()
    finally:
        target.close()


@dataclass
class Rolled:
    """What became of the requests, and how the instances ended."""

    answers: Counter[int]
    codes: Counter[int]

    @property
    def failed(self) -> int:
        """How many requests got no 200."""
        return self.answers.total() - self.answers[200]


async def roll(make: Callable[[], Instance], restarts: int, *, clients: int = 8) -> Rolled:
    """Restart two instances in turn, one when the other is ready, while clients send one request after the other.

    Args:
        make: makes an instance.
        restarts: how many in all.
        clients: how many send at the same time.
    """
    instances, rolled = [make(), make()], Rolled(Counter(), Counter())
    async with _Balancer(instances).listening() as port:
        try:
            for one in instances:
                one.start()
            await _until_ready(instances)
            load = [asyncio.create_task(_send(port, rolled.answers)) for _ in range(clients)]
            for number in range(restarts):
                one = instances[number % 2]
                rolled.codes[await one.stop()] += 1
                one.is_ready = False
                one.start()
                await _until_ready(instances)
            for task in load:
                task.cancel()
        finally:
            for one in instances:
                one.kill()
    return rolled


async def _send(port: int, answers: Counter[int]) -> None:
    while True:
        answers[await ask(port, "/work")] += 1


async def _until_ready(instances: Sequence[Instance]) -> None:
    async with asyncio.timeout(120):
        while not all(one.is_ready for one in instances):  # noqa: ASYNC110  polled, with a limit
            await asyncio.sleep(0.02)
