"""Waivers: three shapes, one meaning; and what each is worth at a moment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from arbiter.orchestrator.caws.evidence import Attachment, Evidence
from arbiter.orchestrator.caws.models import Judgement, Severity, Standing, Verdict
from arbiter.orchestrator.caws.waivers import Waiver, standing, waivers_from
from tests.orchestrator.caws.kit import NOW, SAMPLE, changed, codes, judged, spec, waiver

SAMPLES = SAMPLE / "samples"

SCHEMA = """\
id: WV-0001
applies_to: FEAT-1
gates: [budget_limit]
delta: {max_files: 50, max_loc: 5000}
reason_code: architectural_refactor
expires_at: 2026-12-31T23:59:59Z
risk_owner: ann
approvers: [{handle: ann, approved_at: 2026-01-01T00:00:00Z}, {handle: ben}]
status: active
"""
COMMAND_LINE = """\
id: WV-0001
title: A title
reason: architectural_refactor
gates: [budget_limit, loc_count]
approved_by: ann
expires_at: '2026-12-31'
status: active
"""
MAP = """\
waivers:
  WV-0001:
    gates: [budget_limit]
    expires_at: "2026-12-31T23:59:59Z"
    approved_by: ann
    risk_assessment: {impact_level: medium}
"""
TEMPLATE = """\
WV-0001: {gate: coverage, reason: urgent enough, owner: ben, approved_by: ann, expiry: 2026-12-31T23:59:59+01:00}
"""


def one(text: str) -> Waiver:
    """The one waiver in a text."""
    (found,), faults = waivers_from(text, "w.yaml")
    assert faults == ()
    return found


@pytest.mark.parametrize(
    "text", [SCHEMA, COMMAND_LINE, MAP, TEMPLATE], ids=["schema", "command", "map", "template"]
)
def test_each_shape_is_recognised(text: str) -> None:
    """Id, gates by the policy's names, approvers and expiry are the same, however they are written."""
    found = one(text)

    assert (found.id, found.approvers[0], found.status, found.faults) == ("WV-0001", "ann", "active", ())
    assert found.gates == (("coverage_threshold",) if text is TEMPLATE else ("budget_limit",))
    assert found.expires_at is not None
    assert found.expires_at.date() == datetime(2026, 12, 31, tzinfo=UTC).date()


def test_a_schemas_waiver_keeps_what_it_raises_and_whom_it_is_for() -> None:
    """Deltas and the spec's id; a person who approved twice is one approver."""
    found = one(SCHEMA.replace("ben", "ann"))

    assert (found.max_files, found.max_loc, found.applies_to, found.approvers) == (
        50,
        5000,
        ("FEAT-1",),
        ("ann",),
    )


@pytest.mark.skipif(not SAMPLES.exists(), reason="the samples are not on this machine")
@pytest.mark.parametrize(
    "name", ["waiver-caws-WV-0001-HEAD", "waiver-caws-WV-0002-d9095ee5", "waiver-caws-cli-WV-2723"]
)
def test_real_waivers_are_read(name: str) -> None:
    """Each of the public samples is a waiver with an approver and an end."""
    found = one((SAMPLES / f"{name}.yaml").read_text())

    assert found.approvers
    assert found.expires_at is not None


WORTH = [
    ({}, Standing.VALID),
    ({"expires_at": "2026-06-01T12:00:00Z"}, Standing.EXPIRED),
    ({"expires_at": "2026-06-01T12:00:01Z"}, Standing.VALID),
    ({"expires_at": "2026-06-01"}, Standing.EXPIRED),
    ({"status": "expired"}, Standing.EXPIRED),
    ({"status": "revoked"}, Standing.REVOKED),
    ({"status": "proposed"}, Standing.UNAPPROVED),
    ({"approvers": "[]"}, Standing.UNAPPROVED),
    ({"approvers": "['  ']"}, Standing.UNAPPROVED),
    ({"applies_to": "OTHER-1"}, Standing.MISPLACED),
    ({"expires_at": None}, Standing.MALFORMED),
    ({"expires_at": "tomorrow"}, Standing.MALFORMED),
    ({"expires_at": "2026-02-30T00:00:00Z"}, Standing.MALFORMED),
    ({"gates": "[]"}, Standing.MALFORMED),
    ({"gates": "[nonsense]"}, Standing.MALFORMED),
    ({"delta": "{max_files: -5}"}, Standing.MALFORMED),
]


