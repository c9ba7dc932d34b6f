"""`/v1/specs/validate`, over the real validator."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
import yaml
from pydantic import TypeAdapter

from arbiter.cli.commands import run
from arbiter.orchestrator.api.specs import CASE
from arbiter.orchestrator.caws.models import Judgement, wire
from arbiter.orchestrator.caws.settings import CawsSettings
from arbiter.orchestrator.caws.validator import CawsValidator
from arbiter.testing.live import Fixed
from tests.orchestrator.kit import SPEC, Serving, problem_code


@pytest.fixture
def any_url(sqlite_url: str) -> str:
    """One kind of database will do: nothing here depends on it."""
    return sqlite_url


async def test_a_yaml_spec_gets_a_verdict(serving: Serving) -> None:
    """A spec that holds what the rules ask for passes."""
    async with serving() as served:
        answer = await served.http.post("/v1/specs/validate?ruleset=caws-3.4", content=SPEC)

        judgement = answer.json()
        assert answer.status_code == 200
        assert (judgement["ruleset"], judgement["verdict"], judgement["passed"]) == ("caws-3.4", "pass", True)


async def test_a_bad_spec_is_judged_with_findings(serving: Serving) -> None:
    """A spec that fails gets 200: verdict, and findings with code, severity, place, message and hint."""
    async with serving() as served:
        answer = await served.http.post("/v1/specs/validate", content="id: FEAT1\nrisk_tier: 9\n")

        judgement = answer.json()
        assert (answer.status_code, judgement["verdict"], judgement["passed"]) == (200, "fail", False)
        assert set(judgement["findings"][0]) == {
            "code",
            "severity",
            "path",
            "line",
            "column",
            "message",
            "hint",
        }


async def test_json_and_yaml_are_judged_alike(serving: Serving) -> None:
    """The same spec as JSON gets the same verdict, whatever the content type says."""
    as_json = orjson.dumps(yaml.safe_load(SPEC))
    async with serving() as served:
        for kind in ("application/json", "application/yaml", "text/plain"):
            answer = await served.http.post(
                "/v1/specs/validate", content=as_json, headers={"Content-Type": kind}
            )

            assert (answer.status_code, answer.json()["verdict"]) == (200, "pass")


@pytest.mark.parametrize(
    "document", [SPEC, "id: FEAT1\nrisk_tier: 9\nrisk_tier: 9\nwaiver_ids: [WV-0001, 7]\n"]
)
async def test_service_component_and_command_line_say_the_same(
    serving: Serving, document: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Word for word, but for the moment and how long it took; and the client reads it back as the component gave it."""
    file = tmp_path / "spec.yaml"
    file.write_text(document)
    names = ("caws-3.4", "caws-8", "caws-12", "caws-8+arbiter")
    path = "/v1/specs/validate"
    async with serving() as served:
        answers = [await served.http.post(path, params={"ruleset": n}, content=document) for n in names]
    for ruleset, answer in zip(names, answers, strict=True):
        judgement = await CawsValidator(Fixed(CawsSettings())).validate(document, ruleset)
        capsys.readouterr()
        code = run(["caws", "check", str(file), "--ruleset", ruleset, "--json"])

        printed = orjson.loads(capsys.readouterr().out)
        of_component = orjson.loads(orjson.dumps(wire(judgement)))
        passing = {"duration_ms": 0, "judged_at": None}
        assert answer.json() | passing == printed | passing == of_component | passing
        assert code == (0 if judgement.passed else 1)
        assert TypeAdapter(Judgement).validate_json(orjson.dumps(wire(judgement))) == judgement


@pytest.mark.parametrize("body", [b"", b"a: [", b"- a\n- b\n", b"\xff\xfe\x00", b"just text"])
async def test_what_cannot_be_judged_gets_422(serving: Serving, body: bytes) -> None:
    """No YAML and no mapping are refused, naming the document."""
    async with serving() as served:
        answer = await served.http.post("/v1/specs/validate", content=body)

        assert (answer.status_code, problem_code(answer)) == (422, "not-a-mapping")
        assert answer.json()["errors"][0]["field"] == "document"


async def test_an_unknown_ruleset_is_refused(serving: Serving) -> None:
    """The query parameter is named, and the known rule sets are hinted at."""
    async with serving() as served:
        answer = await served.http.post("/v1/specs/validate?ruleset=caws-99", content=SPEC)

        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "ruleset")
        assert "caws-3.4" in answer.json()["hint"]


async def test_a_case_is_judged_with_all_that_was_sent(serving: Serving) -> None:
    """Change, policy, waivers and reports beside the spec give what the component gives: gates, budget, waivers."""
    case = {
        "spec": SPEC + "waiver_ids: [WV-0001]\n",
        "policy": {"name": "policy.yaml", "content": "risk_tiers: {3: {max_files: 0, max_loc: 0}}\n"},
        "waivers": [
            {
                "name": "w.yaml",
                "content": "id: WV-0001\ngates: [budget_limit]\nexpires_at: 2999-01-01T00:00:00Z\n"
                "approvers: [ann]\ndelta: {max_files: 5, max_loc: 50}\n",
            }
        ],
        "numstat": "3\t1\tsrc/billing/a.py\n",
        "reports": [{"name": "cov.xml", "content": '<coverage line-rate="0.9"/>'}],
        "contracts": {"docs/api.yaml": "openapi: 3.1.0\ninfo: {}\npaths: {}\n"},
    }
    async with serving() as served:
        answer = await served.http.post(
            "/v1/specs/validate", content=orjson.dumps(case), headers={"Content-Type": CASE}
        )
        stray = await served.http.post(
            "/v1/specs/validate",
            content=orjson.dumps({"spec": SPEC, "diff": "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n"}),
            headers={"Content-Type": CASE},
        )

    judgement = answer.json()
    assert (judgement["verdict"], judgement["budget"]["loc"]) == ("pass", 4)
    assert [use["standing"] for use in judgement["waivers"]] == ["applied"]
    assert {gate["gate"] for gate in judgement["gates"]} == {
        "spec_completeness",
        "budget_limit",
        "scope_boundary",
        "coverage_threshold",
        "contract_compliance",
    }
    assert stray.json()["verdict"] == "waiver-required"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{}", "spec"),
        (b'{"spec": "id: 1", "odd": 1}', "odd"),
        (b'{"spec": "id: 1", "diff": "hello"}', "change"),
        (b"nonsense", ""),
    ],
)
async def test_what_is_no_case_is_refused_by_field(serving: Serving, body: bytes, field: str) -> None:
    """Unknown and missing keys, and a change that is none."""
    async with serving() as served:
        answer = await served.http.post("/v1/specs/validate", content=body, headers={"Content-Type": CASE})

    assert answer.status_code in (400, 422)
    assert not field or answer.json()["errors"][0]["field"] == field
