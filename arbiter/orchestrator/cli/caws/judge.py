"""`arbiter caws check`: one spec, the change made under it, a verdict and an exit code."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Final, Literal

from cyclopts import Parameter

from arbiter.cli.console import print_json, report
from arbiter.errors import ArbiterError
from arbiter.orchestrator.caws.judging import judge
from arbiter.orchestrator.caws.models import Judgement, NotAMapping, wire
from arbiter.orchestrator.caws.record import Record, entry_of
from arbiter.orchestrator.caws.rulesets import DEFAULT_RULESET, ruleset_named
from arbiter.orchestrator.cli.caws.gather import Given, gathered
from arbiter.orchestrator.cli.caws.show import show, show_refusal
from arbiter.orchestrator.cli.files import read
from arbiter.orchestrator.cli.options import AsJson, File

__all__ = ["check"]

_PASSED: Final = 0
_FAILED: Final = 1
_NOT_JUDGED: Final = 2
_NOTHING_GIVEN: Final = Given()

Format = Literal["text", "json", "sarif"]


def check(
    file: File,
    /,
    given: Given = _NOTHING_GIVEN,
    *,
    ruleset: Annotated[
        str | None,
        Parameter(help="caws-3.4 (without it), caws-8, caws-12, arbiter, or one of them and +arbiter."),
    ] = None,
    record: Annotated[
        str, Parameter(help="Append the verdict to this chained record.", show_default=False)
    ] = "",
    format: Annotated[Format, Parameter(help="How to answer.")] = "text",  # noqa: A002  the option's name
    json: AsJson = False,
) -> int:
    """Judge a working spec, and the change made under it; the help stands with the command."""
    shape: Format = "json" if json else format
    source = b""
    try:
        source = read(file)
        rules = ruleset_named(DEFAULT_RULESET if ruleset is None else ruleset)
        evidence = gathered(file, given)
        judgement = judge(source, rules, evidence, evidence.now or datetime.now(UTC))
        if record:
            judgement = replace(judgement, record=Record(record).append(entry_of(source, judgement)))
    except (ArbiterError, OSError) as error:
        _show_refusal(error, shape, ruleset, file, source)
        return _NOT_JUDGED
    _show(judgement, shape, file, source)
    return _PASSED if judgement.passed else _FAILED


def _show(judgement: Judgement, shape: Format, file: str, source: bytes) -> None:
    if shape == "json":
        print_json(wire(judgement))
    elif shape == "sarif":
        from arbiter._version import __version__  # noqa: PLC0415
        from arbiter.orchestrator.caws.sarif import sarif_of  # noqa: PLC0415  only where it is asked for

        print_json(sarif_of(judgement, file, __version__))
    else:
        show(judgement, file, _lines(source))


def _show_refusal(
    error: ArbiterError | OSError, shape: Format, ruleset: str | None, file: str, source: bytes
) -> None:
    """In the shape that was asked for, and to a person in any case."""
    words = error.message if isinstance(error, ArbiterError) else str(error)
    if shape == "json":
        print_json({"ruleset": ruleset, "verdict": None, "passed": False, "findings": [], "error": words})
    elif shape == "sarif":
        from arbiter._version import __version__  # noqa: PLC0415
        from arbiter.orchestrator.caws.sarif import sarif_of_refusal  # noqa: PLC0415

        place = (error.line, error.column) if isinstance(error, NotAMapping) else None
        print_json(sarif_of_refusal(words, file, __version__, place))
    if isinstance(error, NotAMapping):
        show_refusal(error, file, _lines(source))
    else:
        report(error)


def _lines(source: bytes) -> list[str]:
    return source.decode(errors="replace").splitlines()
