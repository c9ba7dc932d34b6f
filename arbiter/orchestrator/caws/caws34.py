"""The rules `caws-3.4`: what the CAWS command line of release 3.4.0 says in full mode (`caws validate`).

Ported from tag v3.4.0. The release also warns that the budget could not be derived where the project has no policy; here
the budget is then the release's own policy, and nothing is compared with it unless a change is given.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from arbiter.orchestrator.caws import commandline as shared
from arbiter.orchestrator.caws.document import Document
from arbiter.orchestrator.caws.javascript import UNDEFINED, falsy, length, same
from arbiter.orchestrator.caws.models import Finding

__all__ = ["RULES", "SOURCE"]

SOURCE: Final = "CAWS command line 3.4.0, full mode"


def _contracts(document: Document) -> Iterator[Finding]:
    tier, contracts = document.data.get("risk_tier"), document.data.get("contracts", UNDEFINED)
    if not (same(tier, 1) or same(tier, 2)):
        return
    if falsy(contracts) or same(length(contracts), 0):
        message = "Contracts required for Tier 1 and 2 changes"
        yield document.finding("contracts-required", ("contracts",), message, shared.REQUIRED["contracts"])


RULES: Final = tuple(
    shared.guarded(rule)
    for rule in (
        shared.required_fields,
        shared.id_format,
        shared.tier_range,
        shared.scope_in,
        shared.nothing_said,
        _contracts,
        shared.waiver_ids,
        shared.javascript_tier,
        shared.javascript_emptiness,
        shared.javascript_lists,
        shared.unknown_mode,
    )
)
