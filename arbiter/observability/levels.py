"""Which logger writes what: a root level, and levels of single loggers that cover those below them
(`app.db`).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from arbiter.errors import Invalid

__all__ = ["QUIET", "Levels", "name_of", "number_of"]

NUMBERS: Mapping[str, int] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
}

QUIET: Mapping[str, int] = {"httpx": logging.WARNING, "httpx2": logging.WARNING}
"""Libraries that write the whole address of every call at info, and what secrets are in it; their least level, unless they are
given one."""


class Levels:
    """The table that each log call asks; a change takes effect with the next line, in every thread.

    Args:
        root: the level where no logger has one of its own.
    """

    def __init__(self, root: str) -> None:
        self._root = self._configured = number_of(root)
        self._named: dict[str, int] = {}
        self._effective: dict[str, int] = {}

    @property
    def root(self) -> int:
        """The level where no logger has one of its own, as `logging` numbers it."""
        return self._root

    @property
    def named(self) -> Mapping[str, int]:
        """The loggers that have a level of their own."""
        return dict(self._named)

    def set(self, name: str | None, level: str | None) -> None:
        """Give one logger a level of its own, or with None take it away again; a name of None means the root.

        Raises:
            Invalid: there is no such level.
        """
        if name is None:
            self._root = self._configured if level is None else number_of(level)
        elif level is None:
            self._named.pop(name, None)
        else:
            self._named[name] = number_of(level)
        self._effective = {}  # replaced, never emptied: another thread may be reading it

    def of(self, name: str) -> int:
        """The level in force for `name`: its own, or that of the nearest logger above it, or the root's.

        A library of `QUIET` without one has at least that level.
        """
        cached = self._effective.get(name)
        return self._learn(name) if cached is None else cached

    def _learn(self, name: str) -> int:
        table, above = self._effective, name
        while above and above not in self._named and above not in QUIET:
            above = above.rpartition(".")[0]
        table[name] = level = self._named.get(above, max(self._root, QUIET.get(above, 0)))
        return level


def name_of(number: int) -> str:
    """The name of a level's number, in lower case."""
    return logging.getLevelName(number).lower()


def number_of(level: str) -> int:
    """The number of a level's name, whatever its case.

    Raises:
        Invalid: there is no such level.
    """
    try:
        return NUMBERS[level.strip().lower()]
    except KeyError:
        raise Invalid(f"There is no log level {level!r}.", hint=f"One of {', '.join(NUMBERS)}.") from None
