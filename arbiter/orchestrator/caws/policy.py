"""Policies: budgets, thresholds and gate modes by risk tier, from the shapes of policy file that are in use.

Three are known: `risk_tiers` (releases 3.4 to 12), `tiers.tier_N` and `policy.tiers.tier_N` (projects of 2025). Where no
policy is given, the release's own stands in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

from arbiter.orchestrator.caws.document import Document, read
from arbiter.orchestrator.caws.javascript import Plain
from arbiter.orchestrator.caws.models import Finding, NotAMapping, Severity
from arbiter.orchestrator.caws.places import in_file, unreadable

__all__ = ["Policy", "Tier", "policy_from", "policy_of"]

TIERS: Final = ("1", "2", "3")
_MODES: Final = ("block", "warn", "skip")


@dataclass(frozen=True, slots=True)
class Tier:
    """What one risk tier allows and asks for.

    Attributes:
        max_files: files that may change.
        max_loc: lines that may change, added and removed together.
        coverage: percent of lines that tests must reach.
        mutation: percent of mutants that tests must detect.
        contracts: whether a contract is asked for.
    """

    max_files: int
    max_loc: int
    coverage: float
    mutation: float
    contracts: bool


@dataclass(frozen=True, slots=True)
class Policy:
    """What a project asks of each change.

    Attributes:
        source: where it is written.
        tiers: by "1", "2" and "3".
        modes: of gates that the policy names: block, warn or skip.
        approvers: how many a waiver needs.
        apart: whether the policy and code may not change together.
        ungoverned: globs of files that no scope is asked of.
        passthrough: names of files in the root that may always change.
        generated: globs of files whose lines nobody wrote.
    """

    source: str
    tiers: Mapping[str, Tier]
    modes: Mapping[str, str] = field(default_factory=dict)
    approvers: int = 1
    apart: bool = False
    ungoverned: tuple[str, ...] = ()
    passthrough: tuple[str, ...] = ()
    generated: tuple[str, ...] = ()

    def mode(self, gate: str) -> str:
        """What a breach of that gate does: block, warn or skip."""
        return self.modes.get(gate, "block")


def _tiers(limits: tuple[tuple[int, int], ...]) -> Mapping[str, Tier]:
    # Coverage and mutation by tier: the default policy of release 8.0.0, the only one that states them.
    asked = ((90.0, 70.0, True), (80.0, 50.0, True), (70.0, 30.0, False))
    return MappingProxyType(
        {
            tier: Tier(files, lines, coverage, mutation, contracts)
            for tier, (files, lines), (coverage, mutation, contracts) in zip(
                TIERS, limits, asked, strict=True
            )
        }
    )


_OWN: Final = ((10, 250), (100, 10_000), (500, 40_000))
_BUILT_IN: Final[Mapping[str, Policy]] = MappingProxyType(
    {
        "3.4.0": Policy("policy of CAWS 3.4.0", _tiers(_OWN)),
        "8.0.0": Policy("default policy of CAWS 8.0.0", _tiers(((25, 1000), (50, 2000), (100, 5000)))),
        "12.0.0": Policy("policy of CAWS 12.0.0", _tiers(_OWN)),
    }
)


def policy_of(release: str) -> Policy:
    """The policy that a release carries."""
    return _BUILT_IN[release]


def policy_from(source: bytes | str, name: str, fallback: Policy) -> tuple[Policy, tuple[Finding, ...]]:
    """The policy in a file, and what is wrong with it; what it does not say is as in `fallback`.

    Args:
        source: the file's content, YAML or JSON.
        name: what findings call the file.
        fallback: a policy that is whole.
    """
    try:
        document = read(source)
    except NotAMapping as error:
        return fallback, (unreadable("policy-unreadable", name, error),)
    reader = _Reader(document, name)
    policy = reader.policy(fallback)
    return policy, (*(in_file(fault, name) for fault in document.faults), *reader.findings)


class _Reader:
    """Takes a policy out of a document, and notes what it cannot use."""

    def __init__(self, document: Document, name: str) -> None:
        self._document, self._name = document, name
        self.findings: list[Finding] = []

    def policy(self, fallback: Policy) -> Policy:
        """The policy, with what is missing as in `fallback`."""
        data = self._document.data
        tiers = dict(fallback.tiers)
        for tier, path, written in self._written_tiers():
            tiers[tier] = self._tier(written, path, tiers[tier])
        waivers = _mapping(data.get("waivers")) | _mapping(data.get("waiver_approval"))
        rules = _mapping(data.get("edit_rules"))
        approvers = waivers.get("min_approvers_for_budget_raise", waivers.get("required_approvers"))
        approvers = rules.get("min_approvers_for_budget_raise") if approvers is None else approvers
        return replace(
            fallback,
            source=self._name,
            tiers=MappingProxyType(tiers),
            modes=MappingProxyType(dict(self._modes())),
            approvers=approvers if isinstance(approvers, int) and approvers > 0 else fallback.approvers,
            apart=rules.get("policy_and_code_same_pr") is False,
            ungoverned=_texts(data.get("non_governed_zones")),
            passthrough=_texts(data.get("root_passthrough")),
            generated=_texts(data.get("generated")),
        )

    def _written_tiers(self) -> Iterator[tuple[str, tuple[str, ...], dict[str, Plain]]]:
        data = self._document.data
        shapes = (
            (("risk_tiers",), "{}", data.get("risk_tiers")),
            (("tiers",), "tier_{}", data.get("tiers")),
            (("policy", "tiers"), "tier_{}", _mapping(data.get("policy")).get("tiers")),
        )
        path, pattern, found = next((shape for shape in shapes if isinstance(shape[2], dict)), shapes[0])
        written = _mapping(found)
        if not any(pattern.format(tier) in written for tier in TIERS):
            self._note("policy-without-tiers", path, "the policy names none of the risk tiers 1, 2 and 3")
        for tier in TIERS:
            key = pattern.format(tier)
            if key in written:
                yield tier, (*path, key), _mapping(written[key])

    def _tier(self, written: dict[str, Plain], path: tuple[str, ...], fallback: Tier) -> Tier:
        limits, gates = (
            _mapping(written.get("change_budget")) or written,
            _mapping(written.get("quality_gates")),
        )
        tested = _mapping(gates.get("test_coverage")) or _mapping(gates.get("coverage"))
        mutated = gates.get("mutation_score", _mapping(gates.get("mutation")).get("score"))
        coverage = written.get("coverage_threshold", tested.get("line"))
        mutation = written.get("mutation_threshold", mutated)
        asked = written.get("contracts_required")
        return Tier(
            self._limit(limits, path, "max_files", fallback.max_files),
            self._limit(limits, path, "max_loc", fallback.max_loc),
            self._percent(coverage, path, "coverage", fallback.coverage),
            self._percent(mutation, path, "mutation", fallback.mutation),
            asked if isinstance(asked, bool) else fallback.contracts,
        )

    def _limit(self, limits: dict[str, Plain], path: tuple[str, ...], name: str, fallback: int) -> int:
        value = limits.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
        self._note("policy-limit", (*path, name), f"{name} is no whole number; {fallback} is used")
        return fallback

    def _percent(self, value: Plain, path: tuple[str, ...], name: str, fallback: float) -> float:
        if value is None:
            return fallback
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 100:
            return value * 100.0 if value <= 1 else float(value)  # 90 and 0.9 are both in use
        self._note(
            "policy-threshold", path, f"the {name} threshold is none from 0 to 100; {fallback:g} is used"
        )
        return fallback

    def _modes(self) -> Iterator[tuple[str, str]]:
        gates = self._document.data.get("gates")
        for name, written in _mapping(gates).items():
            gate = _mapping(written)
            mode = gate.get("mode", "block")
            if gate.get("enabled") is False:
                yield name, "skip"
            elif isinstance(mode, str) and mode in _MODES:
                yield name, mode
            else:
                message = f"the mode of gate {name[:40]} is none of {', '.join(_MODES)}; block is used"
                self._note("policy-mode", ("gates", name, "mode"), message)

    def _note(self, code: str, path: tuple[str, ...], message: str) -> None:
        hint = "See docs/caws.md for the shapes of policy that are read."
        found = self._document.finding(code, path, message, hint, Severity.ERROR)
        self.findings.append(in_file(found, self._name))


def _mapping(value: Plain) -> dict[str, Plain]:
    return value if isinstance(value, dict) else {}


def _texts(value: Plain) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()
