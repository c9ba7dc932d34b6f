"""A circuit breaker that follows the fleet's, and whose changes the fleet follows.

Counting and tripping are its own. When its interval is over, each trial needs a lease from the fleet, and its verdict
counts for all. While the fleet does not answer, it is an ordinary breaker.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, Protocol

from arbiter.resilience import trials
from arbiter.resilience.breaker import CircuitBreaker
from arbiter.resilience.policy import Policy
from arbiter.resilience.shared.record import Decision, Lease, Record, Reply
from arbiter.resilience.shared.undecided import Undecided
from arbiter.resilience.states import CLOSED, HALF_OPEN, OPEN

__all__ = ["Fleet", "SharedBreaker"]


class Fleet(Protocol):
    """What a shared breaker needs of the others; every method returns at once."""

    patience_s: float
    """How long a trial waits for its lease."""
    unheeded_s: float
    """How long a refused lease is not asked for again."""

    @property
    def answers(self) -> bool:
        """Whether the shared store answers at present."""
        ...

    def ask(self, breaker: SharedBreaker) -> Future[None]:
        """Ask for a lease; `breaker.answered` is called before the future is done."""
        ...

    def settle(self, breaker: SharedBreaker, lease: Lease, verdict: str, decision: Decision) -> None:
        """Tell the verdict of a trial."""
        ...

    def tell(self, breaker: SharedBreaker) -> None:
        """Fetch the breaker's decision, and tell it."""
        ...

    def give_up(self) -> None:
        """The store did not answer in time."""
        ...


