"""How a resource is opened: what its factory returned is looked at before dependency-injector enters it.

The library enters whatever has `__enter__` (a lock is then held for ever), takes a returned generator for a coroutine,
and tries the refused `__enter__` of something async first. Here each is opened as it was meant, or refused in words.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import threading
from collections.abc import Callable, Iterator
from types import AsyncGeneratorType, GeneratorType
from typing import Any, TypeVar, cast

from dependency_injector import providers

from arbiter.container.needs import AnyProvider, is_lasting, needs_of
from arbiter.container.resources import OneTask, is_async_factory, is_async_resource
from arbiter.errors import ContainerError

__all__ = ["NeedsLoop", "Opening", "entering", "in_place", "is_lock_factory", "may_block", "stays_in_place"]

F = TypeVar("F", bound=Callable[..., Any])

_LOCK_MODULES = frozenset({"_thread", "threading", "asyncio.locks", "multiprocessing.synchronize"})
_LOCK_FACTORIES = (
    threading.Lock,
    threading.RLock,
    threading.Condition,
    threading.Semaphore,
    threading.BoundedSemaphore,
    asyncio.Lock,
    asyncio.Condition,
    asyncio.Semaphore,
    asyncio.BoundedSemaphore,
)


class _InPlace(functools.partial[Any]):
    """A factory that has to run in the thread of whoever starts."""


def in_place(factory: F) -> F:
    """Open and close this resource in the caller's thread: `providers.Resource(in_place(open_it), ...)`.

    Otherwise `await container.start()` opens blocking resources on daemon threads, so that a hung one can be given up;
    what belongs to its thread, or looks for the running loop, must not be.
    """
    stays: Any = functools.update_wrapper(_InPlace(factory), factory)
    return cast("F", stays)


def stays_in_place(provides: object) -> bool:
    """Whether a resource's factory has to run in the caller's thread: it says so, or returns a sqlite3 connection."""
    while provides is not None:
        if isinstance(provides, _InPlace):
            return True
        returned = getattr(provides, "__annotations__", {}).get("return", "")
        if "sqlite3." in str(returned):
            return True
        provides = getattr(provides, "__wrapped__", None) or getattr(provides, "func", None)
    return False


def is_lock_factory(provides: object) -> bool:
    """Whether it makes a lock, which a resource would take and hold."""
    return any(provides is factory for factory in _LOCK_FACTORIES)


def may_block(provider: Any) -> bool:
    """Whether opening it may block its thread, and may be done on another."""
    if isinstance(provider, providers.ContextLocalResource) or provider.initialized:
        return False
    return not stays_in_place(provider.provides) and not _resolves_async(provider)


def _resolves_async(provider: AnyProvider) -> bool:
    """Whether something that it calls for its arguments gives a coroutine, which needs the loop."""
    stack = list(needs_of(provider).now)
    seen: set[AnyProvider] = set()
    while stack:
        need = stack.pop()
        if need in seen or is_lasting(need):
            continue
        seen.add(need)
        makes = need.provides if isinstance(need, providers.Factory | providers.Callable) else None
        if isinstance(need, providers.Coroutine) or is_async_factory(makes):
            return True
        stack.extend(needs_of(need).now)
    return False


class NeedsLoop(Exception):
    """What a plain factory returned can only be opened on a loop.

    Args:
        made: what it returned.
    """

    def __init__(self, made: object) -> None:
        super().__init__("it returned something that can only be opened on a running loop")
        self.made = made


def entering(provides: Any) -> Callable[..., Any]:
    """A factory's stand-in, whose result dependency-injector enters rightly."""
    is_left_to_us = is_async_resource(provides) and not is_lock_factory(provides)
    return OneTask.around(provides) if is_left_to_us else _looked_at(provides)


def _looked_at(factory: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(factory)
    def make(*args: Any, **kwargs: Any) -> Any:
        return _as_meant(factory(*args, **kwargs))

    return make


def _as_meant(made: Any) -> Any:
    if isinstance(made, GeneratorType):
        return contextlib.contextmanager(lambda: cast("Iterator[Any]", made))()
    if isinstance(made, AsyncGeneratorType):
        raise NeedsLoop(contextlib.asynccontextmanager(lambda: made)())
    if inspect.iscoroutine(made) or (hasattr(made, "__aenter__") and hasattr(made, "__aexit__")):
        _refuse_lock(made)
        raise NeedsLoop(made)
    _refuse_lock(made)
    return made


def _refuse_lock(made: object) -> None:
    if type(made).__module__ in _LOCK_MODULES and hasattr(made, "acquire") and hasattr(made, "release"):
        raise ContainerError(
            "its factory returns a lock, which a resource would take at the start and hold until the stop",
            hint="write providers.Singleton(threading.Lock), or whichever lock it is",
        )


class Opening:
    """Opens one blocking resource, and closes it again if that was given up meanwhile.

    Args:
        provider: the resource.
        ended: called when an opening that was given up has ended.
    """

    def __init__(self, provider: Any, ended: Callable[[], object]) -> None:
        self._provider, self._ended = provider, ended
        self._lock = threading.Lock()
        self._is_over = self._is_given_up = False

    def __call__(self) -> Any:
        """Open it, in the calling thread."""
        try:
            value = self._provider()
            _refuse_thread_bound(self._provider, value)
        finally:
            with self._lock:
                self._is_over = True
            if self._is_given_up:
                self._provider.shutdown()
                self._ended()
        return value

    def give_up(self) -> bool:
        """Want it no more; returns whether it is still being opened, and will be closed by itself."""
        with self._lock:
            self._is_given_up = not self._is_over
        return self._is_given_up


def _refuse_thread_bound(provider: Any, value: Any) -> None:
    """A connection that belongs to this thread would be of no use to anybody: say so here, where it can be closed."""
    if type(value).__module__ != "sqlite3" or not hasattr(value, "cursor"):
        return
    errors: list[Exception] = []

    def use() -> None:
        try:
            value.cursor().close()  # any use of it will do
        except Exception as error:  # noqa: BLE001  sqlite3.ProgrammingError, if it is bound
            errors.append(error)

    other = threading.Thread(target=use, daemon=True)
    other.start()
    other.join()
    if errors:
        provider.shutdown()
        raise errors[0]
