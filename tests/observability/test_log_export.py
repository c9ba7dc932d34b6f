"""Log lines at a collector, and in memory."""

from __future__ import annotations

import io
import json
import logging

import structlog

from arbiter.observability.logging import configure_logging
from arbiter.observability.settings import ObservabilitySettings
from arbiter.observability.telemetry import Telemetry
from arbiter.testing.live import Fixed
from tests.observability.receiver import receiving
from tests.observability.test_delivery import telemetry_to

JSON = ObservabilitySettings(log_format="json")


async def test_lines_arrive_with_their_trace_and_their_fields() -> None:
    """A line arrives once, with severity, body, fields and the ids of its span; stdlib's lines as well."""
    stream = io.StringIO()
    with (
        receiving() as collector,
        configure_logging(JSON, service="s", environment="test", stream=stream) as session,
    ):
        telemetry = telemetry_to(collector.endpoint)
        session.copy_to(telemetry.logs)
        with telemetry.tracer.start_as_current_span("work") as span:
            structlog.get_logger("shop").warning("stock low", left=3, tags=["a", {"b": None}], odd=object())
        logging.getLogger("old").info("from %s", "stdlib")
        await telemetry.stop()

    low, old = collector.logs[:2]
    values = {pair.key: pair.value for pair in low.attributes}
    assert (low.body.string_value, low.severity_text, low.severity_number) == ("stock low", "warning", 13)
    assert low.trace_id.hex() == f"{span.get_span_context().trace_id:032x}"
    assert low.span_id.hex() == f"{span.get_span_context().span_id:016x}"
    assert values["left"].int_value == 3
    assert values["logger"].string_value == "shop"
    assert values["odd"].string_value.startswith("<object object")
    assert (old.body.string_value, old.trace_id) == ("from stdlib", b"")
    assert telemetry.deliveries["logs"].delivered == len(collector.logs)
    assert telemetry.flushed is not None
    assert telemetry.flushed.complete


async def test_lines_may_stay_at_home() -> None:
    """`logs_exported = false` keeps lines from the collector, and spans go there all the same."""
    with receiving() as collector:
        telemetry = telemetry_to(collector.endpoint, logs_exported=False)
        telemetry.tracer.start_span("one").end()
        await telemetry.stop()

    assert telemetry.logs is None
    assert len(collector.spans) == 1
    assert "logs" not in telemetry.deliveries


def test_what_the_export_says_of_itself_is_not_exported() -> None:
    """A line of the exporter itself is written and not sent: each batch would make the next."""
    telemetry = Telemetry(Fixed(ObservabilitySettings(exporter="memory")), environ={})
    stream = io.StringIO()
    with (
        receiving() as collector,
        configure_logging(JSON, service="s", environment="test", stream=stream) as session,
    ):
        telemetry = telemetry_to(collector.endpoint)
        session.copy_to(telemetry.logs)
        logging.getLogger("opentelemetry.exporter").warning("transient error")
        telemetry.close()

    assert [log.body.string_value for log in collector.logs if "transient" in log.body.string_value] == []
    assert "transient error" in stream.getvalue()


def test_memory_keeps_spans_lines_and_numbers() -> None:
    """The exporter `memory` sends nothing and keeps what was said, for whoever holds the container."""
    telemetry = Telemetry(Fixed(ObservabilitySettings(exporter="memory")), environ={})
    with configure_logging(JSON, service="s", environment="test", stream=io.StringIO()) as session:
        session.copy_to(telemetry.logs)
        with telemetry.tracer.start_as_current_span("work"):
            structlog.get_logger("shop").info("sold")
    telemetry.meter.create_counter("sales").add(2)

    memory = telemetry.memory
    assert [span.name for span in memory.spans.spans] == ["work"]
    assert [(line["event"], line["trace_id"]) for line in memory.lines] == [
        ("sold", memory.spans.spans[0].trace_id)
    ]
    assert {one.name: one.value for one in memory.metrics.read()}["sales"] == 2
    assert telemetry.deliveries == {}


def test_a_copy_that_fails_is_not_the_callers_problem() -> None:
    """Whatever the taker of copies raises, the line is written and the caller goes on."""

    def broken(_: object) -> None:
        raise RuntimeError("no room")

    stream = io.StringIO()
    with configure_logging(JSON, service="s", environment="test", stream=stream) as session:
        session.copy_to(broken)
        session.set_generation(7)
        structlog.get_logger("shop").info("sold")

    line = json.loads(stream.getvalue())
    assert (line["event"], line["config_generation"]) == ("sold", 7)
