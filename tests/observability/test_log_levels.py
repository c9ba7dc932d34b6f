"""Which lines are written, and that logging can be given back."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pytest
import structlog

from arbiter.errors import Invalid
from arbiter.observability.logging import LoggingSession, configure_logging
from arbiter.observability.settings import ObservabilitySettings

used_at_module_level = structlog.get_logger("app.db")


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def session(stream: io.StringIO) -> Iterator[LoggingSession]:
    with configure_logging(ObservabilitySettings(), service="s", environment="t", stream=stream) as session:
        yield session


def test_a_level_changes_for_loggers_in_use(session: LoggingSession, stream: io.StringIO) -> None:
    """A new level holds from the next line on, for loggers that were used and bound before."""
    bound = used_at_module_level.bind(table="agents")
    bound.debug("hidden")

    session.set_level("app", "DEBUG")
    bound.debug("shown")
    logging.getLogger("app.db").debug("shown as well")
    structlog.get_logger("other").debug("hidden")
    session.set_level("app", None)
    bound.debug("hidden")
    logging.getLogger("app.db").debug("hidden")

    assert "hidden" not in stream.getvalue()
    assert stream.getvalue().count("shown") == 2


def test_the_root_level_holds_where_there_is_no_other(session: LoggingSession, stream: io.StringIO) -> None:
    """The root's level is that of all loggers without one; None returns to the configured one."""
    session.set_level("app.db", "info")
    session.set_level(None, "error")
    structlog.get_logger("other").info("hidden")
    used_at_module_level.info("first")

    session.set_level(None, None)
    structlog.get_logger("other").info("second")

    assert "hidden" not in stream.getvalue()
    assert "first" in stream.getvalue()
    assert "second" in stream.getvalue()


def test_an_unknown_level_is_refused(session: LoggingSession) -> None:
    """A level that does not exist is an error that names the ones that do."""
    with pytest.raises(Invalid, match="debug, info"):
        session.set_level("app", "loud")


@pytest.mark.usefixtures("session")
def test_a_logger_knows_its_level() -> None:
    """Code may ask whether a line would be written before it prepares one."""
    log = structlog.get_logger("app").bind()

    assert log.is_enabled_for(logging.INFO)
    assert not log.is_enabled_for(logging.DEBUG)
    assert log.get_effective_level() == logging.INFO


@pytest.mark.usefixtures("session")
async def test_async_and_numbered_methods_write_too(stream: io.StringIO) -> None:
    """Structlog's async methods and `log(level)` write the same lines."""
    await structlog.get_logger().ainfo("one")
    structlog.get_logger().log(logging.WARNING, "two")
    structlog.get_logger().log(logging.DEBUG, "hidden")

    assert stream.getvalue().count("\n") == 2
    assert '"level":"warning"' in stream.getvalue()


@pytest.mark.usefixtures("session")
def test_structlogs_own_capture_works() -> None:
    """`structlog.testing.capture_logs` sees the lines of loggers that were used before."""
    used_at_module_level.info("before")

    with structlog.testing.capture_logs() as captured:
        used_at_module_level.info("during", order=1)

    assert captured == [{"event": "during", "order": 1, "log_level": "info"}]


def test_close_gives_everything_back() -> None:
    """After `close()` the root logger, the server's loggers, levels and structlog are as they were."""
    root, server, single = logging.getLogger(), logging.getLogger("uvicorn"), logging.getLogger("app.single")
    own = logging.NullHandler()
    server.addHandler(own)
    server.propagate = False
    before = root.handlers[:], root.level, structlog.get_config(), structlog.is_configured()

    session = configure_logging(ObservabilitySettings(), service="s", environment="t", stream=io.StringIO())
    session.set_level("app.single", "debug")
    assert server.handlers == []
    session.close()
    session.close()

    assert (root.handlers[:], root.level, structlog.get_config(), structlog.is_configured()) == before
    assert (server.handlers, server.propagate, single.level) == ([own], False, logging.NOTSET)
    server.removeHandler(own)
    server.propagate = True


def test_sessions_nest() -> None:
    """A session within a session returns to the outer one, not to the defaults."""
    outer, inner = io.StringIO(), io.StringIO()

    with configure_logging(ObservabilitySettings(), service="outer", environment="t", stream=outer):
        with configure_logging(ObservabilitySettings(), service="inner", environment="t", stream=inner):
            used_at_module_level.info("in")
        used_at_module_level.info("out")

    assert '"event":"in"' in inner.getvalue()
    assert '"event":"out"' in outer.getvalue()
    assert '"event":"in"' not in outer.getvalue()


def test_a_library_that_writes_addresses_is_quiet_unless_asked(
    session: LoggingSession, stream: io.StringIO
) -> None:
    """The HTTP client's line for each call, with the whole address, appears only where its logger has a level of its own."""
    client = logging.getLogger("httpx2")

    def said() -> str:
        client.info("HTTP Request: GET https://hooks.test/services/s3cr3t")
        return stream.getvalue()

    before = said()
    session.set_level("httpx2", "info")
    asked = said()
    session.set_level("httpx2", None)
    after = said()
    session.close()

    assert "s3cr3t" not in before
    assert "s3cr3t" in asked
    assert after == asked
    assert client.level == logging.NOTSET
