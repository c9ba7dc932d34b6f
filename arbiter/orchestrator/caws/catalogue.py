"""Every rule by its code: what it says, the mend, where it comes from. `arbiter caws explain` and SARIF read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

__all__ = ["CATALOGUE", "RuleInfo"]


@dataclass(frozen=True, slots=True)
class RuleInfo:
    """One rule.

    Attributes:
        code: what findings of it are called.
        rulesets: which rule sets it belongs to; `every` for those of reading, of the change, of waivers and of reports.
        severity: of its findings.
        about: what it says.
        mend: what to do.
        source: where it comes from.
    """

    code: str
    rulesets: tuple[str, ...]
    severity: str
    about: str
    mend: str
    source: str


_BOTH: Final = ("caws-3.4", "caws-8")
_COMMANDLINE: Final = "spec-validation.js, releases 3.4.0 and 8.0.0"
_RELEASE_8: Final = "spec-validation.js, release 8.0.0"
_JAVASCRIPT: Final = "a truth of JavaScript that the real validator lets decide; the warning is ours"
_KERNEL: Final = "kernel/spec, release 12.0.0"
_READING: Final = "YAML 1.2, and js-yaml 4.1.0, which the real validators read with"
_HERE: Final = "ARBITER-003"


def _rules(
    rulesets: tuple[str, ...], source: str, severity: str, *rules: tuple[str, str, str]
) -> tuple[RuleInfo, ...]:
    return tuple(RuleInfo(code, rulesets, severity, about, mend, source) for code, about, mend in rules)


_EVERY: Final = ("every",)
_ALL: Final = (
    *_rules(
        _EVERY,
        _READING,
        "error",
        ("duplicate-key", "A key stands twice in one mapping.", "Keep one of the two."),
        ("unknown-tag", "A tag is unknown, or its value is not of its form.", "Take the tag out."),
        ("merge-refused", "<< points at what is no mapping.", "Point it at a mapping."),
        ("key-refused", "A list within a list stands as a key.", "Quote it, if it is text."),
        ("alias-limit", "Aliases stand for more than 100,000 values.", "Write the values out."),
        ("depth-limit", "Mappings and lists are nested deeper than 100 levels.", "Make it flatter."),
    ),
    *_rules(
        _EVERY,
        _READING,
        "warning",
        (
            "unhashable-key",
            "A mapping or list stands as a key, as {{NAME}} does.",
            "Quote it, if it is text.",
        ),
        ("alias-circle", "A value contains itself through an alias.", "Write the value out."),
    ),
    *_rules(
        _BOTH,
        _COMMANDLINE,
        "error",
        ("missing-field", "One of the eleven keys is absent, null, false, 0 or empty text.", "Add it."),
        ("id-format", "The id is not capitals, a dash and digits.", "Use a format like FEAT-1234."),
        ("risk-tier-range", "The tier compares below 1 or above 3.", "Write 1, 2 or 3."),
        ("scope-in-empty", "scope.in is absent or has no entries.", "Name what belongs to the change."),
        ("contracts-required", "A change of tier 1 or 2 has no contract.", "Name the interface's contract."),
        ("waiver-ids-no-list", "waiver_ids is no list.", 'Write ["WV-0001"].'),
        ("waiver-id-format", "A waiver's id is not WV and four digits.", "Use a format like WV-0001."),
        (
            "validation-error",
            "The real validator ends in an exception here, and refuses the spec.",
            "See the hint.",
        ),
    ),
    *_rules(
        _BOTH,
        _COMMANDLINE,
        "warning",
        ("no-invariants", "There are no invariants.", "State what must always remain true."),
        ("no-acceptance", "There are no acceptance criteria.", "Add them as given, when, then."),
    ),
    *_rules(
        _BOTH,
        _JAVASCRIPT,
        "warning",
        ("risk-tier-no-number", "The tier is no number; checks of its tier are skipped.", "Write 1, 2 or 3."),
        ("present-but-empty", "An empty list or mapping counts as present.", "Fill it."),
        (
            "no-list",
            "What should be a list is something else, and only its length was asked for.",
            "Write a list.",
        ),
        (
            "mode-unknown",
            "The mode's value is not looked at.",
            "Choose feature, refactor, fix, doc or chore.",
        ),
    ),
    *_rules(
        ("caws-8",),
        _RELEASE_8,
        "error",
        ("scope-out-glob", "scope.out holds * or ?.", "Name directories only."),
        ("observability-required", "A change of tier 1 has no observability.", "Say what is observed."),
        ("rollback-required", "A change of tier 1 has no rollback.", "List the steps."),
        ("security-required", "A change of tier 1 has no security needs.", "State them."),
        ("rollback-no-list", "rollback is no list.", 'Write ["Step 1"].'),
        ("rollback-no-text", "A step of the rollback is no text.", "Write it as text."),
    ),
    *_rules(
        ("caws-8",),
        _RELEASE_8,
        "warning",
        ("rollback-twice", "A step of the rollback stands twice.", "Keep one."),
        (
            "change-budget-ignored",
            "change_budget decides nothing.",
            "Take it out: the policy has the budget.",
        ),
    ),
    *_rules(
        ("caws-12",),
        _KERNEL,
        "error",
        (
            "spec.schema.violation",
            "The spec is not of the shape of spec.v1.",
            "See docs/caws.md for the shape.",
        ),
        ("spec.schema.id.pattern_violation", "The id is not of its pattern.", "FOO-1 or CAWSFIX-31a fit."),
        ("spec.schema.risk_tier.type_rejected", "The tier is no integer.", "Write 1, 2 or 3, unquoted."),
        ("spec.schema.risk_tier.out_of_range", "The tier is none of 1, 2 and 3.", "Write 1, 2 or 3."),
        ("spec.schema.mode.development_removed", "The mode is unknown.", "Choose a mode of release 12."),
        ("spec.schema.scope.in_empty", "scope.in is empty.", "Name at least one path."),
        ("spec.schema.scope.out_glob_forbidden", "scope.out holds * or ?.", "Name directories only."),
        ("spec.schema.forbidden_field.change_budget", "change_budget stands in the spec.", "Take it out."),
        ("spec.schema.forbidden_field.acceptance_criteria", "An alias was removed.", "Call it acceptance."),
        ("spec.schema.forbidden_field.scope_include", "An alias was removed.", "Call it scope.in."),
        ("spec.schema.forbidden_field.scope_exclude", "An alias was removed.", "Call it scope.out."),
        ("spec.schema.forbidden_field.status", "status was replaced.", "Call it lifecycle_state."),
        ("spec.semantic.tier1.contracts_required", "Tier 1 needs a contract, but for chores.", "Add one."),
        ("spec.semantic.tier2.contracts_required", "Tier 2 needs a contract, but for chores.", "Add one."),
        ("spec.semantic.tier1.observability_required", "Tier 1 needs observability.", "Add an entry."),
        ("spec.semantic.tier1.rollback_required", "Tier 1 needs a rollback.", "Add a step."),
        ("spec.semantic.tier1.security_required", "Tier 1 needs security.", "Add a need."),
        ("spec.semantic.experimental_mode.tier_restricted", "Experiments are of tier 3.", "Change the tier."),
        ("spec.semantic.resolution.requires_closure", "An open spec has a resolution.", "Close it."),
        ("spec.semantic.closed.resolution_required", "A closed spec has no resolution.", "Add it."),
        ("spec.semantic.supersedes.self_reference", "A spec supersedes itself.", "Name the other."),
        ("spec.semantic.successor.declined_rationale_required", "A decline has no reason.", "Say why."),
        ("spec.semantic.successor.absorbed_by_required", "Nobody absorbed the work.", "Name the spec."),
        ("spec.semantic.successor.rationale_empty", "The reason is blank.", "Write it, or take it out."),
        ("spec.semantic.successor.duplicate_target", "A successor stands twice.", "Make one of the two."),
        ("spec.semantic.successor.self_reference", "A spec is its own successor.", "Name another."),
        ("spec.semantic.successor.absorbed_by_self_reference", "It absorbs itself.", "Name another."),
        ("spec.semantic.successor.absorbed_by_equals_target", "The target absorbs itself.", "Name another."),
        ("spec.semantic.scope.overbroad_out", "scope.out refuses what scope.in admits.", "Narrow it."),
        (
            "spec.semantic.evidence.criterion_id_unknown",
            "No criterion has that id.",
            "Use one that is there.",
        ),
        ("spec.semantic.evidence.waiver_reason_required", "A waived criterion has no reason.", "Say why."),
    ),
    *_rules(
        ("arbiter",),
        _HERE,
        "high, medium or low",
        (
            "SCOPE-001",
            "The scope is empty, everything, or excludes what is never source.",
            "Name directories.",
        ),
        (
            "BLAST-001",
            "Modules or data migration are missing; a sensitive module is unprotected.",
            "Add them.",
        ),
        ("ROLLBACK-001", "Tier 1 has no rollback; its time is unusual; nothing tests it.", "Add steps."),
        (
            "ACCEPTANCE-001",
            "Criteria are missing, not whole, not unique or vague.",
            "Write given, when, then.",
        ),
        ("CONTRACT-001", "Contracts are missing, not whole, or of an unknown type.", "Name type and path."),
        ("OBSERVABILITY-001", "Logs, metrics or alerts are missing.", "Say what is observed."),
        ("NONFUNC-001", "Security of tier 1 is not whole; figures are not realistic.", "State the needs."),
    ),
    *_rules(
        _EVERY,
        "budget-derivation.js; a breach only when strictly over",
        "error",
        (
            "budget-files",
            "The change touches more files than the budget allows.",
            "Split it, or have it waived.",
        ),
        ("budget-loc", "The change has more lines than the budget allows.", "Split it, or have it waived."),
    ),
    *_rules(
        _EVERY,
        "kernel/scope, release 12.0.0; an exclusion is read widely, an admission narrowly",
        "error",
        ("scope-in", "A changed file is inside no entry of scope.in.", "Take it out, or amend the scope."),
        ("scope-out", "A changed file is inside an entry of scope.out.", "Take it out, or amend the scope."),
    ),
    *_rules(
        _EVERY,
        _HERE,
        "error",
        ("coverage-below", "Tests reach fewer lines than the tier asks for.", "Test more."),
        ("mutation-below", "Tests detect fewer mutants than the tier asks for.", "Test better."),
        ("test-failed", "Tests failed.", "Mend them."),
        ("test-none", "The report holds no test that ran.", "Run the tests."),
        ("security-finding", "A scanner found errors, or severities of 7.0 and more.", "Mend them."),
        ("contract-broken", "A contract's file is missing, or is not what it claims.", "Add or mend it."),
        ("contract-none", "The policy asks for a contract in this tier.", "Name one."),
        ("gate-unjudged", "A required gate was given nothing to be judged by.", "Give its report."),
        ("policy-with-code", "Policy and code change together, which the policy forbids.", "Part them."),
        ("policy-unreadable", "The policy file is no YAML mapping.", "Mend it."),
        ("policy-without-tiers", "The policy names no risk tiers.", "Add risk_tiers."),
        ("policy-limit", "A limit of the policy is no whole number.", "Write one."),
        ("policy-threshold", "A threshold of the policy is none from 0 to 100.", "Write one."),
        ("policy-mode", "A gate's mode is none of block, warn and skip.", "Choose one."),
        ("report-unreadable", "A report is of no known kind, or not what it claims.", "Give another."),
        ("waiver-missing", "The spec names a waiver that no file holds.", "Add it, or do not name it."),
        ("waiver-malformed", "A waiver lacks what makes it one.", "Mend it."),
        ("waiver-expired", "A waiver that the spec leans on has expired.", "Have a new one approved."),
        ("waiver-revoked", "A waiver that the spec leans on was revoked.", "Take it out of waiver_ids."),
        (
            "waiver-unapproved",
            "Too few have approved the waiver, or it is only proposed.",
            "Have it approved.",
        ),
        ("waiver-misplaced", "The waiver was granted for another spec.", "Name one for this spec."),
        ("waiver-unreadable", "A waiver's file is no YAML mapping.", "Mend it."),
        ("external-finding", "The external validator found it.", "See its hint."),
    ),
    *_rules(
        _EVERY,
        _HERE,
        "warning",
        ("budget-approaching", "The change uses 90 % of its budget or more.", "Split it before it grows."),
        ("waiver-without-delta", "A waiver of the budget raises nothing.", "Add a delta."),
        ("external-unavailable", "The external validator could not answer.", "Look at its breaker."),
    ),
)

CATALOGUE: Final[Mapping[str, RuleInfo]] = MappingProxyType({rule.code: rule for rule in _ALL})
"""Every rule, by its code, in the order in which `arbiter caws rules` shows them."""
