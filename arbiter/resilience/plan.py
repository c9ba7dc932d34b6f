"""What a proxy of a component class has to offer, read from the class: guarded methods, attributes, dunder methods."""

from __future__ import annotations

import dis
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from types import CodeType, FunctionType
from typing import Any, Final

from arbiter.operation import Operation, blocking_of, operation_of
from arbiter.resilience.fallback import Fallback, fallbacks_of
from arbiter.resilience.retry import check_retryable

__all__ = ["Plan", "attribute_names", "forwarded_dunders", "instance_attributes", "plans_of"]

_LIFECYCLE: Final = frozenset(
    {"start", "stop", "check", "measurements", "adopt", "prepare_settings", "commit_settings"}
)
"""What the framework calls; a guard around these would count its own housekeeping."""

_KEPT_DUNDERS: Final = frozenset(
    [
        "__class__",
        "__new__",
        "__init__",
        "__init_subclass__",
        "__subclasshook__",
        "__getattribute__",
        "__setattr__",
        "__delattr__",
        "__dict__",
        "__slots__",
        "__weakref__",
        "__doc__",
        "__module__",
        "__annotations__",
        "__del__",
        "__repr__",
        "__dir__",
        "__reduce__",
        "__reduce_ex__",
        "__getstate__",
        "__setstate__",
        "__copy__",
        "__deepcopy__",
        "__getnewargs__",
        "__getnewargs_ex__",
        "__class_getitem__",
        "__set_name__",
        "__sizeof__",
        "__annotate__",
        "__annotate_func__",
        "__firstlineno__",
        "__static_attributes__",
    ]
)


_STORE_ATTR: Final = dis.opmap["STORE_ATTR"]
_LASTING: Final = ("AsyncContextManager", "AsyncIterator", "AsyncGenerator")


@dataclass(frozen=True, slots=True)
class Plan:
    """One guarded method.

    Attributes:
        method: its name.
        operation: the last part of the operation's name.
        kind: "async", "sync", "stream" (an async generator) or "lasting" (a plain method whose result may be one, or
            an async context manager).
        fallbacks: what answers in its place, in order.
        retried: whether a failed call may be made again.
        about: what the method says about itself.
        is_offloaded: whether it runs on a thread of its component's.
    """

    method: str
    operation: str
    kind: str
    fallbacks: tuple[Fallback, ...]
    retried: bool
    about: Operation
    is_offloaded: bool = False

    @property
    def is_lasting(self) -> bool:
        """Whether a call goes on while its caller works with what it got so far."""
        return self.kind in ("stream", "lasting")

    @property
    def is_async(self) -> bool:
        """Whether a deadline can end it."""
        return self.kind != "sync"

    @property
    def slot(self) -> str:
        """Where a proxy keeps its seam."""
        return f"_arbiter_seam_{self.method}"


@cache
def plans_of(cls: type) -> tuple[Plan, ...]:
    """A plan for every public method that is an operation. Sync generators and context managers are
    none: they run at their consumer's.
    """
    return tuple(
        _plan(cls, name, method) for name, method in _public_methods(cls) if operation_of(method).guarded
    )


def attribute_names(cls: type) -> frozenset[str]:
    """Everything else that an instance shows: properties, constants, unguarded and private methods, and what the
    class's own methods assign to `self`, whenever they do.
    """
    planned = {plan.method for plan in plans_of(cls)}
    return _held_names(cls) - planned


def instance_attributes(component: object) -> set[str]:
    """What an instance holds now."""
    return {name for name in getattr(component, "__dict__", ()) if not _is_dunder(name)}


def forwarded_dunders(cls: type) -> set[str]:
    """The dunder methods that the class or its bases define, without those that a proxy answers itself."""
    return {name for name in _member_names(cls) if _is_dunder(name) and name not in _KEPT_DUNDERS}


def _plan(cls: type, name: str, method: FunctionType) -> Plan:
    about, kind = operation_of(method), _kind_of(method)
    if about.idempotent:
        check_retryable(f"{cls.__qualname__}.{name}", kind)
    fallbacks = fallbacks_of(cls, name, kind, _held_names(cls)) if about.fallback else ()
    if about.fails_if is not None and kind in ("stream", "lasting"):
        raise TypeError(
            f"{cls.__qualname__}.{name}: fails_if cannot judge what yields: it has no result until its end"
        )
    return Plan(
        name, about.name or name, kind, fallbacks, about.idempotent, about, blocking_of(method) is not None
    )


def _kind_of(method: FunctionType) -> str:
    if inspect.isasyncgenfunction(method):
        return "stream"
    if inspect.iscoroutinefunction(method):
        return "async"
    # What contextlib's decorator wraps is an async generator function.
    is_lasting = inspect.isasyncgenfunction(inspect.unwrap(method)) or _returns_lasting(method)
    return "lasting" if is_lasting else "sync"


def _returns_lasting(method: FunctionType) -> bool:
    annotation = str(inspect.get_annotations(method).get("return", ""))
    return any(name in annotation for name in _LASTING)


def _public_methods(cls: type) -> Iterator[tuple[str, FunctionType]]:
    for name in sorted(_member_names(cls)):
        member = inspect.getattr_static(cls, name, None)
        is_operation = isinstance(member, FunctionType) and not inspect.isgeneratorfunction(
            inspect.unwrap(member)
        )
        if is_operation and not name.startswith("_") and name not in _LIFECYCLE:
            yield name, member


@cache
def _held_names(cls: type) -> frozenset[str]:
    members = {name for name in _member_names(cls) if not _is_dunder(name)}
    return frozenset(members.union(*(_assigned_to_self(function.__code__) for function in _functions(cls))))


def _functions(cls: type) -> Iterator[FunctionType]:
    for base in cls.__mro__:
        for member in vars(base).values():
            function: Any = inspect.unwrap(member) if callable(member) else getattr(member, "fget", None)
            if isinstance(function, FunctionType):
                yield function


def _assigned_to_self(code: CodeType) -> Iterator[str]:
    # Most methods assign nothing, and to take one apart is a hundred times slower than to look for the one instruction.
    if not code.co_argcount or _STORE_ATTR not in code.co_code[::2]:
        return
    loaded: Any = None
    for instruction in dis.get_instructions(code):
        # Newer interpreters load two variables by one instruction, whose value is then a pair.
        target = loaded[-1] if isinstance(loaded, tuple) else loaded
        if instruction.opcode == _STORE_ATTR and target == code.co_varnames[0]:
            yield instruction.argval
        loaded = instruction.argval if instruction.opname.startswith("LOAD_FAST") else None


def _member_names(cls: type) -> set[str]:
    bases = [base for base in cls.__mro__ if base is not object and base.__module__ != "typing"]
    annotated = {name for base in bases for name in inspect.get_annotations(base)}
    return annotated.union(*(vars(base) for base in bases))


def _is_dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")
