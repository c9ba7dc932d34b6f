"""`Container`: the declarative base whose instances start, stop, check and draw themselves.

It also mends what dependency-injector does half when a subclass redeclares a provider: here the new one replaces the
old one for everything that was inherited.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Self

from dependency_injector import containers, providers
from dependency_injector.errors import NonCopyableArgumentError

from arbiter.container.arguments import uncopyable
from arbiter.container.composition import replaced_by
from arbiter.container.graph import Graph
from arbiter.container.live import LiveContainer
from arbiter.container.needs import AnyProvider
from arbiter.container.outcome import Outcome
from arbiter.container.problems import GraphInvalid, Problem
from arbiter.container.settings_provider import SettingsProvider
from arbiter.container.validation import located, validate
from arbiter.errors import ContainerError

if TYPE_CHECKING:
    from pydantic import BaseModel

    from arbiter.lifecycle.timeline import StartUp
    from arbiter.settings.snapshot import Snapshot

    _Meta = type
else:
    from dependency_injector.containers import DeclarativeContainerMetaClass as _Meta

__all__ = ["CompositionRefused", "Container"]


class CompositionRefused(ContainerError):
    """A class body that would not do what it says.

    Args:
        place: the class and the provider, `Shop.guard`.
        reason: why it is refused.
    """

    def __init__(self, place: str, reason: str, *, hint: str) -> None:
        super().__init__(f"{place}: {reason}", hint=hint)
        self.place, self.reason = place, reason


class _ContainerMeta(_Meta):
    """Knows the instances of a container class: the library makes them of another class."""

    def __instancecheck__(self, instance: object) -> bool:
        declared = getattr(instance, "declarative_parent", None)
        if isinstance(instance, LiveContainer) and isinstance(declared, type):
            return issubclass(declared, self)
        return super().__instancecheck__(instance)


class Container(containers.DeclarativeContainer, metaclass=_ContainerMeta):
    """Declare providers in a subclass, and make an instance: `Shop()`, or `Shop(settings=snapshot)`.

    Keyword arguments other than `settings` override providers by name, as the library has it.
    """

    if TYPE_CHECKING:
        # The instance's methods (see LiveContainer), and no __getattr__, so that a misspelt provider is an error.
        __getattr__: None  # type: ignore[misc,assignment]

        def __new__(
            cls,
            *,
            settings: Snapshot[Any] | BaseModel | AnyProvider | None = None,
            **overriding_providers: Any,
        ) -> Self:
            """Make an instance, with these settings in place of the first load."""
            ...

        async def start(self) -> None:
            """Build and start everything, each after what it needs; undo all of it when one thing fails."""
            ...

        async def stop(self) -> None:
            """Stop everything in reverse, to the last, whatever fails."""
            ...

        async def __aenter__(self) -> Self: ...

        async def __aexit__(
            self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
        ) -> None: ...

        def init_resources(
            self, resource_type: type[providers.BaseResource[Any]] = providers.BaseResource
        ) -> Outcome:
            """Start, in the library's own words; awaitable, and done at the call where nothing has to wait."""
            ...

        def shutdown_resources(
            self, resource_type: type[providers.BaseResource[Any]] = providers.BaseResource
        ) -> Outcome:
            """Stop, in the library's own words; awaitable, and done at the call where nothing has to wait."""
            ...

        def validate(self) -> list[Problem]:
            """Everything that is wrong with the graph, at once; instantiates nothing."""
            ...

        def graph(self) -> Graph:
            """Who needs whom, and the start order; instantiates nothing."""
            ...

        def components(self) -> Mapping[str, object]:
            """What is built, by dotted provider name, in the order in which it was built."""
            ...

        def startup(self) -> StartUp:
            """The last start, or the one under way: how long each component took."""
            ...

        def pending(self) -> tuple[str, ...]:
            """Names of what still has to stop, the next first."""
            ...

    else:

        def __new__(cls, *, settings: Any = None, **overriding_providers: Any) -> LiveContainer:
            """Make an instance: a LiveContainer with copies of all providers."""
            try:
                container = super().__new__(cls, **overriding_providers)
            except NonCopyableArgumentError as error:
                if problems := _all_problems(cls):
                    raise GraphInvalid(problems) from error
                raise
            for hidden, name in cls._replaced.items():
                old = container.providers[hidden]
                delattr(container, hidden)
                old.override(container.providers[name])
            if settings is not None:
                _give(container, settings)
            return container

    instance_type = LiveContainer
    _replaced: ClassVar[dict[str, str]] = {}
    """Under which hidden name an inherited provider is copied that a redeclaration has replaced, and by which name."""

    _decorated: ClassVar[dict[str, tuple[AnyProvider, ...]]] = {}
    """By name, what a decoration in the class body stands for."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        _refuse_hiding(cls)
        _settle(cls)


def _all_problems(cls: type[Container]) -> list[Problem]:
    """No instance can be made, so the class itself is looked at: what cannot be copied, and all the rest."""
    return [*(located(cls, problem) for problem in uncopyable(cls)), *validate(cls)]


def _settle(cls: type[Container]) -> None:
    """Let one provider answer to each name, and remember the ones that it replaces."""
    for hidden in [name for name in cls.providers if not name.isidentifier()]:
        del cls.providers[hidden]
    cls._replaced, cls._decorated = {}, {}
    for name in list(cls.providers):
        current = _current(cls, name)
        cls.providers[name] = current
        cls._decorated[name] = tuple(replaced_by(current))
        _refuse_renaming(cls, name)
        for old in dict.fromkeys([*_declared_before(cls, name, current), *_decorated_before(cls, name)]):
            _refuse_decoration(cls, name, current, old)
            hidden = f"{name} ({len(cls._replaced)})"
            cls._replaced[hidden] = name
            cls.providers[hidden] = old


def _current(cls: type[Container], name: str) -> AnyProvider:
    current = getattr(cls, name, None)
    if not isinstance(current, providers.Provider):
        raise CompositionRefused(
            f"{cls.__name__}.{name}",
            f"{current!r} hides an inherited provider",
            hint=f"override it: providers.Object({current!r})",
        )
    return current


def _declared_before(cls: type[Container], name: str, current: AnyProvider) -> Iterator[AnyProvider]:
    seen = {current}
    for base in cls.__mro__[1:]:
        old = vars(base).get("cls_providers", {}).get(name)
        if old is not None and old not in seen:
            seen.add(old)
            yield old


def _decorated_before(cls: type[Container], name: str) -> Iterator[AnyProvider]:
    """What decorations stand for, in this class and its bases, also where it never was a class attribute."""
    for base in cls.__mro__:
        yield from vars(base).get("_decorated", {}).get(name, ())


def _refuse_renaming(cls: type[Container], name: str) -> None:
    for old in cls._decorated[name]:
        own = next(
            (known for known, provider in _declared_in(cls) if provider is old and known != name), None
        )
        if own is not None:
            raise CompositionRefused(
                f"{cls.__name__}.{name}",
                f"decorates {own!r} under another name, so that both would exist",
                hint=f"call it {own}; or, to have both, write providers.Singleton(wrapper, {own}, ...)",
            )


def _declared_in(cls: type[Container]) -> Iterator[tuple[str, AnyProvider]]:
    for base in cls.__mro__:
        yield from vars(base).get("cls_providers", {}).items()


def _refuse_decoration(cls: type[Container], name: str, current: AnyProvider, old: AnyProvider) -> None:
    if old in set(current.traverse()):
        raise CompositionRefused(
            f"{cls.__name__}.{name}",
            f"is built on the {name!r} that it replaces, and would be built on itself",
            hint=f"write {name} = decorated(Parent.{name}, wrapper, ...), from arbiter.container.composition",
        )


def _refuse_hiding(cls: type[Container]) -> None:
    methods = set(dir(LiveContainer()))
    for name in vars(cls).get("cls_providers", {}):
        if name in methods:
            raise CompositionRefused(
                f"{cls.__name__}.{name}",
                f"a provider of this name would hide the container's own {name!r}",
                hint="give it another name",
            )


def _give(container: LiveContainer, settings: Any) -> None:
    provider = container.providers.get("settings")
    if provider is None:
        raise ContainerError(
            f"{container.parent_name} has no provider 'settings'",
            hint="declare one: settings: SettingsProvider[Settings] = SettingsProvider(load)",
        )
    # Seeding keeps reloads visible, which an override would hide.
    if isinstance(provider, SettingsProvider) and not isinstance(settings, providers.Provider):
        provider.seed(settings)
    else:
        provider.override(settings)
