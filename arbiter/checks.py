"""`@health_check`: marks a component's method, or a function, as a health check. Components need nothing of the health pillar.

A component whose only check is an async `check()` needs no mark: the protocol `Check` is enough. The decorator is not
called `check`, since in the body of such a class that name is the method.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar, overload

from arbiter.operation import operation

__all__ = ["CheckMark", "Marked", "checks_of", "health_check"]

F = TypeVar("F", bound=Callable[..., Any])

_ATTRIBUTE = "__arbiter_check__"
_PROTOCOL = "check"


@dataclass(frozen=True, slots=True)
class CheckMark:
    """What a check says about itself to whoever runs it.

    Attributes:
        name: what reports call it; when empty, the provider's name for a method `check` or a function, and
            `<provider>.<method>` for any other method.
        critical: whether its failure is the whole's failure; otherwise it only degrades.
        groups: names under which `/health/{group}` shows it.
        interval_s: seconds between two runs, in place of the settings' `health.interval_s`.
        timeout_s: seconds that one run may take, in place of `health.timeout_s`.
    """

    name: str = ""
    critical: bool = True
    groups: tuple[str, ...] = ()
    interval_s: float | None = None
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class Marked:
    """One check of a component: its name in reports, how to ask it, and where it stands."""

    name: str
    ask: Callable[[], Any]
    mark: CheckMark
    place: str


@overload
def health_check(method: F, /) -> F: ...
@overload
def health_check(
    *,
    name: str = "",
    critical: bool = True,
    groups: tuple[str, ...] = (),
    interval_s: float | None = None,
    timeout_s: float | None = None,
) -> Callable[[F], F]: ...
def health_check(
    method: F | None = None,
    /,
    *,
    name: str = "",
    critical: bool = True,
    groups: tuple[str, ...] = (),
    interval_s: float | None = None,
    timeout_s: float | None = None,
) -> F | Callable[[F], F]:
    """Mark a method or function without arguments, sync or async, as a check; see `CheckMark` for the arguments.

    It answers with a `CheckResult`, a status ("pass", "warn", "fail"), True or False; None is a pass, raising a
    failure. A sync one runs on a thread of the checks' own. The method stays unguarded: a check looks past the breaker.
    """
    about = CheckMark(name, critical, groups, interval_s, timeout_s)

    def mark(function: F) -> F:
        setattr(function, _ATTRIBUTE, about)
        return operation(guarded=False)(function)

    return mark if method is None else mark(method)


def checks_of(provider: str, component: object) -> Iterator[Marked]:
    """Every check of a component: its marked methods, its async `check()`, or itself, if it is a marked function.

    Args:
        provider: the component's name in its container.
        component: looked at through `__class__`, which a proxy answers with the class that it stands for.
    """
    if isinstance(component, type):
        return
    if isinstance(mark := getattr(component, _ATTRIBUTE, None), CheckMark) and callable(component):
        yield Marked(mark.name or provider, component, mark, f"the provider {provider!r}")
        return
    cls = component.__class__
    for method in dir(cls):
        function = inspect.getattr_static(cls, method, None)
        mark = getattr(function, _ATTRIBUTE, None)
        if mark is None and method == _PROTOCOL and inspect.iscoroutinefunction(function):
            mark = CheckMark()
        if isinstance(mark, CheckMark):
            derived = provider if method == _PROTOCOL else f"{provider}.{method}"
            place = f"{cls.__qualname__}.{method} of the provider {provider!r}"
            yield Marked(mark.name or derived, getattr(component, method), mark, place)
