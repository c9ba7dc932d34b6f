"""Source of the generated proxy methods: exact signatures, so that arguments are not packed and unpacked (half the
cost of a guarded call), and a wrong call raises before anything is admitted.

`linecache` is told the source, so that a traceback shows it.
"""

from __future__ import annotations

import functools
import inspect
import linecache
from collections.abc import Callable
from types import CoroutineType
from typing import Any, Final

from arbiter.resilience.compose import COMPOSED_NAMES, composed, fallback_names
from arbiter.resilience.lasting import lasting
from arbiter.resilience.plan import Plan
from arbiter.resilience.shared.undecided import Undecided
from arbiter.resilience.stream import awaited, stream

__all__ = ["forwarding_method", "guarded_method"]

_INDENT: Final = "    "
_HELPERS: Final = {
    "_arbiter_stream": stream,
    "_arbiter_lasting": lasting,
    "_arbiter_awaited": awaited,
    "_arbiter_Coroutine": CoroutineType,
    "_arbiter_Undecided": Undecided,
    **COMPOSED_NAMES,
}


def guarded_method(cls: type, plan: Plan) -> Callable[..., Any]:
    """The proxy's method of that plan, to all appearance the component's own."""
    original = getattr(cls, plan.method)
    signature = inspect.signature(original)
    body = _BODIES[plan.kind](plan, signature)
    return _compiled(f"{cls.__module__}.{cls.__qualname__}", plan, original, signature, body)


def forwarding_method(cls: type, name: str) -> Any:
    """A dunder method that hands over to the component's, unguarded; what is no function (`__hash__ = None`) stays."""
    original = getattr(cls, name)
    if not callable(original):
        return original
    if inspect.iscoroutinefunction(original):
        return functools.wraps(original)(_forwarding_async(name))

    @functools.wraps(original)
    def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
        component = self._arbiter_inner
        result = getattr(component, name)(*args, **kwargs)
        return self if result is component else result

    return forward


def _forwarding_async(name: str) -> Callable[..., Any]:
    async def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
        component = self._arbiter_inner
        result = await getattr(component, name)(*args, **kwargs)
        return self if result is component else result

    return forward


def _async_body(plan: Plan, signature: inspect.Signature) -> list[str]:
    body = _bracket(plan, signature, "await ", [])
    return composed(plan, _self_name(signature), _arguments(signature), body)


def _sync_body(plan: Plan, signature: inspect.Signature) -> list[str]:
    late = [
        "if isinstance(_arbiter_result, _arbiter_Coroutine):",
        f"{_INDENT}_arbiter_gate.dismissed(_arbiter_call)",
        f"{_INDENT}return _arbiter_awaited(_arbiter_seam, _arbiter_result)",
    ]
    body = _bracket(plan, signature, "", late)
    return composed(plan, _self_name(signature), _arguments(signature), body)


def _stream_body(plan: Plan, signature: inspect.Signature) -> list[str]:
    me = _self_name(signature)
    call = f"{me}._arbiter_inner.{plan.method}({_arguments(signature)})"
    return [f"return _arbiter_stream({me}.{plan.slot}, {call})"]


def _lasting_body(plan: Plan, signature: inspect.Signature) -> list[str]:
    me = _self_name(signature)
    call = f"{me}._arbiter_inner.{plan.method}({_arguments(signature)})"
    return [f"return _arbiter_lasting({me}.{plan.slot}, {call})"]


_BODIES: Final = {
    "async": _async_body,
    "sync": _sync_body,
    "stream": _stream_body,
    "lasting": _lasting_body,
}


def _bracket(plan: Plan, signature: inspect.Signature, wait: str, late: list[str]) -> list[str]:
    me = _self_name(signature)
    return [
        f"_arbiter_seam = {me}.{plan.slot}",
        f"_arbiter_inner = {me}._arbiter_inner",
        "_arbiter_gate = _arbiter_seam.gate",
        "_arbiter_call = _arbiter_gate.era",  # before `quiet`: a verdict of an older era is harmless, of a newer not
        "if not _arbiter_gate.quiet:",
        *(_INDENT + line for line in _admission(wait)),
        *_annotation(plan),
        "try:",
        f"{_INDENT}_arbiter_result = {wait}{_invocation(plan, signature)}",
        *(_INDENT + line for line in _asking(plan)),
        "except BaseException as _arbiter_error:",
        f"{_INDENT}_arbiter_gate.raised(_arbiter_call, _arbiter_error)",
        f"{_INDENT}raise",
        *late,
        *_unwanted(plan),
        "if not _arbiter_gate.quiet:",
        f"{_INDENT}_arbiter_gate.succeeded(_arbiter_call)",
        f"return {me} if _arbiter_result is _arbiter_inner else _arbiter_result",
    ]


