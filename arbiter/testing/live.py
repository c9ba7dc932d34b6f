"""A live value that a test holds in its hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["Fixed"]

T = TypeVar("T")


@dataclass(slots=True)
class Fixed(Generic[T]):
    """A `Live` whose value is what the test last assigned to `current`."""

    current: T
