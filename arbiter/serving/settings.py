"""The `[server]` section: where the application listens, whom it lets in, how much it takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, SecretStr

from arbiter.section import LIVE, Section

__all__ = ["ApiToken", "ServerSettings", "usable"]


class ApiToken(Section):
    """One bearer token of the application's API, and what it is good for."""

    token: SecretStr = SecretStr("")
    """What a caller presents (`Authorization: Bearer ...`). Empty lets nobody in."""

    scopes: tuple[str, ...] = ()
    """What it allows, such as `agents:read`; `*` is everything."""


class ServerSettings(Section):
    """Where the application's own port is, whom it lets in, and how much it takes."""

    host: str = Field(default="localhost", min_length=1)
    """Address to listen on. `localhost` keeps the service on this machine; `0.0.0.0` opens it to the network."""

    port: int = Field(default=3000, ge=0, le=65535)
    """TCP port; 0 lets the operating system choose. The platform's `PORT` variable sets it too."""

    tokens: Annotated[dict[str, ApiToken], LIVE] = Field(default_factory=dict)
    """Who may use the API, by a name of yours: `[default.server.tokens.ci]`, `token = "..."`, `scopes = ["tasks"]`.
    Without any, everybody may."""

    rate_per_s: Annotated[float, LIVE] = Field(default=0.0, ge=0)
    """How many requests a second each token, or each address without one, may send in the long run; more are answered
    with 429. 0 sets no limit."""

    rate_burst: Annotated[int, LIVE] = Field(default=100, ge=1)
    """How many requests may come at once before `rate_per_s` holds."""

    max_body_bytes: int = Field(default=1_048_576, ge=1024, le=1_073_741_824)
    """The largest request body that is read, in bytes; a larger one is answered with 413."""

    body_timeout_s: float = Field(default=30.0, gt=0)
    """How long a request body may take to arrive, in seconds, besides a second for each KiB; a slower one is answered
    with 408."""

    max_header_bytes: int = Field(default=32_768, ge=1024, le=1_048_576)
    """The largest head of a request (its line and headers), in bytes; a larger one is answered with 431."""

    header_timeout_s: float = Field(default=10.0, gt=0)
    """How long the head of a request may take to arrive, in seconds; a slower one is answered with 408, and a connection
    that sends nothing is closed."""


def usable(tokens: Mapping[str, ApiToken]) -> dict[str, ApiToken]:
    """Those that somebody can present; an empty one is none."""
    return {name: one for name, one in tokens.items() if one.token.get_secret_value()}
