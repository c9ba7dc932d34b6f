"""Who may read and who may change: the settings' levels, loopback, the token; and what a change looks like.

Reading from this machine is free, from elsewhere it needs the token. Changing anything needs the token, and without one in
the settings it is refused outside development. Every change is published as an `OperatorActed`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import orjson
import structlog
from starlette.requests import Request
from starlette.responses import Response

from arbiter.events import OperatorActed
from arbiter.management.probes import is_loopback, presents_token
from arbiter.management.settings import Access, ManagementSettings
from arbiter.protocols import EventSink
from arbiter.serving.problems import problem

__all__ = ["Act", "Change", "Gate", "Unusable"]

log = structlog.get_logger(__name__)

_ORDER: Final[tuple[Access, ...]] = ("none", "read-only", "unrestricted")

Act = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Change:
    """What a writing endpoint did: the state before and after, for the audit, and its answer."""

    before: object
    after: object
    answer: Response
    outcome: str = "done"


class Unusable(Exception):
    """A writing endpoint cannot use what it was sent; carries the answer."""

    def __init__(self, answer: Response) -> None:
        super().__init__(answer.status_code)
        self.answer = answer


class Gate:
    """Stands before every endpoint but the probes.

    Args:
        settings: levels and token.
        open_writes: whether this machine may change things while no token is set (development).
        events: takes the audit.
    """

    def __init__(self, settings: ManagementSettings, *, open_writes: bool, events: EventSink) -> None:
        self._settings, self._open_writes, self._events = settings, open_writes, events
        self._token = settings.token.get_secret_value()

    def reading(self, endpoint: str, act: Act) -> Act:
        """Let `act` answer who may read `endpoint`."""

        async def guarded(request: Request) -> Response:
            if self._level(endpoint) == "none":
                return _absent(request)
            if is_loopback(request) or presents_token(request, self._token):
                return await act(request)
            return _unauthorised("Reading from another machine needs the management token.")

        return guarded

    def changing(self, endpoint: str, act: Callable[[Request, Any], Awaitable[Change]]) -> Act:
        """Let `act` carry out what who may change `endpoint` sends: it is given the body's JSON, None without one."""

        async def guarded(request: Request) -> Response:
            if (refusal := self._refusal(endpoint, request)) is not None:
                what = f"{request.method} {request.url.path}"
                log.warning("management.refused", who=_who(request), what=what, status=refusal.status_code)
                return refusal
            try:
                change = await act(request, await _json_of(request))
            except Unusable as unusable:
                return unusable.answer
            self._audit(request, change)
            return change.answer

        return guarded

    def _level(self, endpoint: str) -> Access:
        own: Access = getattr(self._settings.endpoints, endpoint)
        return _ORDER[min(_ORDER.index(own), _ORDER.index(self._settings.access))]

    def _refusal(self, endpoint: str, request: Request) -> Response | None:
        level = self._level(endpoint)
        if level == "none":
            return _absent(request)
        if level == "read-only":
            hint = f"management.endpoints.{endpoint} and management.access say what is allowed."
            return problem(HTTPStatus.FORBIDDEN, "read-only", "This can only be read.", hint=hint)
        if presents_token(request, self._token):
            return None
        if self._token:
            return _unauthorised("Changing anything needs the management token.")
        if self._open_writes and is_loopback(request) and not _comes_from_a_page(request):
            return None
        return problem(
            HTTPStatus.FORBIDDEN,
            "no-management-token",
            "Changes are refused, since no management token is set.",
            hint="Set management.token in .secrets.local.toml, or ARBITER_MANAGEMENT__TOKEN.",
        )

    def _audit(self, request: Request, change: Change) -> None:
        who = f"{_who(request)} ({'token' if presents_token(request, self._token) else 'no token set'})"
        what = f"{request.method} {request.url.path}"
        self._events.publish(OperatorActed(who, what, change.before, change.after, change.outcome))


def _comes_from_a_page(request: Request) -> bool:
    """Whether a web page had a browser send this; a page can send an empty POST anywhere without asking."""
    return "origin" in request.headers or request.headers.get("sec-fetch-site", "none") != "none"


async def _json_of(request: Request) -> Any:
    body = await request.body()
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and (body or kind):
        hint = "Send the header Content-Type: application/json."
        code, detail = "unsupported-media-type", "The body must be JSON, and say so."
        raise Unusable(problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, code, detail, hint=hint))
    if not body:
        return None
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        detail = f"The body is not JSON, at character {error.pos + 1}: {error.msg}."
        raise Unusable(problem(HTTPStatus.BAD_REQUEST, "malformed-json", detail)) from None


def _who(request: Request) -> str:
    return f"{request.client.host}:{request.client.port}" if request.client else "unknown"


def _absent(request: Request) -> Response:
    return problem(HTTPStatus.NOT_FOUND, "not-found", f"Nothing is served at {request.url.path[:200]}.")


def _unauthorised(detail: str) -> Response:
    return problem(
        HTTPStatus.UNAUTHORIZED,
        "unauthorised",
        detail,
        hint="Send Authorization: Bearer <management.token>.",
        headers={"WWW-Authenticate": "Bearer"},
    )
