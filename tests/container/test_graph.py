"""The graph of a container, as data and drawn."""

from __future__ import annotations

import json

import pytest
from dependency_injector import providers

from arbiter.container.base import Container
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


def test_an_unknown_form_is_refused() -> None:
    """The error names the forms that exist."""
    with pytest.raises(ValueError, match="text, mermaid, dot, json"):
        Shop().graph().render("svg")
