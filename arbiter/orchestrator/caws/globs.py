"""Whether a path is meant by an entry of a scope: a path, a directory, or a glob.

An entry without glob characters is the path itself and everything below it (`src` is `src/a.py`, not `srcx/a.py`). A glob is
matched piece by piece: `**` is any number of directories, `*` and `?` stay within one, `{a,b}` is either. No regular
expression is built from more than one piece, so an entry cannot be made to take long.
"""

from __future__ import annotations

import functools
import re
from fnmatch import translate
from typing import Final

__all__ = ["is_glob", "matches", "normal"]

_GLOB = re.compile(r"[*?\[{]")
_BRACES = re.compile(r"\{([^{}]*,[^{}]*)\}")
_MOST_ALTERNATIVES: Final = 32


def normal(path: str) -> str:
    """The path without `./`, doubled slashes and a slash at its end."""
    return "/".join(piece for piece in path.split("/") if piece not in ("", "."))


def is_glob(entry: str) -> bool:
    """Whether it holds glob characters."""
    return _GLOB.search(entry) is not None


def matches(path: str, entry: str, *, anywhere: bool = False) -> bool:
    """Whether the entry means the path.

    Args:
        path: relative to the repository's root.
        entry: of a scope or a policy.
        anywhere: a glob without a slash is asked of the last piece, wherever the file is (`*.pyc`), as git ignores.
    """
    if not is_glob(entry):
        wanted, found = normal(entry), normal(path)
        return found == wanted or found.startswith(wanted + "/") if wanted else False
    pieces = tuple(normal(path).split("/"))
    return any(_fits(pieces, pattern) for pattern in _patterns(entry, anywhere=anywhere))


@functools.lru_cache(maxsize=1024)
def _patterns(entry: str, *, anywhere: bool) -> tuple[tuple[str, ...], ...]:
    patterns = []
    for written in _expanded(entry):
        pieces = tuple(normal(written).split("/"))
        patterns.append(("**", *pieces) if anywhere and len(pieces) == 1 else pieces)
        if written.endswith("/"):
            patterns.append((*pieces, "**"))
    return tuple(patterns)


def _expanded(entry: str) -> list[str]:
    """The entry with each `{a,b}` written out, up to a bound."""
    waiting, done = [entry], list[str]()
    while waiting and len(waiting) + len(done) <= _MOST_ALTERNATIVES:
        current = waiting.pop()
        found = _BRACES.search(current)
        if found is None:
            done.append(current)
        else:
            waiting += [
                current[: found.start()] + word + current[found.end() :] for word in found[1].split(",")
            ]
    return done + waiting


def _fits(path: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    """Row by row: which beginnings of the path the pieces of the pattern so far can stand for."""
    reached = {0}
    for piece in pattern:
        if piece == "**":
            reached = set(range(min(reached), len(path) + 1)) if reached else reached
        else:
            one = _piece(piece)
            reached = {at + 1 for at in reached if at < len(path) and one.match(path[at])}
        if not reached:
            return False
    return len(path) in reached


@functools.lru_cache(maxsize=4096)
def _piece(piece: str) -> re.Pattern[str]:
    return re.compile(translate(re.sub(r"\*+", "*", piece)))
