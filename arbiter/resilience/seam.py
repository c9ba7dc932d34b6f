"""The seam around one operation: `fallback(retry(breaker(deadline(bulkhead(call)))))`, with its span and counts.

A generated proxy method brackets the call itself, so that neither a frame nor a task stands between caller and method:

    gate = seam.gate; call = gate.era
    if not gate.quiet: call = gate.admit()          # breaker, bulkhead, deadline, span; or a rejection
    try: result = await inner.method(...)           # fallback and retry are a try and a loop around this (`compose`)
    except BaseException as error: gate.raised(call, error); raise
    if not gate.quiet: gate.succeeded(call)

Where there is nothing but a breaker, the gate is the breaker itself, and a call on a quiet circuit costs two attribute
reads. Where a breaker and counts are all (every plain method, which can have no deadline), it is a `Counted`. Otherwise
it is the seam.
"""

from __future__ import annotations

from asyncio import current_task, get_running_loop
from bisect import bisect_left
from typing import Final, NoReturn

from opentelemetry.context import attach, detach
from opentelemetry.trace import Status, StatusCode, set_span_in_context

from arbiter.errors import DeadlineExceeded, Rejected
from arbiter.events import CallRejected
from arbiter.resilience.breaker import CircuitBreaker
from arbiter.resilience.bulkhead import Saturated
from arbiter.resilience.call import NO_BREAKER, Call, NoBreaker, Parts
from arbiter.resilience.deadline import DeadlineQueue
from arbiter.resilience.layers import Layers
from arbiter.resilience.outcome import FAILURE, TIMEOUT, Outcome
from arbiter.resilience.policy import Policy
from arbiter.resilience.registry import policy_of
from arbiter.resilience.settings import ResilienceSettings
from arbiter.resilience.shared.undecided import Undecided
from arbiter.resilience.tally import BOUNDS_S, QUICK_S, Tally

__all__ = ["Seam"]

_POLL_S: Final = 0.05
"""How old the settings that a call sees may be: reading them anew for each call would double its cost."""


class Seam:
    """One operation's guard, shared by every proxy that has the operation's name.

    Args:
        name: the operation, `<provider>.<method>`.
        parts: what it shares with the guard's other seams.
        has_deadline: whether calls can be ended: async ones can, a sync one stays on its caller's thread.
    """

    __slots__ = (
        "_applied",
        "_breaker",
        "_circuit",
        "_has_deadline",
        "_limit",
        "_monotonic",
        "_parts",
        "_queue",
        "_recheck_at",
        "_timeout_s",
        "gate",
        "layers",
        "name",
        "tally",
        "tracer",
        "users",
    )

    era: Final = 0
    quiet: Final = False
    gate: CircuitBreaker | NoBreaker | Counted | Seam

    def __init__(self, name: str, parts: Parts, *, has_deadline: bool) -> None:
        self.name, self.tracer, self.tally = name, parts.tracer, Tally(name)
        self.users = 0
        self._parts, self._has_deadline = parts, has_deadline
        self.layers = Layers(name, parts, self.tally)
        self._circuit = parts.breakers.get(name)
        self._monotonic = parts.clock.monotonic
        self._queue: DeadlineQueue | None = None
        self._recheck_at = 0.0
        self._applied: ResilienceSettings | None = None
        self.refresh()

    def refresh(self) -> None:
        """Take the settings in force; counts and the breaker's state stay."""
        settings = self._parts.settings.current
        self._recheck_at = self._monotonic() + _POLL_S
        if settings is not self._applied:
            self._applied = settings
            self._apply(policy_of(settings, self.name))

    def _apply(self, policy: Policy) -> None:
        self._circuit.configure(policy)
        self.layers.policy = policy
        self._breaker: CircuitBreaker | NoBreaker = self._circuit if policy.enabled else NO_BREAKER
        self._timeout_s = policy.timeout_s if self._has_deadline else None
        self._limit, self._queue = policy.max_concurrent, None
        if self.tracer or self._timeout_s or self._limit:
            self.gate = self
        else:
            self.gate = Counted(self) if self._parts.measure else self._breaker

    # The bracket around a call.

    def admit(self) -> Call:
        """Admit a call: what comes back goes to `succeeded` or `raised`. Raises a `Rejected`."""
        started = self._monotonic()
        if started >= self._recheck_at:
            self.refresh()
        breaker = self._breaker
        era = breaker.era
        if not breaker.quiet:
            era = self._through(breaker)
        if self._limit is not None and self.tally.running >= self._limit:
            self._saturated(breaker, era, self._limit)
        self.tally.admitted += 1
        call = Call()
        call.started, call.era = started, era
        if self._timeout_s is None:
            call.queue = None
        else:
            self.resume(call, started)
        if self.tracer is not None:
            call.span = span = self.tracer.start_span(self.name)
            call.context = attach(set_span_in_context(span))
        return call

    def succeeded(self, call: Call) -> None:
        """The call returned."""
        queue = call.queue
        if queue is not None:
            if call.expired:  # its method swallowed the cancellation: the value stands
                call.task.uncancel()
            else:
                del queue.calls[call]
        seconds = self._monotonic() - call.started
        tally = self.tally
        tally.buckets[0 if seconds <= QUICK_S else bisect_left(BOUNDS_S, seconds)] += 1
        tally.total_s += seconds
        if not self._breaker.quiet:
            self._breaker.succeeded(call.era, seconds)
        if self.tracer is not None:
            detach(call.context)
            call.span.end()

    def raised(self, call: Call, error: BaseException) -> None:
        """The call raised; raises `DeadlineExceeded` in place of the cancellation that its deadline caused."""
        end, outcome = self._end_of(call, error)
        seconds = self._monotonic() - call.started
        self._breaker.judge(call.era, end, outcome, seconds)
        self.tally.finished(seconds, outcome)
        if self.tracer is not None:
            _close_span(call, end, outcome)
        if end is not error:
            raise end from error

    def annotate(self, call: object, **values: object) -> None:
        """Put the call's arguments that are plain values onto its span."""
        if isinstance(call, Call) and call.span.is_recording():
            for name, value in values.items():
                if isinstance(value, (str, int, float)):
                    call.span.set_attribute(name, value)

    # The deadline's part.

    def resume(self, call: Call, now: float) -> None:
        """Let the deadline run for `call`, from `now`, in the task that asks."""
        try:
            loop = get_running_loop()
        except RuntimeError:  # driven by hand: there is nothing to cancel
            call.queue = None
            return
        queue = self._queue
        if queue is None or queue.loop is not loop:
            queue = self._queue = self._parts.deadlines.queue(loop, self._timeout_s or 0.0)
        task = current_task(loop)
        if task is None:
            call.queue = None
            return
        call.queue, call.task, call.cancelling = queue, task, task.cancelling()
        call.due = now + queue.timeout_s
        call.expired = False
        queue.calls[call] = None
        if not queue.armed:
            queue.arm(queue.timeout_s)

    def proceed(self, call: object) -> None:
        """The next item of a generator is asked for: its deadline runs."""
        if isinstance(call, Call) and call.queue is not None:
            self.resume(call, self._monotonic())

    def pause(self, call: object) -> None:
        """A generator has yielded: while its consumer works, no deadline runs."""
        if isinstance(call, Call) and call.queue is not None:
            if call.expired:
                call.task.uncancel()
            else:
                del call.queue.calls[call]

    def dismissed(self, call: Call) -> None:
        """The call turned out not to be one: nothing is counted and no span is sent."""
        self._breaker.released(call.era)
        self.tally.admitted -= 1
        if self.tracer is not None:
            detach(call.context)

    # What is rare.

    def _through(self, breaker: CircuitBreaker | NoBreaker) -> int:
        try:
            return breaker.admit()
        except Rejected as rejection:
            if self._has_deadline and isinstance(rejection, Undecided):
                raise  # no rejection yet: the generated method awaits the answer
            self.tally.others[Outcome.REJECTED] += 1
            raise

    def _saturated(self, breaker: CircuitBreaker | NoBreaker, era: int, limit: int) -> NoReturn:
        error = Saturated(self.name, limit)
        breaker.judge(era, error, Outcome.SATURATED)
        self.tally.others[Outcome.SATURATED] += 1
        if self._parts.events is not None:
            self._parts.events.publish(CallRejected(self.name, Outcome.SATURATED.value))
        raise error

    def _end_of(self, call: Call, error: BaseException) -> tuple[BaseException, Outcome]:
        queue = call.queue
        if queue is not None:
            queue.calls.pop(call, None)
            if call.owns(error):
                return DeadlineExceeded(self.name, queue.timeout_s), TIMEOUT
        return error, self._parts.rules.outcome_of(error)


