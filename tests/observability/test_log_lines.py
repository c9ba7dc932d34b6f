"""What a log line holds."""

from __future__ import annotations

import io
import json
import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import TracerProvider
from pydantic import SecretStr

from arbiter.observability.logging import LoggingSession, configure_logging
from arbiter.observability.settings import ObservabilitySettings


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def session(stream: io.StringIO) -> Iterator[LoggingSession]:
    with configure_logging(
        ObservabilitySettings(log_format="json"), service="shop", environment="test", stream=stream
    ) as session:
        yield session


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().split("\n")[:-1]]


@pytest.mark.usefixtures("session")
def test_a_line_says_when_what_and_where(stream: io.StringIO) -> None:
    """Every line has time (UTC, ISO 8601), level, event, logger, service and environment, then its fields."""
    structlog.get_logger("shop.orders").warning("order.refused", order=7)

    (line,) = lines(stream)
    assert line.pop("timestamp").endswith("+00:00")
    assert line == {
        "level": "warning",
        "event": "order.refused",
        "logger": "shop.orders",
        "service": "shop",
        "environment": "test",
        "order": 7,
    }


@pytest.mark.usefixtures("session")
def test_lines_within_a_span_carry_its_ids(stream: io.StringIO) -> None:
    """A line written while a span is current has its trace and span id, from structlog and stdlib alike."""
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("test")

    with tracer.start_as_current_span("work") as span:
        structlog.get_logger().info("one")
        logging.getLogger("elsewhere").info("two")
    structlog.get_logger().info("three")

    one, two, three = lines(stream)
    expected = f"{span.get_span_context().trace_id:032x}", f"{span.get_span_context().span_id:016x}"
    assert (one["trace_id"], one["span_id"]) == (two["trace_id"], two["span_id"]) == expected
    assert "trace_id" not in three


@pytest.mark.usefixtures("session")
def test_t02_stdlib_and_server_lines_go_through_the_same_chain(stream: io.StringIO) -> None:
    """A record of stdlib logging becomes one JSON line, with its extra fields and its logger's name."""
    logging.getLogger("uvicorn.error").info("Started %s", "server", extra={"port": 3000})

    (line,) = lines(stream)
    assert (line["event"], line["logger"], line["port"]) == ("Started server", "uvicorn.error", 3000)


@pytest.mark.usefixtures("session")
def test_t08_an_exception_is_told_without_local_variables(stream: io.StringIO) -> None:
    """A traceback shows the way and the message, and never the value of a local variable."""
    secret = "hunter2".upper()

    try:
        raise RuntimeError(f"broken after {len(secret)}")
    except RuntimeError:
        structlog.get_logger().exception("failed")
        logging.getLogger("old").exception("failed too")

    one, two = lines(stream)
    assert one["level"] == two["level"] == "error"
    assert "RuntimeError: broken after 7" in one["exception"]
    assert "RuntimeError: broken after 7" in two["exception"]
    assert secret not in stream.getvalue()


@pytest.mark.usefixtures("session")
def test_a_secret_is_masked(stream: io.StringIO) -> None:
    """A SecretStr shows as stars, at any depth."""
    structlog.get_logger().info("connected", token=SecretStr("s3cr3t"), deep={"list": [SecretStr("s3cr3t")]})

    assert "s3cr3t" not in stream.getvalue()
    assert lines(stream)[0]["token"] == "**********"


@pytest.mark.usefixtures("session")
def test_the_password_of_an_address_is_masked(stream: io.StringIO) -> None:
    """Event, fields, an exception's text and stdlib's arguments show an address without its password."""
    address = "postgresql://app:hunter2@db.internal/shop"
    log = structlog.get_logger("app")
    log.warning("cannot reach %s", address, reason=address)
    logging.getLogger("old").warning("gave up on %s", address)
    try:
        raise ConnectionError(address)
    except ConnectionError:
        log.exception("failed")

    assert "hunter2" not in stream.getvalue()
    assert stream.getvalue().count("postgresql://app:******@db.internal/shop") >= 4


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __str__


CIRCLE: dict[str, object] = {}
CIRCLE["self"] = CIRCLE


