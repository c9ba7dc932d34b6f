"""The sections `[storage]` and `[stock]`."""

from __future__ import annotations

from typing import Annotated

from arbiter.section import LIVE, Section
from pydantic import Field

__all__ = ["StockSettings", "StorageSettings"]


class StorageSettings(Section):
    """Where the shop keeps its books."""

    path: str = Field(default="data/shop.db", min_length=1)
    """A SQLite file, which is made when it is not there; `:memory:` forgets at the end."""


class StockSettings(Section):
    """When there is too little."""

    low_at: Annotated[int, LIVE] = Field(default=2, ge=0)
    """Fewer than this of anything, and the health check warns."""
