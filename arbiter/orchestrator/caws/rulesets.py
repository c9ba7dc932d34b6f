"""The rule sets by name: each is a list of rules, how it reads YAML, and where it was taken from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final, TypeAlias

from arbiter.orchestrator.caws import caws8, caws12, caws34, quality
from arbiter.orchestrator.caws.document import Document
from arbiter.orchestrator.caws.models import Finding, RulesetUnknown

__all__ = ["DEFAULT_RULESET", "RULESETS", "Rule", "Ruleset", "ruleset_named"]

DEFAULT_RULESET: Final = "caws-3.4"
"""What judges where neither the caller nor the settings name one."""

Rule: TypeAlias = Callable[[Document], Iterable[Finding]]


@dataclass(frozen=True, slots=True)
class Ruleset:
    """One validator's rules.

    Attributes:
        name: what callers and settings call it.
        source: the release that these rules were ported from.
        rules: each looks at the whole document and yields what it finds, in the order of the original.
        policy: the name of the policy that budgets come from where the caller gives none.
        core: whether YAML is read by the core schema alone.
        project_wide: whether a waiver applies that the spec does not name and that names no spec.
    """

    name: str
    source: str
    rules: tuple[Rule, ...]
    policy: str
    core: bool = False
    project_wide: bool = False


RULESETS: Final[Mapping[str, Ruleset]] = MappingProxyType(
    {
        "caws-3.4": Ruleset("caws-3.4", caws34.SOURCE, caws34.RULES, "3.4.0"),
        "caws-8": Ruleset("caws-8", caws8.SOURCE, caws8.RULES, "8.0.0"),
        "caws-12": Ruleset("caws-12", caws12.SOURCE, caws12.RULES, "12.0.0", core=True, project_wide=True),
        "arbiter": Ruleset("arbiter", quality.SOURCE, quality.RULES, "3.4.0"),
    }
)
"""Every rule set, by its name."""


def ruleset_named(name: str) -> Ruleset:
    """The rule set of that name; `caws-3.4+arbiter` is one with the quality rules in addition.

    Raises:
        RulesetUnknown: there is none.
    """
    base, plus, addition = name.partition("+")
    if base not in RULESETS or (plus and (addition != "arbiter" or base == "arbiter")):
        raise RulesetUnknown(name, (*RULESETS, "and NAME+arbiter"))
    chosen = RULESETS[base]
    return replace(chosen, name=name, rules=(*chosen.rules, *quality.RULES)) if plus else chosen
