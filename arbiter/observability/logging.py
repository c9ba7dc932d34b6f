"""Logging: structlog's loggers, stdlib's and the server's, all through one chain to one stream.

Nothing is configured until `configure_logging()` is called, and `LoggingSession.close()` puts everything
back. Loggers are not cached by structlog (`cache_logger_on_first_use` would tie a module's logger to the
first session).
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self, TextIO

import structlog
from structlog.typing import Processor

from arbiter.observability.levels import QUIET, Levels, name_of, number_of
from arbiter.observability.lines import (
    Stamp,
    explain_error,
    last_resort,
    mask_passwords,
    render_console,
    render_json,
)
from arbiter.observability.logger import Logger, Output
from arbiter.observability.repeats import Repeats
from arbiter.observability.settings import ObservabilitySettings

__all__ = ["LoggingSession", "configure_logging"]

_SERVER_LOGGERS = ("uvicorn", "uvicorn.error", "uvicorn.access")
_OWN_KEYS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def configure_logging(
    settings: ObservabilitySettings,
    *,
    service: str,
    environment: str,
    stream: TextIO | None = None,
    tap: Callable[[Mapping[str, Any]], object] | None = None,
) -> LoggingSession:
    """Take over logging for this process; the session gives it back.

    Args:
        settings: level and format.
        service: the application's name, in every line.
        environment: where it runs, in every line.
        stream: where lines go; standard error by default, so that standard output stays the program's own.
        tap: is shown the fields of each line before it is written; for tests.
    """
    target = sys.stderr if stream is None else stream
    as_json = _wants_json(settings, environment, target)
    renderer: Any = render_json if as_json else render_console(target)
    stamp, tee = Stamp(settings.service_name or service, environment), _Tee()
    chain: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        explain_error,
        stamp,
        mask_passwords,
        tee,
        renderer,
    ]
    if tap is not None:
        chain.insert(-1, _tapped(tap))
    repeats = Repeats(settings.log_repeats) if settings.log_repeats else None
    return LoggingSession(Levels(settings.log_level), chain, _Sink(target), stamp, tee, repeats)


def _tapped(tap: Callable[[Mapping[str, Any]], object]) -> Processor:
    def show(_: Any, __: str, line: Any) -> Any:
        tap(dict(line))
        return line

    return show


class _Tee:
    """Shows each line to whoever wants a copy. What that raises is counted; the line goes on."""

    def __init__(self) -> None:
        self.taker: Callable[[Mapping[str, Any]], object] | None = None
        self.failures = 0

    def __call__(self, _: Any, __: str, line: Any) -> Any:
        if (taker := self.taker) is not None:
            try:
                taker(line)
            except Exception:  # noqa: BLE001  to log it would make another line
                self.failures += 1
        return line


def _wants_json(settings: ObservabilitySettings, environment: str, stream: TextIO) -> bool:
    if settings.log_format != "auto":
        return settings.log_format == "json"
    return environment == "production" or not getattr(stream, "isatty", bool)()


class LoggingSession:
    """Logging as this application wants it, until `close()`. Sessions close in the reverse order of their
    opening.

    Made by `configure_logging()`; also a context manager.
    """

    def __init__(
        self,
        levels: Levels,
        chain: list[Processor],
        sink: _Sink,
        stamp: Stamp,
        tee: _Tee,
        repeats: Repeats | None = None,
    ) -> None:
        self._levels, self._sink, self._repeats = levels, sink, repeats
        self._chain: list[Processor] = chain if repeats is None else [repeats, *chain]
        self._stamp, self._tee = stamp, tee
        self._outputs: dict[str, Output] = {}
        self._undo_structlog = structlog.get_config() if structlog.is_configured() else None
        self._undo_stdlib: dict[str, tuple[int, list[logging.Handler], bool]] = {}
        self._handler = _Bridge(self)
        self._closed = False
        self._take_over()

    @property
    def lost(self) -> int:
        """How many lines could not be written: the stream was closed, or its reader gone."""
        return self._sink.lost

    def copy_to(self, taker: Callable[[Mapping[str, Any]], object] | None) -> None:
        """Show the fields of each line to `taker` from now on; None ends it."""
        self._tee.taker = taker

    def set_generation(self, generation: int) -> None:
        """Say in each line which set of settings is in force."""
        self._stamp.set_generation(generation)

    def set_level(self, name: str | None, level: str | None) -> None:
        """Change a level from the next line on, for structlog's loggers and stdlib's.

        Args:
            name: the logger and those below it; None for all that have no level of their own.
            level: debug, info, warning, error or critical; None takes the change back.

        Raises:
            Invalid: there is no such level.
        """
        self._levels.set(name, level)
        if name is None:
            logging.getLogger().setLevel(self._levels.root)
            return
        self._remember(name)
        original = QUIET.get(name, self._undo_stdlib[name][0])
        logging.getLogger(name).setLevel(original if level is None else number_of(level))

    def listing(self) -> dict[str, dict[str, str | None]]:
        """The loggers that have written or have a level: what is set for each, and what is in force."""
        named, root = self._levels.named, name_of(self._levels.root)
        shown: dict[str, dict[str, str | None]] = {"root": {"configured": root, "effective": root}}
        for name in sorted({*named, *tuple(self._outputs)} - {"root"}):
            own = name_of(named[name]) if name in named else None
            shown[name] = {"configured": own, "effective": name_of(self._levels.of(name))}
        return shown

    def close(self) -> None:
        """Put back the root logger, the server's loggers, all levels and structlog's configuration;
        idempotent.
        """
        if self._closed:
            return
        self._closed = True
        self._tell_rest()
        for name, (level, handlers, propagate) in self._undo_stdlib.items():
            logger = logging.getLogger(name)
            logger.setLevel(level)
            logger.handlers[:], logger.propagate = handlers, propagate
        self._handler.close()
        if self._undo_structlog is None:
            structlog.reset_defaults()
        else:
            structlog.configure(**self._undo_structlog)

    def output(self, name: str = "arbiter", *_: object) -> Output:
        """Where the lines of the logger called `name` go; structlog's logger factory."""
        found = self._outputs.get(name)
        if found is None:
            found = self._outputs[name] = Output(name, self._levels, self._sink.write)
        return found

    def write(self, record: logging.LogRecord) -> None:
        """Send a record of stdlib logging through the chain."""
        output, level = self.output(record.name), record.levelname.lower()
        try:
            line: Any = _fields(record)
            for step in self._chain:
                line = step(output, level, line)
            output.write(line)
        except structlog.DropEvent:
            return
        except Exception as error:  # noqa: BLE001  a log call is never the caller's problem
            output.write(last_resort(record.name, level, record.msg, error))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _tell_rest(self) -> None:
        """Say of each line that is still withheld how often it was."""
        rest = {} if self._repeats is None else self._repeats.rest()
        for (name, level, event), count in rest.items():
            line: Any = {"event": "log.withheld", "of": event, "withheld": count}
            for step in self._chain[1:]:
                line = step(self.output(name), level, line)
            self._sink.write(line)

    def _take_over(self) -> None:
        for name in ("", *_SERVER_LOGGERS):
            self._remember(name)
        root = logging.getLogger()
        root.handlers[:] = [self._handler]
        root.setLevel(self._levels.root)
        for name, level in QUIET.items():
            self._remember(name)
            logging.getLogger(name).setLevel(level)
        for name in _SERVER_LOGGERS:
            server = logging.getLogger(name)
            server.handlers[:], server.propagate = [], True
        structlog.configure(
            processors=self._chain,
            wrapper_class=Logger,
            context_class=dict,
            logger_factory=self.output,
            cache_logger_on_first_use=False,
        )

    def _remember(self, name: str) -> None:
        logger = logging.getLogger(name)
        self._undo_stdlib.setdefault(name, (logger.level, list(logger.handlers), logger.propagate))


