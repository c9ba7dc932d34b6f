"""Spans of one's own, and context that follows work into threads.

A span is made by whoever made the span around it: within a request or a guarded operation of an application that is
its tracer, without naming it and without a global. Work that begins outside of any span names the tracer that its
component was given. Needs OpenTelemetry's API only, so that components may use it.

    @traced(attributes=("sku",))
    async def reserve(sku: str) -> None: ...

    with span("price.lookup", {"currency": "EUR"}) as looking:
        looking.set_attribute("hits", len(found))
"""

from __future__ import annotations

import functools
import inspect
import traceback
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from typing import Any, Final, ParamSpec, TypeVar, overload

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode, Tracer, use_span
from opentelemetry.util.types import Attributes

from arbiter.masking import without_password

__all__ = [
    "MAKER",
    "ContextThreadPool",
    "in_context",
    "linked_span",
    "record_error",
    "span",
    "traced",
    "tracer_here",
]

P = ParamSpec("P")
T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

MAKER: Final = "_arbiter_tracer"
"""Where a span keeps the tracer that made it."""

_PLAIN: Final = (str, bool, int, float)


def tracer_here() -> Tracer:
    """The tracer of the current span; outside of any, OpenTelemetry's global one, which does nothing by default."""
    found = getattr(trace.get_current_span(), MAKER, None)
    return found if isinstance(found, Tracer) else trace.get_tracer("arbiter")


@contextmanager
def linked_span(name: str, origins: Sequence[Span], attributes: Attributes = None) -> Iterator[Span]:
    """A span that begins a trace of its own, for work that is done later and for several at once.

    It is linked to the spans that asked for the work, one link for each, and made by their tracer.

    Args:
        name: what is done, `tracker.flush`.
        origins: the spans that were current when the work was asked for; invalid ones count for nothing.
        attributes: what is known at the start.
    """
    valid = {found.get_span_context().span_id: found for found in origins}
    valid.pop(0, None)
    makers = [maker for found in valid.values() if isinstance(maker := getattr(found, MAKER, None), Tracer)]
    if not makers:
        yield trace.INVALID_SPAN
        return
    links = [Link(found.get_span_context()) for found in valid.values()]
    made = makers[0].start_span(name, Context(), attributes=attributes, links=links)
    with _ending(made):
        yield made


@contextmanager
def span(
    name: str,
    attributes: Attributes = None,
    *,
    tracer: Tracer | None = None,
    kind: SpanKind = SpanKind.INTERNAL,
    links: Sequence[Link] = (),
) -> Iterator[Span]:
    """A span around a block; an exception is recorded on it and goes on.

    Never around a `yield` of a generator, which may be left in another context than it was entered in: `@traced` on
    the generator does that right.

    Args:
        name: what is done, `price.lookup`.
        attributes: what is known at the start.
        tracer: makes the span; that of the span around it where None.
        kind: what the span is to its trace.
        links: spans that it has to do with besides its parent.
    """
    maker = tracer or tracer_here()
    made = maker.start_span(name, kind=kind, links=list(links), attributes=attributes)
    with _ending(made):
        yield made


@overload
def traced(function: F, /) -> F: ...
@overload
def traced(*, name: str = "", attributes: Sequence[str] = ()) -> Callable[[F], F]: ...
def traced(
    function: F | None = None, /, *, name: str = "", attributes: Sequence[str] = ()
) -> F | Callable[[F], F]:
    """Give every call of a function a span: plain and async functions, generators and async generators.

    A generator's span is current while the generator works, and not while its consumer does.

    Args:
        function: what is traced, where the decorator is used without parentheses.
        name: the span's; the function's qualified name where empty.
        attributes: names of parameters whose values (text, numbers, truth) go onto the span.
    """

    def decorate(function: F) -> F:
        called = name or function.__qualname__.replace(".<locals>", "")
        decorated: F = _decorated(function, called, _Arguments(function, attributes))
        return decorated

    return decorate if function is None else decorate(function)


