"""`arbiter breakers`: the circuit breakers of a running instance, seen and steered through its management port."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from cyclopts import App as CommandLine
from rich.markup import escape
from rich.table import Table

from arbiter.cli.console import out_console, print_json
from arbiter.cli.health import coloured
from arbiter.cli.instance import HERE, Where
from arbiter.cli.options import Json
from arbiter.errors import ArbiterError

__all__ = ["commands"]

commands = CommandLine(name="breakers", help="Show and steer the circuit breakers of a running instance.")


class SteeringRefused(ArbiterError):
    """The instance did not do what it was asked."""


@commands.default
@commands.command(name="list")
def show(*, where: Where = HERE, json: Json = False) -> int:
    """Show how every circuit breaker stands.

    Examples:
        arbiter breakers
        arbiter breakers list --json
    """
    found = _asked(where.instance().get("/breakers"))
    if json:
        print_json(found)
        return 0
    table = Table("breaker", "state", "failures", "rejected", "retry after", box=None, header_style="bold")
    for one in found:
        failures = f"{one['failure_count']} of {one['failure_threshold']}"
        after = "" if one["retry_after_s"] is None else f"{one['retry_after_s']:.1f} s"
        table.add_row(escape(one["name"]), coloured(one["state"]), failures, str(one["rejected"]), after)
    out_console().print(table)
    return 0


@commands.command(name="open")
def open_circuit(name: str, *, where: Where = HERE, json: Json = False) -> int:
    """Reject every call of an operation, until its circuit is closed or reset by hand.

    Args:
        name: the operation, such as registry.query.

    Examples:
        arbiter breakers open registry.query
    """
    return _steer("open", name, where, json=json)


@commands.command(name="close")
def close_circuit(name: str, *, where: Where = HERE, json: Json = False) -> int:
    """Let calls through again.

    Args:
        name: the operation, such as registry.query.

    Examples:
        arbiter breakers close registry.query
    """
    return _steer("close", name, where, json=json)


@commands.command(name="reset")
def reset_circuit(name: str, *, where: Where = HERE, json: Json = False) -> int:
    """Close, with all counts at zero; what is in flight is not counted.

    Args:
        name: the operation, such as registry.query.

    Examples:
        arbiter breakers reset registry.query
    """
    return _steer("reset", name, where, json=json)


@commands.command(name="disable")
def disable_circuit(name: str, *, where: Where = HERE, json: Json = False) -> int:
    """Let every call through and count nothing, until it is closed or reset by hand.

    Args:
        name: the operation, such as registry.query.

    Examples:
        arbiter breakers disable registry.query
    """
    return _steer("disable", name, where, json=json)


@commands.command(name="observe")
def observe_circuit(name: str, *, where: Where = HERE, json: Json = False) -> int:
    """Let every call through, count, and say what would have opened, until it is closed or reset by hand.

    Args:
        name: the operation, such as registry.query.

    Examples:
        arbiter breakers observe registry.query
    """
    return _steer("observe", name, where, json=json)


def _steer(action: str, name: str, where: Where, *, json: bool) -> int:
    stands = _asked(where.instance().post(f"/breakers/{quote(name, safe='')}", {"action": action}))
    if json:
        print_json(stands)
    else:
        out_console().print(f"{escape(stands['name'])} is {coloured(stands['state'])}")
    return 0


def _asked(answer: tuple[int, Any]) -> Any:
    status, document = answer
    if status != HTTPStatus.OK:
        raise SteeringRefused(document.get("detail", "The instance refused."), hint=document.get("hint", ""))
    return document
