"""One thing that is wrong with a container, and the error that holds all of them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from arbiter.errors import ContainerError

__all__ = ["GraphInvalid", "Problem"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a graph.

    Attributes:
        code: what kind of thing; docs/container.md lists them.
        place: the dotted name of the provider at fault.
        message: what is wrong, in one sentence.
        hint: the mend, or an empty string.
        container: the name of the class that declares the provider; empty where that is not known.
        file: the source file that declares it; empty where that is not known.
        line: the line of the declaration, from 1; 0 where that is not known.
    """

    code: str
    place: str
    message: str
    hint: str = ""
    container: str = ""
    file: str = ""
    line: int = 0

    def __str__(self) -> str:
        hint = f" ({self.hint})" if self.hint else ""
        name = f"{self.container}.{self.place}" if self.container else self.place
        where = f" [{_shortest(self.file)}:{self.line}]" if self.line else ""
        return f"{name}: {self.message}{hint}{where}"


class GraphInvalid(ContainerError):
    """A container cannot work as it is composed; `problems` holds everything that is wrong."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        super().__init__(
            hint="`container.validate()` and `arbiter check` find all of it without starting anything"
        )
        self.problems = tuple(problems)

    @property
    def message(self) -> str:
        """A heading, then each problem."""
        count = len(self.problems)
        heading = f"{count} problem{'s' if count != 1 else ''} in the container:"
        return "\n".join([heading, *(f"  {problem}" for problem in self.problems)])


def _shortest(file: str) -> str:
    """The path from here, if that is below."""
    path = Path(file)
    return os.fspath(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
