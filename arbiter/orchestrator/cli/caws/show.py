"""A judgement for a person: each finding with its source line and a caret, then budget, gates, waivers and the verdict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import Console
from rich.markup import escape

from arbiter.cli.console import out_console
from arbiter.orchestrator.caws.models import Finding, GateStatus, Judgement, Severity, Standing

__all__ = ["show"]

_WIDEST_LINE: Final = 160
_COLOURS: Final = {
    Severity.ERROR: "red",
    Severity.HIGH: "red",
    Severity.WARNING: "yellow",
    Severity.MEDIUM: "yellow",
    Severity.LOW: "cyan",
}
_MARKS: Final = {
    GateStatus.PASSED: "[green]holds[/]",
    GateStatus.FAILED: "[red]fails[/]",
    GateStatus.WAIVED: "[yellow]waived[/]",
    GateStatus.WARNED: "[yellow]warns[/]",
}


def show(judgement: Judgement, file: str, lines: Sequence[str]) -> None:
    """Print it.

    Args:
        judgement: what was said.
        file: what to call the spec.
        lines: the spec's own.
    """
    console = out_console()
    _show_findings(console, judgement, file, lines)
    if len(judgement.gates) > 1:
        _show_gates(console, judgement)
    _show_waivers(console, judgement)
    _show_steps(console, judgement)
    count = sum(finding.severity.fails for finding in judgement.findings)
    counted = f"{count} error(s), {len(judgement.findings) - count} warning(s)"
    colour = "green" if judgement.passed else "red"
    console.print(f"[bold {colour}]{judgement.verdict}[/] by {judgement.ruleset}: {counted}")


def _show_findings(console: Console, judgement: Judgement, file: str, lines: Sequence[str]) -> None:
    shown: tuple[str, int, int] | None = None
    for finding in judgement.findings:
        colour = _COLOURS[finding.severity]
        where = escape(f"{finding.file or file}:{finding.line}:{finding.column}")
        words = f"[{colour}]{finding.severity}[/] {finding.code}: {escape(finding.message)}"
        console.print(f"[bold]{where}[/] {words}", soft_wrap=True)
        place = (finding.file, finding.line, finding.column)
        if place != shown and not finding.file:
            console.print(escape("\n".join(_excerpt(finding, lines))), soft_wrap=True)
        shown = place
        if finding.hint:
            console.print(f"      Hint: {escape(finding.hint)}", soft_wrap=True)


def _show_gates(console: Console, judgement: Judgement) -> None:
    for gate in judgement.gates:
        lifted = f" (by {', '.join(gate.waivers)})" if gate.waivers else ""
        console.print(f"{_MARKS[gate.status]} {gate.gate}: {escape(gate.message + lifted)}", soft_wrap=True)


def _show_waivers(console: Console, judgement: Judgement) -> None:
    for use in judgement.waivers:
        if use.standing is Standing.APPLIED and use.applied_at is not None:
            by = ", ".join(use.approvers)
            until = f", until {use.expires_at:%Y-%m-%d}" if use.expires_at else ""
            words = f"waiver {use.id} applied at {use.applied_at:%Y-%m-%dT%H:%M:%SZ}, approved by {by}{until}"
            console.print(escape(words), soft_wrap=True)


def _show_steps(console: Console, judgement: Judgement) -> None:
    if len(judgement.gates) > 1 and judgement.remediation:
        console.print("[bold]To pass:[/]")
        for number, step in enumerate(judgement.remediation, start=1):
            console.print(f"  {number}. {escape(step)}", soft_wrap=True)


def _excerpt(finding: Finding, lines: Sequence[str]) -> Iterator[str]:
    """The source line with a caret below the place."""
    if finding.line <= len(lines):
        number = f"{finding.line:>5} | "
        yield number + lines[finding.line - 1].replace("\t", " ")[:_WIDEST_LINE]
        if finding.column <= _WIDEST_LINE:
            yield " " * (len(number) + finding.column - 1) + "^"
