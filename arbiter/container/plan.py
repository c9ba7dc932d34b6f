"""The plan of a container: every lasting provider by name, with what it needs; names come from a walk of the tree."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from dependency_injector import containers, providers

from arbiter.container.needs import (
    AnyProvider,
    Needs,
    branches,
    chosen,
    effective,
    is_lasting,
    needs_of,
    nodes_below,
)
from arbiter.container.signatures import MAKERS
from arbiter.lifecycle.order import in_order

__all__ = ["Node", "Plan", "named_providers"]


@dataclass(slots=True, eq=False)
class Node:
    """One provider that holds an object for the container's life.

    Attributes:
        name: its dotted name (`core.engine`); one without a name is called after its user and argument.
        provider: the provider that really answers under this name.
        needs: names of the nodes that must be there before it.
        given: it is an object from outside, put in place of a component: shown to adopters, never started.
    """

    name: str
    provider: AnyProvider
    needs: tuple[str, ...] = ()
    given: bool = False


@dataclass(slots=True)
class Plan:
    """The nodes of a container by name, in declaration order."""

    nodes: dict[str, Node] = field(default_factory=dict)

    @classmethod
    def of(cls, container: containers.Container) -> Plan:
        """Read the plan of a container; calls nothing but what selectors read."""
        return _Reading(container).plan()

    def in_order(self) -> list[Node]:
        """The nodes in start order.

        Raises:
            CycleFound: they need each other in a circle.
        """
        return [
            self.nodes[name] for name in in_order({name: node.needs for name, node in self.nodes.items()})
        ]


def named_providers(container: containers.Container) -> Iterator[tuple[str, AnyProvider]]:
    """Every provider of a container by dotted name, those of nested containers after the one that nests them."""
    yield from _named(container, "", {id(container)})


def _named(container: Any, prefix: str, seen: set[int]) -> Iterator[tuple[str, AnyProvider]]:
    for name, provider in container.providers.items():
        if name == "__self__" or isinstance(provider, providers.Self):
            continue
        yield f"{prefix}{name}", provider
        nested = provider.container if isinstance(provider, providers.Container) else None
        if nested is not None and id(nested) not in seen:
            yield from _named(nested, f"{prefix}{name}.", seen | {id(nested)})


class _Reading:
    """One reading of a container, with what was seen so far."""

    def __init__(self, container: containers.Container) -> None:
        self._named = dict(named_providers(container))
        self._names: dict[AnyProvider, str] = {}
        self._found: dict[AnyProvider, Node] = {}
        self._place = {name: index for index, name in enumerate(self._named)}
        self._rank: dict[AnyProvider, tuple[int, int]] = {}

    def plan(self) -> Plan:
        self._name_all()
        for root in self._roots():
            self._visit(root)
        plan = Plan(
            {
                self._found[one].name: self._found[one]
                for one in sorted(self._found, key=self._rank.__getitem__)
            }
        )
        self._order_later_needs(plan)
        return plan

    def _name_all(self) -> None:
        """A provider's own name before a name through which it is only reached; short ones before long ones."""
        shortest_first = sorted(self._named.items(), key=lambda item: item[0].count("."))
        for name, provider in shortest_first:
            if is_lasting(provider) and provider.last_overriding is None:
                self._names.setdefault(provider, name)
        for name, provider in shortest_first:
            if is_lasting(effective(provider)) or self._is_given(provider):
                self._names.setdefault(effective(provider), name)
        for name, provider in shortest_first:
            if isinstance(provider, providers.Selector) and not provider.overridden:
                taken = chosen(provider)
                if taken is not None and is_lasting(effective(taken)):
                    self._names.setdefault(effective(taken), name)

    @staticmethod
    def _is_given(provider: AnyProvider) -> bool:
        return is_lasting(provider) and type(effective(provider)) is providers.Object

    def _roots(self) -> list[AnyProvider]:
        selectors = [p for p in self._named.values() if isinstance(p, providers.Selector)]
        taken = {branch for selector in selectors if not selector.overridden for branch in branches(selector)}
        left = {branch for selector in selectors for branch in selector.providers.values()} - taken
        return [provider for provider in self._named.values() if provider not in left]

    def _visit(self, root: AnyProvider) -> None:
        stack: list[tuple[AnyProvider, AnyProvider]] = [(root, root)]
        while stack:
            provider, user = stack.pop()
            if self._is_given(provider):
                self._add(effective(provider), user, given=True)
            for found in nodes_below([provider], later=not is_lasting(provider)):
                if found not in self._found:
                    self._add(found, user)
                    needs = needs_of(found)
                    stack.extend((need, found) for need in reversed(needs.now + needs.later))

    def _add(self, provider: AnyProvider, user: AnyProvider, *, given: bool = False) -> None:
        if provider in self._found:
            return
        name = self._names.get(provider) or self._call_after(provider, user)
        around = self._rank[user][0] if user in self._rank else len(self._place)
        self._names[provider] = name
        self._rank[provider] = (self._place.get(name, around), len(self._rank))
        self._found[provider] = Node(name, provider, given=given)

    def _call_after(self, provider: AnyProvider, user: AnyProvider) -> str:
        """Name an inline provider after its user and the argument that takes it, or its class."""
        # Others must not be asked: `.provided` and options answer to every name.
        arguments: dict[str, Any] = getattr(user, "kwargs", {}) if isinstance(user, MAKERS) else {}
        made: Any = provider.provides if isinstance(provider, MAKERS) else None
        of_class = str(getattr(inspect.unwrap(made) if made else made, "__name__", "inline"))
        what = next((name for name, value in arguments.items() if value is provider), of_class)
        using = self._names.get(user) or next((name for name, one in self._named.items() if one is user), "")
        stem = f"{using}.{what}" if using else what
        taken = {*self._named, *self._names.values()}
        return next(name for name in _numbered(stem) if name not in taken)

    def _order_later_needs(self, plan: Plan) -> None:
        """Needs at the call always count; what is called later counts where that closes no circle."""
        later: dict[str, tuple[str, ...]] = {}
        for provider, node in self._found.items():
            needs = needs_of(provider) if not node.given else Needs()
            node.needs = self._names_of(nodes_below(needs.now))
            everything = self._names_of(nodes_below(needs.now + needs.later, later=True))
            later[node.name] = tuple(name for name in everything if name not in node.needs)
        for name, wanted in later.items():
            for need in wanted:
                if need != name and not _reaches(plan, need, name):
                    plan.nodes[name].needs += (need,)

    def _names_of(self, found: Iterator[AnyProvider]) -> tuple[str, ...]:
        return tuple(
            dict.fromkeys(self._found[provider].name for provider in found if provider in self._found)
        )


def _numbered(stem: str) -> Iterator[str]:
    yield stem
    number = 2
    while True:
        yield f"{stem}_{number}"
        number += 1


def _reaches(plan: Plan, start: str, goal: str) -> bool:
    stack, seen = [start], {start}
    while stack:
        name = stack.pop()
        if name == goal:
            return True
        following = [need for need in plan.nodes[name].needs if need not in seen]
        seen.update(following)
        stack.extend(following)
    return False
