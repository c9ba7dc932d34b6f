"""`arbiter caws`: exit codes, answers, and what is gathered around a spec."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from arbiter.cli.commands import run
from arbiter.orchestrator import caws
from arbiter.orchestrator.caws.catalogue import CATALOGUE
from arbiter.orchestrator.caws.rulesets import RULESETS
from tests.orchestrator.caws.kit import spec, waiver
from tests.orchestrator.caws.published import broken_rules

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "examples" / "caws-ci"
DIFF = "--- a/{0}\n+++ b/{0}\n@@ -1 +1 @@\n-a\n+b\n"


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    """A folder with a spec of tier 2, its contract, a policy of one file, and a good waiver; the working directory."""
    caws = tmp_path / ".caws"
    (caws / "waivers").mkdir(parents=True)
    (caws / "working-spec.yaml").write_text(spec(risk_tier="2"))
    (caws / "policy.yaml").write_text("risk_tiers: {2: {max_files: 1, max_loc: 10}}\n")
    good = waiver(expires_at="2999-01-01T00:00:00Z", applies_to="FEAT-1")
    (caws / "waivers" / "WV-0001.yaml").write_text(str(good.content))
    (tmp_path / "api.yaml").write_text("openapi: 3.1.0\ninfo: {}\npaths: {}\n")
    with contextlib.chdir(tmp_path):
        yield tmp_path


def call(*arguments: str) -> int:
    """One command line in this process."""
    return run(["caws", *arguments])


def test_the_spec_alone_is_judged_alone(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a change neither policy nor waivers are read: the verdict is the real validator's."""
    (project / ".caws" / "policy.yaml").write_text("broken: [")

    assert call("check", ".caws/working-spec.yaml") == 0
    assert "pass by caws-3.4" in capsys.readouterr().out


def test_a_change_is_held_against_policy_scope_and_waivers(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One file is in the budget; two need the waiver, which is told with time and approver; a stranger fails."""
    change = project / "change.diff"
    path = ".caws/working-spec.yaml"

    change.write_text(DIFF.format("src/a.py"))
    assert call("check", path, "--diff", "change.diff") == 0
    capsys.readouterr()

    change.write_text(DIFF.format("src/a.py") + DIFF.format("src/b.py"))
    assert call("check", path, "--diff", "change.diff") == 0
    told = capsys.readouterr().out
    assert "waiver WV-0001 applied at" in told
    assert "approved by ann@example.org" in told

    change.write_text(DIFF.format("lib/a.py"))
    assert call("check", path, "--diff", "change.diff") == 1
    told = capsys.readouterr().out
    assert "scope-in: lib/a.py is inside no entry of scope.in" in told
    assert "To pass:" in told
    assert "waiver-required by caws-3.4" in told


def test_numstat_from_standard_input(project: Path) -> None:
    """As git pipes it, through the real command line."""
    command = [str(Path(sys.executable).parent / "arbiter"), "caws", "check", ".caws/working-spec.yaml"]

    outcome = subprocess.run(
        [*command, "--numstat", "-", "--json"], input=b"1\t1\tsrc/a.py\n", capture_output=True, check=False
    )

    assert (outcome.returncode, json.loads(outcome.stdout)["budget"]["loc"]) == (0, 2)


def test_checking_a_spec_loads_nothing_heavy() -> None:
    """In a pre-commit hook imports are what a person waits for: no loop, models, traces, logs, colours or server."""
    program = (
        "import sys; from arbiter.cli.commands import run; code = run(sys.argv[1:]);"
        "print(sorted({'asyncio', 'pydantic', 'opentelemetry', 'structlog', 'rich', 'fastapi', 'unidiff', 'defusedxml'}"
        " & set(sys.modules)), file=sys.stderr); sys.exit(code)"
    )
    command = [sys.executable, "-c", program, "caws", "check", str(ROOT / ".caws" / "working-spec.yaml")]

    outcome = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)

    assert (outcome.returncode, outcome.stderr) == (0, "[]\n")


def test_the_repository_itself(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--base` sees what is not committed as well."""
    for arguments in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "base")):
        git(project, *arguments)
    (project / "lib.py").write_text("x\n")

    assert call("check", ".caws/working-spec.yaml", "--base", "HEAD", "--json") == 1
    assert "scope-in" in [f["code"] for f in json.loads(capsys.readouterr().out)["findings"]]
    assert call("check", ".caws/working-spec.yaml", "--base", "nowhere") == 2


