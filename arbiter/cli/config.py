"""`arbiter config`: what the settings are, and where each value comes from."""

from __future__ import annotations

import dataclasses

from cyclopts import App as CommandLine
from rich.markup import escape
from rich.table import Table

from arbiter.cli.console import out_console, print_json
from arbiter.cli.options import Chosen, Json
from arbiter.errors import ConfigurationError
from arbiter.settings.present import Entry, entries, nearest_keys

__all__ = ["commands"]

commands = CommandLine(name="config", help="Show the effective settings and their sources.")

EVERYTHING = Chosen()


@commands.command(name="show")
def show(chosen: Chosen = EVERYTHING, *, json: Json = False) -> int:
    """Show every key with its value and source; secrets are masked.

    Examples:
        arbiter config show
        arbiter config show --env production --json
    """
    container = chosen.load().container
    container.settings()
    found = entries(container.settings.source().snapshot)
    if json:
        print_json({entry.key: _as_json(entry) for entry in found})
        return 0
    table = Table("key", "value", "source", "reload", box=None, header_style="bold")
    for entry in found:
        table.add_row(entry.key, escape(_words(entry.value)), escape(entry.source), entry.reload)
    out_console().print(table)
    return 0


@commands.command(name="get")
def get(key: str, chosen: Chosen = EVERYTHING, *, json: Json = False) -> int:
    """Show one key: its value and where that comes from.

    Args:
        key: the dotted key, such as routing.exploration_rate.

    Examples:
        arbiter config get routing.exploration_rate
        arbiter config get server.port --env staging --json
    """
    container = chosen.load().container
    container.settings()
    snapshot = container.settings.source().snapshot
    found = next((entry for entry in entries(snapshot) if entry.key == key.lower()), None)
    if found is None:
        hint = nearest_keys(snapshot, key) or "arbiter config show lists every key."
        raise ConfigurationError(f"There is no settings key {key!r}.", hint=hint)
    if json:
        print_json({"key": found.key, **_as_json(found)})
    else:
        out_console().print(
            f"{escape(_words(found.value))}  [dim]({escape(found.source)})[/]", soft_wrap=True
        )
    return 0


def _as_json(entry: Entry) -> dict[str, object]:
    shown = dataclasses.asdict(entry)
    del shown["key"]
    return shown


def _words(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case None | "":
            return "-"
        case _:
            return str(value)
