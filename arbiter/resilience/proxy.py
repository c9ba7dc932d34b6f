"""`guarded(cls)`: a component behind its guard, looking like the component.

A proxy is no subclass (its class defaults would shadow instance values): a class of its own, generated once per
component class, with slots, the same methods with the same signatures, the same attributes, and `__class__` saying
what it stands for. `isinstance`, `match`, `singledispatch` and pydantic take it for the component; `type(p) is Stock`
and `dataclasses.asdict` do not. Calls that a component makes to itself do not pass the guard.
"""

from __future__ import annotations

import functools
import inspect
import re
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, NoReturn, TypeVar

from arbiter.resilience.plan import Plan, attribute_names, forwarded_dunders, instance_attributes, plans_of
from arbiter.resilience.render import forwarding_method, guarded_method

if TYPE_CHECKING:
    from arbiter.resilience.guard import Guard

__all__ = ["Guarded", "Proxy", "as_proxy", "guarded", "inner", "swap"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Guarded(Generic[T_co]):
    """Makes guarded components: called like the class, with the guard as one more keyword.

    Attributes:
        component: the class that is guarded.
    """

    def __init__(self, component: type[T_co]) -> None:
        self.component = component
        self.__signature__ = _signature_of(component)
        self.__wrapped__ = component  # what inspect.unwrap finds
        self.__name__, self.__qualname__ = component.__name__, component.__qualname__
        self.__module__, self.__doc__ = component.__module__, component.__doc__

    def __call__(self, *args: Any, guard: Guard, **kwargs: Any) -> T_co:
        """Build the component from `args` and `kwargs`, and put it behind `guard`."""
        component = self.component(*args, **kwargs)
        made: Any = _proxy_of(self.component, component, guard)
        result: T_co = made
        return result

    def around(self, component: object, *, guard: Guard) -> T_co:
        """Put `component`, made elsewhere, behind `guard`, as if it were one of the class: a stand-in for a test."""
        made: Any = _proxy_of(self.component, component, guard)
        result: T_co = made
        return result

    def __repr__(self) -> str:
        return f"guarded({self.component.__qualname__})"


def guarded(cls: type[T]) -> Guarded[T]:
    """A factory of `cls` behind a guard: `providers.Singleton(guarded(Stock), guard=Infrastructure.guard, ...)`."""
    return Guarded(cls)


def inner(component: T) -> T:
    """What stands behind the guard; anything that is not guarded is returned as it is."""
    proxy = as_proxy(component)
    return component if proxy is None else proxy._arbiter_inner


def swap(proxy: T, component: object) -> T:
    """Put `component` behind the guard of `proxy` in place of what is there, which is returned."""
    held = as_proxy(proxy)
    if held is None:
        raise TypeError(f"{proxy!r} is not guarded: there is nothing to swap")
    before: T = held._arbiter_inner
    object.__setattr__(held, "_arbiter_inner", component)
    _show_attributes(type(held), component)
    return before


def as_proxy(component: object) -> Proxy | None:
    """`component` as the proxy that it is, or None."""
    # type(), since a proxy's __class__ answers with its component's.
    made: Any = component if issubclass(type(component), Proxy) else None
    proxy: Proxy | None = made
    return proxy


class Proxy:
    """What every generated class inherits."""

    __slots__ = ("__weakref__", "_arbiter_guard", "_arbiter_inner", "_arbiter_name")

    _arbiter_plans: ClassVar[tuple[Plan, ...]] = ()
    _arbiter_guard: Guard
    _arbiter_inner: Any
    _arbiter_name: str

    def __repr__(self) -> str:
        return f"<guarded {self._arbiter_name}: {self._arbiter_inner!r}>"

    def __dir__(self) -> list[str]:
        return dir(self._arbiter_inner)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self._arbiter_inner, name, value)
        _show_attributes(type(self), self._arbiter_inner)

    def __delattr__(self, name: str) -> None:
        delattr(self._arbiter_inner, name)

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(f"{self!r} cannot be copied or pickled: its guard belongs to this process")


_OWN: Final = frozenset(vars(Proxy))


def _proxy_of(cls: type, component: object, guard: Guard) -> Proxy:
    kind = _proxy_class(cls)
    _show_attributes(kind, component)
    proxy = object.__new__(kind)
    object.__setattr__(proxy, "_arbiter_inner", component)
    object.__setattr__(proxy, "_arbiter_guard", guard)
    guard.bind(proxy, _snake_case(cls.__name__))
    return proxy


@functools.cache
def _proxy_class(cls: type) -> type[Proxy]:
    plans = plans_of(cls)
    namespace: dict[str, Any] = {
        "__slots__": tuple(plan.slot for plan in plans),
        "__module__": cls.__module__,
        "__qualname__": f"Guarded{cls.__qualname__}",
        "__doc__": cls.__doc__,
        "__class__": property(lambda _: cls),
        "_arbiter_plans": plans,
    }
    namespace |= {name: forwarding_method(cls, name) for name in forwarded_dunders(cls)}
    namespace |= {name: _attribute(name) for name in attribute_names(cls)}
    namespace |= {plan.method: guarded_method(cls, plan) for plan in plans}
    if hasattr(cls, "__getattr__"):
        # Only then: a class with `__getattr__` reads every attribute three times slower on CPython 3.11.
        namespace["__getattr__"] = lambda self, name: getattr(self._arbiter_inner, name)
    return type(f"Guarded{cls.__name__}", (Proxy,), namespace)


def _show_attributes(kind: type[Proxy], component: object) -> None:
    """Make a property for each instance attribute: faster than `__getattr__`, and seen by data protocols."""
    for name in instance_attributes(component):
        if name not in _OWN and not hasattr(kind, name):
            setattr(kind, name, _attribute(name))


def _attribute(name: str) -> property:
    return property(
        lambda self: getattr(self._arbiter_inner, name), doc=f"`{name}` of the guarded component."
    )


def _signature_of(cls: type) -> inspect.Signature:
    signature = inspect.signature(cls)
    if "guard" in signature.parameters:
        raise TypeError(
            f"{cls.__qualname__} takes a parameter `guard` itself, which guarded() needs: rename it"
        )
    guard = inspect.Parameter("guard", inspect.Parameter.KEYWORD_ONLY, annotation="Guard")
    named = [p for p in signature.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
    rest = [p for p in signature.parameters.values() if p.kind is inspect.Parameter.VAR_KEYWORD]
    return signature.replace(parameters=[*named, guard, *rest])


def _snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
