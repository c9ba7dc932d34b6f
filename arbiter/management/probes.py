"""The probes: what an orchestrating platform asks, answered from memory, on any port.

`/livez` looks only inside; `/readyz`, `/startupz`, `/healthz` and `/health/{group}` read the health registry.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Collection, Mapping
from http import HTTPStatus
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from arbiter.health.liveness import Heartbeat
from arbiter.health.registry import HealthRegistry, HealthReport, UnknownGroup
from arbiter.management.rendering import render
from arbiter.serving.problems import problem

__all__ = ["ProbeLayer", "Probes", "is_loopback", "presents_token"]

GROUPS: Final = "/health/"
"""Each group, and each check of it, has a path below this one."""

_NOT_STORED: Final = {"Cache-Control": "no-store"}


class Probes:
    """The reports behind the probe paths.

    Args:
        health: what readiness, startup and health are read from.
        heartbeat: what liveness is read from.
        token: who presents it sees details from anywhere; everybody else only from loopback. May be empty.
    """

    def __init__(self, health: HealthRegistry, heartbeat: Heartbeat, token: SecretStr) -> None:
        self._token = token.get_secret_value()
        self._reports: Mapping[str, Callable[[Collection[str]], HealthReport]] = {
            "/livez": lambda _: heartbeat.liveness(),
            "/readyz": lambda exclude: health.readiness(exclude=exclude),
            "/startupz": lambda _: health.startup(),
            "/healthz": lambda exclude: health.health(exclude=exclude),
        }
        self._health = health
        self.paths: Final = frozenset(self._reports)
        """Those that are not below `GROUPS`."""

    async def answer(self, request: Request) -> Response:
        """The report that was asked for: 200 for pass and warn, 503 for fail, 404 for an unknown group.

        `?verbose` makes text of it, `?exclude=<check>` leaves checks out of account, `?refresh` runs those first whose
        results are older than a second.
        """
        if request.method not in {"GET", "HEAD"}:
            return problem(
                HTTPStatus.METHOD_NOT_ALLOWED,
                "method-not-allowed",
                "Probes are read.",
                headers={"Allow": "GET, HEAD"},
            )
        details = is_loopback(request) or presents_token(request, self._token)
        if self._presents_wrong_token(request):
            return _unauthorised("This is not the management token.")
        if "refresh" in request.query_params:
            if not details:
                return _unauthorised("Running the checks from another machine needs the management token.")
            await self._health.refresh_on_demand()
        exclude = [name for names in request.query_params.getlist("exclude") for name in names.split(",")]
        try:
            report = self._report(request.url.path, exclude)
        except UnknownGroup as error:
            return problem(
                HTTPStatus.NOT_FOUND, error.code, error.message, hint=error.hint if details else "",
                headers=_NOT_STORED,
            )  # fmt: skip
        return render(report, request, details=details)

    def _report(self, path: str, exclude: Collection[str]) -> HealthReport:
        if path in self._reports:
            return self._reports[path](exclude)
        group, _, check = path.removeprefix(GROUPS).partition("/")
        return self._health.health(group, check or None, exclude=exclude)

    def _presents_wrong_token(self, request: Request) -> bool:
        """Whether there is a token, and the caller sent another one: better told than quietly shown less."""
        return (
            bool(self._token)
            and "authorization" in request.headers
            and not presents_token(request, self._token)
        )


class ProbeLayer:
    """An ASGI layer that answers the probes and passes everything else on."""

    def __init__(self, app: ASGIApp, probes: Probes) -> None:
        self._app, self._probes, self._paths = app, probes, probes.paths

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one connection, as ASGI asks; what is no probe costs no coroutine."""
        if scope["type"] == "http":
            path = scope["path"]
            if path in self._paths or path.startswith(GROUPS):
                return self._answer(scope, receive, send)
        return self._app(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._probes.answer(Request(scope))
        await response(scope, receive, send)


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


def _unauthorised(detail: str) -> Response:
    return problem(
        HTTPStatus.UNAUTHORIZED,
        "unauthorised",
        detail,
        hint="Send Authorization: Bearer <management.token>, or no such header.",
        headers={**_NOT_STORED, "WWW-Authenticate": "Bearer"},
    )
