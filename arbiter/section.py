"""What a settings section is: a frozen pydantic model that refuses unknown keys.

Each pillar and component owns its section beside its code; `arbiter.settings` composes and loads them. This module
stands on the bottom floor, so that a section needs nothing of `arbiter.settings`.
"""

from __future__ import annotations

import enum
from typing import Final

from pydantic import ConfigDict

from arbiter.documented import Documented

__all__ = ["LIVE", "Reload", "Section"]


class Reload(enum.Enum):
    """Whether a changed key takes effect while running or at the next start."""

    LIVE = "live"
    RESTART = "restart"


LIVE: Final = Reload.LIVE
"""Marks a key as live: `exploration_rate: Annotated[float, LIVE] = Field(default=0.1, ge=0, le=1)`. Unmarked is restart."""


class Section(Documented):
    """The base of every section: immutable, strict about names, documented by the string below each key."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        validate_default=True,
        hide_input_in_errors=True,
    )
