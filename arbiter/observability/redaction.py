"""What of a request may be shown."""

from __future__ import annotations

from typing import Final

__all__ = ["redacted_query"]

_MOST_NAMES: Final = 20


def redacted_query(query: str) -> str:
    """The query's names, twenty at most, with every value taken out: a value may be anybody's secret."""
    parts = query.split("&", _MOST_NAMES)[:_MOST_NAMES]
    pairs = (part.partition("=") for part in parts if part)
    return "&".join(f"{name}=REDACTED" if equals else "REDACTED" for name, equals, _ in pairs)
