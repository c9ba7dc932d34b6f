"""Putting objects in the place of components, for tests: every name and every interface is checked first.

The library's own `override` replaces a whole provider, guard included, and says nothing of a misspelt name in a
container. Here the guard stays around what is replaced, what cannot stand in is refused, and either everything is
replaced or nothing.
"""

from __future__ import annotations

import difflib
import functools
import inspect
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar

from dependency_injector import containers, providers

from arbiter.container.base import Container
from arbiter.container.config_provider import ConfigProvider
from arbiter.container.interface import interface_of, misfits
from arbiter.container.needs import AnyProvider, effective, is_lasting
from arbiter.container.plan import named_providers
from arbiter.container.problems import Problem
from arbiter.container.resources import is_async_factory
from arbiter.container.settings_provider import SettingsProvider
from arbiter.errors import ContainerError
from arbiter.resilience.proxy import Guarded

__all__ = ["OverridesRefused", "Wrapping", "add_arguments", "overridden_classes", "replace_components"]

T = TypeVar("T")


class OverridesRefused(ContainerError):
    """Overrides that would not do what they say; `problems` holds all of them."""

    def __init__(self, composition: str, problems: Iterable[Problem]) -> None:
        super().__init__(hint="providers.Object(x) in place of x is taken as it is, unchecked")
        self.composition, self.problems = composition, tuple(problems)

    @property
    def message(self) -> str:
        """A heading, then each problem."""
        heading = f"{self.composition} cannot be overridden like this, and nothing was:"
        return "\n".join([heading, *(f"  {problem}" for problem in self.problems)])


class Wrapping(ABC):
    """An override that keeps the component and stands before it, inside its guard."""

    @abstractmethod
    def wrap(self, component: T) -> T:
        """What the others get in place of `component`."""


def replace_components(container: Any, replacements: Mapping[str, object]) -> None:
    """Put each object in the place of the component that its provider would make, behind the same guard.

    What is put in place is a component like any other: it is started, stopped, checked and measured.

    Args:
        container: a container's instance that has not been started.
        replacements: by dotted provider name: an object, a `Wrapping`, or a provider (which is not checked).

    Raises:
        OverridesRefused: with everything that is wrong; nothing was replaced.
    """
    known = dict(named_providers(container))
    problems = [problem for name, value in replacements.items() for problem in _problems(known, name, value)]
    if problems:
        raise OverridesRefused(container.declarative_parent.__name__, problems)
    for name, value in replacements.items():
        known[name].override(_replacement(known[name], value))


def add_arguments(provider: Any, factory: type, **arguments: object) -> bool:
    """Give what `provider` makes more keyword arguments, if it is a `factory` that it makes; says whether it is."""
    making: Any = effective(provider)
    if getattr(making, "provides", None) is not factory:
        return False
    making.add_kwargs(**{name: providers.Object(value) for name, value in arguments.items()})
    return True


def overridden_classes() -> dict[str, int]:
    """How many overrides stand in container *classes*, by "module.Class.provider": they hold for the whole process."""
    found: dict[str, int] = {}
    for declared in _subclasses(Container):
        for name, provider in vars(declared).get("cls_providers", {}).items():
            if count := len(provider.overridden):
                found[f"{declared.__module__}.{declared.__qualname__}.{name}"] = count
    return found


def _subclasses(of: type[Any]) -> Iterator[type[Any]]:
    for one in of.__subclasses__():
        yield one
        yield from _subclasses(one)


def _problems(known: Mapping[str, AnyProvider], name: str, value: object) -> Iterator[Problem]:
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(known)}"
        yield Problem("override-name", name, "no provider has this name", hint)
        return
    provider = known[name]
    if isinstance(provider, SettingsProvider | ConfigProvider):
        hint = 'settings={"section.key": value} is checked and reaches both'
        yield Problem("override-settings", name, "settings are not overridden as an object", hint)
    elif isinstance(provider, providers.Container) and not isinstance(value, containers.DynamicContainer):
        yield Problem("override-container", name, "a container can be replaced only by a container", "")
    elif isinstance(value, Wrapping):
        if not _can_be_wrapped(effective(provider)):
            hint = "it works for singletons, factories and resources that are generator functions"
            yield Problem("override-wrapping", name, "what it makes cannot be wrapped", hint)
    elif not isinstance(value, providers.Provider):
        yield from _interface_problems(provider, name, value)


def _interface_problems(provider: AnyProvider, name: str, value: object) -> Iterator[Problem]:
    interface = interface_of(effective(provider))
    if interface is None:
        return
    if inspect.isclass(value):
        hint = f"give an object: {value.__name__}(...)"
        yield Problem("override-class", name, f"{value.__qualname__} is a class", hint)
        return
    for fault, hint in misfits(interface, value):
        yield Problem("override-interface", name, fault, hint)


def _can_be_wrapped(making: AnyProvider) -> bool:
    if isinstance(making, providers.BaseResource):
        provides: Any = making.provides
        made = inspect.unwrap(provides)  # the library makes a context manager of a generator
        return inspect.isgeneratorfunction(made) or inspect.isasyncgenfunction(made)
    return isinstance(making, providers.BaseSingleton | providers.Factory)


def _replacement(provider: Any, value: Any) -> Any:
    making: Any = effective(provider)
    if isinstance(value, Wrapping):
        is_resource = isinstance(making, providers.BaseResource)
        made: Any = making.provides
        factory = inspect.unwrap(made) if is_resource else made
        return type(making)(_wrapped(factory, value), *making.args, **making.kwargs)
    given = value if isinstance(value, providers.Provider) else providers.Object(value)
    made = getattr(making, "provides", None)
    if isinstance(made, Guarded):
        kind = providers.Singleton if is_lasting(making) else providers.Factory
        return kind(made.around, given, guard=making.kwargs["guard"])
    if is_lasting(making) and not isinstance(value, providers.Provider):
        return providers.Singleton(_itself, given)  # an Object would count as somebody else's: never started
    return given


def _itself(component: object) -> object:
    return component


def _wrapped(factory: Any, wrapping: Wrapping) -> Callable[..., Any]:
    if isinstance(factory, Guarded):

        def make_behind(*args: Any, guard: Any, **kwargs: Any) -> Any:
            return factory.around(wrapping.wrap(factory.component(*args, **kwargs)), guard=guard)

        return _like(make_behind, factory)
    if inspect.isgeneratorfunction(factory):

        def open_it(*args: Any, **kwargs: Any) -> Iterator[Any]:
            with contextmanager(factory)(*args, **kwargs) as opened:
                yield wrapping.wrap(opened)

        return _like(open_it, factory)
    if inspect.isasyncgenfunction(factory):

        async def open_async(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            async with asynccontextmanager(factory)(*args, **kwargs) as opened:
                yield wrapping.wrap(opened)

        return _like(open_async, factory)
    if is_async_factory(factory):

        async def make_async(*args: Any, **kwargs: Any) -> Any:
            return wrapping.wrap(await factory(*args, **kwargs))

        return _like(make_async, factory)
    return _like(lambda *args, **kwargs: wrapping.wrap(factory(*args, **kwargs)), factory)


def _like(made: Callable[..., Any], factory: Any) -> Callable[..., Any]:
    return functools.update_wrapper(made, factory, updated=())
