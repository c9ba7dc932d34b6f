"""What changed, in order: those who keep something derived catch up when it is asked for, and not at every change."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

__all__ = ["Changes"]

_KEPT: Final = 8192
"""So many changes can be told at least; whoever was away for longer looks at everything anew."""


class Changes:
    """A log of names, of which the newest few thousand are kept. Only the event loop touches it."""

    __slots__ = ("_first", "_names")

    def __init__(self) -> None:
        self._first = 0
        self._names: list[str] = []

    @property
    def version(self) -> int:
        """Changes noted so far."""
        return self._first + len(self._names)

    def note(self, name: str) -> None:
        """One more."""
        self._names.append(name)
        if len(self._names) >= 2 * _KEPT:
            del self._names[:_KEPT]
            self._first += _KEPT

    def since(self, version: int) -> Collection[str] | None:
        """What changed after `version`, each name once; None where that is too long ago to tell."""
        if version < self._first:
            return None
        return set(self._names[version - self._first :])
