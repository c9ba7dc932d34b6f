"""What an application says is kept as data: spans, metrics, logs and events."""

from __future__ import annotations

import logging

import pytest

from arbiter.events import BreakerChanged, StepFinished
from arbiter.testing.faults import Faults
from arbiter.testing.fixtures import Applications
from arbiter.testing.recording import Recording
from tests.testing.shop import Shop, Sold


async def test_spans_of_one_request_belong_together(application: Applications, recorded: Recording) -> None:
    """A guarded call inside a guarded call is its child."""
    async with application(Shop) as shop:
        await shop.orders().place("tea")

    (inner,) = recorded.spans_of("stock.reserve")
    (outer,) = recorded.spans_of("orders.place")
    assert inner.trace_id == outer.trace_id
    assert inner.parent_id == outer.span_id


async def test_a_failed_span_says_so(application: Applications, recorded: Recording) -> None:
    """Status and exception are on the span."""
    stock = Faults()
    stock.fail(ConnectionError("down"))

    async with application(Shop, overrides={"stock": stock}) as shop:
        with pytest.raises(ConnectionError):
            await shop.orders().place("tea")

    (span,) = recorded.spans_of("stock.reserve")
    assert span.status == "error"
    assert "exception" in span.events


async def test_metrics_of_components_and_of_meters_are_read(
    application: Applications, recorded: Recording
) -> None:
    """One question answers for both kinds of counters, also after the stop."""
    async with application(Shop) as shop:
        await shop.orders().place("tea")
        await shop.orders().place("jam")
        during = recorded.metric("shop.sold")

    assert during == 2
    assert recorded.metric("shop.sold", item="tea") == 1
    assert recorded.metric("arbiter.operation.calls", operation="stock.reserve", outcome="success") == 2
    assert recorded.metric("no.such.metric") == 0


async def test_logs_carry_their_fields_and_the_trace(application: Applications, recorded: Recording) -> None:
    """A line is kept with what was logged, in the trace of its operation."""
    async with application(Shop, settings={"observability.log_level": "info"}) as shop:
        await shop.orders().place("tea")

    (line,) = recorded.logs_of("shop.sold")
    assert line["item"] == "tea"
    assert line["environment"] == "test"
    assert line["trace_id"] == recorded.spans_of("orders.place")[0].trace_id


async def test_stdlib_logs_are_kept_and_pytests_own_too(
    application: Applications, recorded: Recording, caplog: pytest.LogCaptureFixture
) -> None:
    """Taking over logging takes nothing away from caplog."""
    async with application(Shop):
        logging.getLogger("elsewhere").warning("look")

    assert [line["logger"] for line in recorded.logs_of("look")] == ["elsewhere"]
    assert "look" in caplog.text


async def test_logging_is_given_back(application: Applications) -> None:
    """After the application, logging is as it was before."""
    before = logging.getLogger().handlers[:]

    async with application(Shop):
        pass

    assert logging.getLogger().handlers == before


async def test_events_of_framework_and_application_are_kept(
    application: Applications, recorded: Recording
) -> None:
    """Every event on the bus is kept, from the start on."""
    stock = Faults()
    stock.fail(ConnectionError, times=1)
    settings = {"resilience.failure_threshold": 1}

    async with application(Shop, overrides={"stock": stock}, settings=settings) as shop:
        with pytest.raises(ConnectionError):
            await shop.orders().place("tea")
        shop.events().publish(Sold("jam"))

    assert [(event.name, event.new) for event in recorded.events_of(BreakerChanged)][:1] == [
        ("stock.reserve", "open")
    ]
    assert recorded.events_of(Sold) == [Sold("jam")]
    assert {step.action for step in recorded.events_of(StepFinished) if step.name == "stock"} == {
        "start",
        "stop",
    }


async def test_the_log_level_is_a_setting(application: Applications, recorded: Recording) -> None:
    """What would not be written is not kept."""
    async with application(Shop, settings={"observability.log_level": "error"}) as shop:
        await shop.orders().place("tea")

    assert recorded.logs_of("shop.sold") == []
