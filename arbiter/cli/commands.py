"""The framework's commands: run, check, config, status, breakers, new; and the applications' own, joined by entry point."""

from __future__ import annotations

import os
import pkgutil
from collections.abc import Sequence
from importlib.metadata import entry_points

from cyclopts import App as CommandLine
from cyclopts import CycloptsError

from arbiter._version import __version__
from arbiter.cli.console import report
from arbiter.errors import ArbiterError, ConfigurationError, ContainerError, StartError

__all__ = ["build", "run"]

# As shells and sysexits.h have it: a misused command, one that Ctrl-C ended (128+2), one whose reader went away (128+13).
USAGE_ERROR = 2
START_FAILED = 3
CONFIGURATION = 78
INTERNAL = 70
INTERRUPTED = 130
BROKEN_PIPE = 141
EXTENSIONS = "arbiter.commands"
COMMANDS = {
    "run": "arbiter.cli.serve:run_application",
    "check": "arbiter.cli.serve:check_application",
    "config": "arbiter.cli.config:commands",
    "graph": "arbiter.cli.graph:show_graph",
    "status": "arbiter.cli.status:show_status",
    "breakers": "arbiter.cli.breakers:commands",
    "trace": "arbiter.cli.trace:show_trace",
    "new": "arbiter.cli.new:new_application",
}
"""Where each command is: imported when it is called, or when `--help` lists them all."""
HELP = ("--help", "-h")


def run(arguments: Sequence[str]) -> int:
    """Carry out one command line and return its exit code; errors are reported, never raised."""
    try:
        _check_propagators()
        line = build(listing=not arguments or arguments[0] in HELP)
        result = line(list(arguments), exit_on_error=False, print_error=True, result_action="return_value")
    except CycloptsError:
        return USAGE_ERROR
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return BROKEN_PIPE
    except Exception as error:  # noqa: BLE001  the command line's last word: a sentence, a traceback on request
        report(error)
        return _exit_code(error)
    return result if isinstance(result, int) else 0


def _check_propagators() -> None:
    """OpenTelemetry raises for a misspelt OTEL_PROPAGATORS wherever it is first imported: say it before, in words."""
    if os.environ.get("OTEL_PROPAGATORS"):
        from arbiter.observability.propagation import propagator_of  # noqa: PLC0415  most command lines need it not

        propagator_of(os.environ)


def _exit_code(error: Exception) -> int:
    match error:
        case ConfigurationError():
            return CONFIGURATION
        case StartError() | ContainerError():
            return START_FAILED
        case ArbiterError():
            return 1
        case _:
            return INTERNAL


def build(*, listing: bool = True) -> CommandLine:
    """The whole command line.

    Args:
        listing: whether all commands are to be listed with what they are for, which only their modules say.
    """
    line = CommandLine(
        name="arbiter",
        version=__version__,
        help="Run and steer an ARBITER application. Every command has --help and --json.",
    )
    for name, target in COMMANDS.items():
        line.command(pkgutil.resolve_name(target) if listing else target, name=name)
    for extension in entry_points(group=EXTENSIONS):
        line.update(extension.load())
    return line
