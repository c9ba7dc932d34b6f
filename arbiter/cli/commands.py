"""The framework's commands: run, check, config, status; and the applications' own, joined by entry point."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import entry_points

from cyclopts import App as CommandLine
from cyclopts import CycloptsError

from arbiter._version import __version__
from arbiter.app import ExitCode
from arbiter.cli import config, serve, status
from arbiter.cli.console import report
from arbiter.errors import ArbiterError, ConfigurationError

__all__ = ["build", "run"]

# As shells have it: a misused command, one that Ctrl-C ended (128+2), one whose reader went away (128+13).
USAGE_ERROR = 2
INTERRUPTED = 130
BROKEN_PIPE = 141
EXTENSIONS = "arbiter.commands"


def run(arguments: Sequence[str]) -> int:
    """Carry out one command line and return its exit code; errors are reported, never raised."""
    try:
        result = build()(list(arguments), exit_on_error=False, print_error=True, result_action="return_value")
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


def _exit_code(error: Exception) -> int:
    match error:
        case ConfigurationError():
            return ExitCode.CONFIGURATION
        case ArbiterError():
            return 1
        case _:
            return ExitCode.INTERNAL


def build() -> CommandLine:
    """The whole command line."""
    line = CommandLine(
        name="arbiter",
        version=__version__,
        help="Run and steer an ARBITER application. Every command has --help and --json.",
    )
    line.command(serve.run_application, name="run")
    line.command(serve.check_application, name="check")
    line.command(config.commands, name="config")
    line.command(status.show_status, name="status")
    for extension in entry_points(group=EXTENSIONS):
        line.update(extension.load())
    return line
