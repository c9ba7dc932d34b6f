"""Registry, router and tracker as their callers have them: in process, behind their guards, on SQLite, durable.

What is durable waits for the disk: the time of one write with fsync on the same disk stands beside such a row, since no
database answers sooner.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Final

from arbiter.orchestrator.agents.models import AgentDraft, AgentQuery
from arbiter.settings.sources import Sources
from benchmarks.harness import Row, percentile
from containers.application import Application
from tests.orchestrator.performance.kit import execution

__all__ = ["at_once", "draft", "fsync_ms", "one_by_one", "rows", "serving"]

KINDS: Final = ("code-review", "code-editing", "testing", "debugging")
AT_ONCE: Final = 64
EVENTS: Final = 20_000
STORED: Final = 1_000_000


def rows() -> list[Row]:
    disk = fsync_ms()
    return [*asyncio.run(_queries()), *asyncio.run(_registrations(disk)), *asyncio.run(_records(disk))]


async def _queries() -> list[Row]:
    measured = []
    for agents, target in ((1000, 0.3), (10_000, 1.5)):
        async with serving(agents) as container:
            registry = container.registry()
            asked = [AgentQuery(task_type=kind, languages=("Python",)) for kind in KINDS]
            taken = []
            for number in range(2000):
                registry.reserve(
                    f"agent-{number % agents:05}"
                )  # somebody's load has changed since the last query
                began = time.perf_counter()
                await registry.query(asked[number % len(asked)])
                taken.append((time.perf_counter() - began) * 1000)
        name = f"query of {agents:,} agents, after a change, p95"
        measured.append(Row(name, percentile(taken, 0.95), "upstream's limit", 50, "ms", f"<= {target} ms"))
    return measured


async def _registrations(disk: float) -> list[Row]:
    async with serving(0, limit=20_000) as container:
        registry = container.registry()
        taken = await one_by_one(500, lambda number: registry.register(draft(number)))
        rate = await at_once(5000, lambda number: registry.register(draft(number + 1000)))
    return [
        Row(
            "register an agent, durable, p95",
            percentile(taken, 0.95),
            "one fsync, p95",
            disk,
            "ms",
            "<= 5 ms",
        ),
        Row("registrations, durable", rate, "upstream's limit", 10, "1/s", ">= 2,000 a second"),
    ]


async def _records(disk: float) -> list[Row]:
    async with serving(0) as container:
        tracker = container.tracker()
        taken = await one_by_one(500, lambda number: tracker.record(execution(number)))
        rate = await at_once(EVENTS, lambda number: tracker.record(execution(number + 1000)), workers=1000)
        offered = [execution(number + 100_000) for number in range(900)]
        began = time.thread_time()
        for event in offered:
            tracker.offer(event)
        offer_ms = (time.thread_time() - began) * 1000 / len(offered)
        for begin in range(200_000, 200_000 + STORED, 1000):
            await tracker.record_all([execution(begin + number) for number in range(1000)])
        summed = await one_by_one(200, lambda number: tracker.agent_summary(f"agent-{number % 100}"))
    return [
        Row("record an event, durable, p95", percentile(taken, 0.95), "one fsync, p95", disk, "ms", "<= 5 ms"),
        Row("events recorded, durable", rate, "upstream's limit", 500, "1/s", ">= 20,000 a second"),
        Row("tracking of a routed task", offer_ms, "upstream's limit", 1, "ms", "<= 0.1 ms"),
        Row(
            f"summary of one agent among {STORED:,} events, p95",
            percentile(summed, 0.95), "upstream's limit", 100, "ms", "<= 20 ms",
        ),
    ]  # fmt: skip


@asynccontextmanager
async def serving(
    agents: int, more: Mapping[str, str] = MappingProxyType({}), *, limit: int = 0
) -> AsyncIterator[Application]:
    """The orchestrator's container, started, on a database of its own, with so many agents."""
    with tempfile.TemporaryDirectory() as folder:
        container = Application()
        overrides = {
            "storage.url": f"sqlite:///{folder}/bench.db",
            "performance.spool_dir": f"{folder}/spool",
            "registry.max_agents": str(limit or max(agents, 1)),
            "routing.seed": "1",
            "observability.log_level": "error",
            "observability.tracing_enabled": "false",
            **more,
        }
        container.settings.read_from(Sources(Path(folder), "test", overrides=overrides))
        async with container:
            if agents:
                await at_once(agents, lambda number: container.registry().register(draft(number)))
            yield container


async def one_by_one(calls: int, call: Callable[[int], Awaitable[object]]) -> list[float]:
    """Milliseconds of each call; the first tenth warms up and is thrown away."""
    taken = []
    for number in range(calls):
        began = time.perf_counter()
        await call(number)
        taken.append((time.perf_counter() - began) * 1000)
    return taken[calls // 10 :]


async def at_once(calls: int, call: Callable[[int], Awaitable[object]], *, workers: int = AT_ONCE) -> float:
    """Calls a second, by so many callers at a time."""
    numbers = iter(range(calls))

    async def work() -> None:
        """One caller."""
        for number in numbers:
            await call(number)

    began = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(workers)))
    return calls / (time.perf_counter() - began)


def fsync_ms() -> float:
    """Milliseconds, p95, of writing 4 KiB and waiting for the disk, where temporary files are."""
    taken = []
    with tempfile.NamedTemporaryFile(buffering=0) as file:
        for _ in range(300):
            file.write(bytes(4096))
            began = time.perf_counter()
            os.fsync(file.fileno())
            taken.append((time.perf_counter() - began) * 1000)
    return percentile(taken, 0.95)


def draft(number: int) -> AgentDraft:
    """An agent that can do all kinds."""
    return AgentDraft.model_validate(
        {
            "id": f"agent-{number:05}",
            "name": f"Agent {number}",
            "model_family": "claude-3.5",
            "capabilities": {"task_types": list(KINDS), "languages": ["Python", "Rust"]},
        }
    )
