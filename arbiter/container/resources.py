"""How resources are opened and closed: which of them need a loop, and one task for each that does.

An async resource is entered, held and left by one task of its own: a task group or a cancel scope of anyio inside it
may only be left in the task that entered it.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeGuard

from dependency_injector import providers, resources

from arbiter.protocols import Adopter

__all__ = [
    "OneTask",
    "has_lifecycle",
    "is_adopter",
    "is_async_factory",
    "is_async_resource",
    "is_component_async",
    "is_thread_bound",
    "lifecycle_hook",
]


def is_async_resource(provides: object) -> bool:
    """Whether a resource's factory needs a loop; a plain function that returns something async is not seen."""
    factory = _bare(provides)
    if isinstance(factory, type):
        # One with both is meant for the loop: its `__enter__` often only says so.
        return hasattr(factory, "__aenter__")
    return is_async_factory(factory) or inspect.isasyncgenfunction(inspect.unwrap(_as_function(factory)))


def is_async_factory(provides: object) -> bool:
    """Whether calling it gives a coroutine."""
    factory = _bare(provides)
    if isinstance(factory, type):
        return False
    calling = vars(type(factory)).get("__call__")
    return inspect.iscoroutinefunction(factory) or inspect.iscoroutinefunction(calling)


def lifecycle_hook(component: object, name: str) -> Callable[[], Any] | None:
    """A component's `start` or `stop`, when its class has it as a coroutine function.

    A plain one is not ours to call: a `threading.Thread` has `start` as well.
    """
    # `__class__`, which a proxy answers with the class that it stands for
    return getattr(component, name, None) if _is_hook(component.__class__, name) else None


def has_lifecycle(component: object) -> bool:
    """Whether there is anything to start or to stop in it."""
    return _is_hook(component.__class__, "start") or _is_hook(component.__class__, "stop")


def is_component_async(provides: object) -> bool:
    """Whether what a singleton makes has hooks that need a loop, as far as its factory tells."""
    made = inspect.unwrap(provides) if callable(provides) else provides
    made = getattr(made, "cls", made) if not isinstance(made, type) else made
    if not isinstance(made, type):
        made = _annotated_result(made)
    return isinstance(made, type) and (_is_hook(made, "start") or _is_hook(made, "stop"))


def is_adopter(component: object) -> TypeGuard[Adopter]:
    """Whether its class has `adopt`; an object that answers to every name has not."""
    return callable(getattr(component.__class__, "adopt", None))


def is_thread_bound(provider: object, value: object) -> bool:
    """Whether it can only be closed where it was opened, and not on a thread of its own."""
    return isinstance(provider, providers.ContextLocalResource) or type(value).__module__ == "sqlite3"


class OneTask:
    """An async context manager that lives in a task of its own.

    Args:
        factory: the resource's own: a coroutine function, or a maker of an (async) context manager.
        args: its positional arguments.
        kwargs: its keyword arguments.
    """

    def __init__(self, factory: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._make = functools.partial(factory, *args, **kwargs)

    @classmethod
    def of(cls, made: object) -> Callable[..., OneTask]:
        """A factory that opens what was made already."""
        return lambda *_, **__: cls(lambda: made, (), {})

    @classmethod
    def around(cls, factory: Callable[..., Any]) -> Callable[..., OneTask]:
        """The factory of resources that live in one task each."""

        @functools.wraps(factory)
        def enter(*args: Any, **kwargs: Any) -> OneTask:
            return cls(factory, args, kwargs)

        return enter

    async def __aenter__(self) -> Any:
        self._ready: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._leave = asyncio.Event()
        self._task = asyncio.create_task(self._live(), name=f"resource {self._make.func!r}")
        try:
            await asyncio.wait({self._task, self._ready}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            if not await self._is_open_all_the_same():
                raise
        if not self._ready.done():
            self._ready.cancel()
            self._task.result()
        return self._ready.result()

    async def _is_open_all_the_same(self) -> bool:
        """Cancelled: what is open by now stays so, to be closed in its turn; what is not yet, is not opened.

        Cutting what is open would not close it: a generator without a `finally` just ends.
        """
        if self._ready.done():
            return True
        self._leave.set()  # should it swallow its cancellation, it is left as soon as it was entered
        self._task.cancel()
        await asyncio.wait({self._task})
        return False

    async def __aexit__(self, *failure: object) -> None:
        self._leave.set()
        await self._task

    async def _live(self) -> None:
        made = self._make()
        if asyncio.iscoroutine(made) or asyncio.isfuture(made):
            made = await made
        if hasattr(made, "__aenter__") and hasattr(made, "__aexit__"):
            async with made as value:
                await self._hold(value)
        elif hasattr(made, "__enter__") and hasattr(made, "__exit__"):
            with made as value:
                await self._hold(value)
        else:
            await self._hold(made)

    async def _hold(self, value: object) -> None:
        self._ready.set_result(value)
        await self._leave.wait()


def _bare(provides: object) -> object:
    while isinstance(provides, functools.partial):
        provides = provides.func
    return provides


def _as_function(factory: object) -> Callable[..., Any]:
    return factory if callable(factory) else resources.Resource


def _annotated_result(factory: Any) -> object:
    try:
        return inspect.get_annotations(factory, eval_str=True).get("return")
    except (NameError, TypeError):  # a name for type checkers alone, or nothing that carries annotations
        return None


def _is_hook(cls: type, name: str) -> bool:
    method = getattr(cls, name, None)
    return callable(method) and inspect.iscoroutinefunction(inspect.unwrap(method))
