"""`arbiter graph`: who needs whom in an application, and in which order it starts; starts nothing."""

from __future__ import annotations

import sys
from typing import Annotated, Literal

from cyclopts import Parameter

from arbiter.cli.options import Chosen, Json

__all__ = ["show_graph"]

EVERYTHING = Chosen()


def show_graph(
    chosen: Chosen = EVERYTHING,
    *,
    form: Annotated[
        Literal["text", "mermaid", "dot", "json"],
        Parameter(name="--format", help="A tree for people, a mermaid flowchart, Graphviz, or JSON."),
    ] = "text",
    focus: Annotated[
        str | None,
        Parameter(name="--focus", help="Only this component, what it needs, and who needs it."),
    ] = None,
    depth: Annotated[
        int | None,
        Parameter(name="--depth", help="How many steps to go: from the focus, or down the tree."),
    ] = None,
    json: Json = False,
) -> int:
    """Show the graph of components: kinds, life spans, guards and the start order.

    Examples:
        arbiter graph
        arbiter graph --focus registry --depth 1
        arbiter graph --format mermaid > graph.mmd
        arbiter graph --format dot | dot -Tsvg > graph.svg

    Exit codes: 0 drawn, 1 there is no such component, 3 the components need each other in a circle, 78 settings.
    """
    graph = chosen.load().container.graph()
    if focus is not None:
        graph = graph.focus(focus, depth)
    drawing = graph.render("json" if json else form, depth=None if focus else depth)
    sys.stdout.write(f"{drawing}\n")
    return 0
