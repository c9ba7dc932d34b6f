"""`arbiter caws check`: one spec, the change made under it, a verdict and an exit code."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from cyclopts import Parameter

from arbiter.cli.console import print_json, report
from arbiter.errors import ArbiterError
from arbiter.orchestrator.caws.models import Judgement
from arbiter.orchestrator.caws.settings import CawsSettings
from arbiter.orchestrator.caws.validator import CawsValidator
from arbiter.orchestrator.cli.caws.gather import Given, gathered
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
    try:
        source = read(file)
        settings = _Unchanging(CawsSettings(record=record))
        evidence = gathered(file, given)
        judgement = asyncio.run(CawsValidator(settings).validate(source, ruleset, evidence))
    except (ArbiterError, OSError) as error:
        if shape != "text":
            words = error.message if isinstance(error, ArbiterError) else str(error)
            print_json({"ruleset": ruleset, "verdict": None, "passed": False, "findings": [], "error": words})
        report(error)
        return _NOT_JUDGED
    _show(judgement, shape, file, source)
    return _PASSED if judgement.passed else _FAILED


@dataclass(frozen=True, slots=True)
class _Unchanging:
    """Settings that no reload replaces while one command runs."""

    current: CawsSettings


def _show(judgement: Judgement, shape: Format, file: str, source: bytes) -> None:
    if shape == "json":
        print_json(judgement.model_dump(mode="json"))
    elif shape == "sarif":
        from arbiter._version import __version__  # noqa: PLC0415
        from arbiter.orchestrator.caws.sarif import sarif_of  # noqa: PLC0415  only where it is asked for

        print_json(sarif_of(judgement, file, __version__))
    else:
        from arbiter.orchestrator.cli.caws.show import show  # noqa: PLC0415

        show(judgement, file, source.decode(errors="replace").splitlines())
