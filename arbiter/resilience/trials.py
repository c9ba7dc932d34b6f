"""Which trials the present context is inside of: a call made by a trial to its own breaker passes with it.

A mark names the era too, so that one that was inherited by a long-lived task means nothing in the next period.
"""

from __future__ import annotations

from contextvars import ContextVar

__all__ = ["is_inside", "mark", "unmark"]

_marks: ContextVar[tuple[tuple[object, int], ...]] = ContextVar("arbiter_trials", default=())


def mark(breaker: object, era: int) -> None:
    """From here on, this context runs inside a trial of `breaker`."""
    _marks.set((*_others(breaker), (breaker, era)))


def unmark(breaker: object) -> None:
    """The trial ended, in whichever era it began."""
    if _marks.get():
        _marks.set(_others(breaker))


def is_inside(breaker: object, era: int) -> bool:
    """Whether this context runs inside a trial of `breaker` that began in `era`."""
    return (breaker, era) in _marks.get()


def _others(breaker: object) -> tuple[tuple[object, int], ...]:
    return tuple(held for held in _marks.get() if held[0] is not breaker)
