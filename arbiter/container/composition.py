"""Calls for a container's class body that dependency-injector lacks: decorate, choose by settings, nest.

class Shop(Base):
    stock = decorated(Base.stock, Caching, ttl_s=5)             # for all that was inherited, too
    mailer = optional(Base.config.mail.enabled, providers.Singleton(Mailer))
    billing = nested(Billing, sharing=Infrastructure)            # typed, over the same pillars
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any, TypeVar, cast, overload

from dependency_injector import containers, providers

from arbiter.container.needs import AnyProvider
from arbiter.errors import ContainerError

__all__ = ["decorated", "nested", "optional", "replaced_by"]

P = TypeVar("P", bound=providers.Provider[Any])
C = TypeVar("C", bound=containers.DeclarativeContainer)
T = TypeVar("T")

_replaced: dict[AnyProvider, AnyProvider] = {}
"""What each decoration stands for, between the call and the end of the class body that it stands in."""


def decorated(provider: P, wrapper: Callable[..., object], /, *args: Any, **kwargs: Any) -> P:
    """Put `wrapper(component, ...)` in the place of a component, for everybody who needs it.

    Assign it to the name that the provider has; what was inherited then gets the wrapper, and the wrapper gets the
    component, which still starts before it and stops after it. Several may stand on top of each other. The component
    itself is called `<name>.<its class>` in graphs, events and breakers.

    Args:
        provider: the provider as it was declared: `Base.stock`, or `stock` in the same class body.
        wrapper: called with the component first; what it makes must offer what the component offered.
        args: more positional arguments, providers or values.
        kwargs: keyword arguments, providers or values.

    Returns:
        A provider of the wrapper, to type checkers one of the component.
    """
    if isinstance(provider, providers.Dependency | providers.Container | providers.Configuration):
        raise ContainerError(
            f"{type(provider).__name__} makes nothing that could be wrapped",
            hint="decorate the provider that makes the component",
        )
    per_call = isinstance(provider, providers.Factory | providers.Callable)
    kind = providers.Factory if per_call else providers.Singleton
    made: AnyProvider = kind(wrapper, _apart(provider), *args, **kwargs)
    _replaced[made] = provider
    return cast("P", made)


def replaced_by(decoration: AnyProvider) -> Iterator[AnyProvider]:
    """What a decoration stands for, the outermost first; forgotten once it was asked for."""
    following = _replaced.pop(decoration, None)
    while following is not None:
        yield following
        following = _replaced.pop(following, None)


@overload
def optional(condition: AnyProvider, provider: providers.Provider[T]) -> providers.Provider[T | None]: ...
@overload
def optional(
    condition: AnyProvider, provider: providers.Provider[T], otherwise: providers.Provider[T]
) -> providers.Provider[T]: ...
@overload
def optional(condition: AnyProvider, provider: AnyProvider, otherwise: AnyProvider) -> AnyProvider: ...
def optional(
    condition: AnyProvider, provider: AnyProvider, otherwise: AnyProvider | None = None
) -> AnyProvider:
    """A part that is there only if the settings say so; the branch that is not taken is never built.

    Args:
        condition: usually a setting: `Infrastructure.config.mail.enabled`.
        provider: what answers when it is true.
        otherwise: what answers when it is not; without it, None.
    """
    decides = providers.Callable(_on_or_off, condition)
    return providers.Selector(decides, on=provider, off=otherwise or providers.Object(None))


def nested(container: type[C], /, *, sharing: type[containers.DeclarativeContainer], **given: Any) -> C:
    """A container as a part of another, over the same pillars: settings, clock, events, guard, health exist once.

    What `container` itself redeclares stays its own, except its settings: those of the whole have to hold its sections.

    Args:
        container: a subclass of `sharing` that also runs alone.
        sharing: the class whose providers are shared, usually `Infrastructure`.
        given: more providers to override in the part: `stock=Shop.stock`.

    Returns:
        The provider of the part; to type checkers an instance of it, so that `shop.billing.invoices()` keeps its type.
    """
    if not issubclass(container, sharing):
        raise ContainerError(
            f"{container.__name__} shares nothing with {sharing.__name__}: it does not inherit it",
            hint=f"class {container.__name__}({sharing.__name__}), or providers.Container with its dependencies",
        )
    shared = {
        name: provider
        for name, provider in sharing.providers.items()
        if name == "settings" or getattr(container, name) is getattr(sharing, name)
    }
    part: Any = providers.Container(container, **{**shared, **given})
    return cast("C", part)


def _apart(provider: P) -> P:
    """A second provider of the same, with the same arguments: the first will give way to the decoration."""
    related = list(provider.related)
    return copy.deepcopy(provider, {id(one): one for one in related})


def _on_or_off(condition: object) -> str:
    return "on" if condition else "off"