def record_error(span: Span, error: BaseException) -> None:
    """Put an exception onto a span as OpenTelemetry's conventions want it, with passwords of addresses masked."""
    if not span.is_recording():
        return
    kind = type(error)
    try:
        message = str(error)
    except Exception:  # noqa: BLE001  somebody's __str__
        message = ""
    attributes = {
        "exception.type": kind.__qualname__
        if kind.__module__ == "builtins"
        else f"{kind.__module__}.{kind.__qualname__}",
        "exception.message": without_password(message),
        "exception.stacktrace": without_password("".join(traceback.format_exception(error))),
    }
    span.add_event("exception", attributes)


def in_context(function: Callable[P, T]) -> Callable[P, T]:
    """The function bound to the context of now, for `threading.Thread(target=...)` and callbacks; may be called once
    at a time.
    """
    context = copy_context()

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        return context.run(function, *args, **kwargs)

    return call


class ContextThreadPool(ThreadPoolExecutor):
    """A thread pool whose jobs see the context of whoever submitted them: current span, baggage, log fields.

    The standard library's loses it. Works for `submit`, `map` and `loop.run_in_executor`.
    """

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run `fn` in a thread, in a copy of the present context."""
        return super().submit(in_context(fn), *args, **kwargs)


class _Arguments:
    """The arguments of a call that are to stand on its span."""

    def __init__(self, function: Callable[..., Any], wanted: Sequence[str]) -> None:
        self._wanted = tuple(wanted)
        self._signature = inspect.signature(function) if wanted else None
        if self._signature and (unknown := [one for one in wanted if one not in self._signature.parameters]):
            raise TypeError(f"{function.__qualname__} has no parameter {unknown[0]!r} to put onto its span")

    def of(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        if self._signature is None:
            return {}
        try:
            bound = self._signature.bind(*args, **kwargs)
        except TypeError:  # the call itself will say so
            return {}
        bound.apply_defaults()
        return {name: value for name in self._wanted if isinstance(value := bound.arguments[name], _PLAIN)}


def _decorated(function: Any, name: str, arguments: _Arguments) -> Any:
    if inspect.isasyncgenfunction(function):

        @functools.wraps(function)
        def stream(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            return _stepped_async(function(*args, **kwargs), name, arguments.of(args, kwargs))

        return stream
    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def generate(*args: Any, **kwargs: Any) -> Iterator[Any]:
            return _stepped(function(*args, **kwargs), name, arguments.of(args, kwargs))

        return generate
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def wait(*args: Any, **kwargs: Any) -> Any:
            with span(name, arguments.of(args, kwargs)):
                return await function(*args, **kwargs)

        return wait

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        with span(name, arguments.of(args, kwargs)):
            return function(*args, **kwargs)

    return call


async def _stepped_async(steps: Any, name: str, attributes: Attributes) -> AsyncIterator[Any]:
    made = tracer_here().start_span(name, attributes=attributes)
    try:
        while True:
            with _current(made):
                try:
                    item = await anext(steps)
                except StopAsyncIteration:
                    return
            yield item
    finally:
        with _current(made):
            await steps.aclose()
        made.end()


def _stepped(steps: Any, name: str, attributes: Attributes) -> Generator[Any, None, Any]:
    made = tracer_here().start_span(name, attributes=attributes)
    try:
        while True:
            with _current(made):
                try:
                    item = next(steps)
                except StopIteration as stop:
                    return stop.value
            yield item
    finally:
        with _current(made):
            steps.close()
        made.end()


@contextmanager
def _ending(made: Span) -> Iterator[None]:
    """`made` is the current span for the block, and ends with it."""
    try:
        with _current(made):
            yield
    finally:
        made.end()


@contextmanager
def _current(made: Span) -> Iterator[None]:
    """`made` is the current span for the block; what it raises is recorded."""
    with use_span(made, end_on_exit=False, record_exception=False, set_status_on_exception=False):
        try:
            yield
        except Exception as error:
            record_error(made, error)
            made.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise
