"""The framework's commands: run, check, config, status, breakers, new; and the applications' own, joined by entry point."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.metadata import entry_points

from cyclopts import App as CommandLine
from cyclopts import CycloptsError

from arbiter._version import __version__
from arbiter.cli.console import report
from arbiter.errors import ArbiterError, ConfigurationError, ContainerError, StartError
from arbiter.hidden import hidden

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
    "run": ("arbiter.cli.serve:run_application", "Start the application and serve until SIGTERM or Ctrl-C."),
    "check": (
        "arbiter.cli.serve:check_application",
        "Check the settings and the container, and start nothing.",
    ),
    "config": ("arbiter.cli.config:commands", "Show, compare, document and reload the settings."),
    "graph": (
        "arbiter.cli.graph:show_graph",
        "Show the graph of components: kinds, life spans, guards and the start order.",
    ),
    "health": (
        "arbiter.cli.health:show_health",
        "Show how each check of a running instance is.",
    ),
    "status": (
        "arbiter.cli.status:show_status",
        "Show how a running instance is: readiness, every check, every circuit breaker.",
    ),
    "breakers": (
        "arbiter.cli.breakers:commands",
        "Show and steer the circuit breakers of a running instance.",
    ),
    "trace": (
        "arbiter.cli.trace:show_trace",
        "Show where the time of one request went: its spans as a tree, with the log lines of each.",
    ),
    "new": (
        "arbiter.cli.new:new_application",
        "Write a new application into the folder NAME: components, settings, composition, tests, a Makefile.",
    ),
}
"""Where each command is, imported when it is called; and what it is for, in its own first words, for the list of all."""
HELP = ("--help", "-h")
LOGGING = ("run", "check")
"""Commands that start an application and its logs; others show tables, or are a hook that must load nothing."""


def run(arguments: Sequence[str]) -> int:
    """Carry out one command line and return its exit code; errors are reported, never raised."""
    try:
        _check_propagators()
        if arguments and arguments[0] in LOGGING:
            _import_structlog()
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


def _import_structlog() -> None:
    """Without rich, which it would import to draw tracebacks that show all locals: in nobody's log here, nor on a screen."""
    with hidden("rich"):
        import structlog  # noqa: F401, PLC0415


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
        listing: whether all commands are to be listed: with what is said of them here, and none is imported for it.
    """
    line = CommandLine(
        name="arbiter",
        version=__version__,
        help="Run and steer an ARBITER application. Every command has --help and --json.",
    )
    for name, (target, summary) in COMMANDS.items():
        line.command(target, name=name, **({"help": summary} if listing else {}))
    for extension in entry_points(group=EXTENSIONS):
        line.update(extension.load())
    return line
