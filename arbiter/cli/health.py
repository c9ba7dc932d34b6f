"""`arbiter health`: every check of a running instance, and an exit code that scripts can rely on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import quote

from cyclopts import Parameter
from rich.markup import escape
from rich.table import Table

from arbiter.cli.console import out_console, print_json, report
from arbiter.cli.instance import HERE, NotReachable, Where
from arbiter.cli.options import Json
from arbiter.errors import ArbiterError

__all__ = ["coloured", "show_health"]

COLOURS = {
    "pass": "green",
    "warn": "yellow",
    "fail": "red",
    "unknown": "cyan",
    "closed": "green",
    "half-open": "yellow",
    "open": "red",
    "forced-open": "red",
}
COULD_NOT_JUDGE = 2


class GroupUnknown(ArbiterError):
    """The instance has no check and no group of that name."""


def show_health(
    group: str = "",
    /,
    *,
    where: Where = HERE,
    refresh: Annotated[
        bool,
        Parameter(
            name="--refresh", negative="", help="Run the checks first whose results are older than a second."
        ),
    ] = False,
    strict: Annotated[
        bool, Parameter(name="--strict", negative="", help="A warning is a failure: exit code 1.")
    ] = False,
    json: Json = False,
) -> int:
    """Show how each check of a running instance is.

    Args:
        group: a group of checks or one check; without it, all.

    Examples:
        arbiter health
        arbiter health database --refresh
        arbiter health --strict --json

    Exit codes: 0 pass (and warn, unless --strict), 1 fail, 2 not reachable, or no check of that name.
    """
    path = f"/health/{quote(group)}" if group else "/healthz"
    try:
        status, seen = where.reader().get(path, **({"refresh": "1"} if refresh else {}))
        if status not in {HTTPStatus.OK, HTTPStatus.SERVICE_UNAVAILABLE}:
            raise GroupUnknown(seen.get("detail", "The instance refused."), hint=seen.get("hint", ""))
    except (NotReachable, GroupUnknown) as error:
        report(error)
        return COULD_NOT_JUDGE
    if json:
        print_json(seen)
    else:
        _render(seen)
    return int(seen["status"] == "fail" or (strict and seen["status"] == "warn"))


def coloured(status: str) -> str:
    """The word in the colour of how good it is, as rich's markup."""
    return f"[{COLOURS.get(status, 'white')}]{escape(status)}[/]"


def _render(seen: dict[str, Any]) -> None:
    console = out_console()
    notes = "".join(f"   {escape(note)}" for note in seen.get("notes", ()))
    console.print(f"{escape(seen.get('description') or 'health')} {coloured(seen['status'])}{notes}")
    table = Table("check", "status", "critical", "took ms", "since", "output", box=None, header_style="bold")
    for one in _checks(seen):
        table.add_row(
            escape(one["componentId"]),
            coloured(one["status"]),
            "yes" if one.get("critical") else "no",
            f"{one.get('observedValue', 0):.1f}",
            _ago(one.get("since")),
            escape(one.get("output", "")),
        )
    console.print(table)


def _checks(seen: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for results in seen.get("checks", {}).values():
        yield from results


def _ago(moment: str | None) -> str:
    if moment is None:
        return ""
    seconds = int((datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds())
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{max(seconds, 0)} s"
