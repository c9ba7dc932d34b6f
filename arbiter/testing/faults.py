"""Fault injection: a component that fails, hangs or is slow when the test says so, and works otherwise."""

from __future__ import annotations

import asyncio
import difflib
import functools
import inspect
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from arbiter.clock import SystemClock
from arbiter.container.stand_ins import Wrapping
from arbiter.errors import ArbiterError
from arbiter.protocols import Clock
from arbiter.resilience.plan import forwarded_dunders

__all__ = ["Call", "Faults", "UnknownMethod"]

T = TypeVar("T")

HOUSEKEEPING: Final = frozenset({"start", "stop", "check", "adopt", "measurements"})
"""What a fault of every method leaves alone; name one to break it."""

_LONGEST_BLOCK_S = 30.0


class UnknownMethod(ArbiterError):
    """The faulty component has no method of the name that was given."""

    def __init__(self, component: type, name: str) -> None:
        near = difflib.get_close_matches(name, dir(component), n=2, cutoff=0.6)
        hint = f"Did you mean {' or '.join(near)}?" if near else ""
        super().__init__(f"{component.__qualname__} has no method {name!r}.", hint=hint)
        self.component, self.name = component, name


@dataclass(frozen=True, slots=True)
class Call:
    """One call that reached the faulty component."""

    method: str
    args: tuple[Any, ...] = ()
    kwargs: tuple[tuple[str, Any], ...] = ()


@dataclass(slots=True)
class _Fault:
    """What is to happen, to which method ("" means every one), and how many times more (None: until mended)."""

    on: str
    times: int | None
    error: BaseException | type[BaseException] | None = None
    slow_s: float = 0.0
    hangs: bool = False

    def strikes(self, method: str) -> bool:
        if self.times == 0:
            return False
        return self.on == method or (not self.on and method not in HOUSEKEEPING)


class Faults(Wrapping):
    """An override that keeps the component, and puts faults before its methods, inside its guard.

        stock = Faults()
        async with application(Shop, overrides={"stock": stock}) as shop:
            stock.fail(ConnectionError("down"))

    Faults may be set before the start: `fail(..., on="start")` fails it. The last one set for a method comes first.

    Args:
        clock: measures slowness; the application's own unless given.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock
        self._faults: list[_Fault] = []
        self._classes: list[type] = []
        self._mended = threading.Event()
        self._waiting: list[asyncio.Future[None]] = []
        self.calls: list[Call] = []
        """Every call that came, faulty or not, in order; the framework's own (start, check, ...) too."""

    def fail(
        self, error: BaseException | type[BaseException], *, on: str = "", times: int | None = None
    ) -> None:
        """Raise `error` instead of doing the work.

        Args:
            error: an exception, or its class.
            on: only this method; by default every one that is not the framework's (start, stop, check).
            times: how many calls; by default until `mend()`.
        """
        self._add(_Fault(on, times, error=error))

    def hang(self, *, on: str = "", times: int | None = None) -> None:
        """Do not come back until `mend()`, or until the call is cancelled. A plain method blocks its thread, 30 s at most."""
        self._add(_Fault(on, times, hangs=True))

    def slow(self, seconds: float, *, on: str = "", times: int | None = None) -> None:
        """Take `seconds` more, on the application's clock; a plain method blocks its thread in real time."""
        self._add(_Fault(on, times, slow_s=seconds))

    def mend(self) -> None:
        """Work again; calls that hang go on."""
        self._faults.clear()
        self._mended.set()
        self._mended = threading.Event()
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            if not one.get_loop().is_closed():
                one.get_loop().call_soon_threadsafe(_release, one)

    async def reached(self, method: str = "", *, limit_s: float = 5.0) -> None:
        """Return when a call of `method` (or of any, but the framework's own) has come; it may be going on.

        Raises:
            TimeoutError: none came within `limit_s` seconds.
        """
        limit = time.monotonic() + limit_s
        while not any(_is_meant(call, method) for call in self.calls):
            if time.monotonic() > limit:
                raise TimeoutError(f"no call of {method or 'any method'} came within {limit_s:g} s")
            await asyncio.sleep(0.001)
        await asyncio.sleep(0)  # it goes into its fault

    def use(self, clock: Clock) -> None:
        """Measure slowness on this clock, unless one was given."""
        self._clock = self._clock or clock

    def wrap(self, component: T) -> T:
        """A stand-in that looks like `component` and passes everything on, through the faults."""
        cls: Any = type(component)
        for fault in self._faults:
            _check(cls, fault.on)
        self._classes.append(cls)
        made: Any = _stand_in_class(cls)(component, self)
        stand_in: T = made
        return stand_in

    def _add(self, fault: _Fault) -> None:
        for cls in self._classes:
            _check(cls, fault.on)
        self._faults.insert(0, fault)

    def _next(self, call: Call) -> _Fault | None:
        self.calls.append(call)
        found = next((fault for fault in self._faults if fault.strikes(call.method)), None)
        if found is not None and found.times is not None:
            found.times -= 1
        return found

    async def suffer(self, call: Call) -> None:
        """Go through the fault that is due, in a coroutine."""
        fault = self._next(call)
        if fault is None:
            return
        if fault.hangs:
            waiting = asyncio.get_running_loop().create_future()
            self._waiting.append(waiting)
            await waiting
        elif fault.slow_s:
            await (self._clock or SystemClock()).sleep(fault.slow_s)
        _raise(fault)

    def suffer_here(self, call: Call) -> None:
        """Go through the fault that is due, on this thread."""
        fault = self._next(call)
        if fault is None:
            return
        if fault.hangs and not self._mended.wait(_LONGEST_BLOCK_S):
            raise TimeoutError(f"{call.method} hung for {_LONGEST_BLOCK_S:g} s, and nobody mended it")
        if fault.slow_s:
            time.sleep(fault.slow_s)
        _raise(fault)


