"""Settings that a reload may replace: as a whole, by one reference, and only by better ones."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, Final, Generic, Literal, TypeVar

from pydantic import BaseModel

from arbiter.errors import ConfigurationError
from arbiter.events import RestartRequired, SettingsApplied, SettingsRejected
from arbiter.protocols import EventSink, Live
from arbiter.settings.loader import SettingsLoader
from arbiter.settings.pins import PINNED, Pin
from arbiter.settings.problems import Problem, SettingsInvalid
from arbiter.settings.snapshot import Snapshot
from arbiter.settings.sources import Sources
from arbiter.settings.subscribers import BUDGET_S, Change, SettingsSubscriber, Subscribers
from arbiter.settings.succession import Succession, redaction_of, refuse_vanished, succeed

__all__ = ["LiveSettings", "Outcome", "ReloadResult"]

S = TypeVar("S", bound=BaseModel)
T = TypeVar("T")

Outcome = Literal["applied", "unchanged", "rejected"]

_NOTHING: Final[Any] = (object(), None)  # fits no snapshot


@dataclass(frozen=True, slots=True)
class ReloadResult:
    """How a reload ended.

    Attributes:
        outcome: applied, unchanged (also when only keys changed that need a restart), or rejected.
        generation: the generation in force afterwards.
        changed: dotted keys that took effect (or would, in a dry run).
        restart_required: dotted keys that differ from what is in force, and need a restart to take effect.
        report: why it was rejected, without secrets; empty otherwise.
        problems: the same as data.
    """

    outcome: Outcome
    generation: int
    changed: tuple[str, ...] = ()
    restart_required: tuple[str, ...] = ()
    report: str = ""
    problems: tuple[Problem, ...] = ()


class LiveSettings(Generic[S]):
    """The settings in force, a `Live`. Loaded at first use; reads take no lock, reloads wait for one another.

    Args:
        loader: builds snapshots.
        sources: what to load from; by default what the process sees at first use.
        snapshot: what is in force from the start, in place of a first load.
        events: takes SettingsApplied, SettingsRejected and RestartRequired.
        budget_s: how long each subscriber may take in each phase of a reload.
        apart_s: seconds that lie at least between the beginnings of two reloads that were asked for by `ask`.
    """

    def __init__(
        self,
        loader: SettingsLoader[S],
        sources: Sources | None = None,
        snapshot: Snapshot[S] | None = None,
        *,
        events: EventSink | None = None,
        budget_s: float = BUDGET_S,
        apart_s: float = 0.25,
    ) -> None:
        self.events = events
        self.last: ReloadResult | None = None
        """How the last reload ended, dry runs aside; None before the first."""
        self._loader = loader
        self._sources = sources
        self._snapshot = snapshot
        # What everybody sees; None before the first load, and while a unit of work may still hold older settings.
        # It spares the reads of all others the look into the context, which would double their cost.
        self._common = snapshot
        self.pins: set[Pin] = set()
        self._swapping = threading.Lock()
        self._subscribers = Subscribers(budget_s)
        self._lock = threading.RLock()
        self._asking = threading.Lock()
        self._awaited: Future[ReloadResult] | None = None
        self._is_answering = False
        self._apart_s, self._due = apart_s, 0.0

    @property
    def current(self) -> S:
        """The settings in force; inside a request, those that it began with.

        Raises:
            ConfigurationError: the first load failed; the next use tries again.
        """
        common = self._common
        return common.settings if common is not None else self.seen().settings

    @property
    def snapshot(self) -> Snapshot[S]:
        """The settings in force, whatever a request began with, and their sources; raises as `current` does."""
        if self._snapshot is None:
            with self._lock:
                if self._snapshot is None:
                    self._snapshot = self._common = self._loader(self._sources)
        return self._snapshot

    @property
    def held(self) -> Snapshot[S] | None:
        """The settings in force, or None before the first use: looking does not load."""
        return self._snapshot

    def view(self, select: Callable[[S], T]) -> Live[T]:
        """A part of the settings that follows every reload: `live.view(lambda s: s.routing)`.

        Inside a request, or `with live.pinned()`, it stays what it was when that began.
        """
        return _View(self, select)

    def latest(self, select: Callable[[S], T]) -> Live[T]:
        """The same for what requests share (a breaker, a sampler, a schedule): never that of one request."""
        return _Latest(self, select)

    def pinned(self) -> AbstractContextManager[Snapshot[S]]:
        """`with live.pinned():` a unit of work reads, in this context, what is in force as it begins."""
        return Pin(self)

    def seen(self) -> Snapshot[S]:
        """What this context sees: what its unit of work began with, else what is in force."""
        pin = PINNED.get()
        snapshot = pin.snapshot if pin is not None and pin.owner is self else None
        return snapshot or self.snapshot

    def unpin(self, pin: Pin) -> None:
        """Let go of a unit of work; when it was the last that held older settings, all see the same again."""
        self.pins.discard(pin)
        if self._common is None:
            with self._swapping:
                if all(other.snapshot is self._snapshot for other in tuple(self.pins)):
                    self._common = self._snapshot

    def subscribe(
        self, subscriber: SettingsSubscriber, *, keys: Collection[str] = (), name: str = ""
    ) -> Callable[[], None]:
        """Ask `subscriber` before each reload that would change something, and tell it afterwards.

        Args:
            subscriber: may veto in `prepare_settings`; hears of it in `commit_settings`.
            keys: only of reloads that touch one of these keys or sections; of all, when there are none.
            name: what reports call it; its type's name by default.

        Returns:
            What ends the subscription.
        """
        return self._subscribers.add(subscriber, keys, name)

    def reload(self, *, dry_run: bool = False) -> ReloadResult:
        """Load anew and take over what may change while running; whatever is wrong leaves all as it was.

        Args:
            dry_run: say what would happen, change nothing, ask no subscriber and publish nothing.
        """
        with self._lock:
            before, (result, succession) = self.last, self._attempt()
            if dry_run:
                return replace(result, generation=self.snapshot.generation)
            if succession.successor is not None:
                result = self._take_over(succession.successor, result)
            self.last = result
        self._tell(result, before)
        return result

    def ask(self) -> Future[ReloadResult]:
        """Reload soon, on a thread of its own; everybody who asks while a reload runs or is due shares the next."""
        with self._asking:
            if self._awaited is None or self._awaited.cancelled():
                self._awaited = Future()
                if not self._is_answering:
                    self._is_answering = True
                    threading.Thread(target=self._answer, name="arbiter.reload", daemon=True).start()
            return self._awaited

    def _answer(self) -> None:
        while (awaited := self._next_asked()) is not None:
            try:
                awaited.set_result(self.reload())
            except BaseException as error:  # noqa: BLE001  belongs to those who asked
                awaited.set_exception(error)

    def _next_asked(self) -> Future[ReloadResult] | None:
        """Whom the next reload is for, once it is due; None when nobody has asked meanwhile."""
        with self._asking:
            if self._awaited is None:
                self._is_answering = False
                return None
        time.sleep(max(0.0, self._due - time.monotonic()))
        self._due = time.monotonic() + self._apart_s
        with self._asking:
            awaited, self._awaited = self._awaited, None
        # from here on nobody can take it from the others; taken before, there is nobody to answer
        return awaited if awaited and awaited.set_running_or_notify_cancel() else self._next_asked()

    def _attempt(self) -> tuple[ReloadResult, Succession]:
        before = self.snapshot
        origin = self._sources or before.origin
        if origin is None:
            return ReloadResult("unchanged", before.generation), Succession()
        try:
            loaded = self._loader(origin)
            refuse_vanished(before, loaded)
            succession = succeed(before, loaded)
        except ConfigurationError as error:
            return _rejected(before.generation, error), Succession()
        successor = succession.successor
        return ReloadResult(
            "unchanged" if successor is None else "applied",
            before.generation if successor is None else successor.generation,
            succession.changed,
            succession.restart_required,
        ), succession

    def _take_over(self, successor: Snapshot[S], result: ReloadResult) -> ReloadResult:
        """Ask the subscribers, swap the one reference, tell the subscribers; or reject."""
        before = self.snapshot
        change = Change(before.settings, successor.settings, frozenset(result.changed), successor.generation)
        redaction = redaction_of(before, successor)
        if vetoes := self._subscribers.vetoes(change, redaction):
            return _rejected(before.generation, SettingsInvalid(vetoes, environment=successor.environment))
        self._swap(successor)
        self._subscribers.commit(change, redaction)
        return result

    def _swap(self, successor: Snapshot[S]) -> None:
        with self._swapping:
            self._common = None  # from here on everybody looks into the context first
            self._snapshot = successor
            if not self.pins:
                self._common = successor

    def _tell(self, result: ReloadResult, before: ReloadResult | None) -> None:
        if self.events is None:
            return
        if result.outcome == "applied":
            self.events.publish(SettingsApplied(result.generation, result.changed))
        elif result.outcome == "rejected" and (before is None or before.report != result.report):
            self.events.publish(SettingsRejected(result.generation, result.report))
        if result.restart_required and (before is None or before.restart_required != result.restart_required):
            self.events.publish(RestartRequired(result.restart_required))


class _Latest(Generic[S, T]):
    """A selection, made anew when the settings in force are no longer those that it was made from."""

    __slots__ = ("_live", "_made", "_select")

    def __init__(self, live: LiveSettings[S], select: Callable[[S], T]) -> None:
        self._live, self._select = live, select
        self._made: tuple[object, T] = _NOTHING

    @property
    def current(self) -> T:
        made = self._made
        if made[0] is self._live._snapshot:
            return made[1]
        return self._remade(self._live.snapshot)

    def _remade(self, snapshot: Snapshot[S]) -> T:
        value = self._select(snapshot.settings)
        self._made = (snapshot, value)  # one reference: a reader gets both or neither
        return value


class _View(_Latest[S, T]):
    """The same, but that a pinned unit of work gets what it began with."""

    __slots__ = ()

    @property
    def current(self) -> T:
        made = self._made
        if made[0] is self._live._common:
            return made[1]
        seen = self._live.seen()
        return made[1] if made[0] is seen else self._remade(seen)


def _rejected(generation: int, error: ConfigurationError) -> ReloadResult:
    problems = error.problems if isinstance(error, SettingsInvalid) else ()
    if not problems:
        problems = (Problem("", "", error.message, "reload", error.hint),)
    return ReloadResult("rejected", generation, report=str(error), problems=problems)
