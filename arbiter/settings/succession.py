"""What a good load becomes: the live keys new, the others as they were, each difference in its list."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from arbiter.section import Reload
from arbiter.settings.problems import Problem, SettingsInvalid
from arbiter.settings.report import Redaction
from arbiter.settings.shape import Shape
from arbiter.settings.snapshot import Snapshot, fingerprint, flattened
from arbiter.settings.sources import Sources

__all__ = ["Succession", "redaction_of", "refuse_vanished", "succeed"]

S = TypeVar("S", bound=BaseModel)
V = TypeVar("V")

_ABSENT: Final = object()


@dataclasses.dataclass(frozen=True, slots=True)
class Succession:
    """What a load changes.

    Attributes:
        successor: the snapshot to take over; None when nothing that may change did.
        changed: dotted keys that take effect with it.
        restart_required: dotted keys that differ from what is in force and stay until a restart.
    """

    successor: Snapshot[Any] | None = None
    changed: tuple[str, ...] = ()
    restart_required: tuple[str, ...] = ()


def refuse_vanished(before: Snapshot[Any], loaded: Snapshot[Any]) -> None:
    """A file that held settings and is gone or empty is an accident until a restart says otherwise.

    Raises:
        SettingsInvalid: with one problem for each such file.
    """
    if vanished := [name for name in before.files if name not in loaded.files]:
        raise SettingsInvalid(
            (_vanished(name, loaded.origin) for name in vanished), environment=loaded.environment
        )


def succeed(before: Snapshot[S], loaded: Snapshot[S]) -> Succession:
    """Compare what is in force with what was loaded.

    Raises:
        SettingsInvalid: new live values do not fit the old ones of keys that need a restart.
    """
    if before.settings == loaded.settings:
        return Succession()
    settings = _mixed(before, loaded)
    old, now, new = (flattened(each) for each in (before.settings, settings, loaded.settings))
    changed, restart = _differing(old, now), _differing(now, new)
    if not changed:
        return Succession(restart_required=restart)
    return Succession(_successor(before, loaded, settings, kept=restart), changed, restart)


def redaction_of(*snapshots: Snapshot[Any]) -> Redaction:
    """The secrets of these snapshots, to be kept out of somebody's words."""
    redaction = Redaction()
    for snapshot in snapshots:
        values = flattened(snapshot.settings)
        for key in snapshot.secrets:
            redaction.add(values.get(key))
    return redaction


def _vanished(name: str, origin: Sources | None) -> Problem:
    is_there = origin is not None and (origin.directory / name).exists()
    expected = f"held settings before, and is now {'empty' if is_there else 'missing'}"
    return Problem("", "", expected, name, "restart to run without it.")


def _differing(one: Mapping[str, object], other: Mapping[str, object]) -> tuple[str, ...]:
    keys = {key for key in one.keys() | other.keys() if one.get(key, _ABSENT) != other.get(key, _ABSENT)}
    # an empty mapping that was filled is told by the keys that it got
    return tuple(sorted(key for key in keys if not any(longer.startswith(f"{key}.") for longer in keys)))


def _successor(
    before: Snapshot[S], loaded: Snapshot[S], settings: S, *, kept: Collection[str]
) -> Snapshot[S]:
    values = flattened(settings)
    secrets = frozenset(key for key in values if key in before.secrets or key in loaded.secrets)
    return dataclasses.replace(
        loaded,
        settings=settings,
        generation=before.generation + 1,
        sha256=fingerprint(values, secrets),
        sources=_mixed_by_key(before.sources, loaded.sources, values, kept),
        overrode=_mixed_by_key(before.overrode, loaded.overrode, values, kept),
        secrets=secrets,
    )


def _mixed_by_key(
    before: Mapping[str, V], loaded: Mapping[str, V], keys: Collection[str], kept: Collection[str]
) -> Mapping[str, V]:
    """What belongs to each key's value: of kept keys the old, of the others the new."""
    chosen = {
        key: (before if key in kept and key in before else loaded).get(key, before.get(key)) for key in keys
    }
    return MappingProxyType({key: value for key, value in chosen.items() if value is not None})


def _mixed(before: Snapshot[S], loaded: Snapshot[S]) -> S:
    """The new values of live keys among the old values of the others, validated as a whole."""
    old, new = before.settings, loaded.settings
    try:
        return type(old).model_validate(_mix(old, new, (), Shape.of(type(old))))
    except ValidationError as error:
        words = "; ".join(detail["msg"] for detail in error.errors(include_url=False, include_input=False))
    expected = "the new values do not fit those that stay until a restart"
    expected += "" if redaction_of(before, loaded).is_in(words) else f": {words}"
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
