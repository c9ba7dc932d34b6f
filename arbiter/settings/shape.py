"""What a settings type declares: which keys exist, of which type, whether they are secret, and how they reload."""

from __future__ import annotations

import difflib
import types
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import cache
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin

from pydantic import BaseModel, SecretBytes, SecretStr

from arbiter.section import Reload
from arbiter.settings.problems import did_you_mean

__all__ = ["Shape"]

_SECRET_TYPES = (SecretStr, SecretBytes)


class Shape:
    """A settings type, seen as a tree of keys. Answers about paths; `None` and empty mean that a key is unknown."""

    def __init__(self, settings_type: type[BaseModel]) -> None:
        self.settings_type = settings_type
        self._seen: dict[tuple[str, ...], tuple[tuple[Any, Reload], ...]] = {
            (): ((settings_type, Reload.RESTART),)
        }

    @staticmethod
    @cache
    def of(settings_type: type[BaseModel]) -> Shape:
        """The shape of a type; made once for each."""
        return Shape(settings_type)

    def knows(self, path: Sequence[str]) -> bool:
        """Whether the type declares such a key."""
        return bool(self._declared(tuple(path)))

    def alternatives(self, path: Sequence[str]) -> tuple[Any, ...]:
        """The types that a key accepts, unions taken apart; empty for an unknown key."""
        return tuple(annotation for annotation, _ in self._declared(tuple(path)))

    def is_section(self, path: Sequence[str]) -> bool:
        """Whether the key can only be a table with declared names."""
        found = self.alternatives(path)
        return bool(found) and all(_is_model(annotation) for annotation in found)

    def takes_truth(self, path: Sequence[str]) -> bool:
        """Whether true and false are values of the key; pydantic alone would read them as 1 and 0."""
        return any(
            annotation in {bool, Any, object} or get_origin(annotation) is Literal
            for annotation in self.alternatives(path)
        )

    def is_secret(self, path: Sequence[str]) -> bool:
        """Whether the key, or anything that it holds, is declared as a secret."""
        return any(_holds_secret(annotation) for annotation in self.alternatives(path))

    def reload_of(self, path: Sequence[str]) -> Reload:
        """Whether a changed value is taken over while running."""
        declared = self._declared(tuple(path))
        return declared[0][1] if declared else Reload.RESTART

    def default_of(self, path: Sequence[str]) -> object:
        """What the code gives a key that nobody sets; None also where it gives nothing."""
        for annotation in self.alternatives(path[:-1]):
            field = annotation.model_fields.get(path[-1]) if _is_model(annotation) else None
            if field is not None and not field.is_required():
                return cast("object", field.get_default(call_default_factory=True, validated_data={}))
        return None

    def names(self, path: Sequence[str]) -> tuple[str, ...]:
        """The declared names below a key."""
        return tuple(
            name
            for annotation in self.alternatives(path)
            if _is_model(annotation)
            for name in annotation.model_fields
        )

    def hint(self, path: Sequence[str]) -> str:
        """The nearest known keys to one that is unknown, as a sentence; empty when none is near."""
        depth = next((depth for depth in range(len(path)) if not self.knows(path[: depth + 1])), None)
        if depth is None:
            return ""
        siblings = self.names(path[:depth])
        nearest = difflib.get_close_matches(path[depth], siblings, n=3)
        if nearest:
            return f"did you mean {' or '.join('.'.join((*path[:depth], *(name,))) for name in nearest)}?"
        return did_you_mean(".".join(path), self._keys()) or _listed(path[:depth], siblings)

    def _keys(self) -> Iterator[str]:
        for section in self.names(()):
            yield section
            yield from (f"{section}.{name}" for name in self.names((section,)))

    def _declared(self, path: tuple[str, ...]) -> tuple[tuple[Any, Reload], ...]:
        found = self._seen.get(path)
        if found is None:
            above = self._declared(path[:-1]) if path else ()
            found = tuple(_step(above, path[-1]))
            if found:  # what does not exist is not remembered: its names come from outside and have no end
                self._seen[path] = found
        return found


def _step(above: tuple[tuple[Any, Reload], ...], name: str) -> Iterator[tuple[Any, Reload]]:
    for annotation, reload in above:
        if _is_model(annotation):
            field = annotation.model_fields.get(name)
            if field is not None:
                marked = next((mark for mark in field.metadata if isinstance(mark, Reload)), reload)
                yield from ((alternative, marked) for alternative in _alternatives(field.annotation))
        elif _is_mapping(annotation):
            values = get_args(annotation)[1:] or (Any,)
            yield from ((alternative, reload) for alternative in _alternatives(values[0]))


def _alternatives(annotation: Any) -> Iterator[Any]:
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _alternatives(get_args(annotation)[0])
    elif origin in {Union, types.UnionType}:
        for member in get_args(annotation):
            yield from _alternatives(member)
    else:
        yield annotation


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _is_mapping(annotation: Any) -> bool:
    origin = get_origin(annotation) or annotation
    return isinstance(origin, type) and issubclass(origin, Mapping)


def _holds_secret(annotation: Any) -> bool:
    if annotation in _SECRET_TYPES:
        return True
    origin = get_origin(annotation)
    if isinstance(origin, type) and issubclass(origin, Sequence | AbstractSet):
        return any(
            _holds_secret(item) for argument in get_args(annotation) for item in _alternatives(argument)
        )
    return False


def _listed(prefix: Sequence[str], names: Sequence[str]) -> str:
    place = f"{'.'.join(prefix)} has" if prefix else "the sections are"
    return f"{place}: {', '.join(names)}." if names else ""