class SharedBreaker(CircuitBreaker):
    """See `CircuitBreaker`, whose arguments it takes besides `fleet`."""

    def __init__(self, name: str, policy: Policy | None = None, *, fleet: Fleet, **others: Any) -> None:
        self._fleet = fleet
        self._version = 0
        self._decision: Decision | None = None
        self._granted: deque[tuple[Lease, float]] = deque()
        self._held: list[Lease] = []
        self._asking = 0
        self._heed_at = -math.inf
        self._is_following = self._is_judging = False
        super().__init__(name, policy, **others)

    # The breaker's own ways, with the fleet in them.

    def ask(self, now: float) -> int | None:
        """As any breaker; raises `Undecided` where only the fleet can say, and the running loop must not be held up."""
        try:
            return super().ask(now)
        except Undecided as undecided:
            if asyncio._get_running_loop() is not None:
                raise
            undecided.wait_here()
        try:
            return super().ask(self._clock.monotonic())
        except Undecided:  # another thread took the lease; one wait is all that a call is held up
            return None

    def _let_in(self) -> int:
        try:
            return self.admit()
        except Undecided:  # nobody here can wait for the answer
            raise self.refused(self._clock.monotonic()) from self.last_failure

    async def _let_in_later(self) -> int:
        try:
            return self.admit()
        except Undecided as undecided:
            era: int = await undecided.admitted(self)
            return era

    def succeeded(self, era: int, seconds: float = 0.0) -> None:
        """The call admitted in `era` was answered."""
        with self._critical, self._judging(era, "ok"):
            super().succeeded(era, seconds)

    def failed(self, era: int, error: BaseException, seconds: float = 0.0) -> None:
        """The call admitted in `era` failed with `error`."""
        with self._critical, self._judging(era, "failed"):
            super().failed(era, error, seconds)

    def released(self, era: int) -> None:
        """The call admitted in `era` says nothing."""
        with self._critical, self._judging(era, "released"):
            super().released(era)

    dismissed = released

    def _decide(self) -> int | None:
        state = self._state.name
        is_due = state == HALF_OPEN or (state == OPEN and not self.retry_after_s)
        if not is_due or not self._fleet.answers or self._is_stuck() or trials.is_inside(self, self.era):
            return super()._decide()
        permits = self.policy.half_open_permits
        if self._granted and self._permits_in_use < permits:
            return self._begin_trial()
        is_full = self._permits_in_use + self._asking >= permits
        if is_full or self._clock.monotonic() < self._heed_at:
            return None
        self._asking += 1
        answer = self._fleet.ask(self)
        raise Undecided(self._name or "", answer, self._fleet.patience_s, self._fleet.give_up)

    def _begin_trial(self) -> int | None:
        if self._state.name == OPEN:
            self.half_open()
        self._held.append(self._granted.popleft()[0])
        return self._take_permit()

    def _enter(self, name: str) -> None:
        super()._enter(name)
        self._held.clear()
        if name == HALF_OPEN:
            return
        self._granted.clear()
        if not self._is_following:
            forced = not self._is_judging and name != OPEN
            self._decision = self._standing(forced=forced)
            self._fleet.tell(self)

    @contextmanager
    def _judging(self, era: int, verdict: str) -> Iterator[None]:
        """A verdict is given: of a trial with a lease, the fleet is told it; what else it changes is a decision."""
        is_trial = bool(self._held) and era == self.era and self._state.name == HALF_OPEN
        lease = self._held.pop() if is_trial else None
        was_following, self._is_following = self._is_following, self._is_following or lease is not None
        self._is_judging = True
        try:
            yield
        finally:
            self._is_following, self._is_judging = was_following, False
        if lease is not None:
            failed = self._state.name == OPEN  # a slow answer fails, too
            self._fleet.settle(self, lease, "failed" if failed else verdict, self._standing())

    def _standing(self, *, forced: bool = False) -> Decision:
        interval_s = self.retry_after_s or 0.0
        return Decision(self._state.name, interval_s, self._interval.attempt, forced)

    # What the fleet says; called by its thread.

    @property
    def version(self) -> int:
        """The newest record that this breaker has followed."""
        return self._version

    @property
    def undecided_lease(self) -> Lease:
        """A lease to ask for, on the present version; the fleet gives it its own id."""
        return Lease(self._version, "")

    @property
    def attempt(self) -> int:
        """Failed half-open periods since the circuit was last closed."""
        return self._interval.attempt

    def take_decision(self) -> Decision | None:
        """The decision that is to be told, if one is."""
        with self._critical:
            taken, self._decision = self._decision, None
            return taken

    def keep_decision(self, decision: Decision) -> None:
        """It could not be told: it is, later, unless there is a newer one."""
        with self._critical:
            if self._decision is None:
                self._decision = decision

    def keep_standing(self) -> None:
        """A verdict could not be told: what came of it here is a decision to be told later."""
        with self._critical:
            if self._state.name in (OPEN, CLOSED):
                self.keep_decision(self._standing())

    def told(self, reply: Reply) -> None:
        """The fleet took the decision, or knows better."""
        with self._critical:
            if reply.record is not None and reply.done:
                self._version = reply.record.version
            elif reply.record is not None:
                self._follow(reply.record)

    def answered(self, reply: Reply | None, lease_id: str = "") -> None:
        """What came of asking for a lease; None while the store does not answer."""
        with self._critical:
            self._asking -= 1
            if reply is None or reply.record is None:
                return
            if reply.done:
                self._version = reply.record.version
                self._granted.append((Lease(self._version, lease_id), self._clock.monotonic()))
            else:
                self._heed_at = self._clock.monotonic() + self._fleet.unheeded_s
                self.follow(reply.record)

    def unused_leases(self, older_than_s: float) -> list[Lease]:
        """Leases that were granted and that nobody came for; they are to be given back."""
        with self._critical:
            before = self._clock.monotonic() - older_than_s
            unused = [lease for lease, at in self._granted if at <= before]
            self._granted = deque(one for one in self._granted if one[1] > before)
            return unused

    def follow(self, record: Record) -> None:
        """Take over how the circuit stands for all, unless that is no news, or this one has news itself."""
        with self._critical:
            if self._decision is None and record.version > self._version:
                self._follow(record)

    def _follow(self, record: Record) -> None:
        self._version = record.version
        self._decision = None
        self._granted.clear()
        self._is_following = True
        try:
            self._become(record)
        finally:
            self._is_following = False

    def _become(self, record: Record) -> None:
        state = self._state.name
        if record.state in (OPEN, HALF_OPEN):
            if state not in (OPEN, CLOSED, HALF_OPEN):
                self.close()
            if self._state.name != OPEN:
                self.open()
            self._resume(record.attempt, record.left_s if record.state == OPEN else 0.0)
        elif record.state != state:
            if state != CLOSED:
                self.close()
            if record.state != CLOSED:
                self._hold(record.state)

    def _resume(self, attempt: int, left_s: float) -> None:
        """Stay open for so long, by the fleet's clock."""
        self._interval.resume(attempt)
        self._since = self._clock.monotonic() + left_s - self.reset_timeout
        self._settle()
        self._set_timer()
