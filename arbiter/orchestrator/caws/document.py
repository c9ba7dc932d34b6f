"""A working spec as plain data, with the line and column of every value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import yaml

from arbiter.orchestrator.caws.composer import Composer, Node, Path, Stopped, finding_at
from arbiter.orchestrator.caws.dialect import Breaks, Misread, mended
from arbiter.orchestrator.caws.javascript import Plain
from arbiter.orchestrator.caws.models import Finding, NotAMapping, Severity

__all__ = ["Document", "read"]

_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DEPTH_EXCEEDED: Final = "exceeded maximum nesting depth"
_MENDS: Final = 5
"""How often a document is mended and read again, before it is refused as it is."""


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
    for _ in range(_MENDS):
        try:
            return _composed(source, core=core)
        except NotAMapping as refused:
            again = mended(source, refused)
            if again is None:
                raise
            source = again
    return _composed(source, core=core)


def _composed(source: bytes | str, *, core: bool) -> Document:
    composer = Composer(core=core)
    complete = True
    try:
        for event in _events(source):
            composer.take(event)
    except Stopped:
        complete = False
    except _TooDeep as deep:
        complete = False
        composer.too_deep(deep.place)
    if composer.root is None or composer.root.mapping is None:
        raise NotAMapping("the document is empty", 1, 1)
    return Document(composer.root.mapping, tuple(composer.faults), complete, composer.root)


class _TooDeep(Exception):
    """The parser's own bound of nesting is reached."""

    def __init__(self, line: int, column: int) -> None:
        super().__init__(f"line {line}, column {column}")
        self.place = (line, column)


def _events(source: bytes | str) -> Iterator[Any]:
    """The parser's events as YAML 1.2 means them, its errors turned into ours."""
    document = _decoded(source)
    breaks, misread = Breaks.of(document), Misread.of(document)
    try:
        parser = _LOADER(source if breaks is None else breaks.hidden)
        for event in iter(parser.get_event, None):  # as `yaml.parse` does, which asks twice for each
            if misread is not None:
                misread.look_at(event)
            if breaks is not None and isinstance(event, yaml.ScalarEvent):
                event.value = breaks.restored(event.value)
            yield event
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (1, 1) if mark is None else (mark.line + 1, mark.column + 1)
        if error.problem == _DEPTH_EXCEEDED:
            raise _TooDeep(line, column) from error
        raise NotAMapping(f"no YAML: {error.problem or error.context}", line, column) from error
    except (yaml.YAMLError, UnicodeError) as error:
        position = getattr(error, "position", getattr(error, "start", 0))
        line, column = _place_of(source, int(position or 0))
        raise NotAMapping(f"no YAML: {getattr(error, 'reason', None) or error}", line, column) from error


def _decoded(source: bytes | str) -> str:
    """The text, or what of it can be read; the parser says what cannot."""
    return source if isinstance(source, str) else source.decode("utf-8-sig", "replace")


def _place_of(source: bytes | str, position: int) -> tuple[int, int]:
    before: Any = source[:position]
    newline: Any = b"\n" if isinstance(before, bytes) else "\n"
    return before.count(newline) + 1, len(before) - before.rfind(newline)
