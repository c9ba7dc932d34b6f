"""SARIF 2.1.0: what code hosts need of a log, and that no judgement breaks it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from arbiter.orchestrator.caws.catalogue import CATALOGUE
from arbiter.orchestrator.caws.evidence import Attachment, Evidence
from arbiter.orchestrator.caws.models import Finding, Severity
from arbiter.orchestrator.caws.sarif import sarif_of, sarif_of_refusal
from tests.orchestrator.caws.kit import NOW, changed, judged, spec, waiver
from tests.orchestrator.caws.published import PUBLISHED, broken_rules

DOCUMENTS = [
    (spec(), None),
    ("id: nope\nrisk_tier: 9\n", None),
    (spec(scope="{in: [/]}"), "arbiter"),
    ("{{A}}: 1\nx: 1\nx: 2\n", "caws-8"),
    ("id: 1\n", "caws-12"),
]


@pytest.mark.parametrize(("document", "ruleset"), DOCUMENTS)
async def test_a_log_is_of_the_published_shape(document: str, ruleset: str | None) -> None:
    """Whatever was found: about the spec, about other files, with any severity."""
    evidence = Evidence(
        waivers=(waiver(status="revoked"),),
        change=changed(900, 10, "lib"),
        reports=(Attachment("odd name #1.xml", "hello"),),
        now=NOW,
    )
    for given in (None, evidence):
        log = sarif_of(await judged(document, ruleset, given), "./my spec.yaml", "1.0.0")

        assert broken_rules(log) == []


async def test_every_rule_fits_the_published_shape() -> None:
    """Each that there is, under each severity, and one that an external validator made up."""
    found = [
        Finding(
            code=code, severity=severity, path="/a~1b", line=1, column=1, message="m", file="odd\\ \0\u00e9"
        )
        for code in (*CATALOGUE, "made up")
        for severity in Severity
    ]
    judgement = replace(await judged(spec()), findings=tuple(found))

    assert broken_rules(sarif_of(judgement, "a.yaml", "1.0.0")) == []


async def test_a_log_names_the_schema_that_it_was_held_against() -> None:
    """And that one refuses what is none."""
    log = sarif_of(await judged(spec(id="nope")), "a.yaml", "1.0.0")

    assert log["$schema"] == PUBLISHED["id"]
    log["runs"][0]["results"][0]["level"] = "fatal"
    assert broken_rules(log)


@pytest.mark.parametrize("place", [None, (6, 11)])
def test_what_cannot_be_judged_is_a_run_that_did_not_succeed(place: tuple[int, int] | None) -> None:
    """A log as well: no results alone would read as no faults."""
    log = sarif_of_refusal("no YAML", "./my spec.yaml", "1.0.0", place)

    assert broken_rules(log) == []
    (run,) = log["runs"]
    assert (run["results"], run["invocations"][0]["executionSuccessful"]) == ([], False)


async def test_each_result_points_at_its_rule_and_place() -> None:
    """Index and id agree; levels are those of SARIF; paths are escaped."""
    judgement = await judged("id: nope\n" + spec(id=None, invariants="[]"))

    (run,) = sarif_of(judgement, "my spec.yaml", "1.0.0")["runs"]

    found = {result["ruleId"]: result for result in run["results"]}
    place = found["id-format"]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "my%20spec.yaml"
    assert place["region"] == {"startLine": 1, "startColumn": 5}
    assert [found[name]["level"] for name in ("id-format", "no-invariants")] == ["error", "warning"]
    assert all(run["tool"]["driver"]["rules"][r["ruleIndex"]]["id"] == r["ruleId"] for r in run["results"])
