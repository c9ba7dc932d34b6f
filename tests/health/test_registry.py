"""The registry: what it runs, and when."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from arbiter.health.registry import CheckExists, HealthRegistry
from arbiter.health.settings import HealthSettings
from arbiter.protocols import Status
from arbiter.testing.clock import FakeClock
from arbiter.testing.live import Fixed
from tests.health.kit import FAIL, WARN, House, Recorded, Scripted, a_house, settle


@pytest.fixture
def house() -> House:
    return a_house()


async def test_checks_run_at_once_and_then_by_the_interval(house: House) -> None:
    """The first run is at the start, the others follow the interval, give or take a tenth, until the stop."""
    database = Scripted()
    house.registry.register("database", database)

    await house.registry.start()
    await settle()
    first = database.runs
    await house.turn(10)
    then = database.runs
    await house.registry.stop()
    await house.turn(10)

    assert first == 1
    assert 10 <= then <= 12
    assert database.runs == then
    assert house.clock.sleepers == 0


async def test_the_interval_is_live(house: House) -> None:
    """A reload of the interval holds from the next run on."""
    database = Scripted()
    house.registry.register("database", database)
    house.settings.current = HealthSettings(interval_s=5)
    await house.registry.start()

    await house.turn(10)
    before = database.runs
    house.settings.current = HealthSettings(interval_s=1)
    await house.turn(16)
    await house.registry.stop()

    assert before <= 3
    assert database.runs - before >= 9


async def test_a_check_registered_while_running_joins(house: House) -> None:
    """A component built later is looked at from then on; adopted again it replaces the earlier one."""
    first, second = Scripted(), Scripted(WARN)
    await house.registry.start()

    house.registry.adopt("late", first)
    await settle()
    house.registry.adopt("late", second)
    await house.turn(3)
    await house.registry.stop()

    assert first.runs == 1
    assert second.runs >= 3
    assert [check.status for check in house.registry.health().checks] == [Status.WARN]


async def test_only_what_can_say_how_it_is_is_adopted(house: House) -> None:
    """Components without an async `check()`, classes and the registry itself are passed over."""

    class Sync:
        def check(self, coin: str) -> bool:
            return bool(coin)

    class Hostile:
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError(name)

    for component in (object(), Scripted, Sync(), Hostile(), house.registry):
        house.registry.adopt("any", component)

    assert house.registry.health().checks == ()


async def test_a_name_registered_by_hand_wins(house: House) -> None:
    """An explicit registration is not replaced by adoption, and not doubled by another."""
    house.registry.register("database", Scripted(WARN), critical=False)
    house.registry.adopt("database", Scripted(FAIL))
    await house.registry.refresh()

    assert house.registry.health().status is Status.WARN
    with pytest.raises(CheckExists, match="database"):
        house.registry.register("database", Scripted())


async def test_h05_hanging_checks_do_not_touch_the_others(house: House) -> None:
    """An async and a sync check that hang read "timeout"; the others go on, at their own pace."""
    healthy, release = Scripted(), threading.Event()

    async def hang() -> None:
        await asyncio.Event().wait()

    def hang_in_thread() -> None:
        release.wait(10)

    house.registry.register("hanging", hang)
    house.registry.register("hanging_sync", hang_in_thread)
    house.registry.register("healthy", healthy)
    await house.registry.start()
    await house.turn(10)
    reports = {check.name: check for check in house.registry.health().checks}
    release.set()
    await house.registry.stop()

    assert reports["hanging"].status is reports["hanging_sync"].status is Status.FAIL
    assert reports["hanging"].output.startswith("timeout")
    assert reports["hanging_sync"].output.startswith("timeout")
    assert reports["healthy"].status is Status.PASS
    assert healthy.runs >= 10


async def test_h04_checks_run_concurrently_ten_at_a_time(house: House) -> None:
    """Twenty checks of one second take two: ten at a time."""
    running = most = 0

    async def slow() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await house.clock.sleep(1)
        running -= 1

    for number in range(20):
        house.registry.register(f"slow {number}", slow)
    refresh = asyncio.create_task(house.registry.refresh())
    await settle()
    house.clock.advance(1)
    await settle()
    house.clock.advance(1)
    await asyncio.wait_for(refresh, 1)

    assert most == 10
    assert house.clock.monotonic() == 2


async def test_h10_a_run_that_is_going_is_joined(house: House) -> None:
    """Asking for a refresh while a check runs waits for that run and starts no second one."""
    database = Scripted()
    house.registry.register("database", database)

    await asyncio.gather(*(house.registry.refresh() for _ in range(20)))

    assert database.runs == 1


async def test_reports_are_read_from_any_thread(house: House) -> None:
    """Reading runs nothing and needs no loop, so that another thread may do it while checks come and go."""
    faults: list[BaseException] = []
    done = threading.Event()

    def read() -> None:
        try:
            while not done.is_set():
                house.registry.readiness().to_json()
                list(house.registry.measurements())
        except BaseException as error:  # noqa: BLE001  shown by the assertion
            faults.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    for number in range(30):
        house.registry.register(f"check {number}", Scripted())
        await house.registry.refresh()
    done.set()
    thread.join()

    assert faults == []


async def test_it_can_be_started_again(house: House) -> None:
    """After a stop the schedule starts anew; stopping twice is harmless."""
    database = Scripted()
    house.registry.register("database", database)

    for _ in range(2):
        await house.registry.start()
        await settle()
        await house.registry.stop()
        await house.registry.stop()

    assert database.runs == 2


def test_it_serves_one_loop_after_another() -> None:
    """A registry made outside of a loop may be driven by one loop and later by another."""
    registry = HealthRegistry(Fixed(HealthSettings()), FakeClock(), Recorded())
    for number in range(20):
        registry.register(f"check {number}", Scripted())

    async def live(use: Callable[[], Any]) -> None:
        await registry.start()
        await use()
        await registry.stop()

    asyncio.run(live(registry.refresh))
    asyncio.run(live(registry.refresh))

    assert registry.health().status is Status.PASS
