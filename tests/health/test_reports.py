"""What the registry says of its checks: gates, aggregation, groups, formats."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from arbiter.errors import NotFound
from arbiter.events import HealthChanged
from arbiter.protocols import MetricSource, Status
from tests.health.kit import FAIL, PASS, WARN, House, Scripted, a_house, settle


@pytest.fixture
def house() -> House:
    return a_house()


@pytest.mark.parametrize(
    ("critical", "other", "health", "readiness"),
    [
        (PASS, PASS, Status.PASS, Status.PASS),
        (PASS, WARN, Status.WARN, Status.WARN),
        (PASS, FAIL, Status.WARN, Status.WARN),
        (WARN, PASS, Status.WARN, Status.WARN),
        (FAIL, PASS, Status.FAIL, Status.FAIL),
        (FAIL, FAIL, Status.FAIL, Status.FAIL),
        (BaseException("odd"), PASS, Status.FAIL, Status.FAIL),
    ],
)
async def test_h07_the_whole_is_as_its_parts(
    house: House, critical: Any, other: Any, health: Status, readiness: Status
) -> None:
    """A critical failure is the whole's; any other failure and any warning only degrade."""
    house.registry.register("critical", Scripted(critical))
    house.registry.register("other", Scripted(other), critical=False)
    house.registry.mark_started()
    await house.registry.refresh()

    assert house.registry.health().status is health
    assert house.registry.readiness().status is readiness


async def test_what_has_not_run_yet_fails_readiness_and_startup_only(house: House) -> None:
    """A critical check without a result is no reason to send work, and none to call the service ill."""
    house.registry.register("database", Scripted())
    house.registry.mark_started()

    assert house.registry.readiness().status is Status.FAIL
    assert house.registry.startup().status is Status.FAIL
    assert house.registry.health().status is Status.PASS


async def test_without_checks_all_is_well(house: House) -> None:
    """An application without checks passes as soon as it has started."""
    assert house.registry.health().status is Status.PASS
    assert house.registry.readiness().notes == ("starting",)

    house.registry.mark_started()

    assert house.registry.readiness().status is Status.PASS


async def test_startup_passes_once_and_for_good(house: House) -> None:
    """Startup fails until the components have started, and never again once it has passed."""
    database = Scripted()
    house.registry.register("database", database)
    before = house.registry.startup().status
    await house.registry.refresh()
    house.registry.mark_started()
    passed = house.registry.startup().status
    database.result = FAIL
    for _ in range(3):
        await house.registry.refresh()
    house.registry.mark_draining()

    assert (before, passed) == (Status.FAIL, Status.PASS)
    assert house.registry.startup().status is Status.PASS
    assert house.registry.readiness().status is Status.FAIL


async def test_gates_close_readiness_and_say_why(house: House) -> None:
    """Draining and maintenance fail readiness with a note, and leave health as it is."""
    house.registry.mark_started()

    house.registry.set_maintenance(True)
    in_maintenance = house.registry.readiness()
    house.registry.set_maintenance(False)
    between = house.registry.readiness()
    house.registry.mark_draining()

    assert (in_maintenance.status, in_maintenance.notes) == (Status.FAIL, ("maintenance",))
    assert between.status is Status.PASS
    assert house.registry.readiness().notes == ("draining",)
    assert house.registry.health().status is Status.PASS


async def test_h06_readiness_falls_only_at_the_threshold(house: House) -> None:
    """Pattern F F P F F F after a pass: readiness falls at the sixth, and rises at the second pass."""
    database = Scripted()
    house.registry.register("database", database)
    house.registry.mark_started()
    await house.registry.refresh()
    seen = ""

    for result in (FAIL, FAIL, PASS, FAIL, FAIL, FAIL, PASS, PASS):
        database.result = result
        await house.registry.refresh()
        seen += house.registry.readiness().status.value[0]

    assert seen == "pppppffp"


async def test_h08_a_transition_is_one_event(house: House) -> None:
    """Each change of a status, after the thresholds, is published once; alternation is not."""
    database = Scripted()
    house.registry.register("database", database)

    for result in (PASS, FAIL, PASS, FAIL, PASS, FAIL, FAIL, FAIL, FAIL, PASS, PASS, PASS):
        database.result = result
        await house.registry.refresh()

    assert house.sink.events == [
        HealthChanged("database", None, Status.PASS, "told"),
        HealthChanged("database", Status.PASS, Status.FAIL, "told"),
        HealthChanged("database", Status.FAIL, Status.PASS, "told"),
    ]


async def test_a_result_grows_stale(house: House) -> None:
    """A result older than three intervals counts as a failure, since the schedule must be stuck."""
    release = asyncio.Event()

    async def once_then_never() -> None:
        await release.wait()

    release.set()
    house.registry.register("database", once_then_never)
    house.registry.mark_started()
    await house.registry.start()
    await settle()
    fresh = house.registry.readiness().status

    house.clock.advance(31)
    stale = house.registry.readiness()
    await house.registry.stop()

    assert fresh is Status.PASS
    assert stale.status is Status.FAIL
    assert stale.checks[0].output == "stale: no result for 31 s"


async def test_groups_are_parts_of_the_whole(house: House) -> None:
    """A group shows its members only, a check's own name is a group, an unknown one is an error."""
    house.registry.register("database", Scripted(), groups=["storage"])
    house.registry.register("webhook", Scripted(FAIL))
    await house.registry.refresh()

    assert house.registry.health("storage").status is Status.PASS
    assert house.registry.health("webhook").status is Status.FAIL
    with pytest.raises(NotFound, match="database, storage, webhook"):
        house.registry.health("storrage")


async def test_the_json_is_health_json(house: House) -> None:
    """A report is `application/health+json`; without details it is the status alone."""
    house.registry.register("database", Scripted(ConnectionError("redis://:pw@cache down")))
    await house.registry.refresh()

    report = house.registry.health()

    assert report.to_json(details=False) == {"status": "fail"}
    shown = report.to_json()
    assert (shown["serviceId"], shown["version"], shown["time"]) == (
        "shop",
        "1.0",
        "2026-01-01T00:00:00.000Z",
    )
    assert shown["checks"] == {
        "database:responseTime": [
            {
                "componentId": "database",
                "status": "fail",
                "critical": True,
                "observedValue": 0.0,
                "observedUnit": "ms",
                "time": "2026-01-01T00:00:00.000Z",
                "since": "2026-01-01T00:00:00.000Z",
                "consecutive_failures": 1,
                "output": "ConnectionError: redis://:******@cache down",
            }
        ]
    }


async def test_health_is_measured(house: House) -> None:
    """Every check's status is a gauge of 0 and 1, its transitions a counter."""
    house.registry.register("database", Scripted(WARN))
    await house.registry.refresh()

    assert isinstance(house.registry, MetricSource)
    measured = {
        (m.name, *(value for _, value in m.attributes)): m.value for m in house.registry.measurements()
    }
    assert measured["arbiter.health.check.status", "database", "warn"] == 1
    assert measured["arbiter.health.check.status", "database", "pass"] == 0
    assert measured["arbiter.health.transitions", "database"] == 1
