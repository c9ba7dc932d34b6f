"""The line on which each key of a TOML document stands. The standard parser tells values, but not places."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

__all__ = ["line_of", "lines_of"]

_KEY: Final = r"""(?:[A-Za-z0-9_-]+|"(?:\\.|[^"\\\n])*"|'[^'\n]*')"""
_DOTTED: Final = rf"{_KEY}(?:[ \t]*\.[ \t]*{_KEY})*"
_STATEMENT: Final = re.compile(
    rf"[ \t]*(?:\[\[?[ \t]*(?P<table>{_DOTTED})[ \t]*\]|(?P<key>{_DOTTED})[ \t]*=)"
)
_TOKEN: Final = re.compile(
    r'''"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:\\.|[^"\\\n])*"|'[^'\n]*'|#[^\n]*|[\[{]|[\]}]|\n|[^"'#\[\]{}\n]+''',
    re.DOTALL,
)


def lines_of(text: str) -> dict[tuple[str, ...], int]:
    """The line, from 1, of every table and key in a document that has parsed; names in lower case."""
    found: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    for line, statement in _statements(text):
        if statement["table"] is not None:
            table = _parts(statement["table"])
            found.setdefault(table, line)
        else:
            found.setdefault((*table, *_parts(statement["key"])), line)
    return found


def line_of(lines: Mapping[tuple[str, ...], int], path: tuple[str, ...]) -> int | None:
    """The line of a key, or of the nearest table or inline table around it."""
    for length in range(len(path), 0, -1):
        if (line := lines.get(path[:length])) is not None:
            return line
    return None


def _statements(text: str) -> Iterator[tuple[int, re.Match[str]]]:
    position, line = 0, 1
    while position < len(text):
        statement = _STATEMENT.match(text, position)
        if statement is not None:
            yield line, statement
            position = statement.end()
        position, line = _after_statement(text, position, line)


def _after_statement(text: str, position: int, line: int) -> tuple[int, int]:
    depth = 0
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None:  # a lone quote: not TOML; go on behind it rather than stand still
            position += 1
            continue
        position, found = token.end(), token[0]
        line += found.count("\n")
        depth += (found in {"[", "{"}) - (found in {"]", "}"})
        if found == "\n" and depth <= 0:
            break
    return position, line


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'").lower() for part in re.findall(_KEY, dotted))
