"""The rules caws-3.4: what the real validator of release 3.4.0 says in full mode."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import yaml

from arbiter.orchestrator.caws.models import NotAMapping, RulesetUnknown, Severity, Standing, Verdict
from arbiter.orchestrator.caws.rulesets import DEFAULT_RULESET, RULESETS
from arbiter.orchestrator.caws.settings import CawsSettings
from arbiter.orchestrator.caws.validator import CawsValidator
from arbiter.protocols import Status
from arbiter.testing.live import Fixed
from tests.orchestrator.caws.kit import GOOD, SAMPLE, codes, judged, spec

ROOT = Path(__file__).parents[3]


async def test_a_complete_spec_passes_without_a_word() -> None:
    """All fields there and right: verdict pass, no finding, the tier's budget, the gate held."""
    judgement = await judged(spec())

    assert (judgement.verdict, judgement.passed, judgement.findings) == (Verdict.PASS, True, ())
    assert judgement.budget is not None
    assert (judgement.budget.max_files, judgement.budget.max_loc) == (500, 40_000)
    assert [(gate.gate, gate.passed) for gate in judgement.gates] == [("spec_completeness", True)]
    assert judgement.ruleset == "caws-3.4"


@pytest.mark.parametrize("field", list(GOOD))
async def test_each_field_is_required(field: str) -> None:
    """A field that is absent fails the spec under its own name."""
    judgement = await judged(spec(**{field: None}))

    assert ("missing-field", f"/{field}") in codes(judgement, Severity.ERROR)
    assert not judgement.passed


FAILING = [
    ({"id": "feat-1"}, "id-format", "/id"),
    ({"id": "PROJECT-1-2"}, "id-format", "/id"),
    ({"id": "FEAT-\u0661"}, "id-format", "/id"),
    ({"id": '"FEAT-1\\n"'}, "id-format", "/id"),
    ({"risk_tier": "4"}, "risk-tier-range", "/risk_tier"),
    ({"risk_tier": '"4"'}, "risk-tier-range", "/risk_tier"),
    ({"risk_tier": "0x" + "F" * 290}, "risk-tier-range", "/risk_tier"),
    ({"risk_tier": "9" * 5000}, "risk-tier-range", "/risk_tier"),
    ({"risk_tier": "-1"}, "risk-tier-range", "/risk_tier"),
    ({"risk_tier": "0"}, "missing-field", "/risk_tier"),
    ({"risk_tier": ".nan"}, "missing-field", "/risk_tier"),
    ({"risk_tier": "2026-01-01"}, "risk-tier-range", "/risk_tier"),
    ({"risk_tier": "{toString: 1}"}, "validation-error", ""),
    ({"title": '""'}, "missing-field", "/title"),
    ({"mode": "false"}, "missing-field", "/mode"),
    ({"scope": "{out: [docs]}"}, "scope-in-empty", "/scope/in"),
    ({"scope": "{in: []}"}, "scope-in-empty", "/scope/in"),
    ({"scope": "{in: {length: 0}}"}, "scope-in-empty", "/scope/in"),
    ({"scope": "src"}, "scope-in-empty", "/scope/in"),
    ({"risk_tier": "2", "contracts": "[]"}, "contracts-required", "/contracts"),
    ({"risk_tier": "1.0", "contracts": "[]"}, "contracts-required", "/contracts"),
    ({"waiver_ids": "WV-0001"}, "waiver-ids-no-list", "/waiver_ids"),
    ({"waiver_ids": "[WV-0001, WV-12]"}, "waiver-id-format", "/waiver_ids/1"),
    ({"title": "A\ntitle: B"}, "duplicate-key", "/title"),
    ({"1": "a\n'1': b"}, "duplicate-key", "/1"),
    ({"title": "!!int x"}, "unknown-tag", "/title"),
    ({"title": "!secret x"}, "unknown-tag", "/title"),
]


@pytest.mark.parametrize(("changed", "code", "path"), FAILING)
async def test_what_the_real_validator_refuses_fails(changed: dict[str, str], code: str, path: str) -> None:
    """Each is refused by CAWS 3.4.0; the finding names rule and place."""
    judgement = await judged(spec(**changed))

    assert (code, path) in codes(judgement, Severity.ERROR)
    assert judgement.verdict is Verdict.FAIL


PASSING = [
    ({"risk_tier": "T3"}, "risk-tier-no-number", "/risk_tier"),
    ({"risk_tier": '"2"', "contracts": "[]"}, "risk-tier-no-number", "/risk_tier"),
    ({"risk_tier": "true", "contracts": "[]"}, "risk-tier-no-number", "/risk_tier"),
    ({"contracts": "[]"}, "present-but-empty", "/contracts"),
    ({"non_functional": "{}"}, "present-but-empty", "/non_functional"),
    ({"risk_tier": "1", "contracts": "{}"}, "no-list", "/contracts"),
    ({"scope": "{in: src}"}, "no-list", "/scope/in"),
    ({"invariants": "[]"}, "no-invariants", "/invariants"),
    ({"acceptance": "[]"}, "no-acceptance", "/acceptance"),
    ({"mode": "development"}, "mode-unknown", "/mode"),
    ({"{{NAME}}": "x"}, "unhashable-key", ""),
]


@pytest.mark.parametrize(("changed", "code", "path"), PASSING)
async def test_what_only_javascript_lets_pass_is_warned_of(
    changed: dict[str, str], code: str, path: str
) -> None:
    """The real validator passes each, so does this one, and a warning says what was overlooked."""
    judgement = await judged(spec(**changed))

    assert judgement.passed
    assert (code, path) in codes(judgement, Severity.WARNING)


