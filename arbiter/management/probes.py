"""The probes: what an orchestrating platform asks, answered from memory, on any port.

`/livez` looks only inside; `/readyz`, `/startupz`, `/healthz` and `/health/{group}` read the health registry.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from http import HTTPStatus
from ipaddress import ip_address
from urllib.parse import urlsplit

import orjson
from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from arbiter.health.liveness import Heartbeat
from arbiter.health.registry import HealthRegistry, HealthReport
from arbiter.protocols import Status
from arbiter.serving.problems import problem

__all__ = ["ProbeLayer", "Probes", "is_loopback", "presents_token"]


class Probes:
    """The reports behind the probe paths.

    Args:
        health: what readiness, startup and health are read from.
        heartbeat: what liveness is read from.
        token: who presents it sees details from anywhere; everybody else only from loopback. May be empty.
    """

    def __init__(self, health: HealthRegistry, heartbeat: Heartbeat, token: SecretStr) -> None:
        self._token = token.get_secret_value()
        self._reports: Mapping[str, Callable[[], HealthReport]] = {
            "/livez": heartbeat.liveness,
            "/readyz": health.readiness,
            "/startupz": health.startup,
            "/healthz": health.health,
        }
        self._health = health

    def answers(self, path: str) -> bool:
        """Whether `path` is one of the probes."""
        return path in self._reports or path.startswith("/health/")

    def answer(self, request: Request) -> Response:
        """The report that was asked for: 200 for pass and warn, 503 for fail, 404 for an unknown group."""
        if request.method not in {"GET", "HEAD"}:
            return problem(
                HTTPStatus.METHOD_NOT_ALLOWED,
                "method-not-allowed",
                "Probes are read.",
                headers={"Allow": "GET, HEAD"},
            )
        path = request.url.path
        if path in self._reports:
            return _render(self._reports[path](), request, details=self._may_see_details(request))
        group = path.removeprefix("/health/")
        try:
            report = self._health.health(group)
        except LookupError:
            return problem(
                HTTPStatus.NOT_FOUND, "unknown-health-group", f"There is no health group {group!r}."
            )
        return _render(report, request, details=self._may_see_details(request))

    def _may_see_details(self, request: Request) -> bool:
        return is_loopback(request) or presents_token(request, self._token)


class ProbeLayer:
    """An ASGI layer that answers the probes and passes everything else on."""

    def __init__(self, app: ASGIApp, probes: Probes) -> None:
        self._app, self._probes = app, probes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, as ASGI asks."""
        if scope["type"] == "http" and self._probes.answers(scope["path"]):
            await self._probes.answer(Request(scope))(scope, receive, send)
            return
        await self._app(scope, receive, send)


def is_loopback(request: Request) -> bool:
    """Whether the caller sits on this machine, by its address (a proxy in front would hide the real one).

    A browser can be made to ask this machine under a name that somebody else owns (DNS rebinding), so the header Host
    must be an address or `localhost`, too.
    """
    host = request.client.host if request.client else ""
    return (host in {"::1", "::ffff:127.0.0.1"} or host.startswith("127.")) and _names_no_domain(request)


def presents_token(request: Request, token: str) -> bool:
    """Whether the caller sent `Authorization: Bearer <token>`; compared in constant time; "" fits nobody."""
    scheme, _, presented = request.headers.get("authorization", "").partition(" ")
    fits = hmac.compare_digest(presented.strip().encode(), token.encode())
    return bool(token) and scheme.lower() == "bearer" and fits


def _names_no_domain(request: Request) -> bool:
    try:
        name = urlsplit(f"//{request.headers.get('host', '')}").hostname or "localhost"
        return name == "localhost" or bool(ip_address(name))
    except ValueError:
        return False


def _render(report: HealthReport, request: Request, *, details: bool) -> Response:
    status = HTTPStatus.SERVICE_UNAVAILABLE if report.status is Status.FAIL else HTTPStatus.OK
    headers = {"Cache-Control": "no-store"}
    if "text/plain" in request.headers.get("accept", ""):
        return PlainTextResponse("ok\n" if status is HTTPStatus.OK else f"{report.status}\n", status, headers)
    body = orjson.dumps(report.to_json(details=details))
    return Response(body, status, headers, media_type="application/health+json")
