"""What can be wrong with a graph, all at once, found without building anything."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from dependency_injector import containers, providers, resources

from arbiter.container.needs import AnyProvider, needs_of
from arbiter.container.plan import named_providers
from arbiter.container.settings_provider import ConfigProvider
from arbiter.errors import ContainerError
from arbiter.section import Reload
from arbiter.settings.shape import Shape

__all__ = ["GraphInvalid", "Problem", "validate"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a graph.

    Attributes:
        code: cycle, undefined, arguments, config-key or live-key.
        place: the dotted name of the provider at fault.
        message: what is wrong, in one sentence.
        hint: the mend, or an empty string.
    """

    code: str
    place: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.place}: {self.message}" + (f" ({self.hint})" if self.hint else "")


class GraphInvalid(ContainerError):
    """A container cannot work as it is composed; `problems` holds everything that is wrong."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        super().__init__(
            hint="`container.validate()` and `arbiter check` find all of it without starting anything"
        )
        self.problems = tuple(problems)

    @property
    def message(self) -> str:
        """A heading, then each problem."""
        count = len(self.problems)
        heading = f"{count} problem{'s' if count != 1 else ''} in the container:"
        return "\n".join([heading, *(f"  {problem}" for problem in self.problems)])


def validate(container: containers.Container) -> list[Problem]:
    """Everything that is wrong with a container's graph; calls no provider but what selectors read."""
    check = _Check(container)
    return [*check.cycles(), *check.undefined(), *check.arguments(), *check.options()]


class _Check:
    """The providers that would be used, each with the name by which people know it."""

    def __init__(self, container: containers.Container) -> None:
        self._names: dict[AnyProvider, str] = {}
        self._called: set[AnyProvider] = set()
        self._roots = [provider for _, provider in named_providers(container)]
        for name, provider in named_providers(container):
            self._names.setdefault(provider, name)
        for name, provider in named_providers(container):
            self._walk(name, provider)

    def _walk(self, name: str, start: AnyProvider) -> None:
        stack = [start]
        seen: set[AnyProvider] = set()
        while stack:
            provider = stack.pop()
            if provider in seen:
                continue
            seen.add(provider)
            self._names.setdefault(provider, name)
            needs = needs_of(provider)
            self._called.update(needs.now)
            stack.extend(one for one in needs.now + needs.later if self._names.get(one, name) == name)

    def _used(self) -> Iterator[tuple[AnyProvider, str]]:
        """What really answers: an overridden provider is out of use."""
        yield from (
            (provider, name) for provider, name in self._names.items() if provider.last_overriding is None
        )

    def cycles(self) -> Iterator[Problem]:
        done: set[AnyProvider] = set()
        for root in self._roots:
            for circle in _circles_below(root, done):
                drawn = list(dict.fromkeys(self._names[one] for one in circle))
                text = " -> ".join([*drawn, drawn[0]])
                hint = "let one of them take the other's `.provider` and call it when it needs it"
                yield Problem("cycle", drawn[0], f"a circle of dependencies: {text}", hint)

    def undefined(self) -> Iterator[Problem]:
        for provider, name in self._used():
            if isinstance(provider, providers.Dependency) and not provider.is_defined:
                place = _without_root(provider) or name
                hint = "give it to the container that has it: Container(Sub, name=provider), or Sub(name=provider)"
                yield Problem("undefined", place, "a dependency that nobody provides", hint)

    def arguments(self) -> Iterator[Problem]:
        for provider, name in self._used():
            problem = _arguments_of(provider, is_called=provider in self._called)
            if problem:
                yield Problem(
                    "arguments", name, problem, "compare the provider's arguments with the constructor's"
                )

    def options(self) -> Iterator[Problem]:
        for provider, name in self._used():
            for option in _injected_options(provider):
                yield from _option_problem(option, name)


def _circles_below(root: AnyProvider, done: set[AnyProvider]) -> Iterator[list[AnyProvider]]:
    """Depth first, without recursion; a circle closes at a provider that is met on its own path."""
    path: list[AnyProvider] = []
    stack: list[tuple[AnyProvider, bool]] = [(root, False)]
    while stack:
        provider, is_left = stack.pop()
        if is_left:
            done.add(path.pop())
        elif provider in path:
            yield path[path.index(provider) :]
        elif provider not in done:
            path.append(provider)
            stack.append((provider, True))
            stack.extend((need, False) for need in reversed(needs_of(provider).now))


def _arguments_of(provider: AnyProvider, *, is_called: bool) -> str:
    """Why the arguments do not fit, or nothing. Callables may get the rest when called, unless a provider calls them."""
    if not isinstance(
        provider, providers.Factory | providers.Callable | providers.BaseSingleton | providers.BaseResource
    ):
        return ""
    if provider.provides is None or isinstance(provider.provides, providers.Provider):
        return ""
    signature = _signature(provider.provides)
    if signature is None:
        return ""
    kept = isinstance(provider, providers.BaseSingleton | providers.BaseResource)
    bind = signature.bind if kept or is_called else signature.bind_partial
    try:
        bind(*provider.args, **provider.kwargs)
    except TypeError as error:
        return f"{getattr(provider.provides, '__name__', provider.provides)}{signature}: {error}"
    return ""


def _signature(provides: Callable[..., Any]) -> inspect.Signature | None:
    made = inspect.unwrap(provides)
    if isinstance(made, type) and issubclass(made, resources.Resource | resources.AsyncResource):
        initialise = inspect.signature(made.init)
        return initialise.replace(parameters=list(initialise.parameters.values())[1:])
    try:
        return inspect.signature(provides)
    except (TypeError, ValueError):  # built-in without a signature: nothing can be said
        return None


def _injected_options(provider: AnyProvider) -> Iterator[providers.ConfigurationOption]:
    """Options that this provider injects; not the sections on the way to them."""
    if isinstance(provider, providers.Configuration | providers.ConfigurationOption):
        return
    needs = needs_of(provider)
    for need in needs.now + needs.later:
        if isinstance(need, providers.ConfigurationOption):
            yield need


def _option_problem(option: providers.ConfigurationOption, place: str) -> Iterator[Problem]:
    root = _root_of(option)
    segments = option.get_name_segments()
    if root is None or not all(isinstance(part, str) for part in segments):
        return
    path = [str(part) for part in segments]
    shape = Shape.of(root.source.settings_type)
    if not shape.knows(path):
        yield Problem("config-key", place, f"the settings have no key {'.'.join(path)}", shape.hint(path))
    elif live := _live_keys(shape, path):
        hint = f"take `settings.live(lambda s: s.{path[0]})` and read it at use"
        yield Problem("live-key", place, f"{live} may change while running, and config would freeze it", hint)


def _root_of(option: Any) -> ConfigProvider | None:
    root = option._get_root()
    while root.last_overriding is not None:
        root = root.last_overriding
    return root if isinstance(root, ConfigProvider) else None


def _live_keys(shape: Shape, path: list[str]) -> str:
    if shape.reload_of(path) is Reload.LIVE:
        return ".".join(path)
    below = (_live_keys(shape, [*path, name]) for name in shape.names(path))
    return next((found for found in below if found), "")


def _without_root(dependency: providers.Dependency[Any]) -> str:
    return (dependency.parent_name or "").partition(".")[2]
