"""From what pydantic found to problems for people: the key, its value if it may be shown, its source, the mend."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import SecretBytes, SecretStr, ValidationError

from arbiter.masking import MASK, passwords_in
from arbiter.settings.merging import Merged
from arbiter.settings.problems import Contradiction, Contradictions, Problem, displayed
from arbiter.settings.shape import Shape
from arbiter.settings.snapshot import DEFAULT

__all__ = ["Redaction", "misfits", "problems_of"]

_SHORTEST_SECRET: Final = 4
# words that a section's own validator chose: they may quote the value
_FREE_WORDS: Final = frozenset({"value_error", "assertion_error"})


@dataclass(slots=True)
class Redaction:
    """The secrets seen during one load: a last line of defence, whatever a validator puts into its words."""

    secrets: set[str] = field(default_factory=set)

    def add(self, value: object) -> None:
        """Remember a secret value and everything in it."""
        if isinstance(value, SecretStr | SecretBytes):
            value = value.get_secret_value()
        if isinstance(value, Mapping):
            value = list(value.values())
        if isinstance(value, list | tuple):
            for item in value:
                self.add(item)
        elif len(text := str(value)) >= _SHORTEST_SECRET:
            self.secrets.add(text)

    def add_passwords(self, value: object) -> None:
        """Remember the passwords of addresses in a value that is otherwise public."""
        if isinstance(value, str):
            self.secrets.update(found for found in passwords_in(value) if len(found) >= _SHORTEST_SECRET)

    def is_in(self, text: str) -> bool:
        """Whether a secret stands in the text, as it is or as `repr` writes it."""
        return any(secret in text or repr(secret)[1:-1] in text for secret in self.secrets)

    def clean(self, problem: Problem) -> Problem:
        """The problem without a secret in its value or its words."""
        if self.is_in(problem.value):
            problem = dataclasses.replace(problem, value=MASK)
        if self.is_in(problem.expected):
            problem = dataclasses.replace(problem, expected="not accepted")
        return problem


def problems_of(error: ValidationError, merged: Merged, shape: Shape, redaction: Redaction) -> list[Problem]:
    """Everything that the type refused; what the members of a union say about one key becomes one problem."""
    found: dict[str, Problem] = {}
    for problem in _each(error, merged, shape):
        clean = redaction.clean(problem)
        before = found.get(clean.key)
        if before is not None and clean.key and before.expected != clean.expected:
            clean = dataclasses.replace(clean, expected=f"{before.expected}, or: {clean.expected}")
        found[clean.key or f" {len(found)}"] = clean
    return list(found.values())


def misfits(found: Iterable[Contradiction], merged: Merged) -> Iterator[Problem]:
    """What does not fit together, or not the environment, as problems with the sources of the keys concerned."""
    for one in found:
        yield Problem(", ".join(one.keys), "", one.expected, _sources(merged, one.keys), one.hint)


def _each(error: ValidationError, merged: Merged, shape: Shape) -> Iterator[Problem]:
    for detail in error.errors(include_url=False):
        raised = detail.get("ctx", {}).get("error")
        if isinstance(raised, Contradictions):
            yield from misfits(raised.found, merged)
            continue
        path = _path(detail["loc"], merged.values, is_absent=detail["type"] == "missing")
        yield _problem(path, detail["type"], detail["msg"], merged, shape)


def _problem(path: tuple[str, ...], kind: str, words: str, merged: Merged, shape: Shape) -> Problem:
    source = merged.source_of(path) or DEFAULT
    key = ".".join(path)
    is_secret = source.is_secret or shape.is_secret(path)
    if kind == "missing":
        return Problem(key, "", "required, and set nowhere", "no source", f"set {key} in settings.toml.")
    if kind == "extra_forbidden":
        return Problem(key, "", "unknown key", str(source), shape.hint(path))
    if is_secret:
        expected = "not accepted" if kind in _FREE_WORDS else _expected(words)
        return Problem(key, MASK, expected, str(source))
    return Problem(key, displayed(merged.value_of(path)), _expected(words), str(source))


def _path(loc: Iterable[int | str], values: Mapping[str, Any], *, is_absent: bool) -> tuple[str, ...]:
    """Pydantic's location without the names of union members that it mixes in."""
    node: Any = values
    found: list[str] = []
    parts = list(loc)
    for position, part in enumerate(parts):
        if isinstance(node, Mapping) and part in node:
            node = node[part]
        elif not (is_absent and position == len(parts) - 1):
            break
        found.append(str(part))
    return tuple(found)


def _sources(merged: Merged, keys: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(str(merged.source_of(tuple(key.split("."))) or DEFAULT) for key in keys))


def _expected(words: str) -> str:
    for start in ("Value error, ", "Assertion failed, "):
        words = words.removeprefix(start)
    return words[:1].lower() + words[1:]
