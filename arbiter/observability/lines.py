"""What a log line holds and how it is written: the steps that every line goes through, ours and stdlib's
alike.

No step raises into the caller for what is in the line: NaN, bytes, circular structures, objects whose `str()`
fails. Local variables are never shown, secrets show as pydantic's `SecretStr` shows them, passwords of addresses as stars.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Mapping, MutableMapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, TextIO

import orjson
import structlog
from opentelemetry.trace import SpanContext, get_current_span

from arbiter.masking import without_password

__all__ = [
    "Stamp",
    "explain_error",
    "last_resort",
    "mask_passwords",
    "remember_span",
    "render_console",
    "render_json",
    "tamed",
]

Line = MutableMapping[str, Any]
ErrorTriple = tuple[type[BaseException] | None, BaseException | None, TracebackType | None]

_ORIGIN_KEYS = ("service", "environment", "config_generation")
_HOUSE_KEYS = frozenset(
    {"timestamp", "level", "event", "logger", "trace_id", "span_id", "trace_flags", *_ORIGIN_KEYS}
)
_SPAN = "__arbiter_span__"
_DEEPEST = 6
_LARGEST_INTEGER = 2**63


class Stamp:
    """Puts time, level, logger, trace and origin in front of a line; a field of the same name gets an
    underscore.

    Args:
        service: the application's name.
        environment: where it runs: development, production ...
    """

    def __init__(self, service: str, environment: str) -> None:
        self._origin: dict[str, Any] = {"service": service, "environment": environment}

    def set_generation(self, generation: int) -> None:
        """Say which set of settings is in force from now on."""
        # replaced, never changed: another thread may be copying it
        self._origin = {**self._origin, "config_generation": generation}

    def __call__(self, logger: Any, method: str, fields: Line) -> Line:
        """The line with its head; `logger` has a `name`, `method` is the level."""
        event = fields.pop("event", "")
        span: SpanContext | None = fields.pop(_SPAN, None) or get_current_span().get_span_context()
        if not _HOUSE_KEYS.isdisjoint(fields):
            fields = {f"{key}_" if key in _HOUSE_KEYS else key: value for key, value in fields.items()}
        line: Line = {
            "timestamp": datetime.now(UTC).isoformat(timespec="microseconds"),
            "level": method,
            "event": event,
            "logger": logger.name,
        }
        if span is not None and span.trace_id:
            line["trace_id"] = f"{span.trace_id:032x}"
            line["span_id"] = f"{span.span_id:016x}"
            line["trace_flags"] = f"{span.trace_flags:02x}"
        line.update(self._origin)
        line.update(fields)
        return line


def remember_span(error: BaseException, span: SpanContext) -> None:
    """Let a log line about `error` carry the trace id although the span is no longer current.

    A server logs what an application raised after the application's context is gone; this keeps that line
    findable.
    """
    try:
        setattr(error, _SPAN, span)
    except AttributeError:  # an exception class with __slots__: the line then goes without
        return


def explain_error(_: Any, __: str, fields: Line) -> Line:
    """Turn `exc_info` into the text of a traceback, without local variables."""
    if not fields.get("exc_info"):
        fields.pop("exc_info", None)
        return fields
    kind, error, trace = _triple(fields.pop("exc_info"))
    if kind is None or error is None:
        return fields
    fields["exception"] = "".join(traceback.format_exception(kind, error, trace)).rstrip()
    if not get_current_span().get_span_context().is_valid and isinstance(
        span := getattr(error, _SPAN, None), SpanContext
    ):
        fields[_SPAN] = span
    return fields


def _triple(exc_info: object) -> ErrorTriple:
    if isinstance(exc_info, BaseException):
        return type(exc_info), exc_info, exc_info.__traceback__
    if isinstance(exc_info, tuple) and len(exc_info) == 3:
        return exc_info
    return sys.exc_info()


def mask_passwords(_: Any, __: str, line: Line) -> Line:
    """Mask the password of every address in the line's own texts, an exception's included."""
    for key, value in line.items():
        if type(value) is str and "://" in value:
            line[key] = without_password(value)
    return line


def render_json(_: Any, __: str, line: Line) -> bytes:
    """One JSON object, ended by a newline. What JSON cannot say is said as text; NaN and infinities become
    null.
    """
    try:
        return orjson.dumps(line, default=_as_json, option=orjson.OPT_APPEND_NEWLINE)
    except (TypeError, ValueError, RecursionError):  # odd keys, lone surrogates, huge integers, cycles
        return orjson.dumps(tamed(line), option=orjson.OPT_APPEND_NEWLINE)


def render_console(stream: TextIO) -> Callable[[Any, str, Line], str]:
    """One line for people, coloured if `stream` is a terminal, with what is the same in every line left out."""
    colors = bool(getattr(stream, "isatty", bool)())
    renderer = structlog.dev.ConsoleRenderer(
        colors=colors, pad_event_to=32, exception_formatter=structlog.dev.plain_traceback
    )

    def render(logger: Any, method: str, line: Line) -> str:
        for key in _ORIGIN_KEYS:
            line.pop(key, None)
        line.pop("trace_flags", None)
        return f"{renderer(logger, method, line)}\n"

    return render


def last_resort(logger: str, level: str, event: object, error: Exception) -> bytes:
    """The line that is written when the real one could not be made."""
    line = {
        "timestamp": datetime.now(UTC).isoformat(timespec="microseconds"),
        "level": level,
        "event": event,
        "logger": logger,
        "logging_error": type(error).__name__,
    }
    return render_json(None, level, line)


def _as_json(value: object) -> object:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).decode("utf-8", "replace")
    if isinstance(value, (set, frozenset)):
        return list(value)
    return _text(value)


def _text(value: object) -> str:
    try:
        return str(value).encode("utf-8", "replace").decode()
    except Exception:  # noqa: BLE001  somebody's __str__: whatever it raises, the line goes out
        return f"<unprintable {type(value).__name__}>"


def tamed(value: object, depth: int = 0) -> Any:
    """The value in JSON's types alone: numbers of 64 bits, text that UTF-8 can say, at most six levels deep."""
    if value is None or isinstance(value, (bool, float)):
        return value
    if isinstance(value, int):
        return int(value) if -_LARGEST_INTEGER <= value < _LARGEST_INTEGER else _text(value)
    if depth > _DEEPEST:
        return "..."
    if isinstance(value, Mapping):
        return {_text(key): tamed(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [tamed(item, depth + 1) for item in value]
    return _text(value if isinstance(value, str) else _as_json(value))
