"""What answers in an operation's place, read from the class: values, functions, methods, another component's methods."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any, Final

from arbiter.operation import FallbackTo, Value, operation_of

__all__ = ["Fallback", "fallbacks_of"]

_ERRORS: Final = "errors"
"""The parameter by which a fallback asks for what failed."""


@dataclass(frozen=True, slots=True)
class Fallback:
    """One link of a chain.

    Attributes:
        name: what it is called in events.
        path: where the method is, from the component: "cached", "backup.charge"; "" for the others.
        given: the function, or the `Value`; None where there is a path.
        wants_errors: whether it is given what failed so far.
    """

    name: str
    path: str = ""
    given: Callable[..., Any] | Value | None = None
    wants_errors: bool = False


def fallbacks_of(cls: type, name: str, kind: str, held: Collection[str]) -> tuple[Fallback, ...]:
    """The chain of the method `name`; a method in it brings its own fallbacks along.

    Args:
        cls: the component's class.
        name: the method that fails.
        kind: its kind, as a plan has it.
        held: what instances of the class hold, by name.

    Raises:
        TypeError: a fallback is missing, cannot answer for such a method, or leads back to it.
    """
    where = f"{cls.__qualname__}.{name}"
    if kind == "stream":
        raise TypeError(f"{where}: nothing can answer for an async generator, which may have yielded already")
    takes_errors = _ERRORS in inspect.signature(getattr(cls, name)).parameters
    found: list[Fallback] = []
    for target in _chain(cls, name, (name,)):
        made = _fallback(cls, where, target, held)
        _check_kind(where, cls, kind, made)
        found.append(_without_errors(made) if takes_errors else made)
    return tuple(found)


def _chain(cls: type, name: str, before: tuple[str, ...]) -> Iterator[FallbackTo]:
    for target in operation_of(getattr(cls, name, None)).fallback:
        yield target
        if isinstance(target, str) and "." not in target:
            if target in before:
                raise TypeError(f"{cls.__qualname__}.{before[0]}: its fallbacks form a circle at {target}")
            yield from _chain(cls, target, (*before, target))


def _fallback(cls: type, where: str, target: FallbackTo, held: Collection[str]) -> Fallback:
    match target:
        case Value():
            return Fallback("value", given=target)
        case str() if "." in target:
            if target.partition(".")[0] not in held:
                raise TypeError(
                    f"{where}: its fallback {target} begins with nothing that the component holds"
                )
            return Fallback(target, path=target)
        case str():
            method = getattr(cls, target, None)
            if not callable(method):
                raise TypeError(f"{where}: its fallback {target} is no method of the class")
            return Fallback(target, path=target, wants_errors=_wants_errors(method))
        case _ if callable(target):
            name = getattr(target, "__name__", type(target).__name__)
            return Fallback(name, given=target, wants_errors=_wants_errors(target))
        case _:
            raise TypeError(
                f"{where}: {target!r} is no fallback: give a method's name, a function or a Value"
            )


def _check_kind(where: str, cls: type, kind: str, made: Fallback) -> None:
    target = made.given if made.given is not None else getattr(cls, made.path, None)
    if kind == "sync" and inspect.iscoroutinefunction(target):
        raise TypeError(f"{where}: its fallback {made.name} is a coroutine function, and the method is not")


def _wants_errors(function: Callable[..., Any]) -> bool:
    return _ERRORS in inspect.signature(function).parameters


def _without_errors(made: Fallback) -> Fallback:
    """The method has a parameter of that name itself: its own argument is passed on."""
    return Fallback(made.name, made.path, made.given)
