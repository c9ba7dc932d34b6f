"""`@health_check`, and what a component brings with it."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from arbiter import health_check
from arbiter.health.faults import CheckExists, GroupMemberUnknown
from arbiter.health.settings import HealthSettings
from arbiter.operation import operation_of
from arbiter.protocols import CheckResult, Status
from tests.health.kit import FAIL, House, Scripted, a_house, settle


@pytest.fixture
def house() -> House:
    return a_house()


class Warehouse:
    """Two checks by mark and one by protocol."""

    async def check(self) -> CheckResult:
        return CheckResult(Status.PASS)

    @health_check(critical=False, groups=("storage",))
    def shelves(self) -> str:
        assert threading.current_thread().name == "arbiter.health"
        return "down"

    @health_check(name="doors", groups=("storage",))
    async def are_open(self) -> bool:
        return True


async def test_a_component_brings_its_marked_methods(house: House) -> None:
    """Every marked method is a check, sync ones on a thread of the checks' own; names, groups and weight are the mark's."""
    house.registry.adopt("warehouse", Warehouse())
    await house.registry.refresh()

    seen = {check.name: (check.status, check.critical) for check in house.registry.health().checks}
    group = {check.name for check in house.registry.health("storage").checks}
    assert seen == {
        "warehouse": (Status.PASS, True),
        "warehouse.shelves": (Status.FAIL, False),
        "doors": (Status.PASS, True),
    }
    assert group == {"warehouse.shelves", "doors"}
    assert house.registry.health().status is Status.WARN


async def test_a_marked_function_is_a_check_by_itself(house: House) -> None:
    """A marked function that stands in a container is a check under its provider's name."""

    @health_check
    async def vault() -> None:
        raise OSError("locked")

    house.registry.adopt("vault", vault)
    await house.registry.refresh()

    (check,) = house.registry.health().checks
    assert (check.name, check.status, check.output) == ("vault", Status.FAIL, "OSError: locked")


def test_a_marked_method_is_no_guarded_operation() -> None:
    """A check looks past the breaker, or an open circuit could never be told from a broken neighbour."""
    assert not operation_of(Warehouse.are_open).guarded


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("pass", Status.PASS), ("OK", Status.PASS), ("up", Status.PASS), ("degraded", Status.WARN),
        ("down", Status.FAIL), ("error", Status.FAIL), (True, Status.PASS), (False, Status.FAIL),
        (None, Status.PASS), (Status.WARN, Status.WARN), ("nonsense", Status.FAIL), (CheckResult("up"), Status.PASS),  # type: ignore[arg-type]
        (CheckResult(Status.PASS, 7), Status.PASS),  # type: ignore[arg-type]
    ],
)  # fmt: skip
async def test_whatever_a_check_says_becomes_a_status(house: House, said: Any, status: Status) -> None:
    """The words of the health draft and those of the seed, truth values and nothing are understood; nonsense is a failure."""
    house.registry.register("odd", lambda: said)

    await house.registry.refresh()

    assert house.registry.health().checks[0].status is status


async def test_a_check_has_an_interval_and_a_time_out_of_its_own(house: House) -> None:
    """An expensive check runs as seldom as it says, and is not stale for that."""
    rare, often = Scripted(), Scripted()
    house.registry.register("rare", rare, interval_s=30)
    house.registry.register("often", often)

    await house.registry.start()
    await house.turn(20)
    status = house.registry.readiness().checks[0].status
    await house.registry.stop()

    assert (rare.runs, status) == (1, Status.PASS)
    assert often.runs >= 18


async def test_h13_two_components_with_one_name_end_the_start(house: House) -> None:
    """Two checks of one name end the start, and the message names both places."""

    class Annex:
        @health_check(name="doors")
        async def gates(self) -> None: ...

    house.registry.adopt("warehouse", Warehouse())
    house.registry.adopt("annex", Annex())

    with pytest.raises(CheckExists) as raised:
        await house.registry.start()
    assert "Warehouse.are_open of the provider 'warehouse'" in str(raised.value)
    assert "Annex.gates of the provider 'annex'" in str(raised.value)


def test_h13_two_registrations_of_one_name_are_told_by_file_and_line(house: House) -> None:
    """A name registered twice by hand is refused at once, and the message says where both calls stand."""
    house.registry.register("vault", Scripted())

    with pytest.raises(CheckExists) as raised:
        house.registry.register("vault", Scripted())

    assert str(raised.value).count("test_health_check.py, line ") == 2


async def test_h13_a_group_that_names_nobody_ends_the_start() -> None:
    """A group of the settings may name only checks that are there; the message has the key and the nearest name."""
    house = a_house(HealthSettings(groups={"storage": ("wearhouse",)}))
    house.registry.adopt("warehouse", Warehouse())

    with pytest.raises(GroupMemberUnknown) as raised:
        await house.registry.start()

    assert "health.groups.storage" in str(raised.value)
    assert "did you mean warehouse" in str(raised.value)


