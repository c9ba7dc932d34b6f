"""What an application serves that has no HTTP of its own."""

from __future__ import annotations

from http import HTTPStatus

from starlette.types import Receive, Scope, Send

from arbiter.serving.problems import problem

__all__ = ["NothingServed"]


class NothingServed:
    """An ASGI application that answers every request with 404; the layers around it still answer the probes."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, as ASGI asks."""
        if scope["type"] == "http":
            answer = problem(
                HTTPStatus.NOT_FOUND,
                "nothing-served",
                "This application serves nothing here.",
                hint="Redeclare the provider `http` in its container.",
            )
            await answer(scope, receive, send)
