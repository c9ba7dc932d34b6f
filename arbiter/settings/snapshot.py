"""One consistent set of settings: the typed values, where each came from, and a name for the whole (its hash)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final, Generic, TypeVar

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from arbiter.settings.shape import Shape
from arbiter.settings.sources import Sources

__all__ = ["DEFAULT", "Overridden", "Snapshot", "Source", "fingerprint", "flattened"]

S = TypeVar("S", bound=BaseModel)

SECRET_LAYERS: Final = frozenset({"secrets file", "secrets directory"})


@dataclass(frozen=True, slots=True)
class Source:
    """Where a value came from.

    Attributes:
        layer: which kind of source: default, file, secrets file, secrets directory, platform, variable,
            override, given.
        where: its place, for people: `settings.toml [production]`, `ARBITER_REGISTRY__MAX_AGENTS`, `--set`.
        line: the line of a file, counted from 1; None where there is none.
    """

    layer: str
    where: str
    line: int | None = None

    @property
    def is_secret(self) -> bool:
        """Whether everything that comes from here is masked."""
        return self.layer in SECRET_LAYERS

    def __str__(self) -> str:
        return self.where if self.line is None else f"{self.where} line {self.line}"


DEFAULT: Final = Source("default", "default")


@dataclass(frozen=True, slots=True)
class Overridden:
    """A value that a higher layer covered; as raw as its layer had it, so it is masked before it is shown."""

    source: Source
    value: object = field(repr=False)


@dataclass(frozen=True, slots=True)
class Snapshot(Generic[S]):
    """Settings as they were at one moment; immutable, and replaced as a whole.

    Attributes:
        settings: the typed tree.
        environment: the environment's name.
        generation: 1 for the first load, one more for each applied reload.
        sha256: names the values (hex); secrets are left out of it, so that it can be shown.
        sources: the source of every key, by dotted name.
        loaded_at: when, in UTC.
        secrets: dotted keys whose values are masked wherever they are shown.
        files: names of the files that were read and held something.
        notes: what the loader decided and a person may want to know, as sentences.
        warnings: what is allowed and yet looks like a mistake, as sentences.
        unread: sections in the files that the bare framework type does not have.
        origin: what it was loaded from; None when the settings were given by hand.
        overrode: for each key that several layers set, what the one in force covered, highest first.
    """

    settings: S = field(repr=False)
    environment: str
    generation: int
    sha256: str
    sources: Mapping[str, Source] = field(repr=False)
    loaded_at: datetime
    secrets: frozenset[str] = field(default=frozenset(), repr=False)
    files: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    origin: Sources | None = field(default=None, repr=False)
    overrode: Mapping[str, tuple[Overridden, ...]] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, settings: S, *, environment: str = "development") -> Snapshot[S]:
        """A snapshot of settings made by hand, as tests and embedders have them; every source is `given`."""
        shape = Shape.of(type(settings))
        values = flattened(settings)
        secrets = frozenset(".".join(path) for path in values_by_path(settings) if shape.is_secret(path))
        return cls(
            settings=settings,
            environment=environment,
            generation=1,
            sha256=fingerprint(values, secrets),
            sources=MappingProxyType(dict.fromkeys(values, Source("given", "given"))),
            loaded_at=datetime.now(UTC),
            secrets=secrets,
        )


def flattened(settings: BaseModel) -> dict[str, object]:
    """Every value by its dotted key; lists are values, an empty mapping is one."""
    return {".".join(path): value for path, value in values_by_path(settings).items()}


def values_by_path(settings: BaseModel) -> dict[tuple[str, ...], object]:
    """The same by the parts of the key, since a name in a mapping may hold a dot itself."""
    found: dict[tuple[str, ...], object] = {}
    _flatten(settings, (), found)
    return found


def fingerprint(values: Mapping[str, object], secrets: frozenset[str]) -> str:
    """SHA-256 (hex) over what may be shown. A hash over secrets would invite guessing them."""
    shown = {
        key: to_jsonable_python(value, fallback=repr) for key, value in values.items() if key not in secrets
    }
    return hashlib.sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()


def _flatten(node: object, path: tuple[str, ...], found: dict[tuple[str, ...], object]) -> None:
    if isinstance(node, BaseModel):
        children = {name: getattr(node, name) for name in type(node).model_fields}
    elif isinstance(node, Mapping) and node:
        children = {str(name): value for name, value in node.items()}
    else:
        found[path] = node
        return
    for name, value in children.items():
        _flatten(value, (*path, name), found)
