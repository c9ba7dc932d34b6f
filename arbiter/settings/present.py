"""Settings in a form fit to be shown: every key with its value, its source and how it reloads; secrets masked.

One function for `arbiter config show`, `arbiter config get` and `GET /config`, so that they cannot differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from arbiter.section import Reload
from arbiter.settings.problems import MASK, without_password
from arbiter.settings.shape import Shape
from arbiter.settings.snapshot import DEFAULT, Snapshot, values_by_path

__all__ = ["Entry", "entries", "nearest_keys"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One key as it may be shown.

    Attributes:
        key: the dotted key.
        value: a JSON value; `******` for every secret, set or not, whatever its length.
        source: where the value comes from, for people.
        secret: whether it is masked.
        reload: "live" when a reload takes it over, "restart" when only a new start does.
    """

    key: str
    value: Any
    source: str
    secret: bool
    reload: str


def entries(snapshot: Snapshot[Any]) -> list[Entry]:
    """Every key of the settings in force, in the order of their declaration."""
    settings: BaseModel = snapshot.settings
    shape = Shape.of(type(settings))
    return [
        _entry(snapshot, path, value, shape.reload_of(path))
        for path, value in values_by_path(settings).items()
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
    )


def _shown(value: object) -> Any:
    shown = to_jsonable_python(value, fallback=str)
    return without_password(shown) if isinstance(shown, str) else shown
