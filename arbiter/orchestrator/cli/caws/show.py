"""A judgement for a person: each finding with its source line and a caret, then budget, gates, waivers and the verdict.

Written without rich: in a pre-commit hook the import of it would be a fifth of what a person waits for.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from typing import Final, Protocol, TextIO

from arbiter.orchestrator.caws.models import (
    GateStatus,
    Judgement,
    NotAMapping,
    Severity,
    Standing,
)

__all__ = ["show", "show_refusal"]

_WIDEST_LINE: Final = 160
_ANSI: Final = {"bold": "1", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
_COLOURS: Final = {
    Severity.ERROR: "red",
    Severity.HIGH: "red",
    Severity.WARNING: "yellow",
    Severity.MEDIUM: "yellow",
    Severity.LOW: "cyan",
}
_MARKS: Final = {
    GateStatus.PASSED: ("holds", "green"),
    GateStatus.FAILED: ("fails", "red"),
    GateStatus.WAIVED: ("waived", "yellow"),
    GateStatus.WARNED: ("warns", "yellow"),
}


def show(judgement: Judgement, file: str, lines: Sequence[str]) -> None:
    """Print it; coloured on a terminal, unless NO_COLOR is set.

    Args:
        judgement: what was said.
        file: what to call the spec.
        lines: the spec's own.
    """
    _print(_told(judgement, file, lines, _paint_for(sys.stdout)), sys.stdout)


def show_refusal(refusal: NotAMapping, file: str, lines: Sequence[str]) -> None:
    """Print why a document cannot be judged, with the place, where errors go.

    Args:
        refusal: what is wrong.
        file: what to call the spec.
        lines: the spec's own.
    """
    _print(_refused(refusal, file, lines, _paint_for(sys.stderr)), sys.stderr)


def _print(told: Iterator[str], stream: TextIO) -> None:
    encoding = stream.encoding or "utf-8"
    for line in told:
        print(line.encode(encoding, "replace").decode(encoding), file=stream)
    stream.flush()


def _paint_for(stream: TextIO) -> _Paint:
    return _coloured if stream.isatty() and not os.environ.get("NO_COLOR") else _plain


class _Paint(Protocol):
    def __call__(self, text: str, *styles: str) -> str: ...


def _plain(text: str, *styles: str) -> str:
    del styles
    return text


def _coloured(text: str, *styles: str) -> str:
    return f"\x1b[{';'.join(_ANSI[style] for style in styles)}m{text}\x1b[0m"


def _told(judgement: Judgement, file: str, lines: Sequence[str], paint: _Paint) -> Iterator[str]:
    yield from _findings(judgement, file, lines, paint)
    if len(judgement.gates) > 1:
        yield from _gates(judgement, paint)
    yield from _waivers(judgement)
    if len(judgement.gates) > 1 and judgement.remediation:
        yield paint("To pass:", "bold")
        yield from (
            f"  {number}. {_printable(step)}" for number, step in enumerate(judgement.remediation, start=1)
        )
    count = sum(finding.severity.fails for finding in judgement.findings)
    counted = f"{count} error(s), {len(judgement.findings) - count} warning(s)"
    verdict = paint(judgement.verdict, "bold", "green" if judgement.passed else "red")
    yield f"{verdict} by {judgement.ruleset}: {counted}"


def _findings(judgement: Judgement, file: str, lines: Sequence[str], paint: _Paint) -> Iterator[str]:
    shown: tuple[str, int, int] | None = None
    for finding in judgement.findings:
        where = paint(_printable(f"{finding.file or file}:{finding.line}:{finding.column}"), "bold")
        severity = paint(finding.severity, _COLOURS[finding.severity])
        yield f"{where} {severity} {finding.code}: {_printable(finding.message)}"
        place = (finding.file, finding.line, finding.column)
        if place != shown and not finding.file:
            yield from map(_printable, _excerpt(finding.line, finding.column, lines))
        shown = place
        if finding.hint:
            yield f"      Hint: {_printable(finding.hint)}"


def _refused(refusal: NotAMapping, file: str, lines: Sequence[str], paint: _Paint) -> Iterator[str]:
    what = _printable(f"{file}:{refusal.line}:{refusal.column}: {refusal.reason}")
    yield f"{paint('Error:', 'bold', 'red')} {what}"
    yield from map(_printable, _excerpt(refusal.line, refusal.column, lines))
    yield f"{paint('Hint:', 'bold')}  {refusal.hint}"


def _gates(judgement: Judgement, paint: _Paint) -> Iterator[str]:
    for gate in judgement.gates:
        mark, colour = _MARKS[gate.status]
        lifted = f" (by {', '.join(gate.waivers)})" if gate.waivers else ""
        yield f"{paint(mark, colour)} {gate.gate}: {_printable(gate.message + lifted)}"


def _waivers(judgement: Judgement) -> Iterator[str]:
    for use in judgement.waivers:
        if use.standing is Standing.APPLIED and use.applied_at is not None:
            by, until = (
                ", ".join(use.approvers),
                f", until {use.expires_at:%Y-%m-%d}" if use.expires_at else "",
            )
            words = f"waiver {use.id} applied at {use.applied_at:%Y-%m-%dT%H:%M:%SZ}, approved by {by}{until}"
            yield _printable(words)


def _printable(text: str) -> str:
    """The text without control characters: a spec must not be able to write on the terminal as it likes."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def _excerpt(line: int, column: int, lines: Sequence[str]) -> Iterator[str]:
    """The source line with a caret below the place."""
    if line <= len(lines):
        number = f"{line:>5} | "
        yield number + lines[line - 1].replace("\t", " ")[:_WIDEST_LINE]
        if column <= _WIDEST_LINE:
            yield " " * (len(number) + column - 1) + "^"
