"""The gates: budget and scope from the change, the rest from reports and from the contracts' files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from arbiter.orchestrator.caws import contracts
from arbiter.orchestrator.caws.case import Case
from arbiter.orchestrator.caws.change import Change, ChangedFile
from arbiter.orchestrator.caws.evidence import Attachment, Evidence
from arbiter.orchestrator.caws.globs import matches
from arbiter.orchestrator.caws.models import Budget, Finding, Severity
from arbiter.orchestrator.caws.places import about_file
from arbiter.orchestrator.caws.policy import Policy
from arbiter.orchestrator.caws.reports import Measure, ReportUnreadable, measured
from arbiter.orchestrator.caws.scope import Stray, strays
from arbiter.orchestrator.caws.waivers import GATES, Waiver

__all__ = ["judge"]

_POLICY_FILE: Final = ".caws/policy.yaml"
_GENERATED: Final = (
    *("**/package-lock.json", "**/npm-shrinkwrap.json", "**/yarn.lock", "**/pnpm-lock.yaml", "**/bun.lock"),
    *("**/poetry.lock", "**/uv.lock", "**/Pipfile.lock", "**/pdm.lock", "**/Cargo.lock", "**/go.sum"),
    *("**/composer.lock", "**/Gemfile.lock", "**/*.min.js", "**/*.min.css", "**/*_pb2.py", "**/*_pb2.pyi"),
    *("**/*_pb2_grpc.py", "**/*.pb.go", "**/__snapshots__/**"),
)
"""Written by tools wherever they are; a repository adds its own by linguist-generated or by `generated` in its policy."""


def judge(case: Case, evidence: Evidence) -> Budget | None:
    """Judge every gate that something was given for; the case gets what is found.

    Returns:
        The budget, with the change's size where one was given; None where the policy has no such tier.
    """
    budget = _budget(case, evidence.change)
    if evidence.change is not None:
        _scope(case, evidence.change)
        _policy_apart(case, evidence.change)
    _reports(case, evidence.reports)
    if evidence.files is not None:
        _contracts(case, evidence.files)
    judged = {gate.gate for gate in case.gates} | {b.gate for b in case.breaches}
    for gate in GATES:
        if gate in evidence.required and gate not in judged:
            hint = "Give the change or the report that shows it."
            found = case.document.finding("gate-unjudged", (), f"nothing was given to judge {gate} by", hint)
            case.settle(gate, [found], found.message, lifted_by=case.lifting(gate))
    return budget


def _budget(case: Case, change: Change | None) -> Budget | None:
    tier = case.tier
    if tier is None:
        return None
    budget = Budget(
        tier=case.tier_name, max_files=tier.max_files, max_loc=tier.max_loc, source=case.policy.source
    )
    if change is None:
        return budget
    files, lines = len(change.files), sum(_lines(file, case.policy) for file in change.files)
    is_over = files > tier.max_files or lines > tier.max_loc
    raising = tuple(w for w in case.lifting("budget_limit") if is_over and (w.max_files or w.max_loc))
    most_files = tier.max_files + sum(waiver.max_files for waiver in raising)
    most_lines = tier.max_loc + sum(waiver.max_loc for waiver in raising)
    share = max(_share(files, most_files), _share(lines, most_lines))
    found = list(_over(case, files, lines, most_files, most_lines))
    _note_without_delta(case, found)
    message = f"{files} of {most_files} files, {lines} of {most_lines} lines ({share:g} %)"
    evidence = (change.source, *(f"{f.path}: +{f.added} -{f.removed}" for f in _largest(change)))
    case.settle(
        "budget_limit", found, message, score=share, threshold=100, evidence=evidence, raised_by=raising
    )
    _note_approach(case, share, found)
    return replace(
        budget,
        effective_files=most_files,
        effective_loc=most_lines,
        files=files,
        loc=lines,
        utilization_percent=share,
    )


def _over(case: Case, files: int, lines: int, most_files: int, most_lines: int) -> Iterable[Finding]:
    path, hint = ("risk_tier",), "Split the change, or have a waiver of budget_limit with a delta approved."
    if files > most_files:
        message = f"File count ({files}) exceeds budget ({most_files}) by {files - most_files}"
        yield case.document.finding("budget-files", path, message, hint)
    if lines > most_lines:
        message = f"Lines of code ({lines}) exceed budget ({most_lines}) by {lines - most_lines}"
        yield case.document.finding("budget-loc", path, message, hint)


def _note_without_delta(case: Case, found: list[Finding]) -> None:
    for waiver in case.lifting("budget_limit") if found else ():
        if not (waiver.max_files or waiver.max_loc):
            message = f"waiver {waiver.id} names budget_limit and raises nothing"
            hint = "Add delta: {max_files: N, max_loc: N}."
            case.findings.append(waiver.finding("waiver-without-delta", message, hint, Severity.WARNING))


def _note_approach(case: Case, share: float, found: list[Finding]) -> None:
    if share >= 90 and not found and case.policy.mode("budget_limit") != "skip":
        message, hint = f"the change uses {share:g} % of its budget", "Split it before it grows."
        finding = case.document.finding("budget-approaching", ("risk_tier",), message, hint, Severity.WARNING)
        case.findings.append(finding)


def _lines(file: ChangedFile, policy: Policy) -> int:
    return 0 if file.binary or _is_generated(file, policy) else file.added + file.removed


def _is_generated(file: ChangedFile, policy: Policy) -> bool:
    return file.generated or any(matches(file.path, glob) for glob in (*_GENERATED, *policy.generated))


def _largest(change: Change) -> list[ChangedFile]:
    return sorted(change.files, key=lambda file: file.added + file.removed, reverse=True)[:5]


def _share(used: int, most: int) -> float:
    if most:
        return round(used / most * 100, 1)
    return 0.0 if not used else 999.9


def _scope(case: Case, change: Change) -> None:
    outside = list(strays(change, case.document, case.policy))
    lifted: dict[str, Waiver] = {}
    held = []
    for stray in outside:
        waiver = next((w for w in case.lifting("scope_boundary") if _covers(w, stray.path)), None)
        if waiver is None:
            held.append(stray)
        else:
            lifted[waiver.id] = waiver
    found = [_outside(case, stray) for stray in (held or outside)]
    inside = len(change.files) - len({stray.path for stray in outside})
    message = (
        f"{len(held)} path(s) outside the scope" if held else f"{max(inside, 0)} file(s) inside the scope"
    )
    names = tuple(stray.reason for stray in outside[:10])
    by = () if held else tuple(lifted.values())
    case.settle("scope_boundary", found, message, score=len(held), threshold=0, evidence=names, lifted_by=by)


def _covers(waiver: Waiver, path: str) -> bool:
    return not waiver.paths or any(matches(path, entry) for entry in waiver.paths)


def _outside(case: Case, stray: Stray) -> Finding:
    path = ("scope", stray.step, stray.entry) if stray.entry else ("scope", stray.step)
    hint = "Take the file out of the change, amend the scope, or have a waiver of scope_boundary approved."
    return case.document.finding(f"scope-{stray.step}", path, stray.reason, hint)


def _policy_apart(case: Case, change: Change) -> None:
    """No waiver lifts this: a change could otherwise raise the budget that it is held to."""
    paths = {path for file in change.files for path in file.paths}
    if case.policy.apart and _POLICY_FILE in paths and len(paths) > 1:
        message = "the change touches the policy and other files, which the policy forbids"
        hint = "Change the policy by itself."
        case.findings.append(about_file("policy-with-code", _POLICY_FILE, message, hint))


def _reports(case: Case, reports: tuple[Attachment, ...]) -> None:
    by_gate: dict[str, list[tuple[str, Measure]]] = {}
    for report in reports:
        content = report.content.encode() if isinstance(report.content, str) else report.content
        try:
            measure = measured(content)
        except ReportUnreadable as error:
            hint = "Known are Cobertura, LCOV, coverage.py, Stryker, mutmut, JUnit and SARIF."
            case.findings.append(about_file("report-unreadable", report.name, str(error), hint))
            continue
        by_gate.setdefault(measure.gate, []).append((report.name, measure))
    for gate, found in by_gate.items():
        if gate in ("coverage_threshold", "mutation_threshold"):
            _share_reached(case, gate, found)
        else:
            _nothing_wrong(case, gate, found)


def _share_reached(case: Case, gate: str, found: list[tuple[str, Measure]]) -> None:
    tier, word = case.tier, gate.partition("_")[0]
    good, total = sum(m.good for _, m in found), sum(m.total for _, m in found)
    score = round(good / total * 100, 2) if total else 0.0
    evidence = tuple(f"{name} ({m.kind}): {m.good:g} of {m.total:g}" for name, m in found)
    if tier is None:
        message = f"{word} {score:g} %, and the spec has no tier to hold it to"
        case.settle(gate, [], message, score=score, evidence=evidence)
        return
    threshold = tier.coverage if gate == "coverage_threshold" else tier.mutation
    message = f"{word} {score:g} % of {threshold:g} % for tier {case.tier_name}"
    hint = f"Raise it in {found[0][0]}, or have a waiver of {gate} approved."
    below = good < total * threshold / 100 or not total
    wrong = [case.document.finding(f"{word}-below", ("risk_tier",), message, hint)] if below else []
    lifted = case.lifting(gate) if wrong else ()
    case.settle(gate, wrong, message, score=score, threshold=threshold, evidence=evidence, lifted_by=lifted)


def _nothing_wrong(case: Case, gate: str, found: list[tuple[str, Measure]]) -> None:
    code, what = (
        ("test-failed", "failing test(s)")
        if gate == "test_results"
        else ("security-finding", "grave finding(s)")
    )
    bad = sum(m.bad for _, m in found)
    evidence = tuple(
        f"{name} ({m.kind}): {m.bad} {what}" + (f" of {m.total:g}" if m.total else "") for name, m in found
    )
    wrong = []
    for name, m in found:
        if m.bad:
            told = f"{m.bad} {what}: {'; '.join(m.faults)}" if m.faults else f"{m.bad} {what}"
            wrong.append(about_file(code, name, told, f"Mend them, or have a waiver of {gate} approved."))
        elif gate == "test_results" and not m.total:
            wrong.append(
                about_file("test-none", name, "no test was run", "Run the tests, and give their report.")
            )
    message = f"{bad} {what}" if bad or not wrong else "no test was run"
    lifted = case.lifting(gate) if wrong else ()
    case.settle(gate, wrong, message, score=bad, threshold=0, evidence=evidence, lifted_by=lifted)


def _contracts(case: Case, files: contracts.Files) -> None:
    listed = case.document.data.get("contracts")
    count = len(listed) if isinstance(listed, list) else 0
    hint = "Add or mend the file, or have a waiver of contract_compliance approved."
    wrong = [
        case.document.finding("contract-broken", ("contracts", fault.index), fault.message, hint)
        for fault in contracts.faults(case.document, files)
    ]
    if not count and case.tier is not None and case.tier.contracts:
        message = f"the policy asks for a contract in tier {case.tier_name}, and the spec names none"
        wrong.append(case.document.finding("contract-none", ("contracts",), message, hint))
    message = f"{count - len(wrong)} of {count} contract(s) hold" if count else "no contract"
    evidence = tuple(finding.message for finding in wrong[:10])
    lifted = case.lifting("contract_compliance") if wrong else ()
    case.settle("contract_compliance", wrong, message, evidence=evidence, lifted_by=lifted)
