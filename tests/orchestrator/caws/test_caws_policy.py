"""Policies in the shapes that are in use."""

from __future__ import annotations

import pytest

from arbiter.orchestrator.caws.policy import Policy, policy_from, policy_of
from tests.orchestrator.caws.kit import SAMPLE

SAMPLES = SAMPLE / "samples"
FALLBACK = policy_of("8.0.0")


def policy(text: str) -> Policy:
    """The policy in a text that has no faults."""
    found, faults = policy_from(text, "policy.yaml", FALLBACK)
    assert faults == ()
    return found


@pytest.mark.skipif(not SAMPLES.exists(), reason="the samples are not on this machine")
@pytest.mark.parametrize(
    ("name", "tier", "files", "lines", "coverage"),
    [
        ("policy-caws-v10.2.0.yaml", "1", 10, 250, 90),
        ("policy-caws-v12.0.0.yaml", "3", 500, 40_000, 70),
        ("policy-distill.yaml", "1", 15, 600, 85),
        ("policy-kokoro.yaml", "2", 25, 1000, 75),
    ],
)
def test_real_policies_are_read(name: str, tier: str, files: int, lines: int, coverage: float) -> None:
    """Each shape that public repositories use."""
    found = policy((SAMPLES / name).read_text()).tiers[tier]

    assert (found.max_files, found.max_loc, found.coverage) == (files, lines, coverage)


def test_a_share_is_a_percentage() -> None:
    """0.9 and 90 are both in use, and mean the same."""
    text = "risk_tiers: {1: {max_files: 1, max_loc: 1, coverage_threshold: 0.9, mutation_threshold: 55}}"

    assert (policy(text).tiers["1"].coverage, policy(text).tiers["1"].mutation) == (90, 55)


def test_what_a_policy_does_not_say_is_as_in_the_release() -> None:
    """Thresholds and tiers that are missing fall back; what is said of gates, approvers and zones is kept."""
    found = policy(
        "risk_tiers: {'1': {max_files: 3, max_loc: 4}}\n"
        "gates: {budget_limit: {enabled: false}, scope_boundary: {enabled: true, mode: warn}}\n"
        "waivers: {min_approvers_for_budget_raise: 2}\n"
        "edit_rules: {policy_and_code_same_pr: false}\n"
        "non_governed_zones: [tmp/**]\nroot_passthrough: [README.md]\ngenerated: [gen/**]\n"
    )

    assert (found.tiers["1"].coverage, found.tiers["2"].max_files) == (90, 50)
    assert (found.mode("budget_limit"), found.mode("scope_boundary"), found.mode("x")) == (
        "skip",
        "warn",
        "block",
    )
    assert (found.approvers, found.apart) == (2, True)
    assert (found.ungoverned, found.passthrough, found.generated) == (
        ("tmp/**",),
        ("README.md",),
        ("gen/**",),
    )


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a: [", "policy-unreadable"),
        ("version: 1\n", "policy-without-tiers"),
        ("risk_tiers: {1: {max_files: many, max_loc: 1}}", "policy-limit"),
        ("risk_tiers: {1: {max_files: -1, max_loc: 1}}", "policy-limit"),
        ("risk_tiers: {1: {max_files: 1, max_loc: 1, coverage_threshold: 900}}", "policy-threshold"),
        ("risk_tiers: {1: {max_files: 1, max_loc: 1}}\ngates: {x: {mode: maybe}}", "policy-mode"),
        ("risk_tiers: {1: {max_files: 1, max_loc: 1}}\nrisk_tiers: {}", "duplicate-key"),
    ],
)
def test_what_is_wrong_with_a_policy_is_a_finding_in_its_file(text: str, code: str) -> None:
    """The policy stays whole, by the release's own, and the finding names file and line."""
    found, faults = policy_from(text, "policy.yaml", FALLBACK)

    assert [(fault.code, fault.file, fault.severity.fails) for fault in faults] == [
        (code, "policy.yaml", True)
    ]
    assert set(found.tiers) == {"1", "2", "3"}
