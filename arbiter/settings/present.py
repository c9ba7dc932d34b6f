"""Settings in a form fit to be shown: every key with its value, its source and how it reloads; secrets masked.

One function for `arbiter config show`, `arbiter config get` and `GET /config`, so that they cannot differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from arbiter.masking import MASK, without_password
from arbiter.section import Reload
from arbiter.settings.shape import Shape
from arbiter.settings.snapshot import DEFAULT, Snapshot, values_by_path

__all__ = ["Covered", "Difference", "Entry", "differences", "entries", "nearest_keys"]


@dataclass(frozen=True, slots=True)
class Covered:
    """A value that a higher layer overrode, as it may be shown."""

    value: Any
    source: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One key as it may be shown.

    Attributes:
        key: the dotted key.
        value: a JSON value; `******` for every secret, set or not, whatever its length.
        source: where the value comes from, for people.
        secret: whether it is masked.
        reload: "live" when a reload takes it over, "restart" when only a new start does.
        overrode: what lower layers, and the code, would have said, highest first.
    """

    key: str
    value: Any
    source: str
    secret: bool
    reload: str
    overrode: tuple[Covered, ...] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """One key that two snapshots do not agree on; None on the side that does not have it."""

    key: str
    one: Entry | None
    other: Entry | None


def entries(snapshot: Snapshot[Any]) -> list[Entry]:
    """Every key of the settings in force, in the order of their declaration."""
    settings: BaseModel = snapshot.settings
    shape = Shape.of(type(settings))
    return [
        _entry(snapshot, path, value, shape.reload_of(path))
        for path, value in values_by_path(settings).items()
    ]


def differences(one: Snapshot[Any], other: Snapshot[Any]) -> list[Difference]:
    """The keys whose values differ, in the order of their declaration. Secrets are compared, and shown masked."""
    raw = [
        {".".join(path): value for path, value in values_by_path(each.settings).items()}
        for each in (one, other)
    ]
    shown = [{entry.key: entry for entry in entries(each)} for each in (one, other)]
    return [
        Difference(key, shown[0].get(key), shown[1].get(key))
        for key in dict.fromkeys([*raw[0], *raw[1]])
        if key not in raw[0] or key not in raw[1] or raw[0][key] != raw[1][key]
    ]


def nearest_keys(snapshot: Snapshot[Any], key: str) -> str:
    """A hint for a key that does not exist: the nearest ones; empty when the key exists or none is near."""
    path = key.lower().split(".")
    settings: BaseModel = snapshot.settings
    shape = Shape.of(type(settings))
    return "" if shape.knows(path) else shape.hint(path)


def _entry(snapshot: Snapshot[Any], path: tuple[str, ...], value: object, reload: Reload) -> Entry:
    key = ".".join(path)
    secret = key in snapshot.secrets
    return Entry(
        key=key,
        value=MASK if secret else _shown(value),
        source=str(snapshot.sources.get(key, DEFAULT)),
        secret=secret,
        reload=reload.value,
        overrode=tuple(
            Covered(MASK if secret or one.source.is_secret else _shown(one.value), str(one.source))
            for one in snapshot.overrode.get(key, ())
        ),
    )


def _shown(value: object) -> Any:
    shown = to_jsonable_python(value, fallback=str)
    return without_password(shown) if isinstance(shown, str) else shown
