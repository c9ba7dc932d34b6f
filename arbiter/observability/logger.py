"""The logger behind `structlog.get_logger()`: asks the table of levels at each call, and never raises."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import structlog

from arbiter.observability.levels import Levels
from arbiter.observability.lines import last_resort

__all__ = ["Logger", "Output"]


class Output:
    """Where one named logger's lines go.

    Args:
        name: the logger's dotted name.
        levels: the table that says what is written.
        write: takes a finished line and never raises.
    """

    __slots__ = ("levels", "name", "write")

    def __init__(self, name: str, levels: Levels, write: Callable[[bytes | str], None]) -> None:
        self.name, self.levels, self.write = name, levels, write


Method = Callable[..., None]
AsyncMethod = Callable[..., Coroutine[Any, Any, None]]


def _method(level: int, name: str, *, with_error: bool = False) -> Method:
    def method(self: Logger, event: object = None, /, *args: object, **fields: Any) -> None:
        if level < self._logger.levels.of(self._logger.name):
            return
        if with_error:
            fields.setdefault("exc_info", True)
        self._write(name, event, args, fields)

    method.__name__, method.__doc__ = name, f"Write one line of level {name}."
    return method


def _async_method(level: int, name: str, *, with_error: bool = False) -> AsyncMethod:
    method = _method(level, name, with_error=with_error)

    async def asynchronous(self: Logger, event: object = None, /, *args: object, **fields: Any) -> None:
        method(self, event, *args, **fields)

    asynchronous.__name__, asynchronous.__doc__ = f"a{name}", f"Write one line of level {name}."
    return asynchronous


class Logger(structlog.BoundLoggerBase):
    """What `structlog.get_logger()` hands out while a `LoggingSession` is open.

    Differs from structlog's own: levels may change while it is held, `event` is positional only, and neither
    wrong `%` arguments nor values that cannot be shown reach the caller.
    """

    _logger: Output

    debug, adebug = _method(logging.DEBUG, "debug"), _async_method(logging.DEBUG, "debug")
    info, ainfo = _method(logging.INFO, "info"), _async_method(logging.INFO, "info")
    warning, awarning = _method(logging.WARNING, "warning"), _async_method(logging.WARNING, "warning")
    error, aerror = _method(logging.ERROR, "error"), _async_method(logging.ERROR, "error")
    critical, acritical = _method(logging.CRITICAL, "critical"), _async_method(logging.CRITICAL, "critical")
    exception = _method(logging.ERROR, "error", with_error=True)
    aexception = _async_method(logging.ERROR, "error", with_error=True)
    warn, fatal, msg = warning, critical, info

    def log(self, level: int, event: object = None, /, *args: object, **fields: Any) -> None:
        """Write one line of a level given by number."""
        if level >= self._logger.levels.of(self._logger.name):
            self._write(logging.getLevelName(level).lower(), event, args, fields)

    def is_enabled_for(self, level: int) -> bool:
        """Whether a line of this level would be written now."""
        return level >= self._logger.levels.of(self._logger.name)

    def get_effective_level(self) -> int:
        """The level in force for this logger now."""
        return self._logger.levels.of(self._logger.name)

    def _write(self, level: str, event: object, args: tuple[object, ...], fields: dict[str, Any]) -> None:
        output = self._logger
        if "event" in fields:
            fields["event_"] = fields.pop("event")
        try:
            text = _filled_in(event, args, fields) if args else event
            rendered, _ = self._process_event(level, text, fields)  # type: ignore[arg-type]
            if rendered:
                output.write(rendered[0])
        except structlog.DropEvent:
            return
        except Exception as error:  # noqa: BLE001  a log call is never the caller's problem
            output.write(last_resort(output.name, level, event, error))


def _filled_in(event: object, args: tuple[object, ...], fields: dict[str, Any]) -> str:
    template = str(event)
    try:
        if len(args) == 1 and isinstance(args[0], Mapping) and args[0]:
            return template % args[0]
        return template % args
    except (TypeError, ValueError, KeyError):
        fields["args"] = args
        return template
