"""`arbiter run` and `arbiter check`."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence

from arbiter.app import ExitCode, Ready
from arbiter.cli import collecting
from arbiter.cli.console import error_console, out_console, print_json, report, show_tracebacks
from arbiter.cli.options import Chosen, Json, Traceback
from arbiter.container.problems import GraphInvalid, Problem
from arbiter.errors import ConfigurationError

__all__ = ["check_application", "run_application"]

EVERYTHING = Chosen()


def run_application(chosen: Chosen = EVERYTHING, *, json: Json = False, traceback: Traceback = False) -> int:
    """Start the application and serve until SIGTERM or Ctrl-C.

    Examples:
        arbiter run
        arbiter run --env staging
        arbiter run --set server.port=8080 --set observability.log_level=debug
        arbiter run --traceback

    Exit codes: 0 clean, 1 a component failed to stop, 3 the start failed, 78 settings, 124 the stop took too long.
    """
    if traceback:
        show_tracebacks()

    def announce(ready: Ready) -> None:
        collecting.when_started()
        if json:
            print_json(dataclasses.asdict(ready))
            return
        _announce(ready)

    from arbiter.cli.opening import (  # noqa: PLC0415  brings the server with it, which a check needs not
        ends_at_once,
        open_management,
    )

    with ends_at_once():
        management = open_management(chosen.sources())
        try:
            application = chosen.load()
        except BaseException:
            if management is not None:
                management.stop()
            raise
        return application.run(on_ready=announce, report=report, management=management)


def _announce(ready: Ready) -> None:
    from rich.markup import escape  # noqa: PLC0415  a service that starts needs no rich until it has

    console = error_console()
    lines = [
        *([("serving", ready.url)] if ready.url else []),
        ("management", f"{ready.management_url}/readyz /healthz /metrics /info /config"),
    ]
    console.print(f"\n  [bold green]Ready[/] in {ready.start_s:.2f} s ({escape(ready.environment)})")
    for label, text in (*lines, *ready.greeting, ("stop", "Ctrl-C")):
        console.print(f"  {label:<12} {escape(text)}", soft_wrap=True)
    console.print()
    sys.stderr.flush()


def check_application(chosen: Chosen = EVERYTHING, *, json: Json = False) -> int:
    """Check the settings and the container, and start nothing.

    Every problem is reported at once: settings that are wrong, providers whose arguments do not fit, cycles, undefined
    dependencies.

    Examples:
        arbiter check
        arbiter check --env production --json

    Exit codes: 0 all is well, 3 the container has problems, 78 the settings have.
    """
    try:
        container = chosen.load().container
        container.settings()
    except ConfigurationError as error:
        if json:
            print_json({"ok": False, "settings": str(error), "problems": []})
        else:
            report(error)
        return ExitCode.CONFIGURATION
    except GraphInvalid as invalid:  # so wrong that no container can be made
        return _judge(invalid.problems, "", json=json)
    warnings = container.settings.source().snapshot.warnings
    environment = container.settings.environment()
    return _judge(container.validate(), environment, warnings, json=json)


def _judge(
    problems: Sequence[Problem], environment: str, warnings: Sequence[str] = (), *, json: bool
) -> ExitCode:
    if json:
        shown = [dataclasses.asdict(problem) for problem in problems]
        print_json({"ok": not problems, "problems": shown, "warnings": warnings})
    else:
        _tell(problems, environment, warnings)
    return ExitCode.START_FAILED if problems else ExitCode.CLEAN


def _tell(problems: Sequence[Problem], environment: str, warnings: Sequence[str]) -> None:
    from rich.markup import escape  # noqa: PLC0415  see above

    for warning in warnings:
        error_console().print(f"[bold yellow]Warning:[/] {escape(warning)}", soft_wrap=True)
    for problem in problems:
        error_console().print(f"[bold red]Error:[/] {escape(str(problem))}", soft_wrap=True)
    if not problems:
        out_console().print(f"The settings of {environment} are valid, and every provider's arguments fit.")
