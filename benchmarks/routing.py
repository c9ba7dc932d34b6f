"""A route decision as a caller of the component has it, and the choice alone beside other people's.

In process it is guarded and recorded, by the journal as it is by default, or by a commit that is waited for; over HTTP
one process serves and this one asks.
"""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from random import Random
from types import SimpleNamespace
from typing import Any, Final

import orjson

from arbiter.orchestrator.client import ArbiterClient
from arbiter.orchestrator.routing.board import Contender, Slate, Weights
from arbiter.orchestrator.routing.models import Outcome, Task
from arbiter.orchestrator.routing.ports import Requirement
from arbiter.orchestrator.routing.scoring import Arms
from arbiter.orchestrator.routing.strategies import EpsilonGreedy
from benchmarks.components import KINDS, at_once, draft, fsync_ms, one_by_one, serving
from benchmarks.harness import Row, interleaved, percentile
from tests.ports import free_port
from tests.processes import clean_environment, probe, until

__all__ = ["rows"]

UPSTREAM_LIMIT_MS: Final = 50.0  # upstream's acceptance A1 of component 002: p95 of a decision
ARMS: Final = 1000


def rows() -> list[Row]:
    disk = fsync_ms()
    return [
        *asyncio.run(_decisions(1000, "journal", disk, ("<= 0.5 ms", ">= 3,000 a second"))),
        *asyncio.run(_decisions(10_000, "journal", disk, ("<= 2 ms", ">= 3,000 a second"))),
        *asyncio.run(_decisions(1000, "commit", disk, ("for comparison", "for comparison"))),
        *_over_http(),
        *_choices(),
    ]


async def _decisions(agents: int, acknowledge: str, disk: float, targets: tuple[str, str]) -> list[Row]:
    async with serving(agents, {"routing.acknowledge": acknowledge}) as container:
        router = container.router()

        async def whole(number: int) -> None:
            """A task from its decision to its outcome."""
            decision = await router.route(_task(number))
            outcome = Outcome(success=number % 5 != 0, quality_score=0.8, latency_ms=900)
            await router.report_outcome(decision.task_id, outcome)

        await at_once(500, whole)
        taken = await one_by_one(400, lambda number: router.route(_task(number)))
        rate = await at_once(5000, lambda number: router.route(_task(number)), workers=256)
    among = f"among {agents:,} agents, told after the {acknowledge}"
    return [
        Row(f"route {among}, p95", percentile(taken, 0.95), "one fsync, p95", disk, "ms", targets[0]),
        Row(f"decisions {among}", rate, "upstream's limit", 1000, "1/s", targets[1]),
    ]


def _task(number: int) -> Task:
    return Task(task_type=KINDS[number % len(KINDS)], languages=("Python",))


def _over_http() -> list[Row]:
    with _service() as (port, url):
        rate = asyncio.run(_ask(port, url))
    return [
        Row(
            "decisions over HTTP, 100 agents",
            rate,
            "upstream's limit",
            1000,
            "1/s",
            ">= 1,500 a second",
        )
    ]


@contextmanager
def _service() -> Iterator[tuple[int, str]]:
    with tempfile.TemporaryDirectory() as folder:
        port, management = free_port(), free_port()
        settings = {
            "server.port": port,
            "management.port": management,
            "storage.url": f"sqlite:///{folder}/bench.db",
            "performance.spool_dir": f"{folder}/spool",
            "observability.log_level": "error",
            "observability.access_log": "false",
            "observability.tracing_enabled": "false",
        }
        options = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
        command = [sys.executable, "-m", "arbiter", "run", "--env", "test", *options]
        server = subprocess.Popen(
            command, env=clean_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            until(lambda: probe(f"http://127.0.0.1:{management}/readyz") == 200, limit_s=60, what="ready")
            yield port, f"http://localhost:{port}"
        finally:
            server.terminate()
            server.wait(30)


async def _ask(port: int, url: str, tasks: int = 6000, connections: int = 64) -> float:
    async with ArbiterClient(url) as client:
        for number in range(100):
            await client.register_agent(draft(number))
    body = orjson.dumps({"task_type": "code-review", "languages": ["Python"]})
    head = f"POST /v1/tasks/route HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Type: application/json\r\n"
    request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    opened = [await asyncio.open_connection("localhost", port) for _ in range(connections)]
    free = list(opened)

    async def one(_: int) -> None:
        """One request on a connection of its own; a client that parses would take more than the server."""
        reader, writer = free.pop()
        writer.write(request)
        answered = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(answered.partition(b"content-length:")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        assert answered.startswith(b"http/1.1 200"), answered
        free.append((reader, writer))

    rate = await at_once(tasks, one, workers=connections)
    for _, writer in opened:
        writer.close()
    return rate


def _choices() -> list[Row]:
    found = interleaved({"ours": _ours(), "litellm": _litellm(), "mabwiser": _mabwiser()}, rounds=7, calls=50)
    ours = found["ours"] * 1e6
    return [
        Row(f"choice alone among {ARMS:,}", ours, peer, found[name] * 1e6, "us", "below the peer")
        for name, peer in (("litellm", "LiteLLM Router"), ("mabwiser", "mabwiser, epsilon-greedy"))
    ]


def _timed(choose: Callable[[], object]) -> Callable[[int], float]:
    def case(calls: int) -> float:
        """Seconds of so many choices."""
        began = time.perf_counter()
        for _ in range(calls):
            choose()
        return time.perf_counter() - began

    return case


def _ours() -> Callable[[int], float]:
    arms, at = Arms(), datetime(2026, 1, 1, tzinfo=UTC)
    places = []
    for number in range(ARMS):
        agent: Any = SimpleNamespace(
            id=f"a{number}", registered_at=at, limit=None, is_full=False, utilization=0.0
        )
        contender = Contender(agent, arms.belief((agent.id, at), "code-review"), Weights(load=0.3))
        places.append((-contender.score, agent.id, contender))
    requirement, strategy, rng = Requirement("code-review", (), ()), EpsilonGreedy(0.1), Random(1)

    def choose() -> object:
        """From the board, which is kept in order: that is the design."""
        slate = Slate(requirement, places)
        choice = strategy.choose(slate, rng)
        return choice, slate.alternatives(choice.contender)

    return _timed(choose)


def _litellm() -> Callable[[int], float]:
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # it would look for its prices on the internet
    import litellm

    logging.getLogger("LiteLLM Router").setLevel(logging.ERROR)
    models = [
        {"model_name": "reviewer", "litellm_params": {"model": f"openai/a{number}", "api_key": "none"}}
        for number in range(ARMS)
    ]
    router = litellm.Router(model_list=models)
    return _timed(lambda: router.get_available_deployment(model="reviewer", messages=[]))


def _mabwiser() -> Callable[[int], float]:
    from mabwiser.mab import MAB, LearningPolicy

    bandit = MAB([f"a{number}" for number in range(ARMS)], LearningPolicy.EpsilonGreedy(0.1))
    bandit.fit([f"a{number}" for number in range(ARMS)], [number % 2 for number in range(ARMS)])
    return _timed(bandit.predict)
