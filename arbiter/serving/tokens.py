"""Bearer tokens with scopes: who calls, and may they? (RFC 6750)"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from http import HTTPStatus

from starlette.responses import Response

from arbiter.protocols import Live
from arbiter.serving.problems import problem
from arbiter.serving.settings import ServerSettings, usable

__all__ = ["Caller", "Tokens"]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who presented a token: its name in the settings, and what it allows."""

    name: str
    scopes: frozenset[str]

    def may(self, scope: str) -> bool:
        """Whether it is good for this."""
        return scope in self.scopes or "*" in self.scopes


class Tokens:
    """The tokens in force. Without any, everybody may do everything.

    Args:
        settings: read at each request, so that a reload takes a token away at once.
    """

    def __init__(self, settings: Live[ServerSettings]) -> None:
        self._settings = settings

    def caller(self, authorization: str) -> Caller | None:
        """Whose token the header `Authorization` holds; compared in constant time, with every one that there is."""
        scheme, _, presented = authorization.partition(" ")
        given, found = presented.strip().encode(), None
        for name, one in usable(self._settings.current.tokens).items():
            if hmac.compare_digest(given, one.token.get_secret_value().encode()):
                found = Caller(name, frozenset(one.scopes))
        return found if scheme.lower() == "bearer" else None

    def refusal(self, authorization: str, scope: str) -> Response | None:
        """The answer to who may not do what `scope` stands for; None for who may."""
        if not usable(self._settings.current.tokens):
            return None
        caller = self.caller(authorization)
        if caller is None:
            return _unauthorised(presented=bool(authorization))
        return None if caller.may(scope) else _forbidden(caller, scope)


def _unauthorised(*, presented: bool) -> Response:
    challenge = 'Bearer realm="arbiter"' + (', error="invalid_token"' if presented else "")
    return problem(
        HTTPStatus.UNAUTHORIZED,
        "unauthorised",
        "The token that was sent is not known." if presented else "This needs a token.",
        hint="Send Authorization: Bearer <token>, with one of server.tokens.",
        headers={"WWW-Authenticate": challenge},
    )


def _forbidden(caller: Caller, scope: str) -> Response:
    return problem(
        HTTPStatus.FORBIDDEN,
        "insufficient-scope",
        f"The token {caller.name!r} does not have the scope {scope}.",
        hint=f'Add "{scope}" to server.tokens.{caller.name}.scopes, or send another token.',
        headers={"WWW-Authenticate": f'Bearer realm="arbiter", error="insufficient_scope", scope="{scope}"'},
    )
