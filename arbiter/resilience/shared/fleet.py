"""The instances that share their circuits, seen from one of them: a thread that talks to the store, so that no call does.

It tells what its breakers decided, asks for the leases of trials, and looks ten times a second whether anything has
changed elsewhere: one GET, and the records themselves only when it has.
"""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import partial
from queue import Empty, SimpleQueue
from typing import Final

import structlog
from pydantic import SecretStr

from arbiter.events import SharingDegraded, SharingRecovered
from arbiter.protocols import CheckResult, EventSink, Measurement, Status
from arbiter.resilience.shared.breaker import SharedBreaker
from arbiter.resilience.shared.record import Decision, Lease, Reply, Store, StoreFailed
from arbiter.resilience.shared.redis_store import RedisStore

__all__ = ["SharedCircuits"]

log = structlog.get_logger(__name__)

POLL_S: Final = 0.1
PATIENCE_S: Final = 0.08
"""So that a trial is held up by less than 100 ms, with the loop's own delay."""

_RETRY_S: Final = 1.0
_UNUSED_S: Final = 1.0
_STOP_S: Final = 2.0

_Job = tuple[Callable[[], None], Callable[[], None]]
"""What to do, and what to do instead when the store does not answer."""


class SharedCircuits:
    """Keeps this process's breakers and the fleet's together. A component: started before what it serves.

    Attributes:
        patience_s: how long the trial of a half-open circuit waits for its lease, in seconds.
        unheeded_s: how long a refused lease is not asked for again, in seconds.

    Args:
        url: the store's address; empty, nothing is shared.
        events: takes `SharingDegraded` and `SharingRecovered`.
        poll_s: how often to look for changes, in seconds.
        patience_s: as the attribute, and the time-out of each command.
    """

    def __init__(
        self,
        url: SecretStr,
        events: EventSink | None = None,
        *,
        poll_s: float = POLL_S,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._url, self._events = url.get_secret_value(), events
        self._poll_s = self.unheeded_s = poll_s
        self.patience_s = patience_s
        self._breakers: dict[str, SharedBreaker] = {}
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._store: Store | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._since = time.monotonic()
        self._answers: bool | None = None
        self._generation = -1
        self._counts = dict.fromkeys(("commands", "failures"), 0)

    @property
    def is_shared(self) -> bool:
        """Whether there is anybody to share with."""
        return bool(self._url)

    @property
    def answers(self) -> bool:
        """Whether the store answers at present."""
        return self._answers is True

    # A component's life.

    async def start(self) -> None:
        """Begin to share; whether the store answers yet makes no difference.

        Raises:
            ConfigurationError: the address cannot be used, or redis is not installed.
        """
        if self._url and self._thread is None:
            self._store = RedisStore(self._url, self.patience_s)
            self._thread = threading.Thread(target=self._run, name="arbiter.breakers", daemon=True)
            self._thread.start()

    async def stop(self) -> None:
        """Tell what is still to be told, and end the thread."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._jobs.put(None)
            await asyncio.to_thread(thread.join, _STOP_S)
            self._answers = None

    async def check(self) -> CheckResult:
        """Degraded while the store does not answer: each instance then decides by itself."""
        if not self._url:
            return CheckResult(Status.PASS, "circuit breakers are not shared")
        if self.answers:
            return CheckResult(Status.PASS, f"{len(self._breakers)} circuit breakers are shared")
        return CheckResult(Status.WARN, "circuit breakers are not shared: the store does not answer")

    def measurements(self) -> Iterator[Measurement]:
        """Whether the store answers, commands sent to it, and how many of them had no answer; nothing if not shared."""
        if not self._url:
            return
        yield Measurement(
            "arbiter.circuit_breaker.sharing.up",
            "gauge",
            float(self.answers),
            "1 while the shared store answers.",
        )
        for name, value in self._counts.items():
            yield Measurement(
                f"arbiter.circuit_breaker.sharing.{name}",
                "counter",
                value,
                "Commands to the shared store." if name == "commands" else "Commands that had no answer.",
                f"{{{name.removesuffix('s')}}}",
            )

    # What breakers ask of it.

    def join(self, breaker: SharedBreaker) -> None:
        """Keep this breaker and the fleet's of its name together."""
        with self._lock:
            self._breakers[breaker.name or ""] = breaker
            self._generation = -1  # its record has not been read yet

    def leave(self, name: str) -> None:
        """The breaker is gone."""
        with self._lock:
            self._breakers.pop(name, None)

    def ask(self, breaker: SharedBreaker) -> Future[None]:
        """Ask for a lease; `breaker.answered` is called before the future is done."""
        answer: Future[None] = Future()
        refuse = partial(self._answer, breaker, answer, None, "")
        self._jobs.put((partial(self._lease, breaker, answer), refuse))
        return answer

    def settle(self, breaker: SharedBreaker, lease: Lease, verdict: str, decision: Decision) -> None:
        """Tell the verdict of a trial; `decision` says how it opens if it failed."""
        self._jobs.put((partial(self._settle, breaker, lease, verdict, decision), breaker.keep_standing))

    def tell(self, breaker: SharedBreaker) -> None:
        """Fetch the breaker's decision, and tell it."""
        if self._url:
            self._jobs.put((partial(self._tell, breaker), lambda: None))

    def give_up(self) -> None:
        """The store did not answer in time: until it does, each decides by itself."""
        self._lost(f"no answer within {self.patience_s * 1000:g} ms")

    # The thread.

    def _run(self) -> None:
        due = time.monotonic()
        while True:
            try:
                job = self._jobs.get(timeout=max(0.0, due - time.monotonic()))
            except Empty:
                due = self._looked()
                continue
            if job is None:
                break
            self._do(*job)
            if time.monotonic() >= due:
                due = self._looked()
        if self.answers:
            self._attempt(self._tell_all)
        if self._store is not None:
            self._attempt(self._store.close)

    def _looked(self) -> float:
        """Look, and say when to look again."""
        self._attempt(self._look)
        return time.monotonic() + (self._poll_s if self.answers else _RETRY_S)

    def _do(self, act: Callable[[], None], instead: Callable[[], None]) -> None:
        if not self.answers or not self._attempt(act):
            instead()

    def _attempt(self, act: Callable[[], None]) -> bool:
        try:
            act()
        except StoreFailed as failed:
            self._counts["failures"] += 1
            self._lost(str(failed))
            return False
        except Exception:  # the thread must live: without it, nothing is shared any more
            log.exception("breakers.sharing.failed")
            return False
        return True

    def _look(self) -> None:
        generation = self._sent().generation()
        if not self.answers:
            self._tell_all()
            self._regained()
        self._give_back_unused()
        with self._lock:
            is_news, breakers = generation != self._generation, dict(self._breakers)
            self._generation = generation
        if is_news:
            for name in breakers:
                for known, record in self._sent().read([name]).items():
                    breakers[known].follow(record)

    def _tell_all(self) -> None:
        for breaker in self._all():
            self._tell(breaker)

    def _tell(self, breaker: SharedBreaker) -> None:
        decision = breaker.take_decision()
        if decision is None:
            return
        try:
            breaker.told(self._sent().decide(breaker.name or "", breaker.version, decision))
        except StoreFailed:
            breaker.keep_decision(decision)
            raise

    def _lease(self, breaker: SharedBreaker, answer: Future[None]) -> None:
        lease = Lease(breaker.version, uuid.uuid4().hex)
        policy = breaker.policy
        reply = self._sent().lease(
            breaker.name or "", lease, policy.half_open_permits, policy.half_open_max_age_s, breaker.attempt
        )
        self._answer(breaker, answer, reply, lease.id)

    def _answer(
        self, breaker: SharedBreaker, answer: Future[None], reply: Reply | None, lease_id: str
    ) -> None:
        breaker.answered(reply, lease_id)
        if answer.set_running_or_notify_cancel():
            answer.set_result(None)

    def _settle(self, breaker: SharedBreaker, lease: Lease, verdict: str, decision: Decision) -> None:
        threshold = breaker.policy.success_threshold
        reply = self._sent().settle(breaker.name or "", lease, verdict, threshold, decision)
        if reply.record is not None:
            breaker.follow(reply.record)

    def _give_back_unused(self) -> None:
        for breaker in self._all():
            for lease in breaker.unused_leases(_UNUSED_S):
                self._settle(breaker, lease, "released", Decision("", 0.0, 0, forced=False))

    def _all(self) -> list[SharedBreaker]:
        with self._lock:
            return list(self._breakers.values())

    def _sent(self) -> Store:
        assert self._store is not None  # noqa: S101  the thread runs only with one
        self._counts["commands"] += 1
        return self._store

    # Whether it answers.

    def _lost(self, reason: str) -> None:
        with self._lock:
            was, self._answers = self._answers, False
            if was is not False:
                self._since = time.monotonic()
        if was is not False and self._events is not None:
            self._events.publish(SharingDegraded(reason))

    def _regained(self) -> None:
        with self._lock:
            was, self._answers = self._answers, True
            self._generation = -1
        if was is False and self._events is not None:
            self._events.publish(SharingRecovered(time.monotonic() - self._since))
