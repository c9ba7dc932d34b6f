"""What a provider's factory takes: its signature, its annotations, and the arguments that it would get."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from typing import Any

from dependency_injector import providers, resources

__all__ = ["MAKERS", "annotations_of", "arguments_fault", "bound_arguments", "signature_of"]

MAKERS = (providers.Factory, providers.Callable, providers.BaseSingleton, providers.BaseResource)
"""The providers that call something with arguments. Others must not be asked for `args` or `provides`: an option of
`config` answers to every name, with an option that can be iterated for ever."""


def signature_of(provider: Any) -> inspect.Signature | None:
    """The signature of what a provider calls; None where nothing can be said."""
    if not isinstance(provider, MAKERS):
        return None
    provides: Any = provider.provides
    if provides is None or isinstance(provides, providers.Provider):
        return None
    made = inspect.unwrap(provides)
    if isinstance(made, type) and issubclass(made, resources.Resource | resources.AsyncResource):
        initialise = inspect.signature(made.init)
        return initialise.replace(parameters=list(initialise.parameters.values())[1:])
    try:
        return inspect.signature(provides)
    except (TypeError, ValueError):  # built-in without a signature: nothing can be said
        return None


def arguments_fault(provider: Any, *, is_called: bool) -> str:
    """Why the arguments do not fit, or nothing.

    Args:
        provider: any.
        is_called: whether another provider calls it; if not, a factory may get the rest of its arguments when called.
    """
    signature = signature_of(provider)
    if signature is None:
        return ""
    kept = isinstance(provider, providers.BaseSingleton | providers.BaseResource)
    bind = signature.bind if kept or is_called else signature.bind_partial
    try:
        bind(*provider.args, **provider.kwargs)
    except TypeError as error:
        return f"{getattr(provider.provides, '__name__', provider.provides)}{signature}: {error}"
    return ""


def bound_arguments(provider: Any) -> Iterator[tuple[str, Any]]:
    """Each argument with the name of the parameter that takes it; nothing where they do not fit."""
    signature = signature_of(provider)
    if signature is None:
        return
    try:
        bound = signature.bind_partial(*provider.args, **provider.kwargs).arguments
    except TypeError:
        return
    for name, value in bound.items():
        match signature.parameters[name].kind:
            case inspect.Parameter.VAR_POSITIONAL:
                yield from ((name, one) for one in value)
            case inspect.Parameter.VAR_KEYWORD:
                yield from ((name, one) for one in value.values())
            case _:
                yield name, value


def annotations_of(provides: Any) -> dict[str, Any]:
    """The annotations of what is called that can be read at run time; others are left out."""
    if isinstance(provides, providers.Provider):  # of `.provided` and the like, which have every attribute
        return {}
    made = inspect.unwrap(provides) if callable(provides) else provides
    if isinstance(made, type):
        if issubclass(made, resources.Resource | resources.AsyncResource):
            return _read(made.init)
        return _read(made.__init__) if _is_plain_class(made) else {}
    return _read(made)


def _is_plain_class(made: type) -> bool:
    """Whether `__init__` takes what the class is called with."""
    return any("__init__" in vars(base) for base in made.__mro__[:-1])


def _read(function: Callable[..., Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    names = vars(sys.modules.get(getattr(function, "__module__", ""), object))
    for name, annotation in getattr(function, "__annotations__", {}).items():
        if not isinstance(annotation, str):
            found[name] = annotation
            continue
        try:
            found[name] = eval(annotation, dict(names))  # noqa: S307  what the author of the code wrote as its type
        except Exception:  # noqa: BLE001, S112  a name for type checkers alone, or anything else: nothing can be said
            continue
    return found
