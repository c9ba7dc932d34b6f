"""`arbiter caws`: is this working spec good enough to work from? Judged in this process; no service is needed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Final

from cyclopts import App, Parameter
from rich.markup import escape

from arbiter.cli.console import out_console, print_json, report
from arbiter.errors import ArbiterError
from arbiter.orchestrator.caws.models import Finding, Judgement, Severity
from arbiter.orchestrator.caws.settings import CawsSettings
from arbiter.orchestrator.caws.validator import CawsValidator
from arbiter.orchestrator.cli.options import AsJson, File
from arbiter.orchestrator.cli.session import read

__all__ = ["caws"]

caws = App(name="caws", help="Hold working specs against the rules of CAWS, without a service.")

_PASSED: Final = 0
_FAILED: Final = 1
_NOT_JUDGED: Final = 2
_WIDEST_LINE: Final = 160


@caws.command
def check(
    file: File,
    /,
    *,
    ruleset: Annotated[str | None, Parameter(help="The set of rules; caws-3.4 without it.")] = None,
    json: AsJson = False,
) -> int:
    """Judge a working spec, YAML or JSON.

    Exit codes: 0 it passes; 1 it fails, or needs a waiver; 2 it could not be judged.

    Try: arbiter caws check --ruleset caws-3.4 .caws/working-spec.yaml
    """
    try:
        source = read(file)
        judgement = asyncio.run(CawsValidator(_Unchanging(CawsSettings())).validate(source, ruleset))
    except ArbiterError as error:
        if json:
            print_json(
                {"ruleset": ruleset, "verdict": None, "passed": False, "findings": [], "error": error.message}
            )
        report(error)
        return _NOT_JUDGED
    if json:
        print_json(judgement.model_dump(mode="json"))
    else:
        _show(judgement, file, source.decode(errors="replace").splitlines())
    return _PASSED if judgement.passed else _FAILED


@dataclass(frozen=True, slots=True)
class _Unchanging:
    """Settings that no reload replaces while one command runs."""

    current: CawsSettings


def _show(judgement: Judgement, file: str, lines: Sequence[str]) -> None:
    console = out_console()
    shown: tuple[int, int] | None = None
    for finding in judgement.findings:
        colour = "red" if finding.severity is Severity.ERROR else "yellow"
        where = escape(f"{file}:{finding.line}:{finding.column}")
        words = f"[{colour}]{finding.severity}[/] {finding.code}: {escape(finding.message)}"
        console.print(f"[bold]{where}[/] {words}", soft_wrap=True)
        place = (finding.line, finding.column)
        if place != shown:
            console.print(escape("\n".join(_excerpt(finding, lines))), soft_wrap=True)
        shown = place
        if finding.hint:
            console.print(f"      Hint: {escape(finding.hint)}", soft_wrap=True)
    count = sum(finding.severity is Severity.ERROR for finding in judgement.findings)
    counted = f"{count} error(s), {len(judgement.findings) - count} warning(s)"
    colour = "green" if judgement.passed else "red"
    console.print(f"[bold {colour}]{judgement.verdict}[/] by {judgement.ruleset}: {counted}")


def _excerpt(finding: Finding, lines: Sequence[str]) -> Iterator[str]:
    """The source line with a caret below the place."""
    if finding.line <= len(lines):
        number = f"{finding.line:>5} | "
        yield number + lines[finding.line - 1].replace("\t", " ")[:_WIDEST_LINE]
        if finding.column <= _WIDEST_LINE:
            yield " " * (len(number) + finding.column - 1) + "^"