class _Bridge(logging.Handler):
    """Brings stdlib's records to the session."""

    def __init__(self, session: LoggingSession) -> None:
        super().__init__()
        self._session = session

    def emit(self, record: logging.LogRecord) -> None:
        self._session.write(record)


class _Sink:
    """The stream, one whole line at a time. What it cannot take is counted: there is nowhere to say it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._binary = getattr(stream, "buffer", None)
        self._lock = threading.RLock()  # a signal handler may log while its own thread is writing
        self.lost = 0

    def write(self, line: bytes | str) -> None:
        with self._lock:
            try:
                if self._binary is None:
                    self._stream.write(line if isinstance(line, str) else line.decode())
                    self._stream.flush()
                else:
                    self._binary.write(
                        line if isinstance(line, bytes) else line.encode("utf-8", "backslashreplace")
                    )
                    self._binary.flush()
            except (OSError, ValueError, RuntimeError):  # closed, broken pipe, re-entered
                self.lost += 1


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    fields: dict[str, Any] = {key: value for key, value in vars(record).items() if key not in _OWN_KEYS}
    try:
        fields["event"] = record.getMessage()
    except Exception:  # noqa: BLE001  wrong % arguments, or an argument whose str() fails
        fields["event"], fields["args"] = record.msg, record.args
    if record.exc_info:
        fields["exc_info"] = record.exc_info
    if record.stack_info:
        fields["stack"] = record.stack_info
    return fields
