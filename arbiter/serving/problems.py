"""Errors as RFC 9457 problem documents: one shape for every refusal, with the trace id of the request.

`type` is a URN made of the error's code (`urn:arbiter:problem:agent-exists`), so that a client may switch on it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

import orjson
from opentelemetry import trace
from starlette.responses import Response

from arbiter.errors import ArbiterError, DeadlineExceeded, DomainError, Rejected, Unavailable

__all__ = ["FieldError", "problem", "problem_of"]


@dataclass(frozen=True, slots=True)
class FieldError:
    """One fault of the input: `field` is a dotted path from the body, query or path; `message` is for people."""

    field: str
    message: str


def problem(
    status: int,
    code: str,
    detail: str,
    *,
    hint: str = "",
    errors: Sequence[FieldError] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """An `application/problem+json` answer.

    Args:
        status: the HTTP status.
        code: the problem type's last part, lower case with hyphens.
        detail: what happened in this case.
        hint: the mend, where there is one.
        errors: the faults of the input, each with its field.
        headers: further headers, such as Retry-After.
    """
    body: dict[str, object] = {
        "type": f"urn:arbiter:problem:{code}",
        "title": code.replace("-", " ").capitalize(),
        "status": status,
        "detail": detail,
    }
    if hint:
        body["hint"] = hint
    if errors:
        body["errors"] = [{"field": error.field, "message": error.message} for error in errors]
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        body["trace_id"] = trace.format_trace_id(context.trace_id)
    return Response(orjson.dumps(body), status, headers, media_type="application/problem+json")


def problem_of(error: ArbiterError) -> Response:
    """The answer to an error that the framework or the application raised on purpose."""
    match error:
        case Unavailable():
            return _retry(error.status, error.code, error, error.retry_after_s)
        case DomainError():
            errors = [FieldError(error.field, error.message)] if error.field else []
            return problem(error.status, error.code, error.message, hint=error.hint, errors=errors)
        case Rejected():
            return _retry(HTTPStatus.SERVICE_UNAVAILABLE, "rejected", error, error.retry_after_s)
        case DeadlineExceeded():
            return problem(HTTPStatus.GATEWAY_TIMEOUT, "deadline-exceeded", error.message, hint=error.hint)
        case _:
            return problem(
                HTTPStatus.INTERNAL_SERVER_ERROR,
                "internal",
                "The request failed; the log says why, by trace id.",
            )


def _retry(status: int, code: str, error: ArbiterError, retry_after_s: float | None) -> Response:
    # RFC 9110 wants whole seconds; never 0, which clients take as "at once".
    headers = {"Retry-After": str(max(1, math.ceil(retry_after_s if retry_after_s is not None else 1)))}
    return problem(status, code, error.message, hint=error.hint, headers=headers)
