"""What a component offers to the others, and whether an object can stand in for it."""

from __future__ import annotations

import difflib
import inspect
import typing
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from typing import Any, Final

from dependency_injector import providers, resources

from arbiter.container.needs import AnyProvider

__all__ = ["interface_of", "misfits"]

_LIFECYCLE: Final = frozenset(
    {"start", "stop", "check", "measurements", "adopt", "prepare_settings", "commit_settings"}
)
"""What the framework calls where it is there: a stand-in may do without."""

_OPENED: Final = (Iterator, Generator, AsyncIterator, AsyncGenerator)
_FOUNDATIONS: Final = frozenset({"builtins", "typing", "abc"})


def interface_of(provider: AnyProvider) -> type | None:
    """The class of what a provider makes, as far as its factory tells; None where it does not."""
    if isinstance(provider, providers.Dependency):
        required: Any = provider.instance_of
        return required if inspect.isclass(required) and required is not object else None
    provides: Any = getattr(provider, "provides", None)
    if (
        not callable(provides)
        or isinstance(provider, providers.Object)
        or isinstance(provides, providers.Provider)
    ):
        return None
    made = inspect.unwrap(provides)
    if not inspect.isclass(made):
        made = _annotated_result(made)
    if not inspect.isclass(made) or issubclass(made, resources.Resource | resources.AsyncResource):
        return None
    return None if made.__module__ in _FOUNDATIONS else made


def misfits(interface: type, stand_in: object) -> Iterator[tuple[str, str]]:
    """Each way in which an object cannot stand in for an instance of `interface`, with its mend."""
    if not _is_protocol(interface) and isinstance(stand_in, interface):
        return
    offered = [name for name in dir(type(stand_in)) if not name.startswith("_")]
    for name, member in sorted(_public_members(interface).items()):
        if not hasattr(stand_in, name):
            near = difflib.get_close_matches(name, offered, n=2, cutoff=0.6)
            hint = f"it has {' and '.join(near)}" if near else f"write one, or inherit {interface.__name__}"
            yield f"{_called(stand_in)} has no {name!r}, which {interface.__qualname__} has", hint
        elif inspect.isroutine(member) and not isinstance(member, property):
            yield from _method_misfits(f"{_called(stand_in)}.{name}", member, getattr(stand_in, name))


def _called(stand_in: object) -> str:
    return type(stand_in).__qualname__


def _annotated_result(factory: Any) -> Any:
    try:
        result = typing.get_type_hints(factory).get("return")
    except Exception:  # noqa: BLE001  an annotation that cannot be read says nothing
        return None
    if typing.get_origin(result) in _OPENED:
        result = typing.get_args(result)[0]
    return result


def _is_protocol(interface: type) -> bool:
    return bool(getattr(interface, "_is_protocol", False))


def _public_members(interface: type) -> dict[str, Any]:
    """Methods and properties of the class and its bases; what an instance merely holds is its own affair."""
    found: dict[str, Any] = {}
    for base in reversed(interface.__mro__):
        if base.__module__ not in _FOUNDATIONS:
            found |= {name: member for name, member in vars(base).items() if _is_offered(name, member)}
    return found


def _is_offered(name: str, member: object) -> bool:
    if name.startswith("_") or name in _LIFECYCLE or inspect.isclass(member):
        return False
    return inspect.isroutine(member) or isinstance(member, property)


def _method_misfits(place: str, wanted: Any, given: Any) -> Iterator[tuple[str, str]]:
    if not callable(given):
        yield f"{place} is no method", "define it with def"
        return
    wanted = inspect.unwrap(getattr(wanted, "__func__", wanted))
    if _color(given) != _color(wanted):
        yield f"{place} is {_color(given)}, and has to be {_color(wanted)}", f"write {_WAY[_color(wanted)]}"
        return
    if fault := _signature_fault(wanted, given):
        yield f"{place} {fault}", f"its signature has to take what {inspect.signature(wanted)} takes"


_WAY: Final = {
    "a coroutine function": "async def",
    "an async generator": "async def with yield",
    "a plain function": "def",
}


def _color(function: Any) -> str:
    if inspect.isasyncgenfunction(function):
        return "an async generator"
    return "a coroutine function" if inspect.iscoroutinefunction(function) else "a plain function"


def _signature_fault(wanted: Callable[..., Any], given: Callable[..., Any]) -> str:
    try:
        parameters, taking = list(inspect.signature(wanted).parameters.values()), inspect.signature(given)
    except (TypeError, ValueError):  # a built-in without a signature: nothing can be said
        return ""
    if parameters and parameters[0].name in {"self", "cls"}:
        parameters = parameters[1:]
    ways = [parameters, [one for one in parameters if one.default is one.empty]]
    faults = (_call_fault(taking, way, by_name=by_name) for way in ways for by_name in (False, True))
    return next((fault for fault in faults if fault), "")


def _call_fault(taking: inspect.Signature, given: list[inspect.Parameter], *, by_name: bool) -> str:
    """Why a call with these parameters would not fit, passed by name where that is possible, or by place."""
    either = inspect.Parameter.POSITIONAL_OR_KEYWORD
    named = [one for one in given if one.kind is one.KEYWORD_ONLY or (by_name and one.kind is either)]
    placed = [one for one in given if one.kind is one.POSITIONAL_ONLY or (not by_name and one.kind is either)]
    try:
        taking.bind(*placed, **{one.name: one for one in named})
    except TypeError as error:
        return f"does not fit: {error}"
    return ""