@pytest.mark.usefixtures("session")
@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        b"\xff\x00",
        Unprintable(),
        object(),
        CIRCLE,
        2**70,
        {1: 2},
        {(1, 2)},
        "\ud800",
        "x" * 1_000_000,
        [Unprintable(), float("inf")],
    ],
    ids=lambda value: type(value).__name__,
)
def test_t08_a_hostile_value_becomes_one_valid_line(stream: io.StringIO, value: object) -> None:
    """Whatever a field holds, one valid JSON line is written and nothing reaches the caller."""
    structlog.get_logger().info("hostile", value=value)
    logging.getLogger("old").info("hostile", extra={"value": value})

    assert [line["event"] for line in lines(stream)] == ["hostile", "hostile"]


def test_t08_wrong_arguments_do_not_reach_the_caller(stream: io.StringIO) -> None:
    """Arguments that do not fit stand beside the template; a field called `event` makes way."""
    settings = ObservabilitySettings(log_format="json")

    # Not a fixture: pytest adds a handler to the root after fixtures, and that one does raise.
    with configure_logging(settings, service="shop", environment="test", stream=stream):
        log = structlog.get_logger()
        log.info("%d items", "many")
        log.info("two", event="not the event", level="not the level")
        logging.getLogger("old").info("%d items", "many")
        log.info("%s and %s", "this", "that")

    first, second, third, fourth = lines(stream)
    assert (first["event"], first["args"]) == ("%d items", ["many"])
    assert (second["event"], second["event_"], second["level_"]) == ("two", "not the event", "not the level")
    assert (third["event"], third["args"]) == ("%d items", ["many"])
    assert fourth["event"] == "this and that"


@given(
    fields=st.dictionaries(
        st.text(min_size=1), st.none() | st.text() | st.floats() | st.binary() | st.integers(), max_size=4
    )
)
def test_any_fields_make_one_json_line(fields: dict[str, object]) -> None:
    """For all fields, a line is one JSON object with the event as given."""
    stream = io.StringIO()

    with configure_logging(
        ObservabilitySettings(log_format="json"), service="s", environment="t", stream=stream
    ):
        structlog.get_logger().info("event", **fields)

    (line,) = lines(stream)
    assert line["event"] == "event"


@pytest.mark.usefixtures("session")
def test_bound_values_and_context_values_are_fields(stream: io.StringIO) -> None:
    """What is bound to a logger or to the context stands in each of its lines."""
    with structlog.contextvars.bound_contextvars(request="r1"):
        structlog.get_logger().bind(order=1).info("placed")

    (line,) = lines(stream)
    assert (line["request"], line["order"]) == ("r1", 1)


def test_a_stream_that_is_gone_is_counted_not_raised() -> None:
    """A line that cannot be written is lost and counted; the caller does not notice."""
    stream = io.StringIO()
    with configure_logging(ObservabilitySettings(), service="s", environment="t", stream=stream) as session:
        stream.close()

        structlog.get_logger().info("into the void")

        assert session.lost == 1


@pytest.mark.usefixtures("session")
def test_lines_of_many_threads_stay_whole(stream: io.StringIO) -> None:
    """Lines written at the same time by several threads do not mix."""

    def write() -> None:
        for number in range(50):
            structlog.get_logger().info("tick", number=number, filler="x" * 200)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(lines(stream)) == 200


def test_the_console_format_is_for_people() -> None:
    """In console format a line is text with the trace id, uncoloured where there is no terminal."""
    stream = io.StringIO()
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("test")
    settings = ObservabilitySettings(log_format="console")

    with (
        configure_logging(settings, service="s", environment="t", stream=stream),
        tracer.start_as_current_span("work") as span,
    ):
        structlog.get_logger("shop").info("order.placed", order=7)

    written = stream.getvalue()
    assert "order.placed" in written
    assert "order=7" in written
    assert f"{span.get_span_context().trace_id:032x}" in written
    assert "\x1b[" not in written


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environment", "stream", "as_json"),
    [
        ("development", Terminal(), False),
        ("production", Terminal(), True),
        ("development", io.StringIO(), True),
    ],
)
def test_the_automatic_format_follows_terminal_and_environment(
    environment: str, stream: io.StringIO, as_json: bool
) -> None:
    """`auto` is console in a terminal outside production, and JSON everywhere else."""
    with configure_logging(ObservabilitySettings(), service="s", environment=environment, stream=stream):
        structlog.get_logger().info("hello")

    assert stream.getvalue().startswith("{") is as_json
