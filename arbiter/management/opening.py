"""What the management port says while there is no application yet: it lives, it starts, it is not ready."""

from __future__ import annotations

import json
from http import HTTPStatus

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from arbiter.serving.problems import problem

__all__ = ["Opening"]

_STARTING = {"/readyz", "/startupz", "/healthz"}


class Opening:
    """An ASGI application that answers the probes before the application is imported: alive, starting."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, as ASGI asks."""
        if scope["type"] == "http":
            await self._answer(scope["path"])(scope, receive, send)

    @staticmethod
    def _answer(path: str) -> Response:
        if path == "/livez":
            return _report("pass", HTTPStatus.OK)
        if path in _STARTING or path.startswith("/health/"):
            return _report("fail", HTTPStatus.SERVICE_UNAVAILABLE)
        return problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "starting",
            "The application is being imported; there is nothing to show yet.",
            headers={"Retry-After": "1"},
        )


def _report(status: str, code: HTTPStatus) -> Response:
    body = json.dumps({"status": status, "notes": ["starting"]})
    return Response(body, code, {"Cache-Control": "no-store"}, media_type="application/health+json")
