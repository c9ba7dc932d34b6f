"""How far somebody has read, as text that is handed back: through the training samples, and along the chains."""

from __future__ import annotations

import re
from typing import Final

from arbiter.errors import Invalid
from arbiter.orchestrator.performance.chain import Place

__all__ = ["CursorInvalid", "next_link", "next_sample", "place", "position"]

_CHAIN: Final = re.compile(r"[0-9a-f]{32}")


class CursorInvalid(Invalid):
    """The cursor of a batch was not given out by this tracker."""

    code = "cursor-invalid"

    def __init__(self) -> None:
        super().__init__(
            "The cursor is none that this tracker gave out.",
            hint="Pass `next` of the previous batch unchanged, or leave the cursor out to begin anew.",
            field="cursor",
        )


def next_sample(last: int) -> str:
    """The cursor behind the sample at the position `last`."""
    return f"p{last}"


def position(cursor: str) -> int:
    """The position behind which to go on; 0 for no cursor. Raises CursorInvalid."""
    if not cursor:
        return 0
    if not cursor.startswith("p"):
        raise CursorInvalid
    return _number(cursor.removeprefix("p"))


def next_link(last: Place) -> str:
    """The cursor behind the link at `last`."""
    return f"{last.chain}.{last.sequence}"


def place(cursor: str) -> Place | None:
    """The place behind which to go on; None for no cursor. Raises CursorInvalid."""
    if not cursor:
        return None
    chain, _, sequence = cursor.rpartition(".")
    if not _CHAIN.fullmatch(
        chain
    ):  # whatever else was put in its place, the database shall not be asked for it
        raise CursorInvalid
    return Place(chain, _number(sequence))


def _number(digits: str) -> int:
    if not (digits.isascii() and digits.isdigit() and len(digits) < 19):
        raise CursorInvalid
    return int(digits)
