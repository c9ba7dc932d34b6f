"""The shop: its parts together, with one of them broken, in two environments, and over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx2
import pytest
from arbiter.protocols import Status
from arbiter.testing.application import compose
from arbiter.testing.clock import FakeClock
from arbiter.testing.faults import Faults
from arbiter.testing.fixtures import Applications, Services
from arbiter.testing.recording import Recording

from containers import create_app
from containers.shop import Shop
from shop.orders import Order, OrderPlaced
from shop.stock import SoldOut


class BrokenStock:
    """A stock that cannot be reached."""

    async def all(self) -> dict[str, int]:
        raise ConnectionError("the warehouse does not answer")

    async def take(self, item: str, count: int) -> int:
        raise ConnectionError(f"nobody can take {count} of {item}")


async def test_an_order_takes_from_the_stock(application: Applications, recorded: Recording) -> None:
    """What was sold is gone, and whoever listens has heard of it."""
    async with application(Shop) as shop:
        order = await shop.orders().place("tea", 3)
        left = await shop.stock().all()

    assert order == Order(1, "tea", 3, left=7)
    assert left == {"cups": 4, "tea": 7}
    assert recorded.events_of(OrderPlaced) == [OrderPlaced(order)]


async def test_an_order_is_refused_when_stock_is_down(application: Applications) -> None:
    """A broken stock opens its breaker, and the orders fail fast."""
    settings = {"resilience.failure_threshold": 1}

    async with application(Shop, overrides={"stock": BrokenStock()}, settings=settings) as shop:
        with pytest.raises(ConnectionError):
            await shop.orders().place("tea", 1)
        states = {breaker.name: breaker.state for breaker in shop.breakers().list()}

    assert states["stock.take"] == "open"


async def test_selling_out_opens_no_breaker(application: Applications) -> None:
    """An application's own "no" is an answer, not a failure."""
    async with application(Shop, settings={"resilience.failure_threshold": 1}) as shop:
        for _ in range(3):
            with pytest.raises(SoldOut):
                await shop.orders().place("cups", 99)


async def test_low_stock_is_a_warning(application: Applications) -> None:
    """The shop's own health check degrades the whole without taking it out of service."""
    async with application(Shop) as shop:
        await shop.orders().place("cups", 3)
        await shop.health().refresh()
        report = shop.health().health("stock")

    assert report.status is Status.WARN
    assert report.checks[0].output == "order more: cups"


async def test_orders_are_dated_by_the_clock(application: Applications, fake_clock: FakeClock) -> None:
    """The clock is injected, so a test says what time it is."""
    fake_clock.advance(3600)

    async with application(Shop, clock=fake_clock) as shop:
        await shop.orders().place("tea", 1)
        rows = list(shop.database().execute("SELECT at FROM orders"))

    assert rows == [(datetime(2026, 1, 1, 1, tzinfo=UTC).isoformat(),)]


async def test_a_slow_stock_is_seen_in_the_trace(application: Applications, recorded: Recording) -> None:
    """A fault on demand leaves the real component in place."""
    stock = Faults()
    stock.slow(0.05, on="take")

    async with application(Shop, overrides={"stock": stock}) as shop:
        await shop.orders().place("tea", 1)

    (span,) = recorded.spans_of("stock.take")
    assert span.duration_s >= 0.05


@pytest.mark.parametrize(("environment", "low_at"), [("development", 2), ("production", 20)])
def test_environments_differ_by_their_settings(environment: str, low_at: int) -> None:
    """The same composition, another table of settings.toml."""
    shop = compose(Shop, environment=environment, settings={"management.token": "not a placeholder"})

    assert shop.settings().stock.low_at == low_at
    assert shop.validate() == []


def test_it_is_served(running: Services) -> None:
    """Orders come by HTTP; what cannot be is refused with a problem document."""
    with running(create_app()) as service, httpx2.Client(base_url=service.url) as client:
        placed = client.post("/orders", json={"item": "tea", "count": 2})
        refused = client.post("/orders", json={"item": "coffee"})

    assert (placed.status_code, placed.json()["left"]) == (201, 8)
    assert (refused.status_code, refused.json()["type"]) == (404, "urn:arbiter:problem:not-found")
