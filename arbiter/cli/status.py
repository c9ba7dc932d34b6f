"""`arbiter status`: how a running instance is, asked through its management port."""

from __future__ import annotations

from typing import Annotated, Any

from cyclopts import Parameter
from rich.markup import escape
from rich.table import Table

from arbiter.cli.console import out_console, print_json, report
from arbiter.cli.health import coloured
from arbiter.cli.instance import HERE, Instance, NotReachable, Where
from arbiter.cli.options import Json

__all__ = ["show_status"]

UNREACHABLE = 2
BAR = 40
"""Characters of the time line."""


def show_status(
    *,
    where: Where = HERE,
    startup: Annotated[
        bool,
        Parameter(name="--startup", negative="", help="Show the last start: how long each component took."),
    ] = False,
    json: Json = False,
) -> int:
    """Show how a running instance is: readiness, every check, every circuit breaker.

    Examples:
        arbiter status
        arbiter status --startup
        arbiter status --management http://127.0.0.1:3001 --json

    Exit codes: 0 ready (also when degraded), 1 not ready, 2 not reachable.
    """
    try:
        seen = _ask(where.reader(), startup=startup)
    except NotReachable as error:
        report(error)
        return UNREACHABLE
    if json:
        print_json(seen)
    elif startup:
        _render_startup(seen["startup"])
    else:
        _render(seen)
    return 0 if seen["readiness"]["status"] != "fail" else 1


def _ask(instance: Instance, *, startup: bool) -> dict[str, Any]:
    _, ready = instance.get("/readyz")
    named = {"startup": "/startup"}
    if not startup:
        named = {"info": "/info", "health": "/healthz", "breakers": "/breakers"}
    return {"readiness": ready, **{name: instance.get(path)[1] for name, path in named.items()}}


def _render(seen: dict[str, Any]) -> None:
    console, info = out_console(), seen["info"]
    console.print(
        f"[bold]{escape(str(info['service']))}[/] {info['version']}  {info['environment']}  "
        f"settings generation {info['settings']['generation']}  up {info['uptime_s']:.0f} s"
    )
    console.print(
        f"readiness {coloured(seen['readiness']['status'])}   health {coloured(seen['health']['status'])}"
    )
    checks = Table("check", "status", "output", box=None, header_style="bold")
    for name, results in seen["health"].get("checks", {}).items():
        for result in results:
            checks.add_row(
                name.removesuffix(":responseTime"),
                coloured(result["status"]),
                escape(result.get("output", "")),
            )
    console.print(checks)
    breakers = Table("breaker", "state", "failures", box=None, header_style="bold")
    for breaker in seen["breakers"]:
        breakers.add_row(
            breaker["name"],
            coloured(breaker["state"]),
            f"{breaker['failure_count']} of {breaker['failure_threshold']}",
        )
    console.print(breakers)


def _render_startup(seen: dict[str, Any]) -> None:
    console, whole_s = out_console(), max(seen["duration_s"], 1e-9)
    console.print(
        f"[bold]{escape(seen['outcome'])}[/] in {seen['duration_s'] * 1000:.1f} ms   {seen['started_at'] or ''}"
    )
    table = Table("component", "began ms", "took ms", "", "outcome", box=None, header_style="bold")
    for step in seen["steps"]:
        before, width = int(BAR * step["began_s"] / whole_s), round(BAR * step["duration_s"] / whole_s)
        outcome = step["outcome"] if step["outcome"] != "failed" else f"[red]{escape(step['error'])}[/]"
        table.add_row(
            escape(step["name"]),
            f"{step['began_s'] * 1000:.1f}",
            f"{step['duration_s'] * 1000:.1f}",
            " " * min(before, BAR - 1) + "━" * max(width, 1),
            outcome,
        )
    console.print(table)
