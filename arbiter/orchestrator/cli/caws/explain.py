"""`arbiter caws explain` and `arbiter caws rules`: what is asked of a spec, and who says so."""

from __future__ import annotations

import dataclasses
import difflib
import sys
from collections.abc import Iterator
from typing import Annotated

from cyclopts import Parameter
from rich.markup import escape
from rich.table import Table

from arbiter.cli.console import out_console, print_json
from arbiter.errors import NotFound
from arbiter.orchestrator.caws.catalogue import CATALOGUE, RuleInfo
from arbiter.orchestrator.caws.rulesets import RULESETS, ruleset_named
from arbiter.orchestrator.cli.options import AsJson

__all__ = ["RuleUnknown", "explain", "rules"]


class RuleUnknown(NotFound):
    """No rule has that code."""

    code = "rule-unknown"

    def __init__(self, name: str) -> None:
        near = difflib.get_close_matches(name, CATALOGUE, n=3, cutoff=0.4)
        hint = f"Near: {', '.join(near)}." if near else "arbiter caws rules lists them."
        super().__init__(f"no rule is named {name!r}", hint=hint)


def explain(
    rule: Annotated[str, Parameter(help="The rule's code, as findings show it.")], /, *, json: AsJson = False
) -> int:
    """Explain a rule; the help stands with the command."""
    known = CATALOGUE.get(rule) or CATALOGUE.get(rule.upper()) or CATALOGUE.get(rule.lower())
    if known is None:
        raise RuleUnknown(rule)
    if json:
        print_json(dataclasses.asdict(known))
        return 0
    console = out_console()
    console.print(f"[bold]{known.code}[/] ({known.severity}; {', '.join(known.rulesets)})")
    for label, words in (("What", known.about), ("Mend", known.mend), ("From", known.source)):
        console.print(f"  [bold]{label}:[/] {escape(words)}", soft_wrap=True)
    return 0


def rules(
    *,
    ruleset: Annotated[str | None, Parameter(help="Only the rules that a spec meets under this set.")] = None,
    markdown: Annotated[
        bool, Parameter(negative="", show_default=False, help="Answer as a page, with mends and sources.")
    ] = False,
    json: AsJson = False,
) -> int:
    """List the rule sets and their rules; the help stands with the command."""
    chosen = list(CATALOGUE.values()) if ruleset is None else _rules_of(ruleset)
    if markdown:
        sys.stdout.write("\n".join(_page(chosen)) + "\n")
        return 0
    if json:
        sets = {name: known.source for name, known in RULESETS.items()}
        print_json({"rulesets": sets, "rules": [dataclasses.asdict(rule) for rule in chosen]})
        return 0
    console = out_console()
    for name, known in RULESETS.items():
        console.print(f"[bold]{name}[/]: {escape(known.source)}", soft_wrap=True)
    table = Table("rule", "severity", "rule sets", "what it says", box=None, header_style="bold")
    for rule in chosen:
        table.add_row(rule.code, rule.severity, ", ".join(rule.rulesets), escape(rule.about))
    console.print(table)
    return 0


def _page(chosen: list[RuleInfo]) -> Iterator[str]:
    yield "# The rules of CAWS, one by one"
    yield ""
    yield "Written by `arbiter caws rules --markdown`. What a rule set is, and what else is held against a spec: [caws.md](caws.md)."
    for rulesets in dict.fromkeys(rule.rulesets for rule in chosen):
        yield from ("", f"## {_title(rulesets)}", "")
        yield from ("| rule | severity | what it says | mend | from |", "|---|---|---|---|---|")
        for rule in chosen:
            if rule.rulesets == rulesets:
                cells = (f"`{rule.code}`", rule.severity, rule.about, rule.mend, rule.source)
                yield f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


def _title(rulesets: tuple[str, ...]) -> str:
    return "Under every rule set" if "every" in rulesets else f"Under {' and '.join(rulesets)}"


def _rules_of(ruleset: str) -> list[RuleInfo]:
    names = {"every", *ruleset_named(ruleset).name.split("+")}
    return [rule for rule in CATALOGUE.values() if names & set(rule.rulesets)]
