"""pybreaker's own ways into a circuit, driven in two phases: call, decorate, or a `with` statement."""

from __future__ import annotations

import contextlib
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator, Mapping
from functools import partial, wraps
from inspect import isasyncgenfunction, iscoroutinefunction
from types import CoroutineType, GeneratorType
from typing import Any, Final, TypeVar

from arbiter.resilience.circuit import Circuit

__all__ = ["WaysIn"]

T = TypeVar("T")


class WaysIn(Circuit):
    """A circuit that can be called through."""

    @abstractmethod
    def admit(self) -> int:
        """Let a call through and return its era, or raise `CircuitOpen`."""

    @abstractmethod
    def succeeded(self, era: int, seconds: float = 0.0) -> None:
        """The call was answered."""

    @abstractmethod
    def raised(self, era: int, error: BaseException) -> None:
        """The call raised."""

    @abstractmethod
    def released(self, era: int) -> None:
        """The call says nothing."""

    def __call__(self, *functions: Callable[..., Any], **options: bool) -> Any:
        """Decorate a function: it is called through the breaker from then on. A coroutine function stays one, and with
        pybreaker's option `__pybreaker_call_async` becomes one whatever returns an awaitable.
        """
        is_async = options.get("__pybreaker_call_async", False)
        decorate = partial(self._guarded, is_async=is_async)
        return decorate(*functions) if functions else decorate

    def call(self, func: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Call `func` guarded; `acall` is for coroutine functions.

        Of what runs only later, a generator or a coroutine that a plain function returned, the running is guarded.
        """
        if iscoroutinefunction(func) or isasyncgenfunction(func):
            raise TypeError(f"{func!r} is asynchronous: await acall(...), or iterate under calling()")
        era = self._let_in()
        try:
            self._tell_of(func, args, kwargs)
            result: Any = func(*args, **kwargs)
        except BaseException as error:
            self.raised(era, error)
            raise
        later = _LATER.get(type(result))
        if later is None:
            self.succeeded(era)
        else:
            self.released(era)
            result = later(self, result)
        made: T = result
        return made

    async def acall(self, func: Callable[..., Awaitable[T]], *args: Any, **kwargs: Any) -> T:
        """Await `func(...)` guarded."""

        def begin() -> Awaitable[T]:
            self._tell_of(func, args, kwargs)
            return func(*args, **kwargs)

        return await self._judged(begin)

    call_async = acall  # pyright: ignore[reportAssignmentType]  pybreaker's is Tornado's, and needs it

    @contextlib.contextmanager
    def calling(self) -> Iterator[None]:
        """Guard the body of a `with` statement."""
        era = self._let_in()
        try:
            yield
        except BaseException as error:
            self.raised(era, error)
            raise
        self.succeeded(era)

    def _tell_of(self, func: Callable[..., object], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._audience.tell(lambda listener: listener.before_call(self, func, *args, **kwargs))
        self._audience.deliver()

    async def _judged(self, begin: Callable[[], Awaitable[T]]) -> T:
        era = await self._let_in_later()
        try:
            result = await begin()
        except BaseException as error:
            self.raised(era, error)
            raise
        self.succeeded(era)
        return result

    def _let_in(self) -> int:
        return self.admit()

    async def _let_in_later(self) -> int:
        return self.admit()

    def _guarded(self, func: Callable[..., Any], *, is_async: bool) -> Callable[..., Any]:
        if is_async or iscoroutinefunction(func):

            @wraps(func)
            async def awaited(*args: Any, **kwargs: Any) -> Any:
                return await self.acall(func, *args, **kwargs)

            return awaited

        @wraps(func)
        def called(*args: Any, **kwargs: Any) -> Any:
            return self.call(func, *args, **kwargs)

        return called


def _generated(breaker: WaysIn, generator: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
    with breaker.calling():
        return (yield from generator)


async def _awaited(breaker: WaysIn, coroutine: Coroutine[Any, Any, Any]) -> Any:
    try:
        return await breaker._judged(lambda: coroutine)
    finally:
        coroutine.close()  # where the circuit opened meanwhile, it was never begun


_LATER: Final[Mapping[Any, Any]] = {GeneratorType: _generated, CoroutineType: _awaited}
