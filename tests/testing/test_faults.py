"""Faults: a component that fails, hangs or is slow on demand, inside its guard."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from arbiter.container.stand_ins import OverridesRefused
from arbiter.errors import DeadlineExceeded
from arbiter.resilience.states import CircuitOpen
from arbiter.testing.application import compose
from arbiter.testing.clock import FakeClock
from arbiter.testing.faults import Call, Faults, UnknownMethod
from arbiter.testing.fixtures import Applications
from tests.testing.shop import Database, Shop, Stock


async def test_a_component_fails_on_demand_and_is_mended(application: Applications) -> None:
    """The real component works before and after."""
    stock = Faults()

    async with application(Shop, overrides={"stock": stock}) as shop:
        before = await shop.orders().place("tea")
        stock.fail(ConnectionError("down"))
        with pytest.raises(ConnectionError):
            await shop.orders().place("tea")
        stock.mend()
        after = await shop.orders().place("tea")

    assert (before, after) == (2, 2)
    assert stock.calls.count(Call("reserve", ("tea", 1))) == 3


async def test_a_fault_is_seen_by_the_guard(application: Applications) -> None:
    """Injected failures open the breaker as real ones do."""
    stock = Faults()
    stock.fail(ConnectionError, times=1)

    async with application(
        Shop, overrides={"stock": stock}, settings={"resilience.failure_threshold": 1}
    ) as shop:
        with pytest.raises(ConnectionError):
            await shop.stock().reserve("tea")
        with pytest.raises(CircuitOpen):
            await shop.stock().reserve("tea")


async def test_a_hanging_component_meets_its_deadline(
    application: Applications, fake_clock: FakeClock
) -> None:
    """With a fake clock, the deadline of an operation passes when the test says so."""
    stock = Faults()
    stock.hang(on="reserve")

    async with application(
        Shop, overrides={"stock": stock}, clock=fake_clock, settings={"resilience.timeout_ms": 50}
    ) as shop:
        asked = asyncio.ensure_future(shop.stock().reserve("tea"))
        await stock.reached()
        fake_clock.advance(0.05)
        with pytest.raises(DeadlineExceeded):
            await asked


async def test_what_hangs_goes_on_when_mended(application: Applications) -> None:
    """`mend()` lets a hanging call do its work."""
    stock = Faults()

    async with application(Shop, overrides={"stock": stock}) as shop:
        stock.hang()
        asked = asyncio.ensure_future(shop.stock().reserve("tea"))
        await stock.reached()
        stock.mend()

        assert await asked == 2


async def test_a_slow_component_takes_the_clocks_time(
    application: Applications, fake_clock: FakeClock
) -> None:
    """Slowness passes on the application's clock, so a test need not wait."""
    stock = Faults()

    async with application(Shop, overrides={"stock": stock}, clock=fake_clock) as shop:
        stock.slow(2, on="reserve")
        asked = asyncio.ensure_future(shop.stock().reserve("tea"))
        await stock.reached()
        assert not asked.done()
        fake_clock.advance(2)

        assert await asked == 2


async def test_the_start_can_be_made_to_fail(application: Applications) -> None:
    """A hook that is named breaks, and the start is rolled back."""
    stock = Faults()
    stock.fail(OSError("no disk"), on="start")

    with pytest.raises(ExceptionGroup, match="stock"):
        async with application(Shop, overrides={"stock": stock}):
            pass


async def test_a_resource_is_broken_where_it_is_a_generator(application: Applications) -> None:
    """What a resource yields stands behind the faults, and is closed as ever."""
    database = Faults()

    async with application(Shop, overrides={"database": database}) as shop:
        opened = shop.database()
        database.fail(TimeoutError, on="count")
        with pytest.raises(TimeoutError):
            await shop.orders().place("tea")

        assert isinstance(opened, Database)
    assert not opened.is_open


def test_a_plain_method_hangs_until_another_thread_mends_it(application: Applications) -> None:
    """A synchronous call blocks its own thread only."""
    database = Faults()

    with application(Shop, overrides={"database": database}) as shop, ThreadPoolExecutor() as threads:
        database.hang(on="count")
        asked = threads.submit(shop.database().count, "tea")
        application.run(database.reached("count"))
        database.mend()

        assert asked.result() == 3


def test_an_unknown_method_is_refused_with_its_neighbours() -> None:
    """A fault for a method that does not exist would test nothing."""
    stock = Faults()
    shop = compose(Shop, overrides={"stock": stock})
    shop.stock()

    with pytest.raises(UnknownMethod, match="Did you mean reserve"):
        stock.fail(OSError, on="reserv")


def test_the_stand_in_looks_like_the_component() -> None:
    """Attributes and types are the component's."""
    stock = Faults()
    shop = compose(Shop, overrides={"stock": stock})

    assert isinstance(shop.stock(), Stock)
    assert shop.stock().names() == ["tea"]
    assert shop.stock().running is False


def test_what_cannot_be_wrapped_is_refused() -> None:
    """Faults stand before components only."""
    with pytest.raises(OverridesRefused, match="cannot be wrapped"):
        compose(Shop, overrides={"tracer": Faults()})
