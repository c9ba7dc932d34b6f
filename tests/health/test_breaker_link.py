"""A circuit breaker that opens, as health, metrics, the log and alerts show it."""

from __future__ import annotations

import pytest

from arbiter.protocols import Status
from arbiter.testing.faults import Faults
from arbiter.testing.fixtures import Applications
from arbiter.testing.recording import Recording
from tests.testing.shop import Shop


async def test_h14_an_open_breaker_shows_everywhere_and_a_reset_ends_it(
    application: Applications, recorded: Recording
) -> None:
    """When `stock.reserve` opens, the check stock warns, metric, span and one line tell; after a reset all is well."""
    stock = Faults()
    settings = {"resilience.failure_threshold": 1}
    async with application(Shop, overrides={"stock": stock}, settings=settings) as shop:
        health = shop.health()
        health.mark_started()
        await health.refresh()
        stock.fail(ConnectionError("down"))
        with pytest.raises(ConnectionError):
            await shop.stock().reserve("tea")

        (check,) = health.health("stock").checks
        is_open = recorded.metric("arbiter.circuit_breaker.state", operation="stock.reserve", state="open")
        (span,) = recorded.spans_of("stock.reserve")
        said = [(line["breaker"], line["new"]) for line in recorded.logs_of("breaker.changed")]
        firing = [(alert.name, alert.subject) for alert in shop.alerts().firing]
        assert (check.status, check.output) == (Status.WARN, "the circuit breaker stock.reserve is open")
        assert health.readiness().status is Status.WARN
        assert span.events == ("circuit_breaker.changed", "exception")
        assert (is_open, said, firing) == (
            1,
            [("stock.reserve", "open")],
            [("CircuitBreaker", "stock.reserve")],
        )

        shop.breakers().reset("stock.reserve")

        assert health.health("stock").status is Status.PASS
        assert recorded.metric("arbiter.circuit_breaker.state", operation="stock.reserve", state="open") == 0
        assert shop.alerts().firing == ()


async def test_breaker_66_an_open_breaker_fails_readiness_where_asked(application: Applications) -> None:
    """With `health.breakers_fail_readiness` an open breaker of a critical component fails readiness, by default it does not."""
    stock = Faults()
    settings = {"resilience.failure_threshold": 1, "health.breakers_fail_readiness": True}
    async with application(Shop, overrides={"stock": stock}, settings=settings) as shop:
        health = shop.health()
        health.mark_started()
        await health.refresh()
        stock.fail(ConnectionError("down"))
        with pytest.raises(ConnectionError):
            await shop.stock().reserve("tea")

        assert health.readiness().status is Status.FAIL
