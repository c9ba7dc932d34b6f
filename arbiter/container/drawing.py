"""The forms in which a graph can be drawn: a tree for people, mermaid, dot, JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

__all__ = ["DRAWINGS"]

Nodes = Sequence[Any]
"""The `GraphNode`s, in start order."""


def _text(nodes: Nodes, depth: int | None) -> str:
    known = {node.name: node for node in nodes}
    needed = {need for node in nodes for need in node.needs}
    roots = [node.name for node in nodes if node.name not in needed]
    return "\n".join(_tree(known, roots, depth))


def _tree(known: Mapping[str, Any], roots: list[str], depth: int | None) -> Iterator[str]:
    drawn: set[str] = set()
    # without recursion: a chain may be longer than the interpreter's stack
    stack = [(root, "", "", 0) for root in reversed(roots)]
    while stack:
        name, lead, indent, level = stack.pop()
        node = known[name]
        if name in drawn:
            yield f"{lead}{name}" + (" (above)" if node.needs else "")
            continue
        drawn.add(name)
        is_cut = depth is not None and level >= depth and bool(node.needs)
        yield f"{lead}{name}  {_about(node)}" + (f"  ... {len(node.needs)} more below" if is_cut else "")
        if is_cut:
            continue
        last = len(node.needs) - 1
        below = [
            (need, indent + ("└─ " if place == last else "├─ "), indent + ("   " if place == last else "│  "))
            for place, need in enumerate(node.needs)
        ]
        stack.extend((need, branch, deeper, level + 1) for need, branch, deeper in reversed(below))


def _about(node: Any) -> str:
    scope = f"started as number {node.order}" if node.order else f"made per {node.scope}"
    return f"{node.kind} of {node.makes}, {scope}" + (", guarded" if node.guarded else "")


def _mermaid(nodes: Nodes, depth: int | None) -> str:  # noqa: ARG001  a flowchart shows each node once
    ids = {node.name: f"n{place}" for place, node in enumerate(nodes, 1)}
    lines = ["flowchart TD"]
    for node in nodes:
        label = f"{node.name}<br/>{_plain(node.makes)}<br/>{_plain(_marks(node))}"
        opening, closing = ("[[", "]]") if node.guarded else ("[", "]") if node.order else ("([", "])")
        lines.append(f'    {ids[node.name]}{opening}"{label}"{closing}')
    lines += [f"    {ids[node.name]} --> {ids[need]}" for node in nodes for need in node.needs]
    return "\n".join(lines)


def _dot(nodes: Nodes, depth: int | None) -> str:  # noqa: ARG001  as above
    lines = ["digraph container {", "    node [shape=box];"]
    for node in nodes:
        label = json.dumps(f"{node.name}\n{node.makes}\n{_marks(node)}")
        style = ", peripheries=2" if node.guarded else "" if node.order else ", style=dashed"
        lines.append(f"    {json.dumps(node.name)} [label={label}{style}];")
    lines += [f"    {json.dumps(node.name)} -> {json.dumps(need)};" for node in nodes for need in node.needs]
    return "\n".join([*lines, "}"])


def _json(nodes: Nodes, depth: int | None) -> str:  # noqa: ARG001  as above
    fields = ("name", "kind", "makes", "needs", "order", "scope", "guarded")
    return json.dumps(
        {"nodes": [{field: getattr(node, field) for field in fields} for node in nodes]}, indent=2
    )


def _marks(node: Any) -> str:
    return f"#{node.order} {node.kind}" if node.order else f"{node.kind}, per {node.scope}"


def _plain(text: str) -> str:
    return text.replace("<", "&lt;").replace(">", "&gt;")


DRAWINGS: Mapping[str, Callable[[Nodes, int | None], str]] = {
    "text": _text,
    "mermaid": _mermaid,
    "dot": _dot,
    "json": _json,
}
"""By name: how to draw nodes, and how deep a tree may go."""
