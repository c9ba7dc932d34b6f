"""A container's graph as data, and drawn as text, mermaid, dot or JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dependency_injector import containers

from arbiter.container.plan import Node, Plan

__all__ = ["Graph", "GraphNode", "graph_of"]


@dataclass(frozen=True, slots=True)
class GraphNode:
    """One component.

    Attributes:
        name: its dotted provider name.
        kind: the provider's class: Singleton, Resource, ...
        makes: the name of what it makes.
        needs: names of the components that it needs, directly or through factories, options and the like.
        order: its place in the start, counted from 1.
    """

    name: str
    kind: str
    makes: str
    needs: tuple[str, ...]
    order: int


@dataclass(frozen=True, slots=True)
class Graph:
    """The components in start order."""

    nodes: tuple[GraphNode, ...]

    def render(self, form: str = "text") -> str:
        """Draw it.

        Args:
            form: text, mermaid, dot or json.
        """
        drawings: dict[str, Callable[[], str]] = {
            "text": self.to_text,
            "mermaid": self.to_mermaid,
            "dot": self.to_dot,
            "json": self.to_json,
        }
        if form not in drawings:
            raise ValueError(f"unknown form {form!r}; known are: {', '.join(drawings)}")
        return drawings[form]()

    def to_text(self) -> str:
        """One line per component, in start order."""
        width = max((len(node.name) for node in self.nodes), default=0)
        lines = [
            f"{node.order:3}  {node.name:<{width}}  {node.kind} of {node.makes}"
            + (f"  <- {', '.join(node.needs)}" if node.needs else "")
            for node in self.nodes
        ]
        return "\n".join(lines)

    def to_mermaid(self) -> str:
        """A flowchart; arrows run from the user to what it needs."""
        lines = ["flowchart TD"]
        lines += [f'    n{node.order}["{node.name}<br/>{_plain(node.makes)}"]' for node in self.nodes]
        places = {node.name: node.order for node in self.nodes}
        lines += [f"    n{node.order} --> n{places[need]}" for node in self.nodes for need in node.needs]
        return "\n".join(lines)

    def to_dot(self) -> str:
        """Graphviz; arrows run from the user to what it needs."""
        lines = ["digraph container {", "    node [shape=box];"]
        lines += [
            f"    {json.dumps(node.name)} [label={json.dumps(f'{node.name}: {node.makes}')}];"
            for node in self.nodes
        ]
        lines += [
            f"    {json.dumps(node.name)} -> {json.dumps(need)};"
            for node in self.nodes
            for need in node.needs
        ]
        return "\n".join([*lines, "}"])

    def to_json(self) -> str:
        """`{"nodes": [{name, kind, makes, needs, order}]}`."""
        return json.dumps({"nodes": [_as_dict(node) for node in self.nodes]}, indent=2)


def graph_of(container: containers.Container) -> Graph:
    """Read a container's graph; builds nothing.

    Raises:
        CycleFound: there is no order.
    """
    return Graph(tuple(_drawn(node, place) for place, node in enumerate(Plan.of(container).in_order(), 1)))


def _drawn(node: Node, place: int) -> GraphNode:
    provides: Any = getattr(node.provider, "provides", None)
    makes = (
        type(provides).__name__ if node.given else str(getattr(provides, "__name__", type(provides).__name__))
    )
    return GraphNode(node.name, type(node.provider).__name__, makes, node.needs, place)


def _as_dict(node: GraphNode) -> dict[str, object]:
    return {
        "name": node.name,
        "kind": node.kind,
        "makes": node.makes,
        "needs": list(node.needs),
        "order": node.order,
    }


def _plain(text: str) -> str:
    return text.replace("<", "&lt;").replace(">", "&gt;")
