"""Where dynaconf is: it lays the layers over one another. A fresh instance each time, never its own `reload()`.

Its other habits stay out (each was measured): it reads no file and no variable itself, so
that no hook file runs, no `DYNACONF_*` counts and nothing is cast by guess; `@` commands are not evaluated; lists
replace one another instead of growing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, cast

from dynaconf.base import Settings as DynaconfSettings
from dynaconf.loaders.base import SourceMetadata
from dynaconf.utils.parse_conf import converters

from arbiter.settings.layers import Layer
from arbiter.settings.snapshot import Source

__all__ = ["Merged", "commands_in", "is_directive", "merge"]

_OPTIONS: Final[Mapping[str, object]] = {
    "dynaconf_skip_loaders": True,
    "dynaconf_skip_validators": True,
    "merge_enabled_for_dynaconf": True,
    "dynaboxify": False,
    "auto_cast_for_dynaconf": False,
    "dotted_lookup_for_dynaconf": False,
    "nested_separator_for_dynaconf": None,
}


class Merged:
    """The values after all layers, and the source of each key that a layer set."""

    def __init__(
        self,
        values: dict[str, Any],
        sources: dict[tuple[str, ...], Source],
        history: Mapping[tuple[str, ...], Sequence[tuple[Source, object]]],
    ) -> None:
        self.values = values
        self.sources = sources
        self._history = history

    def value_of(self, path: tuple[str, ...]) -> Any:
        """The value at a key; None where there is none."""
        node: Any = self.values
        for name in path:
            node = node.get(name) if isinstance(node, dict) else None
        return node

    def drop(self, path: tuple[str, ...]) -> None:
        """Forget a key that a layer set, so that its default applies."""
        del self.value_of(path[:-1])[path[-1]]
        del self.sources[path]

    def overrode(self, path: tuple[str, ...]) -> Iterator[tuple[Source, object]]:
        """What layers said of this very key below the one that was heard, highest first."""
        heard = self.sources.get(path)
        yield from reversed([(by, value) for by, value in self._history.get(path, ()) if by is not heard])

    def source_of(self, path: tuple[str, ...]) -> Source | None:
        """Who set a key, or the nearest one around it, or the first one below it; None for a code default."""
        for length in range(len(path), 0, -1):
            if (found := self.sources.get(path[:length])) is not None:
                return found
        return next((source for key, source in self.sources.items() if key[: len(path)] == path), None)


def merge(layers: Iterable[Layer]) -> Merged:
    """Lay the layers over one another, lowest first; tables merge, everything else replaces."""
    store = _Store(**_OPTIONS)
    sections: set[str] = set()
    sources: dict[tuple[str, ...], Source] = {}
    history: defaultdict[tuple[str, ...], list[tuple[Source, object]]] = defaultdict(list)
    for layer in layers:
        for path, value in _leaves(layer.values):
            if value != {} or not any(
                key[: len(path)] == path for key in sources
            ):  # merging {} changes nothing
                source = layer.source(path)
                _note(sources, path, source)
                history[path].append((source, value))
        sections.update(layer.values)
        metadata = SourceMetadata("arbiter", str(len(sources)), "global")
        store.update(_copied(layer.values), loader_identifier=metadata)
    return Merged({section: store.store[section.upper()] for section in sorted(sections)}, sources, history)


def is_directive(name: str) -> bool:
    """Whether dynaconf would obey this key instead of keeping it (`dynaconf_merge`, `merge_enabled_for_dynaconf`)."""
    return "dynaconf" in name


def commands_in(value: object) -> Iterator[str]:
    """The `@` commands (`@read_file`, `@jinja`, ...) that a value begins with; they are refused, never evaluated."""
    if isinstance(value, str):
        word = value.partition(" ")[0]
        if word in converters or word in {"dynaconf_merge", "dynaconf_merge_unique"}:
            yield word
    elif isinstance(value, list):
        for item in value:
            yield from commands_in(item)


class _Store(DynaconfSettings):  # type: ignore[misc]  # dynaconf carries no types
    """dynaconf's settings, with lists that replace one another: a source then owns all of a list."""

    def _merge_before_set(self, existing: Any, value: Any, *arguments: Any, **options: Any) -> Any:
        options["list_merge"] = "shallow"
        return super()._merge_before_set(existing, value, *arguments, **options)


def _leaves(node: Mapping[str, Any], prefix: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, value in node.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, (*prefix, name))
        else:
            yield (*prefix, name), value


def _note(sources: dict[tuple[str, ...], Source], path: tuple[str, ...], source: Source) -> None:
    """A value covers what was set below it, and a table what was set in its place."""
    covered = [key for key in sources if key[: len(path)] == path or path[: len(key)] == key]
    for key in covered:
        del sources[key]
    sources[path] = source


def _copied(node: dict[str, Any]) -> dict[str, Any]:
    """Dynaconf changes in place what it is given."""
    return {
        name: _copied(cast("dict[str, Any]", value)) if isinstance(value, dict) else value
        for name, value in node.items()
    }
