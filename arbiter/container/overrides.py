"""The library's own overriding, with the names checked: a misspelt one does not pass in silence."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from typing import Any

from arbiter.container.needs import AnyProvider
from arbiter.container.problems import Problem
from arbiter.errors import ContainerError

__all__ = ["OverrideUnknown", "misses", "refuse_unknown"]


class OverrideUnknown(ContainerError, AttributeError):
    """An override names a provider that the container does not have; nothing was overridden.

    Args:
        container: the container's class.
        names: what it does not have.
        known: what it has.
    """

    def __init__(self, container: str, names: Iterable[str], known: Iterable[str]) -> None:
        self.container, self.names = container, tuple(names)
        super().__init__(
            f"{container} has no provider {', '.join(map(repr, self.names))}: nothing was overridden",
            hint=_nearest(self.names[0], known),
        )


def refuse_unknown(container: Any, names: Iterable[str]) -> None:
    """Make sure that the container has all these providers.

    Raises:
        OverrideUnknown: it has not.
    """
    unknown = [name for name in names if name not in container.providers]
    if unknown:
        raise OverrideUnknown(_class_name(container), unknown, container.providers)


def misses(container: Any) -> Iterator[Problem]:
    """Providers of overriding containers (`container.override(other)`) that override nothing and serve nobody."""
    declared = getattr(container, "declarative_parent", None)
    bases = declared.__mro__ if isinstance(declared, type) else ()
    overriding = [*container.overridden, *(one for base in bases for one in getattr(base, "overridden", ()))]
    for other in dict.fromkeys(overriding):
        helpers = set(_serving(other, container))
        for name, provider in other.providers.items():
            if name not in container.providers and provider not in helpers:
                message = (
                    f"{_class_name(other)} overrides {name!r}, which {_class_name(container)} does not have"
                )
                yield Problem("override", "", message, _nearest(name, container.providers))


def _serving(other: Any, container: Any) -> Iterator[AnyProvider]:
    """What the overriding providers themselves need."""
    for name, provider in other.providers.items():
        if name in container.providers:
            yield from provider.traverse()


def _nearest(name: str, known: Iterable[str]) -> str:
    names = list(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(names)}"


def _class_name(container: Any) -> str:
    declared = container if isinstance(container, type) else getattr(container, "declarative_parent", None)
    return declared.__name__ if isinstance(declared, type) else type(container).__name__
