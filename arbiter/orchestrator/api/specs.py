"""`/v1/specs`: is this working spec good enough to work from?"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from arbiter.orchestrator.api.docs import problems
from arbiter.orchestrator.api.models import SpecQuery
from arbiter.orchestrator.api.wire import raw_body
from arbiter.orchestrator.caws.models import Judgement
from arbiter.orchestrator.caws.validator import CawsValidator

__all__ = ["SpecRoutes"]


_SPEC = """\
id: FEAT-0001
title: Customers can export their invoices
risk_tier: 3
mode: feature
blast_radius: {modules: [billing]}
operational_rollback_slo: 1h
scope: {in: [src/billing], out: [src/auth]}
invariants: [An exported invoice equals the stored one]
acceptance: [{id: A1, given: a paid invoice, when: it is exported, then: the file holds its total}]
non_functional: {a11y: [], perf: {api_p95_ms: 250}, security: []}
contracts: [{type: openapi, path: docs/api.yaml}]
"""
_BODY = {
    "requestBody": {
        "required": True,
        "description": "The spec itself: one document whose top is a mapping.",
        "content": {
            "application/yaml": {"schema": {"type": "string"}, "examples": {"feature": {"value": _SPEC}}},
            "application/json": {"schema": {"type": "object"}},
        },
    }
}


class SpecRoutes:
    """The operations on working specs, over the validator."""

    def __init__(self, validator: CawsValidator) -> None:
        self._validator = validator

    def add_to(self, router: APIRouter) -> None:
        """Serve them."""
        shared: dict[str, Any] = {"tags": ["specs"], "responses": problems(400, 413), "openapi_extra": _BODY}
        router.add_api_route("/v1/specs/validate", self.validate_spec, methods=["POST"], **shared)

    async def validate_spec(
        self, document: Annotated[bytes, Depends(raw_body)], query: Annotated[SpecQuery, Query()]
    ) -> Judgement:
        """Judge a working spec, given as YAML or JSON, whatever the content type says.

        A bad spec is judged and gets 200 with the verdict `fail`; 422 is for what cannot be judged at all.
        """
        return await self._validator.validate(document, query.ruleset)
