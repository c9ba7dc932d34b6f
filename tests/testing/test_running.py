"""Served applications, synchronous tests, and the clock of a test."""

from __future__ import annotations

import asyncio

import httpx2
import pytest

from arbiter.testing.application import application as plain_application
from arbiter.testing.clock import FakeClock
from arbiter.testing.faults import Faults
from arbiter.testing.fixtures import Applications, Services
from arbiter.testing.recording import Recording
from tests.testing.shop import Shop, Stock, create_app


async def test_an_application_is_served_on_a_free_port(running: Services, recorded: Recording) -> None:
    """Real HTTP goes through the layers of the main port: probes, limits, telemetry."""
    async with running(create_app()) as service, httpx2.AsyncClient(base_url=service.url) as client:
        ready = await client.get("/readyz")
        sold = await client.post("/orders/tea")

    assert ready.status_code == 200
    assert sold.json() == {"left": 2}
    request = next(span for span in recorded.spans if span.name.startswith("POST"))
    assert recorded.spans_of("orders.place")[0].parent_id == request.span_id


async def test_two_are_served_side_by_side(running: Services) -> None:
    """Ports are free ones, and containers fresh ones."""
    stock = Faults()
    stock.fail(ConnectionError)

    async with (
        running(Shop) as one,
        running(Shop, overrides={"stock": stock}) as other,
        httpx2.AsyncClient() as client,
    ):
        good = await client.post(f"{one.url}/orders/tea")
        bad = await client.post(f"{other.url}/orders/tea")

    assert (good.status_code, bad.status_code) == (200, 500)


def test_a_synchronous_test_serves_too(running: Services) -> None:
    """The application runs on a loop of its own, beside the test."""
    with running(Shop) as service:
        answer = httpx2.post(f"{service.url}/orders/tea")
        stock: Stock = service.container.stock()

        assert stock.names() == ["tea"]
        assert running.run(stock.reserve("tea")) == 2

    assert answer.json() == {"left": 2}


def test_a_synchronous_test_drives_a_container(application: Applications) -> None:
    """Coroutines are run where the application runs."""
    with application(Shop, settings={"resilience.failure_threshold": 1}) as shop:
        left = application.run(shop.orders().place("tea"))

        assert shop.stock().running
        assert left == 2
    with pytest.raises(RuntimeError, match="inside `with`"):
        application.run(asyncio.sleep(0))


def test_a_synchronous_test_moves_the_clock(application: Applications, fake_clock: FakeClock) -> None:
    """The fake clock wakes sleepers of another thread."""
    faults = Faults()

    async def wait(stock: Stock) -> asyncio.Task[str]:
        task = asyncio.create_task(stock.wait(60))
        await faults.reached("wait")  # and, without a fault in its way, asleep
        return task

    async def result(task: asyncio.Task[str]) -> str:
        return await task

    settings = {"resilience.timeout_ms": 100_000}
    with application(Shop, overrides={"stock": faults}, clock=fake_clock, settings=settings) as shop:
        task = application.run(wait(shop.stock()))
        fake_clock.advance(60)

        assert application.run(result(task)) == "waited"


async def test_the_clock_reaches_everything_that_takes_it(
    application: Applications, fake_clock: FakeClock
) -> None:
    """Health's schedule, guards and components stand still with the clock."""
    stock = Faults()

    async with application(Shop, overrides={"stock": stock}, clock=fake_clock) as shop:
        waiting = asyncio.ensure_future(shop.stock().wait(2))
        await stock.reached("wait")
        fake_clock.advance(2)

        assert await waiting == "waited"
        assert shop.clock().monotonic() == 2


async def test_the_kit_works_without_pytest() -> None:
    """The same function serves unittest, scripts and other runners."""
    recording = Recording()

    async with plain_application(Shop, recording=recording) as shop:
        await shop.orders().place("tea")

    assert recording.spans_of("orders.place")