class _StandIn:
    """What every generated class inherits: attributes are the component's, methods go through the faults."""

    __slots__ = ("_arbiter_component", "_arbiter_faults")

    def __init__(self, component: object, faults: Faults) -> None:
        object.__setattr__(self, "_arbiter_component", component)
        object.__setattr__(self, "_arbiter_faults", faults)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._arbiter_component, name)
        if name.startswith("_") or not inspect.ismethod(value):
            return value
        return _through(self._arbiter_faults, name, value)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self._arbiter_component, name, value)

    def __repr__(self) -> str:
        return f"<faulty {self._arbiter_component!r}>"


@functools.cache
def _stand_in_class(cls: type) -> type[_StandIn]:
    namespace: dict[str, Any] = {
        "__slots__": (),
        "__class__": property(lambda _: cls),
        "__doc__": cls.__doc__,
    }
    namespace |= {name: _forwarded(name) for name in forwarded_dunders(cls) if name != "__getattr__"}
    return type(f"Faulty{cls.__name__}", (_StandIn,), namespace)


def _forwarded(name: str) -> Callable[..., Any]:
    def forward(self: _StandIn, *args: Any, **kwargs: Any) -> Any:
        return getattr(self._arbiter_component, name)(*args, **kwargs)

    return forward


def _through(faults: Faults, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    def call_of(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
        return Call(name, args, tuple(kwargs.items()))

    if inspect.isasyncgenfunction(method):

        @functools.wraps(method)
        async def stream(*args: Any, **kwargs: Any) -> Any:
            await faults.suffer(call_of(args, kwargs))
            async for item in method(*args, **kwargs):
                yield item

        return stream
    if inspect.iscoroutinefunction(method):

        @functools.wraps(method)
        async def wait(*args: Any, **kwargs: Any) -> Any:
            await faults.suffer(call_of(args, kwargs))
            return await method(*args, **kwargs)

        return wait

    @functools.wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        faults.suffer_here(call_of(args, kwargs))
        return method(*args, **kwargs)

    return call


def _is_meant(call: Call, method: str) -> bool:
    return call.method == method or (not method and call.method not in HOUSEKEEPING)


def _check(cls: type, name: str) -> None:
    if name and not callable(getattr(cls, name, None)):
        raise UnknownMethod(cls, name)


def _raise(fault: _Fault) -> None:
    if fault.error is not None:
        raise fault.error


def _release(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)