async def test_a_group_of_the_settings_shows_its_members(house: House) -> None:
    """Groups come from the settings as well as from the checks; one check of a group can be asked for alone."""
    house.settings.current = HealthSettings(groups={"storage": ("vault",), "empty": ()})
    house.registry.adopt("warehouse", Warehouse())
    house.registry.register("vault", Scripted(FAIL))
    await house.registry.refresh()

    assert {check.name for check in house.registry.health("storage").checks} == {
        "warehouse.shelves",
        "doors",
        "vault",
    }
    assert house.registry.health("storage").status is Status.FAIL
    assert house.registry.health("storage", "doors").status is Status.PASS
    assert house.registry.health("empty").status is Status.PASS
    with pytest.raises(LookupError, match="storage/warehouse"):
        house.registry.health("storage", "warehouse")


async def test_a_reload_that_names_an_unknown_check_is_vetoed(house: House) -> None:
    """Groups are live, and a reload is held to the same rule as the start."""

    class Change:
        class new:  # noqa: N801  shaped as the settings are
            health = HealthSettings(groups={"storage": ("nobody",)})

    with pytest.raises(GroupMemberUnknown):
        house.registry.prepare_settings(Change())


async def test_an_excluded_check_is_not_looked_at(house: House) -> None:
    """What a probe excludes neither fails it nor shows."""
    house.registry.register("vault", Scripted(FAIL))
    house.registry.register("doors", Scripted())
    house.registry.mark_started()
    await house.registry.refresh()

    report = house.registry.readiness(exclude=["vault", "nobody"])

    assert (report.status, [check.name for check in report.checks]) == (Status.PASS, ["doors"])
    assert house.registry.readiness().status is Status.FAIL


async def test_h14_an_open_circuit_degrades_its_component_at_once(house: House) -> None:
    """While a breaker `X.method` is not closed the check X warns, and is ready by default."""
    house.registry.register("stock", Scripted())
    house.registry.register("stocks", Scripted())
    house.registry.mark_started()
    await house.registry.refresh()

    house.circuits["stock.reserve"] = "open"
    stock, other = house.registry.readiness().checks

    assert (stock.status, stock.output) == (Status.WARN, "the circuit breaker stock.reserve is open")
    assert other.status is Status.PASS
    assert house.registry.readiness().status is Status.WARN
    house.circuits.clear()
    assert house.registry.readiness().status is Status.PASS


@pytest.mark.parametrize(
    ("critical", "state", "readiness"),
    [(True, "open", Status.FAIL), (True, "half-open", Status.WARN), (False, "open", Status.WARN)],
)
async def test_an_open_circuit_fails_readiness_where_asked(
    house: House, critical: bool, state: str, readiness: Status
) -> None:
    """With `health.breakers_fail_readiness` an open circuit of a critical component fails readiness (breaker 66)."""
    house.settings.current = HealthSettings(breakers_fail_readiness=True)
    house.registry.register("stock", Scripted(), critical=critical)
    house.registry.mark_started()
    await house.registry.refresh()

    house.circuits["stock.reserve"] = state

    assert house.registry.readiness().status is readiness


async def test_h10_on_demand_nothing_is_asked_twice_a_second(house: House) -> None:
    """A refresh on demand runs what is older than a second, all who ask at once share it, and probes run nothing."""
    vault = Scripted()
    house.settings.current = HealthSettings(interval_s=3600)
    house.registry.register("vault", vault)
    await house.registry.start()
    await settle()

    for _ in range(100):
        await house.registry.refresh_on_demand()
        house.registry.readiness()
    within = vault.runs
    house.clock.advance(1)
    for _ in range(100):
        await house.registry.refresh_on_demand()
    await house.registry.stop()

    assert (within, vault.runs) == (1, 2)


async def test_sync_checks_that_hang_leave_threads_to_the_others(house: House) -> None:
    """There are 32 threads at most: hanging checks keep theirs, and what gets none says so."""
    release, before = threading.Event(), set(threading.enumerate())
    for number in range(40):
        house.registry.register(f"hanging {number}", lambda: release.wait(20), timeout_s=0.2)

    running = asyncio.ensure_future(house.registry.refresh())
    while not running.done():
        house.clock.advance(0.1)
        await settle()
    outputs = [check.output for check in house.registry.health().checks]
    threads = set(threading.enumerate()) - before  # one of an earlier test may end meanwhile
    release.set()

    assert len(threads) == 32
    assert outputs.count("timeout after 0.2 s") == 32
    assert outputs.count("TimeoutError: all 32 threads for sync checks hang") == 8
