"""Where the service is unless somebody says otherwise; apart from the client, so that options need not load it."""

from __future__ import annotations

from typing import Final

__all__ = ["DEFAULT_URL"]

DEFAULT_URL: Final = "http://localhost:3000"
