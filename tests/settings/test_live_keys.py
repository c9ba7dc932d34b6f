"""Live keys take effect while the application runs: each at the component that reads it, through a changed file."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
from dependency_injector import providers
from opentelemetry.sdk.trace.sampling import Decision
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from arbiter.events import EventBus, SettingsApplied
from arbiter.health.registry import HealthRegistry
from arbiter.health.settings import HealthSettings
from arbiter.infrastructure import Infrastructure
from arbiter.observability.sampling import LiveRatio
from arbiter.orchestrator.agents.models import AgentDraft, AgentQuery
from arbiter.orchestrator.performance.models import EventType, PerformanceEvent
from arbiter.orchestrator.routing.models import Task
from arbiter.protocols import Live
from arbiter.resilience.settings import ResilienceSettings
from arbiter.settings.sources import Sources
from arbiter.testing.clock import FakeClock
from arbiter.testing.live import Fixed
from containers.application import Application
from tests.waiting import turned

BEGIN = """
[default.routing]
exploration_rate = 0
[default.registry]
cache_enabled = false
[default.performance]
buffer_size = 1
flush_interval_ms = 3600000
[default.observability]
sample_ratio = 0.0
"""


def draft(name: str) -> AgentDraft:
    """An agent that reviews code."""
    return AgentDraft.model_validate(
        {"id": name, "name": name, "model_family": "m", "capabilities": {"task_types": ["code-review"]}}
    )


@asynccontextmanager
async def serving(directory: Path) -> AsyncIterator[tuple[Application, Callable[[str], None]]]:
    """A started application over a file of its own, and what rewrites that file and reloads."""
    file = directory / "settings.toml"
    file.write_text(BEGIN)
    application = Application()
    overrides = {"storage.url": f"sqlite:///{directory / 'arbiter.db'}"}
    application.settings.read_from(Sources(directory, "test", overrides=overrides))

    def rewrite(text: str) -> None:
        """Bring this file into force."""
        file.write_text(text)
        assert application.settings.source().reload().outcome == "applied"

    async with application:
        yield application, rewrite


async def test_the_exploration_rate_is_live(tmp_path: Path) -> None:
    """No decision explores at 0, and every one does at 1."""
    async with serving(tmp_path) as (application, rewrite):
        for name in ("a", "b"):
            await application.registry().register(draft(name))
        before = [
            (await application.router().route(Task(task_type="code-review"))).explored for _ in range(5)
        ]
        rewrite(BEGIN.replace("exploration_rate = 0", "exploration_rate = 1"))
        after = [(await application.router().route(Task(task_type="code-review"))).explored for _ in range(5)]

    assert (before, after) == ([False] * 5, [True] * 5)


async def test_the_cache_and_its_age_are_live(tmp_path: Path) -> None:
    """Switched on, rankings are remembered; with a shorter life, they are made anew."""
    on = BEGIN.replace("cache_enabled = false", "cache_enabled = true\ncache_ttl_s = {}")
    async with serving(tmp_path) as (application, rewrite):
        registry = application.registry()
        await registry.register(draft("a"))

        async def hits() -> float:
            """Ask twice, and count what was remembered so far."""
            for _ in range(2):
                await registry.query(AgentQuery())
            return sum(
                one.value for one in registry.measurements() if dict(one.attributes).get("outcome") == "hit"
            )

        off = await hits()
        rewrite(on.format(3600))
        remembered = await hits()
        rewrite(on.format(1e-9))
        aged = await hits()

    assert off == 0
    assert remembered >= 1
    assert aged == remembered


async def test_the_buffer_size_is_live(tmp_path: Path) -> None:
    """An offer that found the buffer full is taken once the buffer is larger."""
    async with serving(tmp_path) as (application, rewrite):
        tracker = application.tracker()

        def offer() -> bool:
            """One more event."""
            return tracker.offer(PerformanceEvent(type=EventType.TASK_EXECUTION_COMPLETE, agent_id="a"))

        before = [offer(), offer()]
        rewrite(BEGIN.replace("buffer_size = 1", "buffer_size = 10"))
        after = [offer(), offer()]

    assert (before, after) == ([True, False], [True, True])


async def test_breaker_thresholds_are_live(tmp_path: Path) -> None:
    """The next calls are counted against the new threshold; the breaker keeps its state."""
    async with serving(tmp_path) as (application, rewrite):
        breakers, registry = application.breakers(), application.registry()

        def threshold() -> int:
            """What the breaker opens at."""
            return breakers.get("registry.query").status().failure_threshold

        before = threshold()
        rewrite(f"{BEGIN}[default.resilience]\nfailure_threshold = 2\n")
        deadline = time.monotonic() + 10
        while threshold() != 2 and time.monotonic() < deadline:
            await registry.query(AgentQuery())
            await asyncio.sleep(0.005)

        assert (before, threshold()) == (5, 2)


async def test_sampling_is_live(tmp_path: Path) -> None:
    """No new trace is recorded at 0, and every one at 1."""
    async with serving(tmp_path) as (application, rewrite):
        sampler = LiveRatio(application.settings.source().latest(lambda s: s.observability))

        def decision() -> Decision:
            """That on a new trace."""
            return sampler.should_sample(None, 1 << 100, "x").decision

        before = decision()
        rewrite(BEGIN.replace("sample_ratio = 0.0", "sample_ratio = 1.0"))

        assert (before, decision()) == (Decision.DROP, Decision.RECORD_AND_SAMPLE)


async def test_health_intervals_are_live() -> None:
    """A shorter interval holds at once, not from the end of the long one."""
    settings, clock, bus = Fixed(HealthSettings(interval_s=3600)), FakeClock(), EventBus()
    registry = HealthRegistry(settings, clock, bus, seed=1)
    bus.adopt("health", registry)
    runs: list[float] = []

    async def check() -> None:
        """Pass."""
        runs.append(clock.monotonic())

    registry.register("one", check)
    await registry.start()
    await turned(lambda: len(runs) == 1)
    settings.current = HealthSettings(interval_s=1)
    bus.publish(SettingsApplied(2, ("health.interval_s",)))
    await turned(lambda: len(runs) == 2)
    for _ in range(20):  # two seconds, in steps small enough for the schedule to take its turn
        clock.advance(0.1)
        for _ in range(50):
            await asyncio.sleep(0)
    await registry.stop()

    assert 3 <= len(runs) <= 5


class Slow:
    """An ASGI application that tells its policy when the request begins and when it is let go."""

    def __init__(self, policy: Live[ResilienceSettings]) -> None:
        self.policy = policy
        self.begun, self.go = asyncio.Event(), asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with both."""
        began_with = self.policy.current.timeout_ms
        self.begun.set()
        if Request(scope).url.path == "/slow":
            await self.go.wait()
        body = [began_with, self.policy.current.timeout_ms]
        await JSONResponse(body)(scope, receive, send)


class Shop(Infrastructure):
    """An application of one handler."""

    http = providers.Singleton(Slow, Infrastructure.settings.live(lambda s: s.resilience))


async def test_c09_a_request_keeps_what_it_began_with(tmp_path: Path) -> None:
    """Through all layers of the main port: a request begun before the reload sees the old value to its end."""
    file = tmp_path / "settings.toml"
    file.write_text("[default.resilience]\ntimeout_ms = 5\n")
    shop = Shop()
    shop.settings.read_from(Sources(tmp_path, "test"))
    async with shop:
        handler: Any = shop.http()
        transport = httpx2.ASGITransport(app=shop.asgi())
        async with httpx2.AsyncClient(transport=transport, base_url="http://shop") as client:
            early = asyncio.create_task(client.get("/slow"))
            await handler.begun.wait()
            file.write_text("[default.resilience]\ntimeout_ms = 12\n")
            shop.settings.source().reload()
            new = await client.get("/quick")
            handler.go.set()
            old = await early

    assert (old.json(), new.json()) == ([5, 5], [12, 12])
