"""What can be wrong with a graph, all at once, found without building anything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from dependency_injector import containers, providers

from arbiter.container.arguments import argument_problems
from arbiter.container.choices import budget_problems, choice_problems, option_problems
from arbiter.container.needs import AnyProvider, is_lasting, is_per_context, needs_of
from arbiter.container.overrides import misses
from arbiter.container.places import place_of
from arbiter.container.plan import named_providers
from arbiter.container.problems import GraphInvalid, Problem

__all__ = ["GraphInvalid", "Problem", "located", "validate"]


def validate(container: containers.Container | type[containers.DeclarativeContainer]) -> list[Problem]:
    """Everything that is wrong with a container's graph; calls no provider but settings and what selectors read."""
    check = _Check(container)
    found = [
        *check.cycles(),
        *check.undefined(),
        *check.arguments(),
        *check.captives(),
        *check.settings(),
        *misses(container),
    ]
    return [located(container, problem) for problem in found]


def located(container: Any, problem: Problem) -> Problem:
    """The problem, with the class, file and line that declare the provider at fault."""
    if problem.file or not problem.place:
        return problem
    place = place_of(container, problem.place)
    return replace(problem, container=place.container, file=place.file, line=place.line)


class _Check:
    """The providers that would be used, each with the name by which people know it."""

    def __init__(self, container: Any) -> None:
        self._container = container
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
            yield from argument_problems(provider, name, is_called=provider in self._called)

    def captives(self) -> Iterator[Problem]:
        for provider, name in self._used():
            if not is_lasting(provider):
                continue
            for held in _held_per_context(provider):
                what = self._names.get(held, type(held).__name__)
                message = (
                    f"it lives as long as the container, and would keep for ever the {what} of whichever thread "
                    f"or task is first ({type(held).__name__})"
                )
                yield Problem("captive", name, message, f"take `{what}.provider`, and call it at each use")

    def settings(self) -> Iterator[Problem]:
        for provider, name in self._used():
            yield from option_problems(provider, name)
            yield from choice_problems(provider, name)
        yield from budget_problems(self._container)


def _circles_below(root: AnyProvider, done: set[AnyProvider]) -> Iterator[list[AnyProvider]]:
    """Depth first, without recursion; a circle closes at a provider that is met on its own path."""
    path: dict[AnyProvider, None] = {}
    stack: list[tuple[AnyProvider, bool]] = [(root, False)]
    while stack:
        provider, is_left = stack.pop()
        if is_left:
            done.add(path.popitem()[0])
        elif provider in path:
            circle = list(path)
            yield circle[circle.index(provider) :]
        elif provider not in done:
            path[provider] = None
            stack.append((provider, True))
            stack.extend((need, False) for need in reversed(needs_of(provider).now))


def _held_per_context(provider: AnyProvider) -> Iterator[AnyProvider]:
    """What is kept per thread or task, and called while `provider` is built, directly or through factories."""
    stack = list(needs_of(provider).now)
    seen: set[AnyProvider] = set()
    while stack:
        need = stack.pop()
        if need in seen or is_lasting(need):
            continue
        seen.add(need)
        if is_per_context(need) and need.last_overriding is None:
            yield need
        else:
            stack.extend(needs_of(need).now)


def _without_root(dependency: providers.Dependency[Any]) -> str:
    return (dependency.parent_name or "").partition(".")[2]
