"""A working spec as plain data, with the line and column of every value."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import yaml

from arbiter.orchestrator.caws.composer import Composer, Node, Path, Stopped, finding_at
from arbiter.orchestrator.caws.javascript import Plain
from arbiter.orchestrator.caws.models import Finding, NotAMapping, Severity

__all__ = ["Document", "read"]

_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_SURROGATES = re.compile(r"\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")

_JSON_TEXT = re.compile(r'"(?:[^"\\]|\\.)*+(?:"(\s*:)?|\\?\Z)', re.DOTALL)
"""A text of JSON, and the colon that makes it a key; one without an end goes to the end, so that all is read once."""

_LONG_KEY: Final = 900
"""YAML takes no more than 1,024 characters for a key, unless a question mark announces it."""


@dataclass(frozen=True, slots=True)
class Document:
    """One spec: its data, what was doubtful about it, and where everything stands.

    `complete` is False where reading stopped early, so that the rules have nothing that they could judge.
    """

    data: dict[str, Plain]
    faults: tuple[Finding, ...]
    complete: bool
    root: Node

    def place(self, path: Path) -> tuple[int, int]:
        """Line and column of the value at `path`, or of the nearest thing around it that is there."""
        node = self.root
        for step in path:
            found = node.children.get(step)
            if found is None:
                break
            node = found
        return node.line, node.column

    def finding(
        self, code: str, path: Path, message: str, hint: str, severity: Severity = Severity.ERROR
    ) -> Finding:
        """A finding about the value at `path`."""
        return finding_at(self.place(path), code, path, message, hint, severity)


def read(source: bytes | str, *, core: bool = False) -> Document:
    """The document in `source`, YAML or JSON.

    Args:
        source: the text, or its bytes.
        core: see `Composer`.

    Raises:
        NotAMapping: it is no YAML, more than one document, or its top is no mapping.
    """
    try:
        return _composed(source, core=core)
    except NotAMapping:
        as_yaml = _json_as_yaml(source)
        if as_yaml is None:
            raise
        return _composed(as_yaml, core=core)


def _composed(source: bytes | str, *, core: bool) -> Document:
    composer = Composer(core=core)
    complete = True
    try:
        for event in _events(source):
            composer.take(event)
    except Stopped:
        complete = False
    if composer.root is None or composer.root.mapping is None:
        raise NotAMapping("the document is empty", 1, 1)
    return Document(composer.root.mapping, tuple(composer.faults), complete, composer.root)


def _events(source: bytes | str) -> Iterator[Any]:
    """The parser's events, its errors turned into ours."""
    try:
        yield from yaml.parse(source, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (1, 1) if mark is None else (mark.line + 1, mark.column + 1)
        raise NotAMapping(f"no YAML: {error.problem or error.context}", line, column) from error
    except (yaml.YAMLError, UnicodeError) as error:
        position = getattr(error, "position", getattr(error, "start", 0))
        line, column = _place_of(source, int(position or 0))
        raise NotAMapping(f"no YAML: {getattr(error, 'reason', None) or error}", line, column) from error


def _place_of(source: bytes | str, position: int) -> tuple[int, int]:
    before: Any = source[:position]
    newline: Any = b"\n" if isinstance(before, bytes) else "\n"
    return before.count(newline) + 1, len(before) - before.rfind(newline)


def _json_as_yaml(source: bytes | str) -> str | None:
    """What the YAML parser refuses and others read, made readable without moving a line; None where nothing would change.

    JSON may be indented by tabs and have keys of any length, and writes what lies beyond the basic plane as a pair of
    surrogate escapes, which js-yaml takes in YAML as well.
    """
    try:
        document = source.decode("utf-8-sig") if isinstance(source, bytes) else source
    except UnicodeError:
        return None
    if document.lstrip().startswith("{"):
        mended = _SURROGATES.sub(_joined, _JSON_TEXT.sub(_announced, document.replace("\t", " ")))
    else:
        mended = _SURROGATES.sub(_joined, document)
    return mended if mended != document else None


def _announced(text: re.Match[str]) -> str:
    is_long_key = text[1] is not None and len(text[0]) > _LONG_KEY
    return f"? {text[0]}" if is_long_key else text[0]


def _joined(pair: re.Match[str]) -> str:
    high, low = (int(half, 16) for half in pair.groups())
    return chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))
