"""Findings about other files than the spec."""

from __future__ import annotations

from dataclasses import replace

from arbiter.orchestrator.caws.models import Finding, NotAMapping, Severity

__all__ = ["about_file", "in_file", "unreadable"]


def in_file(finding: Finding, name: str) -> Finding:
    """The finding, as one about that file."""
    return replace(finding, file=name)


def about_file(code: str, name: str, message: str, hint: str, severity: Severity = Severity.ERROR) -> Finding:
    """A finding about a file as a whole."""
    return Finding(
        code=code, severity=severity, path="", line=1, column=1, message=message, hint=hint, file=name
    )


def unreadable(code: str, name: str, error: NotAMapping) -> Finding:
    """A finding that a YAML file cannot be read, where reading stopped."""
    return Finding(
        code=code,
        severity=Severity.ERROR,
        path="",
        line=error.line,
        column=error.column,
        message=error.reason,
        hint="One YAML or JSON document is expected, whose top is a mapping.",
        file=name,
    )