@pytest.mark.parametrize(
    ("written", "passes"), [("no", True), ("12:30:00", True), ("010", False), ("0o10", False), ("1_0", False)]
)
async def test_scalars_are_those_of_yaml_1_2(written: str, *, passes: bool) -> None:
    """`no` and 12:30:00 are text, which is no number out of range; 010 is ten, 0o10 eight."""
    judgement = await judged(spec(risk_tier=written))

    assert judgement.passed is passes


async def test_a_warning_never_turns_fail_into_pass() -> None:
    """With errors and warnings together the verdict is fail, and so is the gate."""
    judgement = await judged(spec(id="nope", invariants="[]"))

    assert codes(judgement, Severity.WARNING)
    assert (judgement.verdict, judgement.passed, judgement.gates[0].passed) == (Verdict.FAIL, False, False)


async def test_findings_tell_line_and_column_of_the_value() -> None:
    """A wrong value is found where it stands, a missing one at the nearest thing around it."""
    judgement = await judged(
        "id: FEAT-1\nscope:\n  out: [a]\n" + spec(id=None, scope=None, title=None, mode="  ''")
    )

    places = {f.path: (f.line, f.column) for f in judgement.findings}
    assert places == {"/title": (1, 1), "/scope/in": (3, 3), "/mode": (5, 9)}


async def test_budget_is_the_tiers_and_waivers_are_those_named() -> None:
    """The baseline comes from the release's policy; a waiver's id is named once, if it is one."""
    judgement = await judged(spec(risk_tier="1", waiver_ids="[WV-0001, WV-0002, WV-0001]"))

    assert [use.id for use in judgement.waivers] == ["WV-0001", "WV-0002"]
    assert {use.standing for use in judgement.waivers} == {Standing.NAMED}
    assert judgement.budget is not None
    assert (judgement.budget.tier, judgement.budget.max_files, judgement.budget.max_loc) == ("1", 10, 250)
    assert (await judged(spec(risk_tier="T1"))).budget is None


async def test_an_unknown_rule_set_is_refused_by_name() -> None:
    """The error names the field and those there are."""
    validator = CawsValidator(Fixed(CawsSettings()))

    with pytest.raises(RulesetUnknown, match=r"caws-9.*\n.*caws-3\.4") as caught:
        await validator.validate(spec(), "caws-9")

    assert (caught.value.field, caught.value.status) == ("ruleset", 422)


async def test_verdicts_are_measured() -> None:
    """Verdicts are counted by rule set, and the validator is well."""
    validator = CawsValidator(Fixed(CawsSettings()))
    for document in (spec(), spec(), spec(id="nope")):
        await validator.validate(document)

    found = [(m.value, dict(m.attributes).get("verdict")) for m in validator.measurements()]
    assert found[:2] == [(2, "pass"), (1, "fail")]
    assert (await validator.check()).status is Status.PASS


async def test_the_example_passes() -> None:
    """examples/working-spec.yaml has neither error nor warning."""
    judgement = await judged((ROOT / "examples" / "working-spec.yaml").read_bytes())

    assert (judgement.passed, judgement.findings) == (True, ())


def test_the_settings_offer_exactly_the_rule_sets_there_are() -> None:
    """A name that the settings take is one that can be judged by."""
    schema = CawsSettings.model_json_schema()["properties"]["ruleset"]

    assert set(schema.get("enum", [schema.get("const")])) == set(RULESETS)
    assert CawsSettings().ruleset == DEFAULT_RULESET


def _sample() -> list[dict[str, str]]:
    if not SAMPLE.exists():
        return []
    with (SAMPLE / "INDEX.tsv").open(encoding="utf-8") as index:
        return list(csv.DictReader(index, delimiter="\t"))


COLUMNS = {
    "caws-3.4": ("caws_cli_3.4.0_full", ("reasons_3.4.0_full",)),
    "caws-8": ("caws_cli_8.0.0_full", ("reasons_3.4.0_full", "reasons_8.0.0_extra")),
    "caws-12": ("spec.v1_12.0.0", ()),
}


@pytest.mark.skipif(not SAMPLE.exists(), reason="the labelled sample is not on this machine")
@pytest.mark.parametrize("ruleset", COLUMNS)
@pytest.mark.parametrize("row", _sample(), ids=lambda row: row["file"])
async def test_verdicts_agree_with_the_real_validator(row: dict[str, str], ruleset: str) -> None:
    """On every file of the sample the verdict, and each reason with its key, is that of the release."""
    document = (SAMPLE / "corpus" / row["file"]).read_bytes()
    verdict, reasons = COLUMNS[ruleset]

    if row["yaml"] == "parse-error":
        with pytest.raises(NotAMapping):
            await judged(document, ruleset)
        return
    judgement = await judged(document, ruleset)

    assert judgement.passed is (row[verdict] == "valid")
    if reasons:
        found = {f"{f.path}: {f.message}" for f in judgement.findings if f.severity is Severity.ERROR}
        assert found == {reason for name in reasons for reason in row[name].split("; ") if reason}


def test_the_good_spec_is_yaml() -> None:
    """The table above starts from a document that another reader understands in the same way."""
    assert yaml.safe_load(spec())["contracts"] == [{"type": "openapi", "path": "api.yaml"}]
