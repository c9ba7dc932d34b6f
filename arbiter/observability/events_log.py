"""Framework events as log lines."""

from __future__ import annotations

import structlog

from arbiter.events import (
    BreakerChanged,
    BreakerWouldOpen,
    CallEnded,
    CallRejected,
    CallRetried,
    FellBack,
    HealthChanged,
    LoopBlocked,
    LoopFreed,
    OperatorActed,
    PhaseEntered,
    RestartRequired,
    SettingsApplied,
    SettingsRejected,
    SharingDegraded,
    SharingRecovered,
    StepFinished,
)
from arbiter.protocols import Status

__all__ = ["EventLog"]

log = structlog.get_logger(__name__)


class EventLog:
    """An `EventSink` that writes one line for each event of the framework, and passes over an application's
    own.

    Transitions that somebody may have to act on are warnings or errors; single calls, of which there may be
    thousands a second, are debug lines.
    """

    def publish(self, event: object) -> None:  # noqa: C901, PLR0912  one case for each event
        """Write one event."""
        match event:
            case PhaseEntered(phase=phase, previous=previous):
                log.info("lifecycle.phase", phase=phase, previous=previous)
            case StepFinished():
                _step(event)
            case BreakerChanged():
                _breaker(event)
            case BreakerWouldOpen(name=name, cause=cause):
                log.warning("breaker.would_open", breaker=name, cause=_words(cause))
            case CallEnded(name=name, outcome=outcome, duration_s=duration_s, error=error):
                log.debug(
                    "call.ended",
                    operation=name,
                    outcome=outcome,
                    duration_s=round(duration_s, 6),
                    error=error,
                )
            case CallRejected(name=name, reason=reason):
                log.debug("call.rejected", operation=name, reason=reason)
            case CallRetried(name=name, attempt=attempt, wait_s=wait_s, error=error):
                log.debug(
                    "call.retried", operation=name, attempt=attempt, wait_s=round(wait_s, 3), error=error
                )
            case FellBack(name=name, to=to, error=error):
                log.debug("call.fell_back", operation=name, to=to, error=error)
            case SharingDegraded(reason=reason):
                log.warning("breakers.sharing.degraded", reason=reason)
            case SharingRecovered(after_s=after_s):
                log.info("breakers.sharing.recovered", after_s=round(after_s, 3))
            case HealthChanged():
                _health(event)
            case LoopBlocked() | LoopFreed():
                _loop(event)
            case SettingsApplied(generation=generation, changed=changed):
                log.info("config.reload.applied", generation=generation, changed=changed)
            case SettingsRejected(generation=generation, report=report):
                log.error("config.reload.rejected", generation=generation, report=report)
            case RestartRequired(keys=keys):
                log.warning("config.restart_required", keys=keys)
            case OperatorActed(who=who, what=what, before=before, after=after, outcome=outcome):
                log.warning("operator.acted", who=who, what=what, before=before, after=after, outcome=outcome)
            case _:
                return


def _step(event: StepFinished) -> None:
    fields = {"step": event.name, "action": event.action, "duration_s": round(event.duration_s, 3)}
    if event.error is None:
        log.debug("lifecycle.step", **fields)
    else:
        log.error("lifecycle.step_failed", **fields, error=str(event.error))


def _breaker(event: BreakerChanged) -> None:
    say = log.warning if event.new == "open" else log.info
    say("breaker.changed", breaker=event.name, old=event.old, new=event.new, cause=_words(event.cause))


def _words(cause: BaseException | None) -> str:
    first_line = str(cause).partition("\n")[0]
    return f"{type(cause).__name__}: {first_line}" if cause is not None else ""


def _health(event: HealthChanged) -> None:
    say = log.info if event.new is Status.PASS else log.warning
    if event.old is None and event.new is Status.PASS:  # each check's first result: no news
        say = log.debug
    say("health.changed", check=event.check, old=event.old, new=event.new, output=event.output)


def _loop(event: LoopBlocked | LoopFreed) -> None:
    if isinstance(event, LoopFreed):
        log.info("event_loop.freed", blocked_s=round(event.blocked_s, 3))
        return
    say = log.error if event.serious else log.warning
    say("event_loop.blocked", lag_s=round(event.lag_s, 3), where=event.where, frames=list(event.stack))
