"""`arbiter caws verify-record`: was any verdict of the record changed afterwards?"""

from __future__ import annotations

import dataclasses
from typing import Annotated

from cyclopts import Parameter
from rich.markup import escape

from arbiter.cli.console import out_console, print_json, report
from arbiter.orchestrator.caws.record import verified
from arbiter.orchestrator.cli.files import FileUnreadable, read
from arbiter.orchestrator.cli.options import AsJson, File

__all__ = ["verify_record"]


def verify_record(
    file: File,
    /,
    *,
    head: Annotated[
        str,
        Parameter(help="A hash that an earlier look printed: it must still be there.", show_default=False),
    ] = "",
    json: AsJson = False,
) -> int:
    """Check a chained record; the help stands with the command."""
    try:
        found = verified(read(file), head)
    except FileUnreadable as error:
        report(error)
        return 2
    if json:
        print_json({"intact": not found.faults, **dataclasses.asdict(found)})
        return 1 if found.faults else 0
    console = out_console()
    for fault in found.faults:
        console.print(f"[red]broken[/] {escape(fault)}", soft_wrap=True)
    state = "[bold red]tampered with[/]" if found.faults else "[bold green]intact[/]"
    console.print(f"{state}: {found.entries} entries, head {found.head}", soft_wrap=True)
    return 1 if found.faults else 0
