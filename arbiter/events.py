"""What happens in the framework, as frozen dataclasses; logs, metrics and alerts are sinks.

Applications publish events of their own through the same bus. A sink passes over what it does not know.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from arbiter.protocols import EventSink, Status

__all__ = [
    "Alarm",
    "BreakerChanged",
    "BreakerWouldOpen",
    "CallEnded",
    "CallRejected",
    "CallRetried",
    "EventBus",
    "FellBack",
    "HealthChanged",
    "LoopBlocked",
    "LoopFreed",
    "OperatorActed",
    "PhaseEntered",
    "RestartRequired",
    "SettingsApplied",
    "SettingsRejected",
    "SharingDegraded",
    "SharingRecovered",
    "StepFinished",
]


@dataclass(frozen=True, slots=True)
class PhaseEntered:
    """The host entered a phase of its life: starting, running, pre-drain, draining, stopping, stopped, failed."""

    phase: str
    previous: str


@dataclass(frozen=True, slots=True)
class StepFinished:
    """One provider was started or stopped; `error` is None when that went well."""

    name: str
    action: str
    duration_s: float
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class BreakerChanged:
    """A circuit breaker went from one state to another; `cause` is the last failure, if one led here."""

    name: str
    old: str
    new: str
    cause: BaseException | None = None


@dataclass(frozen=True, slots=True)
class BreakerWouldOpen:
    """A circuit breaker that only observes saw its threshold exceeded; `cause` is the last failure, if there was one."""

    name: str
    cause: BaseException | None = None


@dataclass(frozen=True, slots=True)
class CallRejected:
    """A guarded call was not made, because of the breaker's state or a full bulkhead."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class CallEnded:
    """A guarded call was made and did not simply return.

    `outcome` is "answer", "failure", "timeout", "ignored" or "cancelled"; `error` is the type's name.
    """

    name: str
    outcome: str
    duration_s: float
    error: str


@dataclass(frozen=True, slots=True)
class CallRetried:
    """A guarded call failed on its `attempt` (from 1) and is made again after `wait_s`; `error` is the type's name."""

    name: str
    attempt: int
    wait_s: float
    error: str


@dataclass(frozen=True, slots=True)
class FellBack:
    """A fallback (`to`) is asked in place of a guarded call that ended in `error`, a type's name."""

    name: str
    to: str
    error: str


@dataclass(frozen=True, slots=True)
class SharingDegraded:
    """The store by which instances share their circuit breakers does not answer: each decides by itself."""

    reason: str


@dataclass(frozen=True, slots=True)
class SharingRecovered:
    """It answers again, after so long; what was decided meanwhile has been told."""

    after_s: float


@dataclass(frozen=True, slots=True)
class HealthChanged:
    """A check's status changed, after its thresholds."""

    check: str
    old: Status | None
    new: Status
    output: str = ""
    critical: bool = True


@dataclass(frozen=True, slots=True)
class LoopBlocked:
    """The event loop has not turned for `lag_s` seconds, and this is where it stands: published from another thread.

    Attributes:
        lag_s: for how long already.
        where: the innermost call, `handler (shop/api.py:12)`.
        stack: that call and those around it, the innermost first.
        serious: long enough for liveness to fail.
    """

    lag_s: float
    where: str
    stack: tuple[str, ...] = ()
    serious: bool = False


@dataclass(frozen=True, slots=True)
class LoopFreed:
    """The event loop turns again after `blocked_s` seconds for which `LoopBlocked` was published."""

    blocked_s: float


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that people should hear of began, or is over, in an application's own words; alert sinks tell them.

    Attributes:
        name: what kind of thing, `AgentAnomaly`; with `subject` it says which alarm this is.
        subject: whom or what it concerns, an agent's id.
        on: whether it began, or is over.
        summary: one sentence for people.
        critical: whether somebody has to act now.
    """

    name: str
    subject: str
    on: bool
    summary: str = ""
    critical: bool = False


@dataclass(frozen=True, slots=True)
class SettingsApplied:
    """A reload replaced the settings; `changed` holds the dotted keys."""

    generation: int
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SettingsRejected:
    """A reload found faults and kept the settings in force; `report` holds no secret."""

    generation: int
    report: str


@dataclass(frozen=True, slots=True)
class RestartRequired:
    """A reload found changed keys that take effect at the next start only; `keys` are dotted."""

    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OperatorActed:
    """Somebody changed something by hand while it runs: the audit. `before` and `after` are plain values.

    `who` is an address and how it was let in, `what` the method and path, `outcome` done or rejected.
    """

    who: str
    what: str
    before: object
    after: object
    outcome: str = "done"


@dataclass(slots=True)
class EventBus:
    """Hands each event to each sink, in the order they were added; a failing sink never reaches the publisher."""

    sinks: list[EventSink] = field(default_factory=list)

    def publish(self, event: object) -> None:
        """Take one event and pass it on."""
        for sink in tuple(self.sinks):
            try:
                sink.publish(event)
            except Exception:  # a sink is a bystander: what it suffers is logged, never passed on
                logging.getLogger(__name__).exception("event sink %r failed", type(sink).__name__)

    def add(self, sink: EventSink) -> None:
        """Let `sink` see every event from now on."""
        self.sinks.append(sink)

    def adopt(self, name: str, component: object) -> None:  # noqa: ARG002  every component is shown under its name
        """Let a component that is a sink see every event, too."""
        if isinstance(component, EventSink) and component is not self and component not in self.sinks:
            self.add(component)

    def remove(self, sink: EventSink) -> None:
        """Let `sink` see no more; unknown sinks are passed over."""
        if sink in self.sinks:
            self.sinks.remove(sink)
