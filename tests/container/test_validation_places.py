"""What validation says of types, overrides, copies and budgets, and where it points."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
from dependency_injector import containers, providers

from arbiter.container.base import Container
from arbiter.container.config_provider import ConfigProvider
from arbiter.container.overrides import OverrideUnknown
from arbiter.container.settings_provider import SettingsProvider
from arbiter.container.validation import GraphInvalid
from arbiter.lifecycle.settings import ComponentBudget, LifecycleSettings
from arbiter.section import Section
from arbiter.settings.loader import SettingsLoader
from tests.container.kit import Plain


class Server(Section):
    host: str = "localhost"
    port: int = 3000
    timeout_s: float | None = None


class Settings(Section):
    server: Server = Server()
    lifecycle: LifecycleSettings = LifecycleSettings()


class Configured(Container):
    settings: SettingsProvider[Settings] = SettingsProvider(SettingsLoader(Settings))
    config = ConfigProvider(settings)


class Database: ...


class Replica(Database): ...


class Store(Protocol):
    name: str

    def read(self, key: str) -> str: ...


class Disk:
    def read(self, key: str) -> str:
        return key


class Reader:
    def __init__(
        self,
        database: Database,
        store: Store | None = None,
        *rest: int,
        retries: float = 1,
        when: Callable[[], object] = object,
        **more: str,
    ) -> None:
        raise AssertionError("it was built")


def open_database() -> Iterator[Database]:
    yield Database()


def open_something() -> Iterator[object]:
    yield object()


class Fitting(Configured):
    database = providers.Resource(open_database)
    unknown = providers.Resource(open_something)
    disk = providers.Singleton(Disk)
    fine = providers.Singleton(Reader, database, disk, 1, 2, retries=3, when=disk.provider, x="y")
    derived = providers.Singleton(Reader, providers.Singleton(Replica), None, when=Database)
    believed = providers.Singleton(Reader, unknown, providers.Callable(max, 1, 2))
    number = providers.Singleton(Reader, database, retries=Configured.config.server.port)


def test_what_may_fit_is_believed() -> None:
    """Derived classes, protocols, promotion of numbers, callables, and all that nobody can know."""
    assert Fitting().validate() == []


WRONG: list[tuple[Any, str]] = [
    (providers.Singleton(Reader, providers.Singleton(Disk)), "takes database: Database, and gets Disk"),
    (providers.Singleton(Reader, "database"), "takes database: Database, and gets str"),
    (providers.Singleton(Reader, providers.Object(3)), "takes database: Database, and gets int"),
    (providers.Singleton(Reader, Fitting.database.provider), "takes database: Database, and gets"),
    (providers.Singleton(Reader, Fitting.database, Fitting.database), ""),
    (providers.Singleton(Reader, Fitting.database, providers.Singleton(Database)), "gets Database"),
    (providers.Singleton(Reader, Fitting.database, None, "three"), "takes rest: int, and gets str"),
    (providers.Singleton(Reader, Fitting.database, retries="3"), "takes retries: float, and gets str"),
    (providers.Singleton(Reader, Fitting.database, when=3), "takes when"),
    (providers.Singleton(Reader, Fitting.database, x=3), "takes more: str, and gets int"),
    (providers.Singleton(Reader, Configured.config.server.port), "takes database: Database, and gets int"),
    (providers.Singleton(Reader, Configured.config.server), "takes database: Database, and gets dict"),
    (providers.Factory(Reader, Fitting.disk), "takes database: Database, and gets Disk"),
]


@pytest.mark.parametrize(("provider", "words"), WRONG)
def test_a_certain_contradiction_is_found(provider: Any, words: str) -> None:
    """A value, a class, a promise or a setting of another type than the annotation asks for."""
    declared: Any = type("Wrong", (Fitting,), {"it": provider})

    found = [(problem.code, problem.place) for problem in declared().validate()]

    assert found == ([("type", "it")] if words else [])
    if words:
        assert words in declared().validate()[0].message


class Here(Container):
    database = providers.Object(1)
    # the line of the declaration is what is told
    stock = providers.Singleton(Disk, retrys=2)


class Below(Here):
    part = providers.Container(Here)


def test_a_problem_says_where_it_is() -> None:
    """Class, file and line of the declaration, for inherited and for nested providers too."""
    line = next(
        number
        for number, text in enumerate(Path(__file__).read_text().splitlines(), 1)
        if text.startswith("    stock = providers.Singleton(Disk, retrys=2)")
    )

    for problem in Below().validate():
        assert (problem.container, problem.file, problem.line) == ("Here", __file__, line)
        assert str(problem).startswith(f"Here.{problem.place}: ")
        assert f"test_validation_places.py:{line}" in str(problem)
    assert [problem.place for problem in Below().validate()] == ["stock", "part.stock"]


def test_what_cannot_be_copied_is_found_with_all_the_rest() -> None:
    """No container can be made then: one error names every such argument, and whatever else is wrong."""

    class Locked(Container):
        stock = providers.Singleton(Plain, lock=threading.Lock())
        orders = providers.Singleton(Plain, providers.Factory(Plain, threading.Lock()))
        wrong = providers.Singleton(Reader)
        fine = providers.Singleton(Plain, lock=providers.Object(threading.Lock()))

    with pytest.raises(GraphInvalid) as caught:
        Locked()

    problems = caught.value.problems
    assert [(one.code, one.place) for one in problems] == [
        ("uncopyable", "stock"),
        ("uncopyable", "orders"),
        ("arguments", "wrong"),
    ]
    assert all(one.line for one in problems)
    assert "providers.Object" in problems[0].hint


def test_an_override_of_an_unknown_name_changes_nothing() -> None:
    """A misspelt name is an error with the nearest names, before anything is overridden."""
    shop: Any = Here()

    with pytest.raises(OverrideUnknown, match="did you mean stock") as caught:
        shop.override_providers(database=2, stok=1)
    with pytest.raises(AttributeError, match="Here has no provider 'nosuch'"):
        Here(nosuch=1)

    assert caught.value.names == ("stok",)
    assert shop.database() == 1


def test_a_container_that_overrides_what_is_not_there_is_found() -> None:
    """`override(other)` passes over unknown names: validation tells them, but not what the overriding ones need."""

    class Fakes(containers.DeclarativeContainer):
        helper = providers.Object(2)
        database = providers.Singleton(Plain, helper)
        stok = providers.Object(3)

    class Sound(Container):
        database = providers.Object(1)

    sound: Any = Sound()
    sound.override(Fakes())

    (problem,) = sound.validate()
    assert problem.code == "override"
    assert "overrides 'stok', which Sound does not have" in problem.message


def test_a_budget_for_nobody_is_found() -> None:
    """A component's budget in the settings needs a component."""
    own = {"stok": ComponentBudget(stop_s=1), "part.x": ComponentBudget()}
    given = Settings(lifecycle=LifecycleSettings(components=own))

    class Shop(Configured):
        stock = providers.Singleton(Plain)
        part = providers.Container(Here)

    codes = [(problem.code, problem.hint) for problem in Shop(settings=given).validate()]

    assert ("budget", "did you mean stock?") in codes or any("stock" in hint for _, hint in codes)
