"""Which events raise an alarm, and which end it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from arbiter.events import (
    Alarm,
    BreakerChanged,
    HealthChanged,
    LoopBlocked,
    LoopFreed,
    SettingsApplied,
    SettingsRejected,
)
from arbiter.health.wording import one_line, told_of
from arbiter.protocols import Status

__all__ = ["Turn", "turns_of"]

_TOLD_BY_THEIR_OWN_EVENTS = frozenset({"breakers", "event_loop"})
_CONFIG = ("Configuration", "settings")
_LOOP = ("EventLoop", "event_loop")


@dataclass(frozen=True, slots=True)
class Turn:
    """What an event says of one alarm.

    Attributes:
        name, subject, critical: which alarm.
        on: whether it is on from now.
        summary, old, new: what is told.
        anew: told again though it is on already, since it is another fault than before.
    """

    name: str
    subject: str
    critical: bool
    on: bool
    summary: str = ""
    old: str = ""
    new: str = ""
    anew: bool = False


def turns_of(event: object) -> Iterator[Turn]:
    """The alarms that an event turns on and off; none for what is no matter for people."""
    match event:
        case HealthChanged(check=check) if check not in _TOLD_BY_THEIR_OWN_EVENTS:
            yield from _health(event)
        case BreakerChanged(old=old, new=new) if new != "half-open":
            on = new in {"open", "forced-open"}
            cause = "" if event.cause is None else f": {told_of(event.cause)}"
            summary = f"The circuit breaker {event.name} is {new}{cause}"
            yield Turn("CircuitBreaker", event.name, critical=False, on=on, summary=summary, old=old, new=new)
        case SettingsRejected(generation=generation, report=report):
            summary = f"A reload was rejected, generation {generation} stays in force: {one_line(report)}"
            yield Turn(*_CONFIG, critical=False, on=True, summary=summary, new="rejected", anew=True)
        case SettingsApplied(generation=generation):
            summary = f"Generation {generation} of the settings is in force"
            yield Turn(*_CONFIG, critical=False, on=False, summary=summary, new="applied")
        case LoopBlocked(serious=True, lag_s=lag_s, where=where):
            summary = f"The event loop stands still for {lag_s:.1f} s in {where}"
            yield Turn(*_LOOP, critical=True, on=True, summary=summary, new="blocked")
        case LoopFreed(blocked_s=blocked_s):
            summary = f"The event loop turns again after {blocked_s:.1f} s"
            yield Turn(*_LOOP, critical=True, on=False, summary=summary, new="free")
        case Alarm():
            yield Turn(event.name, event.subject, event.critical, event.on, one_line(event.summary))
        case _:
            return


def _health(event: HealthChanged) -> Iterator[Turn]:
    old, new = event.old.value if event.old else "unknown", event.new.value
    if event.check == "config":
        # a rejected reload has an event of its own; only that all is well again may be known from nothing else
        if event.new is Status.PASS:
            yield Turn(*_CONFIG, critical=False, on=False, summary="The settings are in order", new=new)
        return
    told = f": {event.output}" if event.output and event.new is not Status.PASS else ""
    summary = f"The check {event.check} went from {old} to {new}{told}"
    is_critical = event.new is Status.FAIL and event.critical
    for critical in (not is_critical, is_critical):
        on = event.new is not Status.PASS and critical is is_critical
        yield Turn("HealthCheck", event.check, critical, on, summary, old, new)