def test_reports_and_required_gates(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A report below the threshold needs a waiver; a required gate without one as well; an odd one fails."""
    report = project / "coverage.xml"
    path = ".caws/working-spec.yaml"
    for content, expected in (('line-rate="0.81"', 0), ('line-rate="0.79"', 1)):
        report.write_text(f"<coverage {content}/>")
        assert call("check", path, "--report", "coverage.xml") == expected
    assert call("check", path, "--require", "test_results") == 1
    report.write_text("nonsense")
    assert call("check", path, "--report", "coverage.xml") == 1
    assert "report-unreadable" in capsys.readouterr().out
    assert call("check", path, "--report", "nowhere.xml") == 2


def test_a_moment_can_be_given(project: Path) -> None:
    """A verdict of the past can be had again; what is no moment is refused."""
    (project / "c.diff").write_text(DIFF.format("src/a.py") + DIFF.format("src/b.py"))
    common = ("check", ".caws/working-spec.yaml", "--diff", "c.diff", "--at")

    assert call(*common, "2998-12-31T00:00:00Z") == 0
    assert call(*common, "2999-01-01T00:00:00Z") == 1
    assert call(*common, "yesterday") == 2


def test_sarif_is_one_document(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With a result for each finding, and the same exit code."""
    (project / "bad.yaml").write_text("id: nope\n")

    assert call("check", "bad.yaml", "--format", "sarif") == 1
    log = json.loads(capsys.readouterr().out)
    assert (log["version"], len(log["runs"][0]["results"]) > 5) == ("2.1.0", True)


@pytest.mark.parametrize("shape", ["text", "json", "sarif"])
def test_what_is_no_yaml_is_told_with_its_place(
    project: Path, capsys: pytest.CaptureFixture[str], shape: str
) -> None:
    """To a person with file, line and caret, whatever was asked for; to a program in the shape that it asked for."""
    (project / "bad.yaml").write_text('id: A-1\nmode: "fea')

    assert call("check", "bad.yaml", "--format", shape) == 2
    answered = capsys.readouterr()
    place, excerpt, caret, hint = answered.err.splitlines()
    assert place.startswith("Error: bad.yaml:2:11: no YAML")
    assert (excerpt, caret) == ('    2 | mode: "fea', " " * 18 + "^")
    assert hint.startswith("Hint:  Send a working spec")
    match shape:
        case "text":
            assert answered.out == ""
        case "json":
            assert json.loads(answered.out)["verdict"] is None
        case _:
            (run,) = json.loads(answered.out)["runs"]
            assert run["invocations"][0]["executionSuccessful"] is False


def test_verdicts_are_recorded_and_the_record_verified(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """0 while it holds, 1 with the entry's name when it was tampered with, 2 where there is none."""
    for _ in range(3):
        assert call("check", ".caws/working-spec.yaml", "--record", "out/record.jsonl") == 0
    capsys.readouterr()

    assert call("verify-record", "out/record.jsonl", "--json") == 0
    head = json.loads(capsys.readouterr().out)["head"]
    record = project / "out" / "record.jsonl"
    record.write_bytes(record.read_bytes().replace(b'"number":2', b'"number":9'))

    assert call("verify-record", "out/record.jsonl", "--head", head) == 1
    assert "entry 2 (line 2)" in capsys.readouterr().out
    assert call("verify-record", "nowhere") == 2


@pytest.mark.parametrize("tier", ["1", "2", "3"])
@pytest.mark.parametrize("ruleset", RULESETS)
def test_init_writes_a_spec_that_passes(project: Path, ruleset: str, tier: str) -> None:
    """Under each rule set and tier, whatever title and module; and never over a file that is there."""
    given = ("--ruleset", ruleset, "--tier", tier, "--title", 'Let\'s: "go" # there', "--module", "src/a b/")

    assert call("init", "new/spec.yaml", *given) == 0
    assert call("check", "--ruleset", ruleset, "new/spec.yaml") == 0
    assert yaml.safe_load((project / "new" / "spec.yaml").read_text())["title"] == 'Let\'s: "go" # there'
    assert call("init", "new/spec.yaml") == 1
    assert call("init", "new/spec.yaml", "--force") == 0


@pytest.mark.parametrize("rule", sorted(CATALOGUE))
def test_every_rule_is_explained(rule: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What it says, the mend, and where it comes from."""
    assert call("explain", rule) == 0
    told = capsys.readouterr().out
    assert all(word in told for word in (rule, "What:", "Mend:", "From:"))


def test_an_unknown_rule_is_answered_with_its_neighbours(capsys: pytest.CaptureFixture[str]) -> None:
    """And the exit code says that nothing was found."""
    assert call("explain", "scope-inn") == 1
    assert "scope-in" in capsys.readouterr().err


def test_rules_are_listed_by_set(capsys: pytest.CaptureFixture[str]) -> None:
    """All rule sets with their sources, and the rules that a spec meets under one."""
    assert call("rules", "--json", "--ruleset", "caws-12") == 0
    answer = json.loads(capsys.readouterr().out)
    assert set(answer["rulesets"]) == set(RULESETS)
    assert {"caws-12", "every"} == {name for rule in answer["rules"] for name in rule["rulesets"]}
    assert call("rules") == 0
    assert call("rules", "--ruleset", "caws-9") == 1


def test_the_page_of_rules_is_the_catalogue(capsys: pytest.CaptureFixture[str]) -> None:
    """Each rule with its mend and source; who changes one writes the page anew."""
    assert call("rules", "--markdown") == 0
    page = (ROOT / "docs" / "caws-rules.md").read_text(encoding="utf-8")
    assert page == capsys.readouterr().out, "run: arbiter caws rules --markdown > docs/caws-rules.md"
    assert all(f"`{code}`" in page for code in CATALOGUE)


def test_every_code_in_the_rules_is_in_the_catalogue() -> None:
    """What a finding may be called can be explained."""
    pattern = r'(?:finding|_fault|about_file|warning|unreadable|_note|_say)\(\s*(?:document,\s*)?"([A-Za-z][\w.-]+)"'
    rooms = sorted(Path(caws.__file__).parent.glob("*.py"))
    written = {code for path in rooms for code in re.findall(pattern, path.read_text())}
    handed_on = {f"spec.semantic.successor.{code}" for code in written if "_" in code and "." not in code}

    assert len(written) > 30
    assert {code for code in written if "-" in code or "." in code} | handed_on <= set(CATALOGUE)


def test_the_repository_judges_itself() -> None:
    """Its own working spec passes without a finding, its contract is there, and `make check` asks."""
    own = str(ROOT / ".caws" / "working-spec.yaml")

    assert call("check", own, "--ruleset", "caws-8", "--root", str(ROOT)) == 0
    assert "caws check" in (ROOT / "Makefile").read_text()


def git(folder: Path, *arguments: str) -> None:
    """Run git as somebody."""
    who = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *who, *arguments], check=True, cwd=folder, capture_output=True)


def on_path() -> dict[str, str]:
    """An environment in which `arbiter` is the one of these tests."""
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


@pytest.mark.parametrize(("changed_path", "status"), [("src/a.py", 0), ("lib/a.py", 1)])
def test_the_workflow_judges_a_pull_request(project: Path, changed_path: str, status: int) -> None:
    """Its step, run by the shell that runs it on GitHub: the exit code decides, and the log is one that can be uploaded."""
    workflow = yaml.safe_load((EXAMPLES / "caws.yml").read_text())
    steps = workflow["jobs"]["judge"]["steps"]
    (script,) = (step["run"] for step in steps if "caws check" in step.get("run", ""))
    (upload,) = (step for step in steps if "upload-sarif" in step.get("uses", ""))
    git(project, "init", "-q")
    git(project, "add", "-A")
    git(project, "commit", "-qm", "base")
    git(project, "update-ref", "refs/remotes/origin/main", "HEAD")
    (project / "junit.xml").write_text('<testsuite><testcase name="t"/></testsuite>')
    (project / changed_path).parent.mkdir(exist_ok=True)
    (project / changed_path).write_text("x\n")
    git(project, "add", changed_path)
    git(project, "commit", "-qm", "change")
    (project / ".git" / "info" / "exclude").write_text("junit.xml\ncaws.sarif\n")

    outcome = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        cwd=project,
        env={**on_path(), "GITHUB_BASE_REF": "main"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (outcome.returncode, outcome.stderr) == (status, "")
    assert "test_results: 0 failing test(s)" in outcome.stdout
    log = json.loads((project / upload["with"]["sarif_file"]).read_bytes())
    assert broken_rules(log) == []
    assert log["runs"][0]["properties"]["verdict"] == ("waiver-required" if status else "pass")


def test_the_hooks_judge_before_a_commit(project: Path) -> None:
    """Each entry, as pre-commit calls it: with the staged files that it asks for, or with none."""
    hooks = yaml.safe_load((EXAMPLES / "pre-commit-hooks.yaml").read_text())["repos"][0]["hooks"]
    git(project, "init", "-q")
    git(project, "add", "-A")
    git(project, "commit", "-qm", "base")
    (project / "lib").mkdir()
    (project / "lib" / "a.py").write_text("x\n")
    spec_path = ".caws/working-spec.yaml"
    statuses = {}
    for hook in hooks:
        asked = [] if hook.get("pass_filenames") is False else [spec_path]
        assert all(re.search(hook["files"], path) for path in asked)
        outcome = subprocess.run(
            [*hook["entry"].split(), *asked], cwd=project, env=on_path(), capture_output=True, check=False
        )
        statuses[hook["id"]] = outcome.returncode

    assert statuses == {"caws-spec": 0, "caws-change": 1}
