"""Settings that a reload may replace: as a whole, by one reference, and only by better ones."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Generic, Literal, TypeVar

from pydantic import BaseModel, ValidationError

from arbiter.errors import ConfigurationError
from arbiter.events import SettingsApplied, SettingsRejected
from arbiter.protocols import EventSink, Live
from arbiter.section import Reload
from arbiter.settings.loader import SettingsLoader
from arbiter.settings.problems import Problem, SettingsInvalid
from arbiter.settings.report import Redaction
from arbiter.settings.shape import Shape
from arbiter.settings.snapshot import Snapshot, fingerprint, flattened
from arbiter.settings.sources import Sources

__all__ = ["LiveSettings", "ReloadResult"]

S = TypeVar("S", bound=BaseModel)
T = TypeVar("T")

_ABSENT: Final = object()


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

    outcome: Literal["applied", "unchanged", "rejected"]
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
        events: takes SettingsApplied and SettingsRejected.
    """

    def __init__(
        self,
        loader: SettingsLoader[S],
        sources: Sources | None = None,
        snapshot: Snapshot[S] | None = None,
        *,
        events: EventSink | None = None,
    ) -> None:
        self.events = events
        self._loader = loader
        self._sources = sources
        self._snapshot = snapshot
        self._lock = threading.RLock()

    @property
    def current(self) -> S:
        """The settings in force.

        Raises:
            ConfigurationError: the first load failed; the next use tries again.
        """
        snapshot = self._snapshot
        return snapshot.settings if snapshot is not None else self.snapshot.settings

    @property
    def snapshot(self) -> Snapshot[S]:
        """The settings in force, with their sources; raises as `current` does."""
        if self._snapshot is None:
            with self._lock:
                if self._snapshot is None:
                    self._snapshot = self._loader(self._sources)
        return self._snapshot

    @property
    def held(self) -> Snapshot[S] | None:
        """The settings in force, or None before the first use: looking does not load."""
        return self._snapshot

    def view(self, select: Callable[[S], T]) -> Live[T]:
        """A part of the settings that follows every reload: `live.view(lambda s: s.routing)`."""
        return _View(self, select)

    def reload(self, *, dry_run: bool = False) -> ReloadResult:
        """Load anew and take over what may change while running; whatever is wrong leaves all as it was.

        Args:
            dry_run: say what would happen, change nothing and publish nothing.
        """
        with self._lock:
            result, successor = self._attempt()
            if dry_run:
                return dataclasses.replace(result, generation=self.snapshot.generation)
            if successor is not None:
                self._snapshot = successor
        self._tell(result)
        return result

    def _attempt(self) -> tuple[ReloadResult, Snapshot[S] | None]:
        before = self.snapshot
        origin = self._sources or before.origin
        if origin is None:
            return ReloadResult("unchanged", before.generation), None
        try:
            loaded = self._loader(origin)
            _refuse_vanished(before, loaded)
            return _succeed(before, loaded)
        except ConfigurationError as error:
            problems = error.problems if isinstance(error, SettingsInvalid) else ()
            return ReloadResult("rejected", before.generation, report=str(error), problems=problems), None

    def _tell(self, result: ReloadResult) -> None:
        if self.events is None:
            return
        if result.outcome == "applied":
            self.events.publish(SettingsApplied(result.generation, result.changed))
        elif result.outcome == "rejected":
            self.events.publish(SettingsRejected(result.generation, result.report))


class _View(Generic[S, T]):
    """A selection, made anew when the settings in force are no longer those that it was made from."""

    __slots__ = ("_live", "_made", "_select")

    def __init__(self, live: LiveSettings[S], select: Callable[[S], T]) -> None:
        self._live, self._select = live, select
        self._made: tuple[Snapshot[S], T] | None = None

    @property
    def current(self) -> T:
        made = self._made
        if made is not None and made[0] is self._live._snapshot:
            return made[1]
        snapshot = self._live.snapshot
        value = self._select(snapshot.settings)
        self._made = (snapshot, value)  # one reference: a reader gets both or neither
        return value


def _refuse_vanished(before: Snapshot[Any], loaded: Snapshot[Any]) -> None:
    """A file that held settings and is gone or empty is an accident until a restart says otherwise."""
    vanished = [name for name in before.files if name not in loaded.files]
    if vanished:
        raise SettingsInvalid(
            (
                Problem(
                    "",
                    "",
                    "held settings before, and is now missing or empty",
                    name,
                    "restart to run without it.",
                )
                for name in vanished
            ),
            environment=loaded.environment,
        )


def _succeed(before: Snapshot[S], loaded: Snapshot[S]) -> tuple[ReloadResult, Snapshot[S] | None]:
    """What follows a good load: the live keys new, the others as they were, each difference in its list."""
    if before.settings == loaded.settings:
        return ReloadResult("unchanged", before.generation), None
    settings = _mixed(before.settings, loaded.settings, before.secrets | loaded.secrets)
    old, now, new = (flattened(each) for each in (before.settings, settings, loaded.settings))
    changed, restart = _differing(old, now), _differing(now, new)
    if not changed:
        return ReloadResult("unchanged", before.generation, restart_required=restart), None
    successor = _successor(before, loaded, settings, kept=restart)
    return ReloadResult("applied", successor.generation, changed, restart), successor


def _differing(one: Mapping[str, object], other: Mapping[str, object]) -> tuple[str, ...]:
    keys = {key for key in one.keys() | other.keys() if one.get(key, _ABSENT) != other.get(key, _ABSENT)}
    # an empty mapping that was filled is told by the keys that it got
    return tuple(sorted(key for key in keys if not any(longer.startswith(f"{key}.") for longer in keys)))


def _successor(
    before: Snapshot[S], loaded: Snapshot[S], settings: S, *, kept: Collection[str]
) -> Snapshot[S]:
    values = flattened(settings)
    sources = {
        key: (before if key in kept and key in before.sources else loaded).sources.get(
            key, before.sources.get(key)
        )
        for key in values
    }
    secrets = frozenset(key for key in values if key in before.secrets or key in loaded.secrets)
    return dataclasses.replace(
        loaded,
        settings=settings,
        generation=before.generation + 1,
        sha256=fingerprint(values, secrets),
        sources=MappingProxyType({key: source for key, source in sources.items() if source is not None}),
        secrets=secrets,
    )


def _mixed(old: S, new: S, secrets: Collection[str]) -> S:
    """The new values of live keys among the old values of the others, validated as a whole."""
    shape = Shape.of(type(old))
    try:
        return type(old).model_validate(_mix(old, new, (), shape))
    except ValidationError as error:
        words = "; ".join(detail["msg"] for detail in error.errors(include_url=False, include_input=False))
    redaction = Redaction()
    for values in (flattened(old), flattened(new)):
        for key in secrets:
            redaction.add(values.get(key))
    expected = "the new values do not fit those that stay until a restart"
    expected += "" if redaction.is_in(words) else f": {words}"
    raise SettingsInvalid([Problem("", "", expected, "reload", "restart, or take back one of the two.")])


def _mix(old: Any, new: Any, path: tuple[str, ...], shape: Shape) -> Any:
    if path and shape.reload_of(path) is Reload.LIVE:
        return new
    if isinstance(old, BaseModel) and isinstance(new, type(old)):
        names = type(old).model_fields
        return {name: _mix(getattr(old, name), getattr(new, name), (*path, name), shape) for name in names}
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return {name: _mix(old[name], new.get(name), (*path, name), shape) for name in old}
    return old
