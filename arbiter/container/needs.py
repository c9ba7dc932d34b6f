"""What a provider needs before it can be called, read from dependency-injector without calling anything.

`related` alone does not say it: an overridden provider needs only its last overriding, a selector only the chosen
branch, and what is injected as a provider (`.provider`, aggregates) is called later, or never.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from dependency_injector import providers

__all__ = [
    "AnyProvider",
    "Needs",
    "branches",
    "can_choose",
    "chosen",
    "effective",
    "is_lasting",
    "is_per_context",
    "needs_of",
    "nodes_below",
]

AnyProvider: TypeAlias = providers.Provider[Any]

_PASSED_ON = (providers.Container, providers.DependenciesContainer, providers.Delegate, providers.Aggregate)
_PER_CONTEXT = (
    providers.ThreadLocalSingleton,
    providers.ContextLocalSingleton,
    providers.ContextLocalResource,
    providers.AbstractSingleton,
)


@dataclass(frozen=True, slots=True)
class Needs:
    """What one provider calls when it is called (`now`), and what it hands on to be called later (`later`)."""

    now: tuple[AnyProvider, ...] = ()
    later: tuple[AnyProvider, ...] = ()


def effective(provider: AnyProvider) -> AnyProvider:
    """The provider that answers in the end: the last overriding, of that again the last."""
    while True:
        following = provider.last_overriding
        if following is None and isinstance(provider, providers.Dependency):
            following = provider.default
        if following is None:
            return provider
        provider = following


def is_lasting(provider: AnyProvider) -> bool:
    """Whether it holds one object for the container's life: a singleton or a resource, not one per thread or task."""
    kept = isinstance(provider, providers.BaseSingleton | providers.BaseResource)
    return kept and not isinstance(provider, _PER_CONTEXT)


def is_per_context(provider: AnyProvider) -> bool:
    """Whether it holds one object per thread or task."""
    return isinstance(provider, _PER_CONTEXT) and not isinstance(provider, providers.AbstractSingleton)


def can_choose(selector: providers.Selector[Any]) -> bool:
    """Whether its choice can be read before components are built."""
    decides: Any = selector.selector
    return decides is not None and not (
        isinstance(decides, providers.Provider) and any(nodes_below([decides]))
    )


def chosen(selector: providers.Selector[Any]) -> AnyProvider | None:
    """The branch that a selector takes now; None when that cannot be said before components are built."""
    decides: Any = selector.selector
    return selector.providers.get(decides()) if can_choose(selector) else None


def branches(selector: providers.Selector[Any]) -> tuple[AnyProvider, ...]:
    """The branches that it may take: the chosen one, or all while nobody can say."""
    taken = chosen(selector)
    return (taken,) if taken is not None else tuple(selector.providers.values())


def needs_of(provider: AnyProvider) -> Needs:
    """What `provider` itself needs, one step down."""
    following = provider.last_overriding
    if following is not None:
        return Needs((following,))
    if isinstance(provider, providers.Dependency):
        return Needs((provider.default,) if provider.default is not None else ())
    if isinstance(provider, providers.Selector):
        decides = [provider.selector] if isinstance(provider.selector, providers.Provider) else []
        return Needs((*decides, *branches(provider)))
    if isinstance(provider, providers.Configuration | providers.ConfigurationOption):
        return Needs(tuple(_option_names(provider)))
    related = tuple(provider.related)
    if isinstance(provider, _PASSED_ON) or type(provider) is providers.Object:
        return Needs((), related)
    return Needs(
        tuple(one for one in related if not providers.is_delegated(one)),
        tuple(one for one in related if providers.is_delegated(one)),
    )


def nodes_below(start: Iterable[AnyProvider], *, later: bool = False) -> Iterator[AnyProvider]:
    """The nearest lasting providers at or below `start`, each once, in the order of the arguments.

    Args:
        start: where to begin.
        later: also follow what is handed on to be called later.
    """
    stack = list(reversed(list(start)))
    seen: set[AnyProvider] = set()
    while stack:
        provider = stack.pop()
        if provider in seen:
            continue
        seen.add(provider)
        if is_lasting(provider) and provider.last_overriding is None:
            yield provider
            continue
        needs = needs_of(provider)
        stack.extend(reversed(needs.now + needs.later if later else needs.now))


def _option_names(provider: AnyProvider) -> Iterator[AnyProvider]:
    if isinstance(provider, providers.ConfigurationOption):
        yield from (part for part in provider.get_name_segments() if isinstance(part, providers.Provider))
