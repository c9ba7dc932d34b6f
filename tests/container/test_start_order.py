"""A container starts in dependency order, whatever stands between a user and what it needs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from dependency_injector import providers
from dependency_injector.containers import DeclarativeContainer

from arbiter.container.base import Container
from tests.container.kit import Journal, Plain

journal = Journal()


class Inner(DeclarativeContainer):
    database: providers.Dependency[object] = providers.Dependency()
    worker = providers.Resource(journal.resource("worker"), database)


class Users(DeclarativeContainer):
    adapters = providers.DependenciesContainer()
    worker = providers.Resource(journal.resource("worker"), adapters.database)


class Adapters(DeclarativeContainer):
    database = providers.Resource(journal.resource("database"))


class Between(Container):
    """A singleton stands between."""

    database = providers.Resource(journal.resource("database"))
    repository = providers.Singleton(Plain, database)
    worker = providers.Resource(journal.resource("worker"), repository)


class BetweenAsync(Container):
    database = providers.Resource(journal.async_resource("database"))
    repository = providers.Singleton(Plain, database)
    worker = providers.Resource(journal.async_resource("worker"), repository)


class Provided(Container):
    database = providers.Resource(journal.resource("database"))
    repository = providers.Singleton(Plain, database)
    worker = providers.Resource(journal.resource("worker"), repository.provided.needs[0])


class Factored(Container):
    database = providers.Resource(journal.resource("database"))
    session = providers.Factory(Plain, session=providers.Callable(Plain, database))
    worker = providers.Resource(journal.resource("worker"), providers.List(providers.Dict(x=session)))


class Depending(Container):
    database = providers.Resource(journal.resource("database"))
    inner = providers.Container(Inner, database=providers.Singleton(Plain, database))


class Siblings(Container):
    adapters = providers.Container(Adapters)
    users = providers.Container(Users, adapters=adapters)


class Lazily(Container):
    """The worker is handed a provider, and may call it whenever it likes."""

    worker = providers.Resource(journal.resource("worker"), providers.Factory(Plain, providers.Object(0)))
    database = providers.Resource(journal.resource("database"))
    late = providers.Resource(journal.resource("late"), database.provider)


class Whole(Container):
    """A nested container as a whole is an argument."""

    adapters = providers.Container(Adapters)
    worker = providers.Resource(journal.resource("worker"), adapters)


SHAPES: list[type[Container]] = [Between, BetweenAsync, Provided, Factored, Depending, Siblings, Whole]


def backwards(shape: type[Container]) -> type[Container]:
    """The same providers, declared the other way round, so that declaration order is of no help."""
    return type(shape.__name__, (Container,), dict(reversed(shape.cls_providers.items())))


BOTH_WAYS: list[type[Container]] = [*SHAPES, *(backwards(shape) for shape in SHAPES)]


@pytest.mark.parametrize("shape", BOTH_WAYS, ids=lambda shape: shape.__name__)
def test_a_database_outlives_its_user(shape: type[Container]) -> None:
    """In fifty containers of each shape, what is needed opens first and closes last."""

    async def live() -> list[str]:
        async with shape():
            pass
        return journal.take()

    wrong = [lines for lines in (asyncio.run(live()) for _ in range(50)) if not is_right(lines)]

    assert wrong == []


SYNC = [shape for shape in BOTH_WAYS if shape.__name__ != "BetweenAsync"]


@pytest.mark.parametrize("shape", SYNC, ids=lambda shape: shape.__name__)
def test_the_library_s_own_calls_keep_the_order(shape: type[Container]) -> None:
    """`init_resources` and `shutdown_resources` of sync resources do the same, at the call."""
    for _ in range(50):
        container = shape()
        container.init_resources()
        container.shutdown_resources()

        assert is_right(journal.take())


def is_right(lines: list[str]) -> bool:
    return lines == ["+database", "+worker", "-worker", "-database"]


async def test_a_provider_handed_on_still_outlives_its_user() -> None:
    """What is injected as a provider closes after the component that may call it."""
    async with Lazily():
        pass

    assert journal.take() == ["+worker", "+database", "+late", "-late", "-database", "-worker"]


async def test_circles_through_providers_are_no_circles() -> None:
    """Two that need each other start when one of them takes the other's provider."""

    class Circle(Container):
        one: Any = providers.Singleton(Plain)
        other = providers.Singleton(Plain, one)

    Circle.one.add_args(Circle.other.provider)

    async with Circle() as circle:
        assert circle.one().needs[0]() is circle.other()


async def test_independent_resources_keep_their_declaration_order() -> None:
    """Where nothing decides, they start as they were declared and stop in reverse."""

    def build() -> type[Container]:
        resources = {f"r{n}": providers.Resource(journal.resource(f"r{n}")) for n in range(8)}
        return type("Eight", (Container,), resources)

    for _ in range(20):
        async with build()():
            pass
        names = [f"r{n}" for n in range(8)]
        assert journal.take() == [f"+{n}" for n in names] + [f"-{n}" for n in reversed(names)]


def selecting(choice: str) -> type[Container]:
    class Selecting(Container):
        real = providers.Resource(journal.resource("real"))
        fake = providers.Resource(journal.resource("fake"))
        choice_of = providers.Object(choice)
        store = providers.Selector(choice_of, real=real, fake=fake)
        worker = providers.Resource(journal.resource("worker"), store)

    return Selecting


@pytest.mark.parametrize("choice", ["real", "fake"])
async def test_a_selector_starts_the_chosen_branch_alone(choice: str) -> None:
    """The branches that are not chosen are not opened."""
    async with selecting(choice)():
        pass

    assert journal.take() == [f"+{choice}", "+worker", "-worker", f"-{choice}"]


async def test_only_the_last_overriding_is_started() -> None:
    """An overridden resource, and an override that was itself overridden, stay closed."""
    container = Between()
    first = providers.Resource(journal.resource("first"))
    second = providers.Resource(journal.resource("second"))

    with container.database.override(first), container.database.override(second):
        async with container:
            assert container.database() == "second"

    assert journal.take() == ["+second", "+worker", "-worker", "-second"]


async def test_what_another_container_runs_is_left_alone() -> None:
    """A container that reaches into a running one neither starts nor stops what is not its own."""
    async with Between() as owner:
        async with Depending(database=owner.database):
            pass
        assert journal.take() == ["+database", "+worker", "+worker", "-worker"]

    assert journal.take() == ["-worker", "-database"]


def chain(length: int, make: Callable[[str], Any]) -> type[Container]:
    links: dict[str, Any] = {}
    for number in range(length):
        below = [links[f"link{number - 1}"]] if number else []
        links[f"link{number}"] = providers.Resource(make(f"{number}"), *below)
    return type("Chain", (Container,), dict(reversed(links.items())))


@pytest.mark.parametrize("make", [journal.resource, journal.async_resource], ids=["sync", "async"])
async def test_a_long_chain_stops_in_order(make: Callable[[str], Any]) -> None:
    """Two hundred in a row, declared backwards, start and stop in order."""
    async with chain(200, make)():
        pass

    numbers = [str(n) for n in range(200)]
    assert journal.take() == [f"+{n}" for n in numbers] + [f"-{n}" for n in reversed(numbers)]
