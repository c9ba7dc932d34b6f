"""What can be wrong with the arguments of one provider."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from dependency_injector import providers

from arbiter.container.fitting import contradicts, given_by
from arbiter.container.needs import AnyProvider
from arbiter.container.opening import is_lock_factory
from arbiter.container.problems import Problem
from arbiter.container.signatures import MAKERS, annotations_of, arguments_fault, bound_arguments

__all__ = ["argument_problems", "uncopyable"]


def argument_problems(provider: AnyProvider, name: str, *, is_called: bool) -> Iterator[Problem]:
    """Everything that is wrong with what `provider` would call its factory with.

    Args:
        provider: any; those that call nothing have no problems.
        name: the name by which people know it.
        is_called: whether another provider calls it.
    """
    if fault := arguments_fault(provider, is_called=is_called):
        hint = "compare the provider's arguments with the constructor's"
        yield Problem("arguments", name, fault, hint)
    yield from _type_problems(provider, name)
    yield from _hidden_providers(provider, name)
    yield from _resource_problems(provider, name)


def uncopyable(container: Any) -> Iterator[Problem]:
    """Arguments that cannot be copied when a container of this class is made."""
    named = {provider: name for name, provider in container.providers.items()}
    for provider, name in _with_inline(named):
        for parameter, value in _plain_arguments(provider):
            if (reason := _copy_fault(value)) is not None:
                message = f"its argument {parameter} ({type(value).__name__}) cannot be copied: {reason}"
                hint = (
                    "each container gets copies of plain arguments: write providers.Object(...) to share it"
                )
                yield Problem("uncopyable", name, message, hint)


def _type_problems(provider: AnyProvider, name: str) -> Iterator[Problem]:
    if not isinstance(provider, MAKERS) or isinstance(provider.provides, providers.Provider):
        return
    annotations = annotations_of(provider.provides)
    for parameter, argument in bound_arguments(provider):
        given = given_by(argument) if parameter in annotations else ()
        if given and all(contradicts(annotations[parameter], one) for one in given):
            is_what = " or ".join(dict.fromkeys(one.kind.__qualname__ for one in given))
            asked = _words(annotations[parameter])
            message = f"{_called(provider)} takes {parameter}: {asked}, and gets {is_what}"
            yield Problem("type", name, message, _type_hint(argument))


def _type_hint(argument: Any) -> str:
    if isinstance(argument, providers.Delegate) or providers.is_delegated(argument):
        return "leave out `.provider` to inject what it makes"
    if isinstance(argument, providers.ConfigurationOption):
        return "take the key of the right type, or cast it: .as_int(), .as_(...)"
    return "give it what the annotation says, or mend the annotation"


def _resource_problems(provider: AnyProvider, name: str) -> Iterator[Problem]:
    if isinstance(provider, providers.ContextLocalResource):
        hint = "write providers.Resource for one that all share; or a Factory, and `with` where each task uses it"
        yield Problem(
            "per-task", name, "each task would open one for itself, and nobody would close it", hint
        )
    elif isinstance(provider, providers.BaseResource) and is_lock_factory(provider.provides):
        hint = f"write providers.Singleton({_called(provider.provides)})"
        yield Problem("lock", name, "a resource would take the lock and hold it until the stop", hint)


def _hidden_providers(provider: Any, name: str) -> Iterator[Problem]:
    if isinstance(provider, providers.Object) and isinstance(provider.provides, providers.Provider):
        message = "an Object holds a provider, and it is not copied: each container would use the class's own"
        yield Problem("hidden", name, message, "write the provider itself, or its `.provider` to hand it on")
    for parameter, value in _plain_arguments(provider):
        kind = "Dict" if isinstance(value, Mapping) else "List"
        if not isinstance(value, list | tuple | set | frozenset | dict):
            continue
        inside = value.values() if isinstance(value, Mapping) else value
        if any(isinstance(one, providers.Provider) for one in inside):
            message = (
                f"its argument {parameter} is a plain {type(value).__name__} with providers in it: "
                "they would be injected themselves, and never started"
            )
            yield Problem("hidden", name, message, f"write providers.{kind}(...)")


def _plain_arguments(provider: Any) -> Iterator[tuple[str, Any]]:
    if not isinstance(provider, MAKERS):
        return
    for place, value in enumerate(provider.args):
        if not isinstance(value, providers.Provider):
            yield str(place + 1), value
    for parameter, value in provider.kwargs.items():
        if not isinstance(value, providers.Provider):
            yield f"{parameter!r}", value


def _with_inline(named: Mapping[AnyProvider, str]) -> Iterator[tuple[AnyProvider, str]]:
    """The named providers and the unnamed ones below them, the latter under the name of their user."""
    seen = set(named)
    for provider, name in named.items():
        stack = [provider]
        while stack:
            one = stack.pop()
            yield one, name
            below = [need for need in one.related if need not in seen]
            seen.update(below)
            stack.extend(below)


def _copy_fault(value: object) -> str | None:
    try:
        copy.deepcopy(value)
    except Exception as error:  # noqa: BLE001  whatever it is, dependency-injector would suffer it as well
        return str(error)
    return None


def _called(provides: Any) -> str:
    made = getattr(provides, "provides", provides)
    return str(getattr(made, "__qualname__", made))


def _words(annotation: Any) -> str:
    return annotation.__qualname__ if isinstance(annotation, type) else str(annotation).replace("typing.", "")
