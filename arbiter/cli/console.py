"""How the command line speaks: JSON for scripts on stdout, words for people, and every error in one shape.

A failure is Description, Cause and Hint on stderr; a traceback appears only when `--traceback` or `ARBITER_TRACEBACK=1` asks for it.
"""

from __future__ import annotations

import os
import sys
import threading
import traceback
from typing import TYPE_CHECKING

import orjson

from arbiter.errors import ArbiterError

if TYPE_CHECKING:  # rich costs as much as half a command; one that answers in JSON needs none of it
    from rich.console import Console

__all__ = ["error_console", "out_console", "print_json", "report", "show_tracebacks"]


_asked = threading.Event()


def show_tracebacks() -> None:
    """From now on `report` shows where a failure came from."""
    _asked.set()


def out_console() -> Console:
    """Where results go: coloured on a terminal, plain in a pipe."""
    from rich.console import Console  # noqa: PLC0415

    return Console(highlight=False)


def error_console() -> Console:
    """Where errors and progress go, so that results can be piped."""
    from rich.console import Console  # noqa: PLC0415

    return Console(stderr=True, highlight=False)


def print_json(value: object) -> None:
    """Write one JSON document, indented, with a newline at its end.

    Args:
        value: anything that orjson writes: dicts, lists, dataclasses, datetimes (RFC 3339, as the API writes them).
    """
    form = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z
    sys.stdout.buffer.write(orjson.dumps(value, option=form))
    sys.stdout.flush()


def report(error: BaseException) -> None:
    """Tell a person what happened: Description, Cause (the chain of causes), Hint."""
    from rich.markup import escape  # noqa: PLC0415

    console = error_console()
    message, hint = _words(error)
    console.print(f"[bold red]Error:[/] {escape(message)}", soft_wrap=True)
    # Each once: a library may raise the same anew at each of its levels.
    for cause in dict.fromkeys(_words(cause)[0] for cause in _causes(error)):
        console.print(f"[bold]Cause:[/] {escape(cause)}", soft_wrap=True)
    if hint:
        console.print(f"[bold]Hint:[/]  {escape(hint)}", soft_wrap=True)
    if _asked.is_set() or os.environ.get("ARBITER_TRACEBACK") == "1":
        traceback.print_exception(error, file=sys.stderr)


def _words(error: BaseException) -> tuple[str, str]:
    if isinstance(error, ArbiterError):
        return error.message, error.hint
    if isinstance(error, BaseExceptionGroup):
        return error.message, ""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__, ""


def _causes(error: BaseException) -> list[BaseException]:
    """What led to `error`, outermost first: members of groups, then the chain of `__cause__`."""
    found: list[BaseException] = []
    waiting = _next(error)
    while waiting and len(found) < 20:
        cause = waiting.pop(0)
        found.append(cause)
        waiting[:0] = _next(cause)
    return found


def _next(error: BaseException) -> list[BaseException]:
    members: list[BaseException] = list(error.exceptions) if isinstance(error, BaseExceptionGroup) else []
    return members if error.__cause__ is None else [*members, error.__cause__]
