"""What happened lately: the last events of the process, fit to be shown, the changes made by hand among them."""

from __future__ import annotations

import dataclasses
import enum
from collections import deque
from collections.abc import Mapping
from datetime import date, timedelta
from itertools import islice
from typing import Any, Final

from arbiter.events import CallEnded, CallRejected, CallRetried, FellBack
from arbiter.masking import without_password
from arbiter.protocols import Clock

__all__ = ["RecentEvents", "shown"]

_KEPT: Final = 200
_LONGEST_TEXT: Final = 2000
_MOST_MEMBERS: Final = 50
_DEEPEST: Final = 4


class RecentEvents:
    """An `EventSink` that keeps the last events, the newest last; one thread or many write, any may read.

    Single calls, retries and fallbacks, of which there may be thousands a second, are passed over: they would push
    out all else.

    Args:
        clock: says when each event came.
        kept: how many are kept.
    """

    def __init__(self, clock: Clock, kept: int = _KEPT) -> None:
        self._clock = clock
        self._events: deque[dict[str, object]] = deque(maxlen=kept)

    def publish(self, event: object) -> None:
        """Take one event; what it holds is copied, so that an exception keeps nothing alive."""
        if not isinstance(event, CallEnded | CallRejected | CallRetried | FellBack):
            self._events.append(
                {"time": self._clock.now(), "event": type(event).__name__, **_fields_of(event)}
            )

    def list(self) -> list[dict[str, object]]:
        """The events, the oldest first, as JSON writes them."""
        return list(self._events.copy())


def shown(value: object, depth: int = 0) -> object:
    """A value as it may be shown: plain, bounded in size and depth, without passwords in addresses."""
    match value:
        case enum.Enum():
            return shown(value.value, depth)
        case None | bool() | float():
            return value
        case int():
            return value if abs(value) < 2**63 else str(value)
        case str() | BaseException() | date() | timedelta():
            return without_password(_text(value)[:_LONGEST_TEXT])
        case _:
            return _parts(value, depth + 1) if depth < _DEEPEST else "..."


def _text(value: object) -> str:
    if isinstance(value, BaseException):
        return f"{type(value).__name__}: {str(value).partition(chr(10))[0]}"
    return str(value)


def _parts(value: object, depth: int) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: shown(getattr(value, field.name), depth) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): shown(part, depth) for key, part in islice(value.items(), _MOST_MEMBERS)}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [shown(part, depth) for part in islice(value, _MOST_MEMBERS)]
    return shown(str(value))


def _fields_of(event: Any) -> dict[str, object]:
    if not dataclasses.is_dataclass(event) or isinstance(event, type):
        return {"text": shown(str(event))}
    fields = (field.name for field in dataclasses.fields(event))
    return {"of" if name in {"time", "event"} else name: shown(getattr(event, name)) for name in fields}
