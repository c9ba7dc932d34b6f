"""An ASGI layer that lets each caller send so many requests a second, and some more at once."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Awaitable
from http import HTTPStatus
from ipaddress import ip_address, ip_network

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from arbiter.protocols import Clock, Live
from arbiter.serving.problems import problem
from arbiter.serving.settings import ServerSettings
from arbiter.serving.tokens import Tokens

__all__ = ["RateLimit"]


class RateLimit:
    """A token bucket for each bearer token, and for each address where none is presented; 429 where it is empty.

    The bucket is kept as one number, the moment when it will be full again (the generic cell rate algorithm). No more than
    `most` are kept, those longest unused go first; the addresses of one IPv6 network (/64) share one.

    Args:
        app: the application behind the limit.
        settings: rate and burst; read at each request.
        tokens: says whose token is presented; an unknown one counts as its address.
        clock: refills the buckets.
        most: how many callers are remembered.
    """

    def __init__(
        self, app: ASGIApp, settings: Live[ServerSettings], tokens: Tokens, clock: Clock, most: int = 10_000
    ) -> None:
        self._app, self._settings, self._tokens, self._clock = app, settings, tokens, clock
        self._full_at: OrderedDict[str, float] = OrderedDict()
        self._most = most

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one connection, as ASGI asks; what passes costs no coroutine."""
        if scope["type"] == "http" and self._settings.current.rate_per_s > 0:
            wait_s = self._take(self._caller(Request(scope)))
            if wait_s > 0:
                return self._refuse(wait_s, scope, receive, send)
        return self._app(scope, receive, send)

    def _take(self, caller: str) -> float:
        """Take one from the caller's bucket: 0, or in how many seconds there will be one."""
        now, settings = self._clock.monotonic(), self._settings.current
        each_s = 1 / settings.rate_per_s
        full_at = max(self._full_at.get(caller, now), now)
        wait_s = full_at + each_s - settings.rate_burst * each_s - now
        if wait_s <= 1e-9:
            self._full_at[caller] = full_at + each_s
            wait_s = 0.0
        self._remember(caller)
        return wait_s

    def _remember(self, caller: str) -> None:
        if caller in self._full_at:
            self._full_at.move_to_end(caller)
        while len(self._full_at) > self._most:
            self._full_at.popitem(last=False)

    def _caller(self, request: Request) -> str:
        found = self._tokens.caller(request.headers.get("authorization", ""))
        return f"token {found.name}" if found else _network(request.client.host if request.client else "")

    async def _refuse(self, wait_s: float, scope: Scope, receive: Receive, send: Send) -> None:
        rate = self._settings.current.rate_per_s
        answer = problem(
            HTTPStatus.TOO_MANY_REQUESTS,
            "too-many-requests",
            f"More than {rate:g} requests a second came from here.",
            hint="Wait as long as Retry-After says; server.rate_per_s is the limit.",
            headers={"Retry-After": str(max(1, math.ceil(wait_s)))},
        )
        await answer(scope, receive, send)


def _network(host: str) -> str:
    try:
        address = ip_address(host)
    except ValueError:
        return host
    return str(ip_network((address, 64), strict=False)) if address.version == 6 else host
