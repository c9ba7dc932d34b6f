"""An external validator: asked first, behind a breaker, with the built-in rules as its fallback."""

from __future__ import annotations

import sys
import time

import pytest

from arbiter.orchestrator.caws.external import ExternalFailed, ExternalValidator
from arbiter.orchestrator.caws.models import Judgement, Severity
from arbiter.orchestrator.caws.opinion import Opinion, opinion_of
from arbiter.orchestrator.caws.settings import CawsSettings
from arbiter.orchestrator.caws.validator import CawsValidator
from arbiter.testing.live import Fixed
from tests.orchestrator.caws.kit import codes, spec

NO = """import sys, json; spec = sys.stdin.read()
print(json.dumps({"valid": False, "errors": [{"instancePath": "/title", "message": "too short", "suggestion": "say more"}]}))"""


def settings(script: str, timeout_ms: int = 20_000) -> Fixed[CawsSettings]:
    """Settings whose external command is a Python script."""
    command = (sys.executable, "-S", "-c", script, "{ruleset}")
    return Fixed(CawsSettings(external_command=command, external_timeout_ms=timeout_ms))


async def asked(script: str) -> Judgement:
    """What is said of a good spec with that command, unguarded."""
    live = settings(script)
    return await CawsValidator(live, ExternalValidator(live)).validate(spec())


async def test_its_word_goes_before_the_built_in_rules() -> None:
    """A refusal fails a spec that the built-in rules would pass, and stands at the value's place."""
    judgement = await asked(NO)

    assert not judgement.passed
    assert [(f.code, f.path, f.line, f.message, f.hint) for f in judgement.findings] == [
        ("external-finding", "/title", 2, "too short", "say more")
    ]


async def test_its_leave_goes_before_them_as_well() -> None:
    """What it passes passes; its warnings are ours; it is told the rules."""
    script = "import sys, json; print(json.dumps({'passed': True, 'warnings': [{'message': sys.argv[1]}]}))"
    live = settings(script)

    judgement = await CawsValidator(live, ExternalValidator(live)).validate(spec(id="nope"), "caws-8")

    assert judgement.passed
    assert [f.message for f in judgement.findings] == ["caws-8"]


@pytest.mark.parametrize(
    "script",
    ["import sys; sys.exit(3)", "print('hello')", "print('[]')", "print('{}')", "print('{\"passed\": 1}')"],
)
async def test_what_does_not_answer_as_agreed_is_a_failure(script: str) -> None:
    """So that its breaker counts it."""
    with pytest.raises(ExternalFailed, match="external validator"):
        await ExternalValidator(settings(script)).opinion(b"x", "caws-3.4")


async def test_a_command_that_hangs_is_ended() -> None:
    """After its time, whatever it does; and one that is not there is told by name."""
    began = time.perf_counter()

    with pytest.raises(ExternalFailed, match="longer than"):
        await ExternalValidator(settings("while True: pass", 100)).opinion(b"x" * 1_000_000, "caws-3.4")
    with pytest.raises(ExternalFailed, match="cannot be started"):
        await ExternalValidator(Fixed(CawsSettings(external_command=("/no/such",)))).opinion(b"", "caws-3.4")

    assert time.perf_counter() - began < 5


async def test_silence_leaves_the_judging_to_the_built_in_rules() -> None:
    """With a warning that says so; without a command nobody is asked, and nothing is said."""
    live = settings("import sys; sys.exit(3)")
    external = ExternalValidator(live)

    class Silent:
        """What the guard makes of a failing one: its fallback answers."""

        async def opinion(self, document: bytes, ruleset: str) -> Opinion | None:
            """The fallback's answer."""
            return await external.silence(document, ruleset)

    judgement = await CawsValidator(live, Silent()).validate(spec(id="nope"))
    unasked = await CawsValidator(Fixed(CawsSettings()), external).validate(spec())

    assert codes(judgement, Severity.ERROR) == [("id-format", "/id")]
    assert codes(judgement, Severity.WARNING) == [("external-unavailable", "")]
    assert unasked.findings == ()


async def test_behind_its_guard_a_failing_command_opens_its_breaker() -> None:
    """Two failures, and it is not started any more; the built-in rules judge all along."""
    from arbiter.clock import SystemClock
    from arbiter.resilience.guard import Guard
    from arbiter.resilience.proxy import guarded
    from arbiter.resilience.registry import BreakerRegistry
    from arbiter.resilience.settings import ResilienceSettings

    resilience = Fixed(ResilienceSettings(failure_threshold=2))
    breakers = BreakerRegistry(resilience, SystemClock())
    guard = Guard(resilience, breakers)
    live = settings("import sys; sys.exit(3)")
    external = guarded(ExternalValidator)(live, guard=guard)
    guard.adopt("external_validator", external)

    judgements = [await CawsValidator(live, external).validate(spec()) for _ in range(4)]

    assert all(judgement.passed for judgement in judgements)
    assert [f.code for j in judgements for f in j.findings] == ["external-unavailable"] * 4
    assert breakers.get("external_validator.opinion").current_state == "open"


@pytest.mark.parametrize(
    ("output", "passed", "remarks"),
    [
        (b'{"passed": true}', True, 0),
        (b'{"valid": false, "errors": [{"message": "x"}], "warnings": [{"message": "y"}]}', False, 2),
        (b'{"passed": false, "validation": {"errors": [{"instancePath": "/id", "message": "x"}]}}', False, 1),
        (b'{"passed": false, "findings": [{"severity": "error", "path": "/id", "message": "x"}]}', False, 1),
        (b'{"valid": true, "errors": "none"}', True, 0),
    ],
)
def test_answers_of_several_tools_are_understood(output: bytes, passed: bool, remarks: int) -> None:
    """CAWS' own rules, its command line, and ours."""
    found = opinion_of(output)

    assert (found.passed, len(found.remarks)) == (passed, remarks)
