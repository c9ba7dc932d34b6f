"""The graph of a container, as data and drawn."""

from __future__ import annotations

import json
from typing import Any

import pytest
from dependency_injector import providers

from arbiter.container.base import Container
from arbiter.errors import NotFound
from arbiter.resilience.proxy import guarded
from tests.container.kit import Journal, Plain

journal = Journal()


class Shop(Container):
    orders = providers.Singleton(Plain, stock=providers.Factory(Plain, providers.Dependency(default=1)))
    database = providers.Resource(journal.resource("database"))
    stock = providers.Singleton(Plain, providers.Callable(Plain, database).provided.needs)


def test_the_graph_holds_kinds_needs_and_order() -> None:
    """Needs go through whatever stands between; order is the start order."""
    nodes = Shop().graph().nodes

    assert [(node.order, node.name, node.kind, node.needs) for node in nodes] == [
        (1, "orders", "Singleton", ()),
        (2, "database", "Resource", ()),
        (3, "stock", "Singleton", ("database",)),
    ]
    assert nodes[2].makes == "Plain"
    assert journal.take() == []


@pytest.mark.parametrize(
    ("form", "line"),
    [
        ("text", "└─ database  Resource of opened, started as number 2"),
        ("mermaid", "    n3 --> n2"),
        ("dot", '    "stock" -> "database";'),
    ],
)
def test_it_can_be_drawn(form: str, line: str) -> None:
    """Each form shows that the stock needs the database."""
    assert line in Shop().graph().render(form).splitlines()


def test_it_can_be_read_by_machines() -> None:
    """JSON holds every node."""
    names = [node["name"] for node in json.loads(Shop().graph().to_json())["nodes"]]

    assert names == ["orders", "database", "stock"]


class Guarded(Container):
    guard: Any = providers.Object(None)
    clock = providers.Singleton(Plain)
    stock = providers.Singleton(guarded(Plain), clock, guard=guard)
    orders = providers.Singleton(Plain, stock)
    session = providers.Factory(Plain, stock)
    local = providers.ThreadLocalSingleton(Plain)
    task = providers.ContextLocalSingleton(Plain, orders)


def test_scopes_guards_and_factories_are_shown() -> None:
    """What is made per call, thread or task is in the graph, without a place in the start."""
    nodes = Guarded().graph().nodes

    assert [(node.name, node.scope, node.guarded, node.order) for node in nodes] == [
        ("clock", "container", False, 1),
        ("stock", "container", True, 2),
        ("orders", "container", False, 3),
        ("session", "call", False, 0),
        ("local", "thread", False, 0),
        ("task", "task", False, 0),
    ]
    assert nodes[3].needs == ("stock",)


def test_the_text_is_a_tree() -> None:
    """Below each component what it needs; what was drawn is only named again; depth cuts."""
    graph = Guarded().graph()

    assert graph.to_text().splitlines() == [
        "session  Factory of Plain, made per call",
        "└─ stock  Singleton of Plain, started as number 2, guarded",
        "   └─ clock  Singleton of Plain, started as number 1",
        "local  ThreadLocalSingleton of Plain, made per thread",
        "task  ContextLocalSingleton of Plain, made per task",
        "└─ orders  Singleton of Plain, started as number 3",
        "   └─ stock (above)",
    ]
    assert graph.render("text", depth=0).splitlines()[0] == (
        "session  Factory of Plain, made per call  ... 1 more below"
    )


def test_a_focus_keeps_what_is_near() -> None:
    """What the component needs and who needs it, to the end or so many steps; the rest is left out."""
    graph = Guarded().graph()

    assert [node.name for node in graph.focus("stock", 0).nodes] == ["stock"]
    assert [node.name for node in graph.focus("stock", 1).nodes] == ["clock", "stock", "orders", "session"]
    assert [node.name for node in graph.focus("stock").nodes] == [
        "clock",
        "stock",
        "orders",
        "session",
        "task",
    ]
    assert graph.focus("clock", 0).nodes[0].needs == ()
    with pytest.raises(NotFound, match="did you mean stock"):
        graph.focus("stok")


def test_a_long_chain_can_be_drawn() -> None:
    """Deeper than the interpreter's stack."""
    links: dict[str, Any] = {}
    for number in range(1500):
        below = [links[f"n{number - 1}"]] if number else []
        links[f"n{number}"] = providers.Singleton(Plain, *below)
    chain: Any = type("Chain", (Container,), links)

    assert len(chain().graph().to_text().splitlines()) == 1500


def test_an_unknown_form_is_refused() -> None:
    """The error names the forms that exist."""
    with pytest.raises(ValueError, match="text, mermaid, dot, json"):
        Shop().graph().render("svg")
