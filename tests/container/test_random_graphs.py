"""Whatever the graph: what is built on a resource never outlives it, and what started stops exactly once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from dependency_injector import providers
from hypothesis import given, settings
from hypothesis import strategies as st

from arbiter.container.base import Container


class Node(NamedTuple):
    """One provider to make: its kind, what it needs, what stands between, and where it fails."""

    kind: str
    needs: tuple[int, ...]
    between: str
    fails: str


@dataclass
class World:
    """Counts what is open, and what went against the rules."""

    opened: dict[int, int] = field(default_factory=dict)
    closed: dict[int, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def open(self, number: int, node: Node) -> None:
        self.opened[number] = self.opened.get(number, 0) + 1
        self.check(number, node, "opened")

    def close(self, number: int, node: Node) -> None:
        self.check(number, node, "closed")
        self.closed[number] = self.closed.get(number, 0) + 1

    def check(self, number: int, node: Node, action: str) -> None:
        for need in node.needs:
            if self.opened.get(need, 0) - self.closed.get(need, 0) != 1:
                self.wrong.append(f"{number} was {action} while its need {need} was not open")


def graphs() -> st.SearchStrategy[list[Node]]:
    def node(number: int) -> st.SearchStrategy[Node]:
        needs = st.lists(st.integers(0, number - 1), max_size=3, unique=True) if number else st.just([])
        return st.builds(
            Node,
            st.sampled_from(["resource", "async", "component"]),
            needs.map(tuple),
            st.sampled_from(["", "provided", "factory", "list", "singleton", "dependency"]),
            st.sampled_from(["", "", "", "", "start", "stop"]),
        )

    return st.integers(1, 9).flatmap(lambda size: st.tuples(*map(node, range(size))).map(list))


def container_of(world: World, nodes: list[Node], order: list[int]) -> type[Container]:
    made: dict[str, Any] = {}
    for number, node in enumerate(nodes):
        needs = [_between(made[f"n{need}"], node.between) for need in node.needs]
        made[f"n{number}"] = _provider(world, number, node, needs)
    return type("Random", (Container,), {f"n{number}": made[f"n{number}"] for number in order})


def _between(provider: Any, how: str) -> Any:
    match how:
        case "provided":
            return providers.Singleton(dict, it=provider).provided["it"]
        case "factory":
            return providers.Factory(dict, it=providers.Callable(id, provider))
        case "list":
            return providers.List(providers.Dict(it=provider))
        case "singleton":
            return providers.Singleton(dict, it=provider)
        case "dependency":
            dependency: providers.Dependency[Any] = providers.Dependency()
            dependency.override(provider)
            return dependency
    return provider


class Working:
    """A component that fails where its node says so."""

    def __init__(self, world: World, number: int, node: Node) -> None:
        self._world, self._number, self._node = world, number, node

    async def start(self) -> None:
        self.fail_at("start")
        self._world.open(self._number, self._node)

    async def stop(self) -> None:
        self._world.close(self._number, self._node)
        self.fail_at("stop")

    def fail_at(self, action: str) -> None:
        if self._node.fails == action:
            raise OSError(f"{self._number} fails to {action}")

    def opened(self, *_: object) -> Iterator[object]:
        self.fail_at("start")
        self._world.open(self._number, self._node)
        yield object()
        self._world.close(self._number, self._node)
        self.fail_at("stop")

    async def opened_async(self, *_: object) -> AsyncIterator[object]:
        await asyncio.sleep(0)
        for value in self.opened():
            yield value
            await asyncio.sleep(0)


def _provider(world: World, number: int, node: Node, needs: list[Any]) -> Any:
    working = Working(world, number, node)
    match node.kind:
        case "resource":
            return providers.Resource(working.opened, *needs)
        case "async":
            return providers.Resource(working.opened_async, *needs)
    return providers.Singleton(lambda *_: working, *needs)


@settings(max_examples=100)
@given(st.data())
def test_nothing_outlives_what_it_is_built_on(data: st.DataObject) -> None:
    """A resource is open whenever something built on it is in use, and everything that started stops once."""
    nodes = data.draw(graphs())
    order = data.draw(st.permutations(range(len(nodes))))
    world = World()
    container = container_of(world, nodes, order)()

    async def live() -> str:
        try:
            await container.start()
        except Exception:  # noqa: BLE001  whatever it is, the rules hold
            return "failed to start"
        try:
            await container.stop()
        except ExceptionGroup:
            return "failed to stop"
        return "well"

    outcome = asyncio.run(live())

    assert world.wrong == []
    assert world.opened == world.closed
    assert set(world.opened.values()) <= {1}
    fails = {node.fails for node in nodes}
    assert outcome == (
        "failed to start" if "start" in fails else "failed to stop" if "stop" in fails else "well"
    )
