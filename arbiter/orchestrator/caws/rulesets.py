"""The rule sets by name: each is a list of rules, the policy its budgets come from, and where both were taken from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeAlias

from arbiter.orchestrator.caws import caws34
from arbiter.orchestrator.caws.document import Document
from arbiter.orchestrator.caws.models import Budget, Finding, RulesetUnknown

__all__ = ["RULESETS", "Rule", "Ruleset", "ruleset_named"]

Rule: TypeAlias = Callable[[Document], Iterable[Finding]]


@dataclass(frozen=True, slots=True)
class Ruleset:
    """One validator's rules.

    Attributes:
        name: what callers and settings call it.
        source: the release that these rules were ported from.
        rules: each looks at the whole document and yields what it finds, in the order of the original.
        budget: the baseline of the document's tier, or None.
        waivers: the ids of the waivers that the document names.
    """

    name: str
    source: str
    rules: tuple[Rule, ...]
    budget: Callable[[Document], Budget | None]
    waivers: Callable[[Document], tuple[str, ...]]


RULESETS: Final[Mapping[str, Ruleset]] = MappingProxyType(
    {
        "caws-3.4": Ruleset("caws-3.4", caws34.SOURCE, caws34.RULES, caws34.budget, caws34.waivers),
    }
)
"""Every rule set, by its name."""


def ruleset_named(name: str) -> Ruleset:
    """The rule set of that name.

    Raises:
        RulesetUnknown: there is none.
    """
    if name not in RULESETS:
        raise RulesetUnknown(name, RULESETS)
    return RULESETS[name]
