"""Whether an argument can be what a parameter's annotation asks for; only what is certain is said.

An argument's type is known when it is a plain value, when its provider calls a class, or when its factory's own
annotation promises one. Whatever is generic, structural or unreadable is believed.
"""

from __future__ import annotations

import collections.abc
import inspect
import types
import typing
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from dependency_injector import providers
from pydantic import BaseModel

from arbiter.container.config_provider import ConfigProvider
from arbiter.container.needs import AnyProvider, chosen, effective
from arbiter.container.settings_provider import SettingsProvider
from arbiter.container.signatures import MAKERS, annotations_of
from arbiter.settings.shape import Shape

__all__ = ["Given", "contradicts", "given_by"]

_OPENED = (
    collections.abc.Iterator,
    collections.abc.Generator,
    collections.abc.AsyncIterator,
    collections.abc.AsyncGenerator,
)
_PROMOTED = {float: (int,), complex: (int, float), bytes: (bytearray, memoryview)}
"""PEP 484, "the numeric tower": where the one is asked for, the others will do."""


@dataclass(frozen=True, slots=True)
class Given:
    """What an argument will be.

    Attributes:
        kind: its class.
        is_exact: whether it is that class itself, and not something derived from it.
    """

    kind: type
    is_exact: bool = True


def given_by(argument: Any) -> tuple[Given, ...]:
    """What an argument may be, as far as that is certain; empty where nothing is known."""
    if not isinstance(argument, providers.Provider):
        return (Given(type(argument)),)
    if providers.is_delegated(argument):
        return (Given(type(argument), is_exact=False),)
    if isinstance(argument, providers.Delegate):
        return (Given(type(argument.provides), is_exact=False),)
    answering = effective(argument)
    if isinstance(answering, providers.Selector):
        branch = chosen(answering)
        return given_by(branch) if branch is not None else ()
    if isinstance(answering, providers.ConfigurationOption):
        return tuple(_of_option(answering))
    return _kept_by(answering) or _made_by(answering)


def _kept_by(provider: AnyProvider) -> tuple[Given, ...]:
    match provider:
        case providers.Object():
            return (Given(type(provider.provides)),)
        case SettingsProvider():
            return (Given(provider.settings_type, is_exact=False),)
        case providers.List():
            return (Given(list),)
        case providers.Dict():
            return (Given(dict),)
    return ()


def contradicts(annotation: Any, given: Given) -> bool:
    """Whether what is given certainly is not what the annotation asks for."""
    annotation = _bare(annotation)
    if _is_union(annotation):
        return all(contradicts(member, given) for member in get_args(annotation))
    if annotation is None:
        annotation = type(None)
    wanted: Any = get_origin(annotation) or annotation
    if not isinstance(wanted, type) or wanted is object or typing.is_typeddict(wanted):
        return False
    if str(wanted) == str(collections.abc.Callable):
        return given.is_exact and not _makes_callables(given.kind)
    if getattr(wanted, "_is_protocol", False):
        return _lacks_members(wanted, given)
    return not _is_kind_of(given, wanted)


def _is_kind_of(given: Given, wanted: type) -> bool:
    try:
        if issubclass(given.kind, (wanted, *_PROMOTED.get(wanted, ()))):
            return True
        if given.is_exact:
            return False
        # Only promised: what comes may be derived from it, and from what is wanted as well.
        return issubclass(wanted, given.kind) or inspect.isabstract(wanted) or inspect.isabstract(given.kind)
    except TypeError:  # a class that does not let itself be asked
        return True


def _lacks_members(protocol: type, given: Given) -> bool:
    """Whether a method is missing; what an instance may hold as an attribute is only known of built-in types."""
    if not given.is_exact or hasattr(given.kind, "__getattr__"):
        return False
    is_builtin = given.kind.__module__ == "builtins"
    members = {
        name: member
        for base in protocol.__mro__
        if getattr(base, "_is_protocol", False) and base.__module__ != "typing"
        for name, member in vars(base).items()
        if not name.startswith("_") and (is_builtin or inspect.isfunction(member))
    }
    held = {name for base in given.kind.__mro__ for name in inspect.get_annotations(base)}
    return any(not hasattr(given.kind, name) and name not in held for name in members)


def _makes_callables(kind: type) -> bool:
    return issubclass(kind, type) or any("__call__" in vars(base) for base in kind.__mro__)


def _bare(annotation: Any) -> Any:
    while True:
        if get_origin(annotation) is typing.Annotated:
            annotation = get_args(annotation)[0]
        elif isinstance(annotation, typing.NewType):
            annotation = annotation.__supertype__
        else:
            return annotation


def _is_union(annotation: Any) -> bool:
    return get_origin(annotation) in {typing.Union, types.UnionType}


def _made_by(provider: AnyProvider) -> tuple[Given, ...]:
    if not isinstance(provider, MAKERS):
        return ()
    provides: Any = provider.provides
    if provides is None or isinstance(provides, providers.Provider) or not callable(provides):
        return ()
    made = inspect.unwrap(provides)
    if isinstance(made, type):
        return _made_by_class(made) if not isinstance(provider, providers.BaseResource) else ()
    if _is_context_manager(provides, made) and not isinstance(provider, providers.BaseResource):
        return ()
    returned = annotations_of(made).get("return")
    if get_origin(returned) in _OPENED and isinstance(provider, providers.BaseResource):
        returned = get_args(returned)[0]
    returned = _bare(returned)
    kind = get_origin(returned) or returned
    if not isinstance(kind, type) or kind is object or _is_union(returned) or _is_open(kind):
        return ()
    return (Given(kind, is_exact=False),)


def _made_by_class(made: type) -> tuple[Given, ...]:
    makes_others = isinstance(inspect.getattr_static(made, "__new__", None), staticmethod)
    return () if makes_others or type(made).__call__ is not type.__call__ else (Given(made),)


def _is_context_manager(provides: Any, made: Any) -> bool:
    return provides is not made and inspect.isgeneratorfunction(made)


def _is_open(kind: type) -> bool:
    """Whether instances need not derive from it, or may well be entered into something else."""
    return getattr(kind, "_is_protocol", False) or inspect.isabstract(kind) or hasattr(kind, "__enter__")


def _of_option(option: Any) -> typing.Iterator[Given]:
    root = option._get_root()
    while root.last_overriding is not None:
        root = root.last_overriding
    segments = option.get_name_segments()
    if not isinstance(root, ConfigProvider) or not all(isinstance(part, str) for part in segments):
        return
    shape = Shape.of(root.source.settings_type)
    if shape.is_section(segments):
        yield Given(dict)
        return
    for alternative in shape.alternatives(segments):
        kind = get_origin(alternative) or (type(None) if alternative is None else alternative)
        if not isinstance(kind, type):
            yield Given(object, is_exact=False)
        else:
            # What the library injects is plain data: a model comes as a dict.
            yield Given(dict) if issubclass(kind, BaseModel) else Given(kind, is_exact=False)
