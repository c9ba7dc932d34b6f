"""A health report as an answer: `application/health+json`, text with a line for each check, or one word."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus

import orjson
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from arbiter.health.registry import HealthReport
from arbiter.health.report import CheckReport
from arbiter.protocols import Status

__all__ = ["render", "verbose"]

_MARKS = {Status.PASS: "+", Status.WARN: "!", Status.FAIL: "-", None: "?"}


def render(report: HealthReport, request: Request, *, details: bool) -> Response:
    """The answer in the form that the request asks for: `?verbose`, `Accept: text/plain`, else JSON.

    Args:
        report: what is told.
        request: says how.
        details: whether more than the status may be told.
    """
    status = HTTPStatus.SERVICE_UNAVAILABLE if report.status is Status.FAIL else HTTPStatus.OK
    headers = {"Cache-Control": "no-store"}
    if "verbose" in request.query_params:
        lines = verbose(report) if details else iter([_verdict(report)])
        return PlainTextResponse("".join(f"{line}\n" for line in lines), status, headers)
    if "text/plain" in request.headers.get("accept", ""):
        return PlainTextResponse("ok\n" if status is HTTPStatus.OK else f"{report.status}\n", status, headers)
    body = orjson.dumps(report.to_json(details=details))
    return Response(body, status, headers, media_type="application/health+json")


def verbose(report: HealthReport) -> Iterator[str]:
    """One line for each check and each closed gate, `[+]database ok`, and the verdict; as Kubernetes writes it."""
    for check in report.checks:
        yield f"[{_MARKS[check.status]}]{check.name} {_said(check)}"
    for note in report.notes:
        yield f"[-]{note}"
    yield _verdict(report)


def _said(check: CheckReport) -> str:
    if check.status is None:
        return "has not run yet"
    word = "ok" if check.status is Status.PASS else check.status.value
    aside = "" if check.critical or check.status is not Status.FAIL else " (not critical)"
    return f"{word}{aside}: {check.output}" if check.output else f"{word}{aside}"


def _verdict(report: HealthReport) -> str:
    return f"{report.description} check {'failed' if report.status is Status.FAIL else 'passed'}"
