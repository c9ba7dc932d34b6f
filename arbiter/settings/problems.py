"""What can be wrong with settings, as data: one report for everything at once, and no secret in any of it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from arbiter.errors import ConfigurationError
from arbiter.masking import without_password

__all__ = [
    "Contradiction",
    "Contradictions",
    "EnvironmentUnknown",
    "Problem",
    "SettingsInvalid",
    "did_you_mean",
    "displayed",
]

_LONGEST_VALUE = 80


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, and its mend.

    Attributes:
        key: the dotted key; empty when a file as a whole is meant.
        value: the value as it may be shown: masked when secret, empty when there is none to show.
        expected: what would have been accepted, or what is wrong with the key itself.
        source: where the value comes from: file, table and line, or the variable.
        hint: the mend; empty where none is known.
    """

    key: str
    value: str
    expected: str
    source: str
    hint: str = ""

    def __str__(self) -> str:
        subject = f"{self.key} = {self.value}" if self.value else self.key
        lines = [f"{subject}: {self.expected}" if subject else self.expected, f"    from: {self.source}"]
        if self.hint:
            lines.append(f"    mend: {self.hint}")
        return "\n".join(lines)


class SettingsInvalid(ConfigurationError):
    """The settings cannot be used; `problems` holds everything that is wrong with them, without a secret."""

    def __init__(self, problems: Iterable[Problem], *, environment: str = "") -> None:
        self.problems = tuple(problems)
        self.environment = environment
        super().__init__(
            hint="mend them all, then look with `arbiter check`: it reads the settings and starts nothing."
        )

    @property
    def message(self) -> str:
        """The whole report: a heading, then each problem with its source and its mend."""
        count = len(self.problems)
        where = f" (environment {self.environment})" if self.environment else ""
        heading = f"{count} problem{'s' if count != 1 else ''} in the settings{where}:"
        return "\n".join([heading, *(f"  {_indented(str(problem))}" for problem in self.problems)])


class EnvironmentUnknown(ConfigurationError):
    """The environment's name is known to no file; loading it would silently mean the defaults."""

    def __init__(self, environment: str, known: Iterable[str], *, source: str) -> None:
        self.environment, self.known, self.source = environment, tuple(sorted(known)), source
        self.nearest = tuple(difflib.get_close_matches(environment, self.known, n=1))
        mend = f"did you mean {self.nearest[0]!r}? " if self.nearest else ""
        super().__init__(hint=f"{mend}A table [{_table_name(environment)}] in settings.toml makes it known.")

    @property
    def message(self) -> str:
        """The name, where it was said, and the names that exist."""
        return f"unknown environment {self.environment!r} (from {self.source}); known are: {', '.join(self.known)}"


class Contradiction(ValueError):
    """Two or more values that are each allowed but do not fit together; raised by cross-field rules of settings.

    Args:
        keys: the dotted keys concerned.
        expected: the rule that they break, with the numbers.
        hint: the mend.
    """

    def __init__(self, keys: tuple[str, ...], expected: str, *, hint: str = "") -> None:
        super().__init__(f"{', '.join(keys)}: {expected}")
        self.keys, self.expected, self.hint = keys, expected, hint


class Contradictions(ValueError):
    """Several at once, so that one report names them all."""

    def __init__(self, found: Iterable[Contradiction]) -> None:
        self.found = tuple(found)
        super().__init__("; ".join(str(one) for one in self.found))


def did_you_mean(name: str, candidates: Iterable[str]) -> str:
    """A hint with the nearest of the candidates, or an empty string when none is near."""
    nearest = difflib.get_close_matches(name, sorted(set(candidates)), n=3, cutoff=0.6)
    return f"did you mean {' or '.join(nearest)}?" if nearest else ""


def displayed(value: object) -> str:
    """A value in a form fit for a report: one short line; passwords in addresses are masked."""
    if isinstance(value, dict | list | tuple | set):
        return ""
    # repr also escapes what a terminal or an encoder would choke on
    text = without_password(repr(value))
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}..."


def _indented(text: str) -> str:
    return text.replace("\n", "\n  ")


def _table_name(environment: str) -> str:
    return environment if re.fullmatch(r"[\w-]+", environment) else "name"
