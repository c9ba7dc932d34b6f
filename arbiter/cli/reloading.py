"""Asking a running instance for a reload, through its management port."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from arbiter.cli.instance import Instance
from arbiter.cli.options import Chosen

__all__ = ["Reloaded", "ask_to_reload"]


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
    query = {"dry_run": "1"} if dry_run else {}
    return Reloaded(*Instance(chosen, management, token).post("/refresh", **query))
