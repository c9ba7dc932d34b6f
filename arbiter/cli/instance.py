"""A running instance, asked and told through its management port."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import httpx2
from cyclopts import Parameter

from arbiter.cli.options import Chosen, Management, Token
from arbiter.errors import ArbiterError, ConfigurationError
from arbiter.management.settings import ManagementSettings

__all__ = ["HERE", "Instance", "NotReachable", "Where"]

EVERYTHING = Chosen()

_DEFAULT_URL: Final = "http://127.0.0.1:3001"
_TIMEOUT_S: Final = 30
_UNSPECIFIED: Final = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104  where to ask, not where to listen


class NotReachable(ArbiterError):
    """No instance answers where one was looked for."""

    def __init__(self, url: str) -> None:
        super().__init__(
            f"No instance answers at {url}.",
            hint="Is it running? arbiter run. --management names another address.",
        )
        self.url = url


class Instance:
    """The instance at `management`, or where the chosen application's settings say that it is.

    Args:
        chosen: whose settings are read for what is not given; None reads none.
        management: the management port's address.
        token: what allows a change.
    """

    def __init__(self, chosen: Chosen | None, management: str | None, token: str | None) -> None:
        settings, self._broken = (None, None) if chosen is None else _settings_of(chosen)
        self._url = management or (_address(settings) if settings else _DEFAULT_URL)
        presented = token or (settings.token.get_secret_value() if settings else "")
        self._headers = {"Authorization": f"Bearer {presented}"} if presented else {}

    def get(self, path: str, **query: str) -> tuple[int, Any]:
        """Read; the status and the document.

        Raises:
            NotReachable: nobody answers there.
            ConfigurationError: the settings on disk are not valid, and without their token the instance refuses.
        """
        return self._send("GET", path, query, None)

    def post(self, path: str, body: object = None, **query: str) -> tuple[int, Any]:
        """Change something; as `get`."""
        return self._send("POST", path, query, body)

    def _send(self, method: str, path: str, query: dict[str, str], body: object) -> tuple[int, Any]:
        more: dict[str, Any] = {} if body is None else {"json": body}
        try:
            answer = httpx2.request(
                method, self._url + path, params=query, headers=self._headers, timeout=_TIMEOUT_S, **more
            )
        except httpx2.HTTPError as error:
            raise NotReachable(self._url) from error
        if self._broken is not None and answer.status_code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            raise self._broken
        return answer.status_code, answer.json()


@Parameter(name="*")
@dataclass(frozen=True)
class Where:
    """Which instance, and what it lets in."""

    chosen: Chosen = EVERYTHING
    management: Management = None
    token: Token = None

    def instance(self) -> Instance:
        """The instance that is meant."""
        return Instance(self.chosen, self.management, self.token)

    def reader(self) -> Instance:
        """The same for looking only: where the address is given no settings are read, nor their token sent to it."""
        return Instance(None if self.management else self.chosen, self.management, self.token)


HERE = Where()


def _settings_of(chosen: Chosen) -> tuple[ManagementSettings | None, ConfigurationError | None]:
    """The section on disk, or why there is none: the settings may be the very thing that is to be mended."""
    try:
        return chosen.load().container.settings().management, None
    except ConfigurationError as error:
        return None, error


def _address(settings: ManagementSettings) -> str:
    return f"http://{_UNSPECIFIED.get(settings.host, settings.host)}:{settings.port}"
