"""`/v1/specs`: is this working spec good enough to work from?"""

from __future__ import annotations

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response

from arbiter.orchestrator.api.docs import problems
from arbiter.orchestrator.api.models import NamedFile, SpecCase, SpecQuery
from arbiter.orchestrator.api.wire import needs, raw_body, understood
from arbiter.orchestrator.caws.change import Change, change_of_diff, change_of_numstat
from arbiter.orchestrator.caws.contracts import Attached
from arbiter.orchestrator.caws.evidence import Attachment, Evidence
from arbiter.orchestrator.caws.models import Judgement, wire
from arbiter.orchestrator.caws.validator import CawsValidator
from arbiter.orchestrator.performance.models import EventType, PerformanceEvent
from arbiter.orchestrator.performance.tracker import PerformanceTracker

__all__ = ["CASE", "SpecRoutes"]

CASE = "application/vnd.arbiter.case+json"
"""The content type of a spec together with what it is held against."""

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
            CASE: {"schema": {"$ref": "#/components/schemas/SpecCase"}},
        },
    }
}


class SpecRoutes:
    """The operations on working specs, over the validator; each verdict is shown to the tracker as well."""

    def __init__(self, validator: CawsValidator, tracker: PerformanceTracker) -> None:
        self._validator, self._tracker = validator, tracker

    def add_to(self, router: APIRouter) -> None:
        """Serve them."""
        shared: dict[str, Any] = {
            "tags": ["specs"],
            "responses": problems(400, 413),
            "openapi_extra": needs("specs", **_BODY),
        }
        shared["response_model"] = Judgement
        router.add_api_route("/v1/specs/validate", self.validate_spec, methods=["POST"], **shared)

    async def validate_spec(
        self,
        request: Request,
        document: Annotated[bytes, Depends(raw_body)],
        query: Annotated[SpecQuery, Query()],
    ) -> Response:
        """Judge a working spec, given as YAML or JSON, whatever the content type says.

        With the content type `application/vnd.arbiter.case+json` the body holds the spec as text, and beside it what the
        spec is held against: the change, policy, waivers, reports, contracts.

        A bad spec is judged and gets 200 with the verdict `fail`; 422 is for what cannot be judged at all.
        """
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != CASE:
            return self._answer(await self._validator.validate(document, query.ruleset))
        case = understood(SpecCase, document)
        return self._answer(await self._validator.validate(case.spec, query.ruleset, _evidence(case)))

    def _answer(self, judgement: Judgement) -> Response:
        self._tracker.offer(
            PerformanceEvent(
                type=EventType.CONSTITUTIONAL_VALIDATION,
                success=judgement.passed,
                latency_ms=judgement.duration_ms,
                metadata={"ruleset": judgement.ruleset, "verdict": judgement.verdict.value},
            )
        )
        content = orjson.dumps(wire(judgement), option=orjson.OPT_UTC_Z)
        return Response(content, media_type="application/json")


def _evidence(case: SpecCase) -> Evidence:
    contracts = case.contracts
    return Evidence(
        policy=_attachment(case.policy) if case.policy else None,
        waivers=None if case.waivers is None else tuple(map(_attachment, case.waivers)),
        change=_change(case),
        reports=tuple(map(_attachment, case.reports)),
        files=None
        if contracts is None
        else Attached({name: text.encode() for name, text in contracts.items()}),
        required=frozenset(case.require),
    )


def _attachment(file: NamedFile) -> Attachment:
    return Attachment(file.name, file.content)


def _change(case: SpecCase) -> Change | None:
    if case.diff is not None:
        return change_of_diff(case.diff)
    return None if case.numstat is None else change_of_numstat(case.numstat)
