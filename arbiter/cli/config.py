"""`arbiter config`: what the settings are, where each value comes from, what may be written, and the reload."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

from cyclopts import App as CommandLine
from cyclopts import Parameter
from rich.markup import escape
from rich.table import Table

from arbiter.cli.console import out_console, print_json
from arbiter.cli.options import Chosen, Json, Management, Token
from arbiter.cli.reloading import Reloaded, ask_to_reload
from arbiter.errors import ConfigurationError
from arbiter.settings.present import Difference, Entry, differences, entries, nearest_keys
from arbiter.settings.reference import reference
from arbiter.settings.schema import file_schema
from arbiter.settings.snapshot import Snapshot

__all__ = ["commands"]

commands = CommandLine(name="config", help="Show, compare, document and reload the settings.")

EVERYTHING = Chosen()


@commands.command(name="show")
def show(chosen: Chosen = EVERYTHING, *, json: Json = False) -> int:
    """Show every key with its value, its source and what that overrode; secrets are masked.

    Examples:
        arbiter config show
        arbiter config show --env production --json
    """
    found = entries(_in_force(chosen))
    if json:
        print_json({entry.key: _as_json(entry) for entry in found})
        return 0
    table = _table("key", "value", "source", "overrode", "reload")
    for entry in found:
        covered = ", ".join(f"{_words(one.value)} ({one.source})" for one in entry.overrode)
        table.add_row(
            entry.key, escape(_words(entry.value)), escape(entry.source), escape(covered), entry.reload
        )
    out_console().print(table)
    return 0


@commands.command(name="get")
def get(key: str, chosen: Chosen = EVERYTHING, *, json: Json = False) -> int:
    """Show one key: its value, where that comes from, and what it overrode.

    Args:
        key: the dotted key, such as routing.exploration_rate.

    Examples:
        arbiter config get routing.exploration_rate
        arbiter config get server.port --env staging --json
    """
    snapshot = _in_force(chosen)
    found = next((entry for entry in entries(snapshot) if entry.key == key.lower()), None)
    if found is None:
        hint = nearest_keys(snapshot, key) or "arbiter config show lists every key."
        raise ConfigurationError(f"There is no settings key {key!r}.", hint=hint)
    if json:
        print_json({"key": found.key, **_as_json(found)})
        return 0
    console = out_console()
    console.print(f"{escape(_words(found.value))}  [dim]({escape(found.source)})[/]", soft_wrap=True)
    for one in found.overrode:
        console.print(
            f"  [dim]overrode {escape(_words(one.value))}  ({escape(one.source)})[/]", soft_wrap=True
        )
    return 0


@commands.command(name="diff")
def diff(environment: str, other: str, chosen: Chosen = EVERYTHING, *, json: Json = False) -> int:
    """Show which keys differ between two environments. Placeholders of secrets are let pass: nothing is started.

    Args:
        environment: such as development.
        other: such as production.

    Examples:
        arbiter config diff development production
        arbiter config diff staging production --json
    """
    settings = chosen.load().container.settings
    one, two = settings.inspect(environment), settings.inspect(other)
    found = differences(one, two)
    if json:
        print_json({each.key: _difference_as_json(each) for each in found})
        return 0
    table = _table("key", one.environment, two.environment)
    for each in found:
        table.add_row(each.key, _sided(each.one), _sided(each.other))
    out_console().print(table)
    return 0


@commands.command(name="schema")
def schema(chosen: Chosen = EVERYTHING, *, json: Json = True) -> int:  # noqa: ARG001  there is no other form
    """Write the JSON Schema of settings.toml, for editors: save it, and name it in the file's first line.

    Examples:
        arbiter config schema > settings.schema.json
        # and in settings.toml:   #:schema ./settings.schema.json
    """
    print_json(file_schema(chosen.load().container.settings.settings_type))
    return 0


@commands.command(name="docs")
def docs(chosen: Chosen = EVERYTHING, *, json: Json = False) -> int:
    """Write the reference of all keys as Markdown.

    Examples:
        arbiter config docs > docs/configuration.md
    """
    page = reference(chosen.load().container.settings.settings_type)
    if json:
        print_json({"markdown": page})
    else:
        print(page, end="")  # noqa: T201  as it is: a console would wrap it
    return 0


@commands.command(name="reload")
def reload(
    chosen: Chosen = EVERYTHING,
    *,
    management: Management = None,
    token: Token = None,
    dry_run: Annotated[
        bool, Parameter(name="--dry-run", negative="", help="Only say what it would do.")
    ] = False,
    json: Json = False,
) -> int:
    """Let a running instance read its settings anew.

    Examples:
        arbiter config reload
        arbiter config reload --dry-run --json

    Exit codes: 0 applied or nothing to do, 1 rejected (what was in force stays) or not reachable, 2 not allowed,
    78 the settings on disk are not valid.
    """
    result = ask_to_reload(chosen, management, token, dry_run=dry_run)
    if json:
        print_json(result.document)
    else:
        _say(result, dry_run=dry_run)
    return result.exit_code


def _in_force(chosen: Chosen) -> Snapshot[Any]:
    container = chosen.load().container
    container.settings()
    return container.settings.source().snapshot


def _table(*titles: str) -> Table:
    table = Table(box=None, header_style="bold")
    for title in titles:
        table.add_column(title, overflow="fold")  # a key that ends in dots is no key
    return table


def _as_json(entry: Entry) -> dict[str, object]:
    shown = dataclasses.asdict(entry)
    del shown["key"]
    return shown


def _difference_as_json(found: Difference) -> dict[str, object]:
    return {
        side: None if entry is None else {"value": entry.value, "source": entry.source}
        for side, entry in (("one", found.one), ("other", found.other))
    }


def _sided(entry: Entry | None) -> str:
    if entry is None:
        return "[dim]no such key[/]"
    return f"{escape(_words(entry.value))}  [dim]({escape(entry.source)})[/]"


def _say(result: Reloaded, *, dry_run: bool) -> None:
    console, document = out_console(), result.document
    if "outcome" not in document:
        console.print(f"[bold red]{escape(str(document.get('title', 'refused')))}[/]", soft_wrap=True)
        console.print(escape(str(document.get("detail", ""))), soft_wrap=True)
        for fault in document.get("errors", ()):
            console.print(f"  {escape(str(fault.get('message', fault)))}", soft_wrap=True)
        return
    verb = "it would be " if dry_run else ""
    console.print(f"{verb}[bold]{document['outcome']}[/], generation {document['generation']}")
    for label, keys in (("changed", document["changed"]), ("needs a restart", document["restart_required"])):
        for key in keys:
            console.print(f"  {label}: {escape(str(key))}")


def _words(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case None | "":
            return "-"
        case _:
            return str(value)
