"""Is each changed file inside `scope.in` and outside `scope.out`?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from arbiter.orchestrator.caws.change import Change
from arbiter.orchestrator.caws.document import Document
from arbiter.orchestrator.caws.globs import matches
from arbiter.orchestrator.caws.javascript import Plain
from arbiter.orchestrator.caws.policy import Policy

__all__ = ["Stray", "strays"]

_OWN_FOLDER: Final = ".caws"
"""Specs, waivers and the policy belong to every change; whether the policy may change is a rule of its own."""


@dataclass(frozen=True, slots=True)
class Stray:
    """A changed file that the spec does not allow.

    Attributes:
        path: the file.
        step: `in` where nothing admits it, `out` where an entry refuses it.
        entry: the index of the entry of `scope.out` that refuses it, as text; else empty.
        reason: why, in words.
    """

    path: str
    step: str
    entry: str
    reason: str


def strays(change: Change, document: Document, policy: Policy) -> Iterator[Stray]:
    """The files outside the scope; both ends of a rename are asked."""
    scope = document.data.get("scope")
    inside = (*_entries(scope, "in"), *_entries(scope, "support"))
    outside = _entries(scope, "out")
    for path in dict.fromkeys(path for file in change.files for path in file.paths):
        if not _is_exempt(path, policy):
            yield from _stray(path, inside, outside)


def _stray(path: str, inside: tuple[str, ...], outside: tuple[str, ...]) -> Iterator[Stray]:
    if path.startswith("/") or ".." in path.split("/"):
        yield Stray(path, "in", "", f"{path} leaves the repository")
        return
    for index, entry in enumerate(outside):
        # An exclusion is read as widely as it can be meant, an admission as narrowly.
        if matches(path, entry, anywhere=True):
            yield Stray(path, "out", str(index), f"{path} is excluded by scope.out entry {entry!r}")
            return
    if not any(matches(path, entry) or _is_whole(entry) for entry in inside):
        yield Stray(path, "in", "", f"{path} is inside no entry of scope.in")


def _is_exempt(path: str, policy: Policy) -> bool:
    return (
        matches(path, _OWN_FOLDER)
        or path in policy.passthrough
        or any(matches(path, zone) for zone in policy.ungoverned)
    )


def _is_whole(entry: str) -> bool:
    return entry.strip() in (".", "./", "/")


def _entries(scope: Plain, name: str) -> tuple[str, ...]:
    found = scope.get(name) if isinstance(scope, dict) else None
    listed = found if isinstance(found, list) else [found]
    return tuple(entry for entry in listed if isinstance(entry, str) and entry)
