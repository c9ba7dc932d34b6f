"""Adopters see every component, start last and stop first."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from dependency_injector import providers

from arbiter.container.base import Container
from tests.container.kit import Component, Journal, Plain

journal = Journal()


class Watcher(Component):
    """Writes down what it is shown."""

    def __init__(self) -> None:
        super().__init__(journal, "watcher", ())
        self.seen: dict[str, object] = {}

    def adopt(self, name: str, component: object) -> None:
        assert name not in self.seen
        self.seen[name] = component


class Shop(Container):
    database = providers.Resource(journal.resource("database"))
    watcher = providers.Singleton(Watcher)
    stock = providers.Singleton(journal.component("stock"), database, watcher)
    orders = providers.Singleton(journal.component("orders"), stock)


@pytest.fixture(autouse=True)
def fresh_journal() -> Iterator[None]:
    journal.take()
    yield
    journal.take()


async def test_an_adopter_sees_every_component_once() -> None:
    """It is shown what was built before it and what comes after, by name, and not itself."""
    async with Shop() as shop:
        assert shop.watcher().seen == {
            "database": "database",
            "stock": shop.stock(),
            "orders": shop.orders(),
        }


async def test_an_adopter_starts_last_and_stops_first() -> None:
    """Whoever needs it, it is started after all it may look at, and stopped before that."""
    async with Shop():
        pass

    assert journal.take() == [
        "+database",
        "start stock",
        "start orders",
        "start watcher",
        "stop watcher",
        "stop orders",
        "stop stock",
        "-database",
    ]


async def test_a_component_is_shown_before_it_starts() -> None:
    """Adoption comes between building and starting."""
    seen: list[object] = []

    class Early(Plain):
        async def start(self) -> None:
            seen.append(self.needs[0].seen["early"])  # type: ignore[attr-defined]

    class Adopting(Container):
        watcher = providers.Singleton(Watcher)
        early = providers.Singleton(Early, watcher)

    async with Adopting() as container:
        assert seen == [container.early()]


async def test_adopters_see_each_other() -> None:
    """A second adopter is a component to the first, and the other way round."""

    class Two(Container):
        first = providers.Singleton(Watcher)
        second = providers.Singleton(Watcher)

    async with Two() as container:
        assert container.first().seen == {"second": container.second()}
        assert container.second().seen == {"first": container.first()}


async def test_an_object_in_a_component_s_place_is_shown_and_not_started() -> None:
    """A fake that a test puts in place is adopted under the component's name; its life is the test's."""
    fake = Component(journal, "fake", ())

    async with Shop(stock=fake) as shop:
        assert shop.watcher().seen["stock"] is fake
        assert shop.components()["stock"] is fake
        assert shop.orders().needs == (fake,)

    assert "start fake" not in journal.take()


async def test_an_object_that_answers_to_every_name_is_no_adopter() -> None:
    """Only what its class says counts."""

    class Anything:
        def __getattr__(self, name: str) -> object:
            return lambda *_: journal.lines.append(name)

    class Open(Container):
        anything = providers.Singleton(Anything)
        stock = providers.Singleton(Plain)

    async with Open():
        pass

    assert journal.take() == []
