"""Asking a running instance for a reload, through its management port."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import httpx2

from arbiter.cli.options import Chosen
from arbiter.errors import ArbiterError, ConfigurationError
from arbiter.management.settings import ManagementSettings

__all__ = ["NotReachable", "Reloaded", "ask_to_reload"]

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


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What the instance answered: the result of the reload, or a problem document."""

    status: int
    document: dict[str, Any]

    @property
    def exit_code(self) -> int:
        """0 applied or unchanged, 1 rejected, 2 not allowed."""
        if self.status == HTTPStatus.OK:
            return 0
        return 1 if self.status == HTTPStatus.UNPROCESSABLE_ENTITY else 2


def ask_to_reload(chosen: Chosen, management: str | None, token: str | None, *, dry_run: bool) -> Reloaded:
    """Ask the instance at `management`, or where this application's settings say that it is.

    Raises:
        NotReachable: nobody answers there.
        ConfigurationError: the settings on disk are not valid, and without their token the instance refuses.
    """
    settings, broken = _settings_of(chosen)
    url = management or (_address(settings) if settings else _DEFAULT_URL)
    presented = token or (settings.token.get_secret_value() if settings else "")
    headers = {"Authorization": f"Bearer {presented}"} if presented else {}
    try:
        answer = httpx2.post(
            f"{url}/refresh", params={"dry_run": "1"} if dry_run else {}, headers=headers, timeout=_TIMEOUT_S
        )
    except httpx2.HTTPError as error:
        raise NotReachable(url) from error
    if broken is not None and answer.status_code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        raise broken
    return Reloaded(answer.status_code, answer.json())


def _settings_of(chosen: Chosen) -> tuple[ManagementSettings | None, ConfigurationError | None]:
    """The section on disk, or why there is none: the settings may be the very thing that is to be mended."""
    try:
        return chosen.load().container.settings().management, None
    except ConfigurationError as error:
        return None, error


def _address(settings: ManagementSettings) -> str:
    return f"http://{_UNSPECIFIED.get(settings.host, settings.host)}:{settings.port}"