class Counted:
    """The gate of a seam that has a breaker and counts, and nothing else: a call is its start and its era."""

    __slots__ = ("_breaker", "_monotonic", "_seam", "_tally")

    era: Final = 0
    quiet: Final = False

    def __init__(self, seam: Seam) -> None:
        self._seam, self._breaker = seam, seam._breaker
        self._tally, self._monotonic = seam.tally, seam._monotonic

    def admit(self) -> tuple[float, int]:
        """Admit a call: what comes back goes to `succeeded` or `raised`. Raises a `Rejected`."""
        started = self._monotonic()
        if started >= self._seam._recheck_at:
            self._seam.refresh()
        breaker = self._breaker
        era = breaker.era
        if not breaker.quiet:
            era = self._seam._through(breaker)
        self._tally.admitted += 1
        return started, era

    def succeeded(self, call: tuple[float, int]) -> None:
        """The call returned."""
        started, era = call
        seconds = self._monotonic() - started
        tally = self._tally
        tally.buckets[0 if seconds <= QUICK_S else bisect_left(BOUNDS_S, seconds)] += 1
        tally.total_s += seconds
        if not self._breaker.quiet:
            self._breaker.succeeded(era, seconds)

    def raised(self, call: tuple[float, int], error: BaseException) -> None:
        """The call raised."""
        started, era = call
        outcome = self._seam._parts.rules.outcome_of(error)
        seconds = self._monotonic() - started
        self._breaker.judge(era, error, outcome, seconds)
        self._tally.finished(seconds, outcome)

    def dismissed(self, call: tuple[float, int]) -> None:
        """The call turned out not to be one: nothing is counted."""
        self._breaker.released(call[1])
        self._tally.admitted -= 1


def _close_span(call: Call, end: BaseException, outcome: Outcome) -> None:
    if not isinstance(end, GeneratorExit):  # a coroutine may be closed in another context than its own
        detach(call.context)
    if outcome is FAILURE or outcome is TIMEOUT:
        call.span.record_exception(end)
        call.span.set_status(Status(StatusCode.ERROR, type(end).__name__))
    call.span.end()
