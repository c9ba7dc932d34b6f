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

from opentelemetry.context import attach, detach
from opentelemetry.trace import Status, StatusCode, set_span_in_context

from arbiter.errors import DeadlineExceeded
from arbiter.events import CallRejected
from arbiter.resilience.breaker import CircuitBreaker
from arbiter.resilience.bulkhead import Saturated
from arbiter.resilience.call import Call, NoBreaker
from arbiter.resilience.fitting import Fitting
from arbiter.resilience.outcome import FAILURE, IGNORED, REJECTED, SATURATED, TIMEOUT, Outcome
from arbiter.resilience.states import CircuitOpen, UnwantedResult
from arbiter.resilience.tally import BOUNDS_S, QUICK_S
from arbiter.tracing import record_error

__all__ = ["Seam"]


class Seam(Fitting):
    """One operation's guard, shared by every proxy that has the operation's name. See `Fitting` for its arguments."""

    __slots__ = ()

    # The bracket around a call.

    def admit(self) -> Call:
        """Admit a call: what comes back goes to `succeeded` or `raised`. Raises a `Rejected`."""
        started = self._monotonic()
        if started >= self._recheck_at:
            self.refresh()
        breaker = self._breaker
        era = breaker.era
        if not breaker.quiet:
            asked = breaker.ask(started)
            if asked is None:
                self.tally.others[REJECTED] += 1
                raise self._circuit.refused(started) from self._circuit.last_failure
            era = asked
        if self._limit is not None and self.tally.running >= self._limit:
            raise self._saturated(breaker, era, self._limit)
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
        if seconds > self._overrun_s:
            tally.overran += 1
        if not self._breaker.quiet:
            self._breaker.succeeded(call.era, seconds)
        if self.tracer is not None:
            detach(call.context)
            call.span.end()

    def raised(self, call: Call, error: BaseException) -> None:
        """The call raised; raises `DeadlineExceeded` in place of the cancellation that its deadline caused."""
        queue = call.queue
        if queue is None:
            pass
        elif not call.expired:
            del queue.calls[call]
        elif call.owns(error):
            late = DeadlineExceeded(self.name, queue.timeout_s)
            self._end(call, late, TIMEOUT)
            raise late from error
        if self.pool is not None and isinstance(error, Saturated) and error.operation == self.name:
            self._drop(call)  # no thread was free: nothing ran
            self._count_saturation()
            return
        self._end(call, error, self._known.get(type(error)) or self._rules.outcome_of(error))

    def unwanted(self, call: Call, result: object) -> None:
        """The call returned what its operation declares a failure."""
        self._leave_queue(call)
        self._end(call, UnwantedResult(self.name, result), FAILURE)

    def passed_over(self, call: Call, error: BaseException) -> None:
        """The call ended with an error of its caller's own, which says nothing."""
        self._leave_queue(call)
        self._end(call, error, IGNORED)

    def dismissed(self, call: Call) -> None:
        """The call turned out not to be one: nothing is counted and no span is sent."""
        self._leave_queue(call)
        self._drop(call)

    def turned_away(self) -> CircuitOpen:
        """Count a call that only the fleet could let through and that cannot wait for its answer; its rejection."""
        self.tally.others[REJECTED] += 1
        return self._circuit.refused(self._monotonic())

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

    def pause(self, call: Call) -> None:
        """The method waits for its caller, as a generator that has yielded does: its deadline and duration stand."""
        self._leave_queue(call)
        call.paused = self._monotonic()

    def proceed(self, call: Call) -> None:
        """The method goes on."""
        now = self._monotonic()
        call.started += now - call.paused
        if call.queue is not None:
            self.resume(call, now)

    # The span's part.

    def annotate(self, call: object, **values: object) -> None:
        """Put the call's arguments that are plain values onto its span."""
        if isinstance(call, Call) and call.span.is_recording():
            for name, value in values.items():
                if isinstance(value, (str, int, float)):
                    call.span.set_attribute(name, value)

    def leave_span(self, call: Call) -> None:
        """The caller's own code runs: the call's span is not current."""
        if self.tracer is not None:
            detach(call.context)

    def enter_span(self, call: Call) -> None:
        """The method goes on: the call's span is current again."""
        if self.tracer is not None:
            call.context = attach(set_span_in_context(call.span))

    # What is rare.

    def _end(self, call: Call, error: BaseException, outcome: Outcome) -> None:
        seconds = self._monotonic() - call.started
        if outcome is FAILURE:
            self._breaker.failed(call.era, error, seconds)
        else:
            self._breaker.judge(call.era, error, outcome, seconds)
        self.tally.finished(seconds, outcome)
        if self._parts.events is not None:
            self.tell(outcome, seconds, error)
        if self.tracer is not None:
            _close_span(call, error, outcome)

    def _drop(self, call: Call) -> None:
        self._breaker.released(call.era)
        self.tally.admitted -= 1
        if self.tracer is not None:
            detach(call.context)

    @staticmethod
    def _leave_queue(call: Call) -> None:
        if call.queue is not None:
            if call.expired:  # its method swallowed the cancellation
                call.task.uncancel()
            else:
                del call.queue.calls[call]

    def _saturated(self, breaker: CircuitBreaker | NoBreaker, era: int, limit: int) -> Saturated:
        error = Saturated(self.name, limit)
        breaker.judge(era, error, SATURATED)
        self._count_saturation()
        return error

    def _count_saturation(self) -> None:
        self.tally.others[SATURATED] += 1
        if self._parts.events is not None:
            self._parts.events.publish(CallRejected(self.name, SATURATED.value))


def _close_span(call: Call, end: BaseException, outcome: Outcome) -> None:
    if not isinstance(end, GeneratorExit):  # a coroutine may be closed in another context than its own
        detach(call.context)
    if outcome is FAILURE or outcome is TIMEOUT:
        record_error(call.span, end)
        call.span.set_status(Status(StatusCode.ERROR, type(end).__name__))
    call.span.end()
