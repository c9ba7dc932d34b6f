"""What is wrong with a graph is found without building anything."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from dependency_injector import providers, resources
from dependency_injector.containers import DeclarativeContainer

from arbiter.container.base import Container
from arbiter.container.config_provider import ConfigProvider
from arbiter.container.settings_provider import SettingsProvider
from arbiter.container.validation import GraphInvalid
from arbiter.section import LIVE, Section
from arbiter.settings.loader import SettingsLoader
from tests.container.kit import Plain


class Untouched:
    """Fails when anybody makes one."""

    def __init__(self, database: object, *, retries: int = 3) -> None:
        raise AssertionError("it was built")


class Routing(Section):
    rate: Annotated[float, LIVE] = 0.1
    slots: int = 4


class Settings(Section):
    routing: Routing = Routing()


class Configured(Container):
    settings: SettingsProvider[Settings] = SettingsProvider(SettingsLoader(Settings))
    config = ConfigProvider(settings)


def codes(container: Any) -> list[tuple[str, str]]:
    return [(problem.code, problem.place) for problem in container.validate()]


def test_a_sound_graph_has_no_problems() -> None:
    """Nothing is found where nothing is wrong, and nothing is built."""

    class Sound(Configured):
        database = providers.Object("database")
        stock = providers.Singleton(Untouched, database, retries=Configured.config.routing.slots)
        per_call = providers.Factory(Untouched)

    assert Sound().validate() == []


def test_arguments_must_fit_the_constructor() -> None:
    """Unknown, surplus and missing arguments are found; those of a factory that is called with more are not missing."""

    class Wrong(Container):
        unknown = providers.Singleton(Untouched, "database", retrys=1)
        surplus = providers.Factory(Untouched, 1, 2, 3)
        missing = providers.Singleton(Untouched)
        injected = providers.Factory(Untouched)
        user = providers.Singleton(Plain, injected)

    problems = Wrong().validate()

    assert [(one.code, one.place) for one in problems] == [
        ("arguments", "unknown"),
        ("arguments", "surplus"),
        ("arguments", "missing"),
        ("arguments", "injected"),
    ]
    assert "Untouched(database: 'object', *, retries: 'int' = 3)" in problems[0].message
    assert "'retrys'" in problems[0].message


def test_a_factory_s_own_signature_counts() -> None:
    """A callable that says `__signature__`, as a guarded class does, is measured by it."""
    import inspect

    class Guarded:
        __signature__ = inspect.signature(Untouched)
        __name__ = "Guarded"

        def __call__(self, *args: object, **kwargs: object) -> object:
            raise AssertionError("it was called")

    class Wrong(Container):
        fine = providers.Singleton(Guarded(), "database")
        wrong = providers.Singleton(Guarded(), "database", nosuch=1)

    assert codes(Wrong()) == [("arguments", "wrong")]


def test_resources_are_measured_too() -> None:
    """Generators by their own signature, resource classes by `init`."""

    class Connection(resources.Resource[str]):
        def init(self, url: str) -> str:
            raise AssertionError("it was opened")

    def connect(url: str) -> Any:
        yield url

    class Wrong(Container):
        fine = providers.Resource(Connection, url="x")
        wrong = providers.Resource(Connection, uri="x")
        generator = providers.Resource(connect)

    assert codes(Wrong()) == [("arguments", "wrong"), ("arguments", "generator")]


def test_a_circle_is_drawn() -> None:
    """Providers that need each other are drawn as a path, and a start refuses them."""

    class Circle(Container):
        first: Any = providers.Singleton(Plain)
        between = providers.Factory(Plain, a=first)
        second = providers.Singleton(Plain, a=between)

    Circle.first.add_kwargs(a=Circle.second)
    circle = Circle()

    (problem,) = circle.validate()
    assert problem.message.endswith("first -> second -> between -> first")
    with pytest.raises(GraphInvalid, match=r"first -> second -> first"):
        circle.init_resources()


async def test_a_circle_cannot_start() -> None:
    """A start says the circle before anything is built."""

    class Circle(Container):
        one: Any = providers.Singleton(Plain)
        other = providers.Singleton(Plain, one=one)

    Circle.one.add_kwargs(other=Circle.other)

    with pytest.raises(GraphInvalid, match="one -> other -> one"):
        await Circle().start()


def test_undefined_dependencies_are_named() -> None:
    """A dependency that nobody provides is found, of a nested container as well."""

    class Part(DeclarativeContainer):
        clock: providers.Dependency[object] = providers.Dependency()
        user = providers.Singleton(Plain, clock=clock)

    class Root(Container):
        events: providers.Dependency[object] = providers.Dependency()
        part = providers.Container(Part)
        whole = providers.Container(Part, clock=providers.Object(1))

    assert codes(Root()) == [("undefined", "events"), ("undefined", "part.clock")]


def test_config_keys_must_exist_and_must_not_be_live() -> None:
    """A misspelt key is answered with its neighbour; a live key has to be taken as `live`."""

    class Wrong(Configured):
        misspelt = providers.Singleton(Plain, a=Configured.config.routing.slts)
        frozen = providers.Singleton(Plain, a=Configured.config.routing.rate)
        section = providers.Singleton(Plain, a=Configured.config.routing)
        typed = providers.Singleton(Plain, a=Configured.config.nosuch.as_int())

    problems = Wrong().validate()

    assert [(one.code, one.place) for one in problems] == [
        ("config-key", "misspelt"),
        ("live-key", "frozen"),
        ("live-key", "section"),
        ("config-key", "typed"),
    ]
    assert "routing.slots" in problems[0].hint
    assert "settings.live(lambda s: s.routing)" in problems[1].hint


def test_an_overridden_provider_is_out_of_use() -> None:
    """What is wrong with a provider that is overridden does not matter."""

    class Wrong(Container):
        stock = providers.Singleton(Untouched)

    assert Wrong(stock=providers.Object(1)).validate() == []


async def test_a_container_can_be_checked_at_any_time() -> None:
    """Running and stopped, the answer is the same."""

    class Odd(Container):
        fine = providers.Singleton(Plain)
        odd = providers.Factory(Untouched, 1, 2, 3)

    odd = Odd()
    before = odd.validate()
    async with odd:
        assert odd.validate() == before
    assert odd.validate() == before
    assert len(before) == 1
