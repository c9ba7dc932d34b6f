"""A container's graph as data: who needs whom, what each component is, and in which order they start."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from dependency_injector import containers, providers

from arbiter.container.drawing import DRAWINGS
from arbiter.container.needs import AnyProvider, effective, is_lasting, is_per_context, needs_of, nodes_below
from arbiter.container.plan import Node, Plan, named_providers
from arbiter.container.signatures import signature_of
from arbiter.errors import NotFound

__all__ = ["Graph", "GraphNode", "graph_of"]


@dataclass(frozen=True, slots=True)
class GraphNode:
    """One component, or a factory of components.

    Attributes:
        name: its dotted provider name.
        kind: the provider's class: Singleton, Resource, Factory, ...
        makes: the name of what it makes.
        needs: names of the components that it needs, directly or through factories, options and the like.
        order: its place in the start, counted from 1; 0 for what is not made at the start.
        scope: how long what it makes lives: "container", "call", "thread" or "task".
        guarded: whether its operations stand behind circuit breakers.
    """

    name: str
    kind: str
    makes: str
    needs: tuple[str, ...]
    order: int
    scope: str = "container"
    guarded: bool = False


@dataclass(frozen=True, slots=True)
class Graph:
    """The components in start order, and after them the factories, which make something at each call."""

    nodes: tuple[GraphNode, ...]

    def focus(self, name: str, depth: int | None = None) -> Graph:
        """What one component needs, and who needs it; the rest is left out.

        Args:
            name: the component's dotted name.
            depth: how many steps to go, each way; None is to the end.

        Raises:
            NotFound: there is no such component.
        """
        needs = {node.name: node.needs for node in self.nodes}
        if name not in needs:
            near = difflib.get_close_matches(name, needs, n=3, cutoff=0.5)
            hint = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(needs)}"
            raise NotFound(f"no component is called {name!r}", hint=hint)
        users: dict[str, list[str]] = {one: [] for one in needs}
        for one, wanted in needs.items():
            for need in wanted:
                users[need].append(one)
        return self._only(_within(needs, name, depth) | _within(users, name, depth))

    def render(self, form: str = "text", *, depth: int | None = None) -> str:
        """Draw it.

        Args:
            form: text, mermaid, dot or json.
            depth: how many steps below those that nobody needs the text tree goes; None is to the end.
        """
        if form not in DRAWINGS:
            raise ValueError(f"unknown form {form!r}; known are: {', '.join(DRAWINGS)}")
        return DRAWINGS[form](self.nodes, depth)

    def to_text(self) -> str:
        """A tree: below each component what it needs; one that was drawn already is only named again."""
        return self.render("text")

    def to_mermaid(self) -> str:
        """A flowchart; arrows run from the user to what it needs."""
        return self.render("mermaid")

    def to_dot(self) -> str:
        """Graphviz; arrows run from the user to what it needs."""
        return self.render("dot")

    def to_json(self) -> str:
        """`{"nodes": [{name, kind, makes, needs, order, scope, guarded}]}`."""
        return self.render("json")

    def _only(self, names: set[str]) -> Graph:
        return Graph(
            tuple(
                replace(node, needs=tuple(need for need in node.needs if need in names))
                for node in self.nodes
                if node.name in names
            )
        )


def graph_of(container: containers.Container) -> Graph:
    """Read a container's graph; builds nothing.

    Raises:
        CycleFound: there is no order.
    """
    plan = Plan.of(container)
    started = [_drawn(node, place) for place, node in enumerate(plan.in_order(), 1)]
    return Graph((*started, *_factories(container, plan)))


def _within(following: Mapping[str, Iterable[str]], start: str, depth: int | None) -> set[str]:
    found, edge = {start}, {start}
    while edge and (depth is None or depth > 0):
        edge = {one for name in edge for one in following[name]} - found
        found |= edge
        depth = None if depth is None else depth - 1
    return found


def _drawn(node: Node, place: int) -> GraphNode:
    provides: Any = getattr(node.provider, "provides", None)
    makes = type(provides).__name__ if node.given else _name_of(provides)
    kind = type(node.provider).__name__
    return GraphNode(node.name, kind, makes, node.needs, place, guarded=_is_guarded(node.provider))


def _factories(container: containers.Container, plan: Plan) -> Iterator[GraphNode]:
    """The named providers that make something at each call, or for each thread or task."""
    names = {node.provider: node.name for node in plan.nodes.values()}
    for name, provider in named_providers(container):
        making: Any = effective(provider)
        if name in plan.nodes or is_lasting(making) or not _makes_per_call(making):
            continue
        needs = dict.fromkeys(names[one] for one in nodes_below(needs_of(making).now) if one in names)
        yield GraphNode(
            name,
            type(making).__name__,
            _name_of(making.provides),
            tuple(needs),
            0,
            scope=_scope_of(making),
            guarded=_is_guarded(making),
        )


def _makes_per_call(provider: AnyProvider) -> bool:
    return isinstance(provider, providers.Factory | providers.Callable) or is_per_context(provider)


def _scope_of(provider: AnyProvider) -> str:
    if isinstance(provider, providers.ThreadLocalSingleton):
        return "thread"
    return "task" if is_per_context(provider) else "call"


def _is_guarded(provider: AnyProvider) -> bool:
    """Whether its factory takes a guard, as those of `guarded(...)` do."""
    made = getattr(provider, "provides", None) if signature_of(provider) is not None else None
    return hasattr(made, "component") and "guard" in inspect.signature(made).parameters  # type: ignore[arg-type]


def _name_of(provides: Any) -> str:
    return str(getattr(provides, "__name__", type(provides).__name__))
