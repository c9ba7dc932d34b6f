"""The settings files: which there are, in which order, and what one of them says. Read once, parsed once."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from arbiter.settings.lines import line_of, lines_of
from arbiter.settings.problems import Problem, did_you_mean
from arbiter.settings.snapshot import Source
from arbiter.settings.sources import STANDARD_ENVIRONMENTS

__all__ = [
    "DEFAULT_TABLE",
    "FILES",
    "Document",
    "Unreadable",
    "declared_environments",
    "misplaced",
    "read_documents",
]

FILES: Final = ("settings.toml", "settings.local.toml", ".secrets.toml", ".secrets.local.toml")
"""The files of the directory, lowest first."""

DEFAULT_TABLE: Final = "default"

_MAX_DEPTH: Final = 20
_RESERVED_TABLES: Final = frozenset({"default", "global", "dynaconf"})
_ENVIRONMENT_NAME: Final = re.compile(r"[a-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Document:
    """One file that was read: its tables with names in lower case, and the line of each key."""

    name: str
    tables: Mapping[str, object]
    lines: Mapping[tuple[str, ...], int]

    @property
    def layer(self) -> str:
        """The kind of source that the file is."""
        return "secrets file" if _is_secret(self.name) else "file"

    def source(self, table: str, path: tuple[str, ...] = ()) -> Source:
        """Where a key of a table stands."""
        return Source(self.layer, f"{self.name} [{table}]", line_of(self.lines, (table, *path)))


class Unreadable(Exception):
    """A file that exists and cannot be used."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.expected)
        self.problem = problem


def read_documents(directory: Path) -> tuple[list[Document], list[Problem]]:
    """The files that exist, lowest first, and what is wrong with those that cannot be used."""
    documents: list[Document] = []
    problems: list[Problem] = []
    for name in FILES:
        try:
            document = _read(directory / name)
        except Unreadable as error:
            problems.append(error.problem)
        else:
            documents.extend([document] if document is not None else [])
    return documents, problems


def declared_environments(documents: list[Document]) -> frozenset[str]:
    """The standard environments, and each that has a table in a file."""
    tables = {
        name for document in documents for name, table in document.tables.items() if isinstance(table, dict)
    }
    return frozenset(STANDARD_ENVIRONMENTS) | (tables - _RESERVED_TABLES)


def misplaced(document: Document, sections: tuple[str, ...]) -> Iterator[Problem]:
    """What stands at the top of a file and is no environment: a bare key, a section, a misspelt environment."""
    for name, table in document.tables.items():
        source = str(document.source(name))
        if not isinstance(table, dict):
            yield Problem(
                name, "", "stands outside of every table", source, f"put it under [{DEFAULT_TABLE}.SECTION]."
            )
        elif name in sections:
            hint = f"write [{DEFAULT_TABLE}.{name}] or [ENVIRONMENT.{name}]."
            yield Problem(name, "", "a section stands in no environment", source, hint)
        elif name != DEFAULT_TABLE and name in _RESERVED_TABLES:
            hint = f"put it under [{DEFAULT_TABLE}]."
            yield Problem(name, "", "this name cannot be an environment", source, hint)
        elif not _ENVIRONMENT_NAME.fullmatch(name):
            hint = "letters, digits, _ and - make a name."
            yield Problem(name, "", "this name cannot be an environment", source, hint)
        elif near := _misspelt(name):
            yield Problem(name, "", "this environment looks misspelt", source, did_you_mean(name, [near]))


def _read(path: Path) -> Document | None:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Unreadable(Problem("", "", f"cannot be read: {error.strerror}", path.name)) from None
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise Unreadable(
            Problem("", "", "is not UTF-8 text", f"{path.name} line {line}", "save the file as UTF-8.")
        ) from None
    tables = _lowered(_parsed(path.name, text), path.name)
    return Document(path.name, tables, lines_of(text.replace("\r\n", "\n")))


def _parsed(name: str, text: str) -> dict[str, object]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        reason, place = _reason_and_place(str(error))
    except (RecursionError, ValueError):  # nested too deep; a number of thousands of digits
        reason, place = "too deep or too long a value", ""
    if _is_secret(name):  # the parser's words may quote what stands there
        reason = "is not valid TOML"
    raise Unreadable(
        Problem("", "", f"syntax error: {reason}", f"{name}{place}", "correct the line; the format is TOML.")
    )


def _reason_and_place(words: str) -> tuple[str, str]:
    """Parts the parser's sentence: `Invalid value (at line 3, column 5)`."""
    found = re.fullmatch(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", words, re.DOTALL)
    if found is None:
        return words, ""
    return found[1], f" line {found[2]}, column {found[3]}" if found[2] else " at its end"


def _lowered(table: Mapping[str, object], name: str, depth: int = 0) -> dict[str, object]:
    """A copy with every name in lower case, as deep as settings can be.

    Raises:
        Unreadable: two names differ in case only, or the nesting is deeper than any settings type.
    """
    if depth > _MAX_DEPTH:
        raise Unreadable(Problem("", "", f"is nested deeper than {_MAX_DEPTH} tables", name))
    found: dict[str, object] = {}
    for key, value in table.items():
        if key.lower() in found:
            raise Unreadable(
                Problem(key.lower(), "", "is written twice, in different case", name, "keep one of them.")
            )
        is_table = isinstance(value, dict)
        found[key.lower()] = (
            _lowered(cast("dict[str, object]", value), name, depth + 1) if is_table else value
        )
    return found


def _is_secret(name: str) -> bool:
    return name.startswith(".secrets")


def _misspelt(name: str) -> str:
    """The standard name that is meant, for one that is nearly it; `production-eu` is a name of its own."""
    known = (DEFAULT_TABLE, *STANDARD_ENVIRONMENTS)
    if name in known or any(name.startswith(each) for each in known):
        return ""
    return next((each for each in known if _is_near(name, each)), "")


def _is_near(name: str, other: str) -> bool:
    return difflib.SequenceMatcher(None, name, other).ratio() >= 0.85
