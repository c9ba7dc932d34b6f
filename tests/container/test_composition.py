"""Container classes: inheritance, redeclaration, names, instances."""

from __future__ import annotations

from typing import Any

import pytest
from dependency_injector import providers
from dependency_injector.containers import DeclarativeContainer

from arbiter.container.base import CompositionRefused, Container
from tests.container.kit import Plain


class Clock:
    """One kind of clock."""


class OtherClock(Clock):
    """Another kind."""


class Base(Container):
    clock = providers.Singleton(Clock)
    guard = providers.Singleton(Plain, clock=clock)


class Redeclared(Base):
    clock = providers.Singleton(OtherClock)


def test_a_redeclaration_reaches_what_was_inherited() -> None:
    """A redeclared provider replaces the old one for everything that the parent built on it."""
    container = Redeclared()

    assert type(container.clock()) is OtherClock
    assert container.guard().needs == (container.clock(),)
    assert list(container.providers) == ["clock", "guard"]


def test_a_redeclaration_works_over_generations() -> None:
    """Grandparents' references follow as well, and the parents stay as they were."""

    class Between(Redeclared):
        user = providers.Singleton(Plain, Base.clock, Redeclared.clock)

    class Last(Between):
        clock = providers.Singleton(Clock)

    last = Last()

    assert last.user().needs == (last.clock(), last.clock())
    assert last.guard().needs == (last.clock(),)
    assert type(last.clock()) is Clock
    assert type(Redeclared().guard().needs[0]) is OtherClock
    assert type(Base().guard().needs[0]) is Clock


def test_a_redeclaration_reaches_a_dependency() -> None:
    """An undefined dependency may be defined by a subclass."""

    class Open(Container):
        clock: Any = providers.Dependency(instance_of=Clock)
        guard = providers.Singleton(Plain, clock)

    class Closed(Open):
        clock = providers.Singleton(OtherClock)

    closed = Closed()

    assert closed.guard().needs == (closed.clock(),)
    assert closed.validate() == []


def test_several_bases_follow_the_method_resolution_order() -> None:
    """With several bases, the provider that the attribute names is the one that is used."""

    class Right(Base):
        pass

    class Both(Redeclared, Right):
        pass

    both = Both()

    assert type(both.clock()) is OtherClock
    assert both.guard().needs == (both.clock(),)


async def test_what_was_replaced_is_never_started() -> None:
    """A replaced provider is out of the graph."""
    async with Redeclared() as container:
        assert list(container.components()) == ["clock", "guard"]
        assert [node.name for node in container.graph().nodes] == ["clock", "guard"]


def test_an_inherited_reference_is_the_instance_s_own() -> None:
    """A subclass that names its parent's provider gets the instance's copy."""

    class Shop(Base):
        stock = providers.Singleton(Plain, Base.guard)

    one, other = Shop(), Shop()

    assert one.stock().needs == (one.guard(),)
    assert one.guard() is not other.guard()


def test_decorating_by_redeclaration_is_refused() -> None:
    """A provider built on the one that it replaces would be built on itself: refused, with the way that works."""
    with pytest.raises(CompositionRefused, match=r"Decorated\.clock: is built on the 'clock'") as caught:

        class Decorated(Base):
            clock: Any = providers.Singleton(Plain, Base.clock)

    assert "decorated(" in str(caught.value)


@pytest.mark.parametrize("name", ["start", "graph", "providers", "init_resources", "override", "_live"])
def test_names_that_hide_methods_are_refused(name: str) -> None:
    """A provider cannot take the name of something that the container itself has."""
    with pytest.raises(CompositionRefused, match=f"would hide the container's own '{name}'"):
        type("Hiding", (Container,), {name: providers.Object(1)})


def test_hiding_a_provider_with_a_value_is_refused() -> None:
    """A plain value in place of an inherited provider is refused, with the way that works."""
    with pytest.raises(CompositionRefused, match=r"providers\.Object"):
        type("Hiding", (Base,), {"clock": None})


def test_an_instance_is_an_instance_of_its_classes() -> None:
    """`isinstance` tells the truth, for a class's own instances and for nobody else's."""

    class Foreign(DeclarativeContainer):
        clock = providers.Singleton(Clock)

    assert isinstance(Redeclared(), Redeclared)
    assert isinstance(Redeclared(), Base)
    assert isinstance(Redeclared(), Container)
    assert not isinstance(Base(), Redeclared)
    assert not isinstance(Foreign(), Container)
    assert not isinstance("shop", Base)


def test_providers_are_overridden_by_keyword_and_by_the_library_s_means() -> None:
    """What dependency-injector offers for overriding keeps working, and is undone."""
    clock = OtherClock()

    assert Base(clock=clock).guard().needs == (clock,)
    base = Base()
    with base.override_providers(clock=clock):
        assert base.clock() is clock
    assert type(base.clock()) is Clock


def test_a_nested_container_is_copied_with_its_root() -> None:
    """Each root has its own copy of what it nests, redeclarations included."""

    class Root(Container):
        core = providers.Container(Redeclared)
        user = providers.Singleton(Plain, core.guard)

    one, other = Root(), Root()

    assert one.user().needs == (one.core.guard(),)
    assert type(one.core.guard().needs[0]) is OtherClock
    assert one.core.guard() is not other.core.guard()
