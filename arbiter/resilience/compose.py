"""Source of the layers outside the breaker: `fallback(retry(...))` around the lines of a guarded call.

They are written into a method that asks for them, and into no other: a method without costs nothing more for them, and
one that has them costs nothing more while it succeeds (an exception table and one assignment).
"""

from __future__ import annotations

from collections.abc import Sequence
from inspect import isawaitable
from typing import Any, Final

from arbiter.operation import Value
from arbiter.resilience.fallback import Fallback
from arbiter.resilience.plan import Plan

__all__ = ["COMPOSED_NAMES", "composed", "fallback_names"]

_INDENT: Final = "    "

COMPOSED_NAMES: Final[dict[str, Any]] = {"_arbiter_isawaitable": isawaitable}
"""What the lines need in the generated method's globals."""


def fallback_names(plan: Plan) -> dict[str, Any]:
    """The functions and values of the plan's fallbacks, by their names in the generated method's globals."""
    return {
        _given_name(depth): one.given.value if isinstance(one.given, Value) else one.given
        for depth, one in enumerate(plan.fallbacks)
        if one.given is not None
    }


def composed(plan: Plan, me: str, arguments: str, body: list[str]) -> list[str]:
    """The lines of a method that makes the guarded call `body`, retries it and falls back, as far as planned.

    Args:
        plan: the method.
        me: the proxy's name in it.
        arguments: how the method's arguments are passed on.
        body: one guarded call, ending in a return.
    """
    if plan.retried:
        body = _retried(f"{me}.{plan.slot}.layers", body)
    if plan.fallbacks:
        body = ["try:", *_inside(body), *_fallen(plan, me, arguments, 0)]
    return body


def _retried(layers: str, body: list[str]) -> list[str]:
    # The wait is outside the handler: the next attempt's error must not carry this one as its context.
    return [
        "_arbiter_attempt = 1",
        "while True:",
        f"{_INDENT}try:",
        *_inside(_inside(body)),
        f"{_INDENT}except Exception as _arbiter_last:",
        f"{_INDENT * 2}_arbiter_pause = {layers}.again(_arbiter_last, _arbiter_attempt)",
        f"{_INDENT * 2}if _arbiter_pause is None:",
        f"{_INDENT * 3}raise",
        f"{_INDENT}_arbiter_attempt += 1",
        f"{_INDENT}await {layers}.rest(_arbiter_pause)",
    ]


def _fallen(plan: Plan, me: str, arguments: str, depth: int) -> list[str]:
    """The handler that lets the fallback at `depth` answer, with the next one inside of it."""
    one, error = plan.fallbacks[depth], _error_name(depth)
    answer = _answer(one, me, arguments, depth, wait=plan.kind == "async")
    if depth + 1 < len(plan.fallbacks):
        answer = ["try:", *_inside(answer), *_fallen(plan, me, arguments, depth + 1)]
    return [
        f"except Exception as {error}:",
        f"{_INDENT}if not {me}.{plan.slot}.layers.falls_back({error}, {one.name!r}):",
        f"{_INDENT * 2}raise",
        *_inside(answer),
    ]


def _answer(one: Fallback, me: str, arguments: str, depth: int, *, wait: bool) -> list[str]:
    if isinstance(one.given, Value):
        return [f"return {_given_name(depth)}"]
    if one.wants_errors:
        failed = ", ".join(_error_name(before) for before in range(depth + 1))
        arguments = _joined(arguments, f"errors=({failed},)")
    if one.given is None:
        call = f"{me}._arbiter_inner.{one.path}({arguments})"
    else:
        call = f"{_given_name(depth)}({_joined(f'{me}._arbiter_inner', arguments)})"
    if not wait:
        return [f"return {call}"]
    return [
        f"_arbiter_answer = {call}",
        "return await _arbiter_answer if _arbiter_isawaitable(_arbiter_answer) else _arbiter_answer",
    ]


def _joined(*parts: str) -> str:
    return ", ".join(part for part in parts if part)


def _inside(lines: Sequence[str]) -> list[str]:
    return [_INDENT + line for line in lines]


def _error_name(depth: int) -> str:
    return f"_arbiter_error_{depth}"


def _given_name(depth: int) -> str:
    return f"_arbiter_fallback_{depth}"
