"""What a bearer token of the API may be good for."""

from __future__ import annotations

from typing import Final, Literal, get_args

__all__ = ["SCOPES", "Scope"]

Scope = Literal["agents:read", "agents:write", "tasks", "specs", "performance"]
"""`agents:read` and `agents:write` (with the registry's backup and restore, and what agents report), `tasks` (route,
outcome), `specs`, `performance`."""

SCOPES: Final[tuple[str, ...]] = get_args(Scope)
"""All of them."""
