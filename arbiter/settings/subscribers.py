"""Who is asked before a reload and told after it: two phases, a veto, two seconds for each."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeVar, runtime_checkable

import structlog
from pydantic import BaseModel

from arbiter.settings.problems import Problem
from arbiter.settings.report import Redaction

__all__ = ["BUDGET_S", "Change", "SettingsSubscriber", "Subscribers"]

S_co = TypeVar("S_co", bound=BaseModel, covariant=True)

log = structlog.get_logger(__name__)

BUDGET_S: Final = 2.0
"""How long each subscriber may take in each phase, in seconds."""


@dataclass(frozen=True, slots=True)
class Change(Generic[S_co]):
    """One reload, as its subscribers see it.

    Attributes:
        old: the settings in force until now.
        new: the settings that take their place.
        changed: the dotted keys whose values differ.
        generation: that of the new settings.
    """

    old: S_co
    new: S_co
    changed: frozenset[str]
    generation: int

    def touches(self, *keys: str) -> bool:
        """Whether one of these keys or sections is among what changed."""
        return any(
            changed == key or changed.startswith(f"{key}.") for changed in self.changed for key in keys
        )


@runtime_checkable
class SettingsSubscriber(Protocol):
    """Wants a say in a reload, and to hear of it. Both are called on threads of their own, never on a loop."""

    def prepare_settings(self, change: Change[Any]) -> None:
        """Make ready for the new settings and change nothing yet; raising vetoes the whole reload."""
        ...

    def commit_settings(self, change: Change[Any]) -> None:
        """The new settings are in force: use what was prepared. Raising is logged and stops nothing."""
        ...


@dataclass(frozen=True, slots=True)
class _Subscription:
    name: str
    subscriber: SettingsSubscriber
    keys: tuple[str, ...]


class Subscribers:
    """Those who subscribed, in the order in which they did.

    Args:
        budget_s: how long each may take in each phase; whoever takes longer is left behind.
    """

    def __init__(self, budget_s: float = BUDGET_S) -> None:
        self._budget_s = budget_s
        self._all: tuple[_Subscription, ...] = ()
        self._lock = threading.Lock()

    def add(
        self, subscriber: SettingsSubscriber, keys: Collection[str] = (), name: str = ""
    ) -> Callable[[], None]:
        """Subscribe; only to reloads that touch one of `keys`, where any are given. What is returned undoes it."""
        one = _Subscription(name or type(subscriber).__name__, subscriber, tuple(keys))
        with self._lock:
            self._all = (*self._all, one)

        def remove() -> None:
            with self._lock:
                self._all = tuple(other for other in self._all if other is not one)

        return remove

    def vetoes(self, change: Change[Any], redaction: Redaction) -> list[Problem]:
        """Ask everybody whom the change concerns; what they have against it, in words without a secret."""
        return [
            Problem(
                ", ".join(sorted(change.changed)),
                "",
                f"{one.name} refuses the new value" + (f": {why}" if why else ""),
                "a subscriber of the settings",
                "take the change back, or mend what the subscriber needs.",
            )
            for one in self._concerned(change)
            if (why := self._failure(one, one.subscriber.prepare_settings, change, redaction)) is not None
        ]

    def commit(self, change: Change[Any], redaction: Redaction) -> None:
        """Tell everybody whom the change concerns; who fails is logged, and the others are told all the same."""
        for one in self._concerned(change):
            why = self._failure(one, one.subscriber.commit_settings, change, redaction)
            if why is not None:
                log.error("config.commit_failed", subscriber=one.name, reason=why)

    def _concerned(self, change: Change[Any]) -> Iterator[_Subscription]:
        return (one for one in self._all if not one.keys or change.touches(*one.keys))

    def _failure(
        self,
        one: _Subscription,
        phase: Callable[[Change[Any]], None],
        change: Change[Any],
        redaction: Redaction,
    ) -> str | None:
        """Why the phase failed, in words; None when it did not."""
        raised: list[BaseException] = []

        def work() -> None:
            try:
                phase(change)
            except BaseException as error:  # noqa: BLE001  whatever a subscriber raises is a veto
                raised.append(error)

        thread = threading.Thread(target=work, name=f"arbiter.settings:{one.name}", daemon=True)
        thread.start()
        thread.join(self._budget_s)
        if thread.is_alive():
            return f"no answer within {self._budget_s:g} s"
        if not raised:
            return None
        words = f"{type(raised[0]).__name__}: {raised[0]}".removesuffix(": ")
        return type(raised[0]).__name__ if redaction.is_in(words) else words
