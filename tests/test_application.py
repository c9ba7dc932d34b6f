"""The orchestrator's container, as its composition root makes it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from dependency_injector import providers

from arbiter import Infrastructure
from arbiter.errors import LifecycleStateError
from arbiter.events import Alarm
from arbiter.orchestrator.agents.models import AgentDraft, AgentQuery, StoredAgent
from arbiter.orchestrator.performance.models import EventType, PerformanceEvent
from arbiter.orchestrator.routing.models import Outcome, Task
from arbiter.settings.sources import Sources
from arbiter.testing.clock import FakeClock
from arbiter.testing.fixtures import Applications
from arbiter.testing.recording import Recording
from containers.application import Application


@pytest.fixture
def container(tmp_path: Path) -> Application:
    """A fresh application whose database is in the test's own folder."""
    made = Application()
    made.settings.read_from(
        Sources(
            directory=tmp_path,
            environment="test",
            overrides={
                "storage.url": f"sqlite:///{tmp_path / 'arbiter.db'}",
                "routing.exploration_rate": "0",
            },
        )
    )
    return made


ADA = AgentDraft.model_validate(
    {
        "id": "ada",
        "name": "Ada",
        "model_family": "claude-3.5",
        "capabilities": {"task_types": ["code-review"]},
    }
)


class ShelfStore:
    """A registry's store that holds one agent and no database."""

    def follow(self, heard: object, lost: object) -> Callable[[], None]:
        """Never tells anything."""
        return lambda: None

    async def load(self) -> list[StoredAgent]:
        """The one agent."""
        now = datetime(2026, 1, 1, tzinfo=UTC)
        return [StoredAgent(**dict(ADA), registered_at=now, last_active_at=now)]


def test_every_provider_fits(container: Application) -> None:
    """The composition root has no problem that validation finds."""
    assert container.validate() == []


def test_the_container_is_an_infrastructure(container: Application) -> None:
    """An instance counts as one of its declared classes."""
    assert isinstance(container, Infrastructure)
    assert isinstance(container, Application)


async def test_a_task_goes_through_all_components(container: Application) -> None:
    """Registering, routing and reporting move the agent's averages and leave two events."""
    async with container:
        await container.registry().register(ADA)
        decision = await container.router().route(Task(task_type="code-review"))
        await container.router().report_outcome(
            decision.task_id, Outcome(success=True, quality_score=1.0, latency_ms=100)
        )
        agent = await container.registry().get("ada")
        await container.tracker().flush()
        summary = await container.tracker().summary()

    assert decision.selected_agent == "ada"
    assert agent.performance_history.task_count == 1
    assert agent.performance_history.success_rate == pytest.approx((0.8 * 5 + 1) / 6)
    assert agent.current_load.active_tasks == 0
    assert summary.by_type == {"routing_decision": 1, "task_execution_complete": 1}


async def test_the_registrys_store_is_swapped_by_overriding_a_provider(container: Application) -> None:
    """A fake store takes the place of the real one, behind the same registry and guard."""
    container.agent_store.override(providers.Object(ShelfStore()))
    async with container:
        found = await container.registry().query(AgentQuery(task_type="code-review"))

    assert [match.agent.id for match in found.agents] == ["ada"]


async def test_shutdown_resources_is_the_teardown(container: Application) -> None:
    """The library's own two calls start and stop everything in order."""
    await container.init_resources()
    await container.registry().register(ADA)
    await container.shutdown_resources()
    await container.start()
    found = await container.registry().query(AgentQuery(task_type="code-review"))
    await container.stop()

    assert [match.agent.id for match in found.agents] == ["ada"]


async def test_a_stopped_container_refuses_to_be_used(container: Application) -> None:
    """Nothing is silently opened again after a stop."""
    await container.start()
    await container.stop()

    with pytest.raises(LifecycleStateError):
        container.registry()


async def test_the_database_closes_after_everything_that_uses_it(container: Application) -> None:
    """Stopping goes in reverse order of dependency: the database is the last of the components."""
    order: list[str] = []

    class Watch:
        def publish(self, event: object) -> None:
            if getattr(event, "action", "") == "stop":
                order.append(event.name)  # type: ignore[attr-defined]

    async with container:
        container.events().add(Watch())

    assert order.index("database") > max(order.index(name) for name in ("registry", "router", "tracker"))
    assert order.index("health") < order.index("database")


async def test_breakers_can_be_switched_off(container: Application) -> None:
    """`circuit_breaker_enabled = false` takes the breakers out and leaves the calls."""
    container.settings.override({"resilience.circuit_breaker_enabled": False})

    async with container:
        await container.registry().register(ADA)

        assert not any(status.enabled for status in container.breakers().list())


async def test_concurrent_routes_share_one_store(container: Application) -> None:
    """Fifty routes at once each get a decision of their own, and every reservation is counted."""
    async with container:
        await container.registry().register(ADA)
        decisions = await asyncio.gather(
            *(container.router().route(Task(task_type="code-review")) for _ in range(50))
        )
        agent = await container.registry().get("ada")

    assert len({decision.task_id for decision in decisions}) == 50
    assert agent.current_load.active_tasks == 50


async def test_an_agents_anomaly_reaches_the_alerts(
    application: Applications, fake_clock: FakeClock, recorded: Recording, tmp_path: Path
) -> None:
    """What the tracker finds out of the ordinary is an alarm of the application, and fires an alert, until it is over."""
    settings = {"storage.url": f"sqlite:///{tmp_path / 'arbiter.db'}"}
    async with application(Application, settings=settings, clock=fake_clock) as running:
        for percent in (97, 50):
            await running.tracker().record(
                PerformanceEvent(
                    type=EventType.SYSTEM_LOAD_SPIKE,
                    timestamp=fake_clock.now(),
                    agent_id="ada",
                    metadata={"cpu_percent": percent},
                )
            )
            before = len(recorded.events_of(Alarm))
            async with asyncio.timeout(10):
                while len(recorded.events_of(Alarm)) == before:
                    fake_clock.advance(5)
                    await asyncio.sleep(0.01)

    told = [(one.name, one.subject, one.on, one.critical) for one in recorded.events_of(Alarm)]
    assert told == [
        ("AgentAnomaly", "ada/resource_saturation", True, True),
        ("AgentAnomaly", "ada/resource_saturation", False, True),
    ]
