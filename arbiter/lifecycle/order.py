"""The order in which things that need each other start: dependencies first, declaration order as tie-break."""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Iterable, Mapping
from typing import TypeVar

from arbiter.errors import LifecycleError

__all__ = ["CycleFound", "in_order"]

K = TypeVar("K", bound=Hashable)


class CycleFound(LifecycleError):
    """Things need each other in a circle, so that none of them can be first.

    Args:
        path: the circle, its first member repeated at the end.
    """

    def __init__(self, path: tuple[str, ...]) -> None:
        super().__init__(
            f"a circle of dependencies: {' -> '.join(path)}",
            hint="let one of them take the other's `.provider` and call it when it needs it",
        )
        self.path = path


def in_order(needs: Mapping[K, Iterable[K]]) -> list[K]:
    """Sort the keys so that each comes after all that it needs (Kahn 1962, with a heap).

    Args:
        needs: what each thing needs, keys in declaration order. Needs that are no keys count as met.

    Raises:
        CycleFound: with one circle drawn.
    """
    rank = {key: index for index, key in enumerate(needs)}
    keys = list(rank)
    waiting = {key: {need for need in wanted if need in rank} for key, wanted in needs.items()}
    wanted_by: dict[K, list[K]] = {key: [] for key in keys}
    for key, wanted in waiting.items():
        for need in wanted:
            wanted_by[need].append(key)
    ready = [rank[key] for key in keys if not waiting[key]]
    ordered: list[K] = []
    while ready:
        key = keys[heapq.heappop(ready)]
        ordered.append(key)
        for user in wanted_by[key]:
            waiting[user].discard(key)
            if not waiting[user]:
                heapq.heappush(ready, rank[user])
    if len(ordered) < len(keys):
        raise CycleFound(tuple(str(key) for key in _circle(waiting, keys)))
    return ordered


def _circle(waiting: Mapping[K, set[K]], keys: list[K]) -> list[K]:
    """Walk unmet needs until one comes again: what is left after Kahn's algorithm always holds a circle."""
    path: list[K] = []
    seen: dict[K, int] = {}
    key = next(key for key in keys if waiting[key])
    while key not in seen:
        seen[key] = len(path)
        path.append(key)
        key = next(need for need in keys if need in waiting[key])
    return [*path[seen[key] :], key]