@pytest.mark.parametrize(("changes", "worth"), WORTH)
def test_what_a_waiver_is_worth(changes: dict[str, str | None], worth: Standing) -> None:
    """It ends at its moment, needs its approvers, and counts for its own spec only."""
    found = one(str(waiver(**changes).content))

    assert standing(found, "FEAT-1", 1, NOW)[0] is worth


def test_a_policy_may_ask_for_more_approvers() -> None:
    """One of two is not enough."""
    found = one(str(waiver().content))

    assert standing(found, "FEAT-1", 2, NOW)[0] is Standing.UNAPPROVED


async def over(*waivers: Attachment, named: str = "[WV-0001]") -> Judgement:
    """A change of tier 1 that is five files over, with these waivers."""
    evidence = Evidence(waivers=waivers, change=changed(15, 100), now=NOW)
    return await judged(spec(risk_tier="1", waiver_ids=named), evidence=evidence)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"expires_at": "2026-01-01T00:00:00Z"}, "waiver-expired"),
        ({"status": "revoked"}, "waiver-revoked"),
        ({"status": "proposed"}, "waiver-unapproved"),
        ({"applies_to": "OTHER-1"}, "waiver-misplaced"),
        ({"expires_at": None}, "waiver-malformed"),
    ],
)
async def test_a_waiver_that_is_no_good_is_a_finding_of_its_own(
    changes: dict[str, str | None], code: str
) -> None:
    """It lifts nothing, it fails the spec, and the finding names its file."""
    judgement = await over(waiver(**changes))

    assert (code, "") in codes(judgement, Severity.ERROR)
    assert next(f.file for f in judgement.findings if f.code == code) == ".caws/waivers/WV-0001.yaml"
    assert judgement.verdict is Verdict.FAIL


async def test_a_waiver_that_is_not_there_is_a_finding() -> None:
    """A name without a file leans on nothing."""
    judgement = await over()

    assert ("waiver-missing", "/waiver_ids") in codes(judgement, Severity.ERROR)


async def test_a_waiver_without_delta_raises_nothing() -> None:
    """The budget is absolute: naming the gate does not lift it."""
    judgement = await over(waiver(delta=None))

    assert judgement.verdict is Verdict.WAIVER_REQUIRED
    assert ("waiver-without-delta", "") in codes(judgement, Severity.WARNING)


async def test_a_waiver_that_nobody_named_does_not_count() -> None:
    """Unless it names the spec; and old ones of others are history, and no finding."""
    stranger = await over(waiver(), named="[]")
    meant = await over(waiver(applies_to="FEAT-1"), named="[]")
    history = await over(waiver(applies_to="OTHER-1", status="revoked"), named="[]")

    assert [judgement.verdict.value for judgement in (stranger, meant, history)] == [
        "waiver-required",
        "pass",
        "waiver-required",
    ]
    assert history.waivers == ()


async def test_under_release_12_a_waiver_may_be_for_the_whole_project() -> None:
    """Its specs have no place to name one."""
    from tests.orchestrator.caws.kit import spec_12

    evidence = Evidence(waivers=(waiver(),), change=changed(15, 100), now=NOW)
    tier_1 = {"risk_tier": "1", "observability": "[o]", "rollback": "[r]"}

    assert (await judged(spec_12(**tier_1), "caws-12", evidence)).passed


async def test_a_waiver_works_until_its_last_moment() -> None:
    """A second before its end it lifts, at its end it does not."""
    end = datetime(2026, 12, 31, tzinfo=UTC)
    for now, passed in ((end - timedelta(seconds=1), True), (end, False)):
        evidence = Evidence(waivers=(waiver(),), change=changed(15, 100), now=now)
        judgement = await judged(spec(risk_tier="1", waiver_ids="[WV-0001]"), evidence=evidence)

        assert judgement.passed is passed
