"""Random draws that can be made again: each decision has a generator of its own, and its seed is kept with it."""

from __future__ import annotations

import secrets
from random import Random
from typing import Final

__all__ = ["Draws"]

_STRIDE: Final = 0x9E3779B97F4A7C15
"""2^64 over the golden ratio, odd: multiples of it come close to each other as late as can be."""
_RANGE: Final = 2**63


class Draws:
    """Generators for one decision after the other.

    Args:
        seed: of the first one; the others' follow from it. None lets the operating system choose it.
    """

    def __init__(self, seed: int | None) -> None:
        self._next = secrets.randbelow(_RANGE) if seed is None else seed % _RANGE
        self._rng = Random()  # noqa: S311  a draw between agents is no secret

    def next(self) -> tuple[int, Random]:
        """A seed and the generator that it makes; good until the next call."""
        seed, self._next = self._next, (self._next + _STRIDE) % _RANGE
        self._rng.seed(seed)
        return seed, self._rng