def _invocation(plan: Plan, signature: inspect.Signature) -> str:
    method, arguments = f"_arbiter_inner.{plan.method}", _arguments(signature)
    if not plan.is_offloaded:
        return f"{method}({arguments})"
    return f"_arbiter_seam.pool.run(_arbiter_seam.name, {', '.join(filter(None, (method, arguments)))})"


def _admission(wait: str) -> list[str]:
    ask = "raise _arbiter_seam.turned_away() from None"
    if wait:
        ask = f"_arbiter_call = {wait}_arbiter_asked.admitted(_arbiter_gate)"
    return [
        "try:",
        f"{_INDENT}_arbiter_call = _arbiter_gate.admit()",
        "except _arbiter_Undecided as _arbiter_asked:",
        f"{_INDENT}{ask}",
    ]


def _asking(plan: Plan) -> list[str]:
    # Inside the try: a predicate that raises ends the call as the method itself would.
    if plan.about.fails_if is None:
        return []
    ask = "_arbiter_seam.fails_if(_arbiter_result)"
    if plan.kind == "sync":  # a coroutine is judged when it has been awaited
        ask = f"not isinstance(_arbiter_result, _arbiter_Coroutine) and {ask}"
    return [f"_arbiter_failed = {ask}"]


def _unwanted(plan: Plan) -> list[str]:
    if plan.about.fails_if is None:
        return []
    return [
        "if _arbiter_failed:",
        f"{_INDENT}_arbiter_gate.unwanted(_arbiter_call, _arbiter_result)",
        f"{_INDENT}return _arbiter_result",
    ]


def _annotation(plan: Plan) -> list[str]:
    if not plan.about.span_attributes:
        return []
    values = ", ".join(f"{name}={name}" for name in plan.about.span_attributes)
    return [
        "if _arbiter_seam.tracer is not None:",
        f"{_INDENT}_arbiter_seam.annotate(_arbiter_call, {values})",
    ]


def _self_name(signature: inspect.Signature) -> str:
    return next(iter(signature.parameters))


def _arguments(signature: inspect.Signature) -> str:
    forms: dict[object, str] = {
        inspect.Parameter.VAR_POSITIONAL: "*{0}",
        inspect.Parameter.KEYWORD_ONLY: "{0}={0}",
        inspect.Parameter.VAR_KEYWORD: "**{0}",
    }
    return ", ".join(forms.get(p.kind, "{0}").format(p.name) for p in list(signature.parameters.values())[1:])


def _compiled(
    owner: str, plan: Plan, original: Callable[..., Any], signature: inspect.Signature, body: list[str]
) -> Callable[..., Any]:
    head = f"{'async ' if plan.kind == 'async' else ''}def {plan.method}({_parameters(signature)}):"
    source = "\n".join([head, *(_INDENT + line for line in body), ""])
    file = f"<guarded {owner}.{plan.method}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    namespace: dict[str, Any] = {**_HELPERS, **fallback_names(plan), **_defaults(signature)}
    exec(compile(source, file, "exec"), namespace)  # noqa: S102  our own text, made of the class's identifiers
    return functools.wraps(original)(namespace[plan.method])


def _parameters(signature: inspect.Signature) -> str:
    bare = [
        p.replace(
            annotation=p.empty,
            default=p.empty if p.default is p.empty else _Name(f"_arbiter_default_{p.name}"),
        )
        for p in signature.parameters.values()
    ]
    return str(inspect.Signature(bare))[1:-1]


def _defaults(signature: inspect.Signature) -> dict[str, Any]:
    return {
        f"_arbiter_default_{p.name}": p.default
        for p in signature.parameters.values()
        if p.default is not p.empty
    }


class _Name:
    """A default that is written as a name."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name
