"""What arrives at a collector, and what is said when nothing does."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from collections.abc import Iterable

import pytest

from arbiter.observability.settings import ObservabilitySettings
from arbiter.observability.telemetry import Telemetry
from arbiter.protocols import Measurement
from arbiter.testing.live import Fixed
from tests.observability.receiver import receiving


def telemetry_to(
    endpoint: str, *, budget_s: float = 3.0, timeout_s: float = 2.0, logs_exported: bool = True
) -> Telemetry:
    settings = ObservabilitySettings(
        otlp_endpoint=endpoint, otlp_timeout_s=timeout_s, logs_exported=logs_exported
    )
    return Telemetry(
        Fixed(settings), environment="test", service="shop", version="1.2", environ={}, budget_s=budget_s
    )


class Sales:
    def measurements(self) -> Iterable[Measurement]:
        yield Measurement("shop.sales", "counter", 7, "Sold.", "{sale}", (("kind", "book"),))
        yield Measurement("shop.price", "histogram", 3.5, "Prices.", "s", (), (1.0, 2.0), (1, 0, 1))


async def test_spans_and_metrics_arrive_whole() -> None:
    """A collector gets every span with its resource, and a component's own counters and histograms."""
    with receiving() as collector:
        telemetry = telemetry_to(collector.endpoint)
        telemetry.adopt("sales", Sales())
        with telemetry.tracer.start_as_current_span("outer"), telemetry.tracer.start_as_current_span("inner"):
            pass
        await telemetry.stop()

    spans = {span.name: span for span in collector.spans}
    assert spans["inner"].parent_span_id == spans["outer"].span_id
    resource = collector.resource()
    assert resource["service.name"] == "shop"
    assert resource["service.version"] == "1.2"
    assert resource["deployment.environment.name"] == "test"
    metrics = {metric.name: metric for metric in collector.metrics}
    assert metrics["shop.sales"].sum.data_points[0].as_int == 7
    price = metrics["shop.price"].histogram.data_points[0]
    assert (list(price.bucket_counts), list(price.explicit_bounds), price.sum) == ([1, 0, 1], [1.0, 2.0], 3.5)


async def test_a_flush_that_delivered_says_so() -> None:
    """The report counts what the collector took, and is complete only if that is everything."""
    with receiving() as collector:
        telemetry = telemetry_to(collector.endpoint)
        for _ in range(3):
            telemetry.tracer.start_span("one").end()
        await telemetry.stop()
        await telemetry.stop()

    report = telemetry.flushed
    assert report is not None
    assert report.complete
    assert report.metrics
    assert (report.spans.accepted, report.spans.delivered, report.spans.waiting) == (3, 3, 0)
    assert len(collector.spans) == 3


async def test_a_hanging_collector_cannot_hold_up_the_end() -> None:
    """With a collector that never answers, `stop()` returns within its budget and says what was lost."""
    with receiving(hang=True) as collector:
        telemetry = telemetry_to(collector.endpoint, budget_s=0.2, timeout_s=0.5)
        telemetry.tracer.start_span("lost").end()
        begun = time.monotonic()
        await telemetry.stop()
        took_s = time.monotonic() - begun

        report = telemetry.flushed
        assert report is not None
        assert not report.complete
        assert (report.spans.delivered, report.spans.waiting) == (0, 1)
        assert took_s < 1
        await _until_quiet()


@pytest.mark.parametrize("status", [404, 503])
async def test_a_refusing_collector_counts_as_failure(status: int) -> None:
    """Spans that the collector refused are failed, although the SDK's own flush says that all went well."""
    with receiving(status=status) as collector:
        telemetry = telemetry_to(collector.endpoint, timeout_s=0.3)
        telemetry.tracer.start_span("refused").end()
        await telemetry.stop()

    report = telemetry.flushed
    assert report is not None
    assert not report.complete
    assert not report.metrics
    assert (report.spans.delivered, report.spans.failed) == (0, 1)


def test_an_absent_collector_is_survived_without_a_loop() -> None:
    """`close()` does the same where no loop runs: nobody listens, all is counted as failed."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        telemetry = telemetry_to(f"http://127.0.0.1:{taken.getsockname()[1]}", timeout_s=0.3)
        telemetry.tracer.start_span("lost").end()

        report = telemetry.close()

    assert report.spans.failed == 1
    assert not report.complete
    assert telemetry.close() is report


async def test_a_full_queue_counts_what_it_drops() -> None:
    """What does not fit into the queue is dropped by the SDK in silence, and counted here."""
    with receiving(hang=True) as collector:
        telemetry = telemetry_to(collector.endpoint, budget_s=0.1, timeout_s=0.5)
        made = 0
        while not telemetry.delivery.dropped:
            telemetry.tracer.start_span("flood").end()
            made += 1
        before = telemetry.delivery
        await telemetry.stop()
        await _until_quiet()

    after = telemetry.delivery
    assert before.accepted == made > 2048
    assert before.dropped == 1
    assert before.waiting + before.failed == made - 1
    assert (after.failed, after.waiting) == (made - 1, 0)


async def test_a_span_after_the_end_is_counted_as_dropped(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever still makes spans after the flush loses them, in the counts and not in a line for each."""
    caplog.set_level(logging.DEBUG)
    with receiving() as collector:
        telemetry = telemetry_to(collector.endpoint)
        await telemetry.stop()

        telemetry.tracer.start_span("late").end()

    assert telemetry.delivery.dropped == 1
    assert "Shutdown called" not in caplog.text


async def _until_quiet() -> None:
    """Wait until the SDK's threads have given up, so that they do not outlive the test."""
    for _ in range(500):
        if not any(
            "arbiter.flush" in thread.name or "Otel" in thread.name for thread in threading.enumerate()
        ):
            return
        await asyncio.sleep(0.01)
    raise AssertionError("threads of the telemetry are still running")
