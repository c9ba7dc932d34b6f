"""Where YAML 1.2, as js-yaml reads it, parts from the YAML 1.1 of the parser here: made alike without moving a line.

The parser ends lines at three characters more and knows shorter names of anchors; what it refuses and js-yaml reads is
mended once it has refused, so that an ordinary document pays nothing. Found by holding mutated specs against the real
validators.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from arbiter.orchestrator.caws.models import NotAMapping

__all__ = ["Breaks", "Misread", "mended"]

_YAML_1_1_BREAKS: Final = "\x85\u2028\u2029"
_PRIVATE: Final = range(0x100000, 0x10FFFD)
"""Characters that mean nothing, and that a document of any size leaves some of unused."""

_ANCHOR: Final = "takes what follows it into its name"
_QUESTION: Final = "text in brackets begins with a question mark"
_IN_TEXT: Final = "tab character that violates indentation"
_FLOW_INDICATORS: Final = tuple(",[]{}")

_SUSPECT = re.compile(
    r"&[0-9A-Za-z_-]+[?:%@`]|\*[0-9A-Za-z_-]+[?:%@`]|-[,\[\]{}]|\?[^\s,\[\]{}]|\|[-+0-9]*#|>[-+0-9]*#"
)
"""Any of the next three or a question mark; each alternative begins with one character, which makes the search fast."""
_LONG_ANCHOR = re.compile(r"[&*][0-9A-Za-z_-]+[?:%@`]")
_LONE_DASH = re.compile(r"-[,\[\]{}]")
_COMMENTED_BLOCK = re.compile(r"[|>][-+0-9]*#")

_ANCHOR_NAME = re.compile(r"[&*][^\s,\[\]{}]+")
_UNKNOWN_IN_NAMES = re.compile(r"[^0-9A-Za-z_-]")
_BLOCK = re.compile(r"""[-?:](?:[ \t]|$)|(?:"[^"]*"|'[^']*'|[^"'\[{].*?)[ \t]*:(?:[ \t]|$)""")
"""What begins a list or mapping of lines, which may not stand after a tab."""
_TEXT_IN_BRACKETS = re.compile(
    r"[:?](?:[^\s,\[\]{}:#]|:(?![\s,\[\]{}]|$)|(?<!\s)#|[ \t]+(?=[^\s,\[\]{}:#]))*(?=[ \t]*(?:[,\[\]{}:]|[ \t]#))"
)
"""Text that begins with a colon or question mark, where its end is to be seen in the line."""
_BLANK_LINE = re.compile(r"^\t[ \t]*(?=\r?$)", re.MULTILINE)
_SURROGATES = re.compile(r"\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")

_JSON_TEXT = re.compile(r'"(?:[^"\\]|\\.)*+(?:"(\s*:)?|\\?\Z)', re.DOTALL)
"""A text of JSON, and the colon that makes it a key; one without an end goes to the end, so that all is read once."""

_LONG_KEY: Final = 900
"""YAML takes no more than 1,024 characters for a key, unless a question mark announces it."""


@dataclass(frozen=True, slots=True)
class Breaks:
    """A text whose three line ends of YAML 1.1, which to YAML 1.2 are characters like any other, the parser cannot see."""

    hidden: str
    _back: dict[int, int]

    @classmethod
    def of(cls, document: str) -> Breaks | None:
        """None where the text has no such character, as nearly always."""
        if not any(character in document for character in _YAML_1_1_BREAKS):
            return None
        unused = (point for point in _PRIVATE if chr(point) not in document)
        away = {ord(character): next(unused) for character in _YAML_1_1_BREAKS}
        return cls(document.translate(away), {stand_in: point for point, stand_in in away.items()})

    def restored(self, text: str) -> str:
        """The text as it was written."""
        return text.translate(self._back)


class Misread:
    """Finds what the parser reads and YAML 1.2 otherwise or not at all.

    An anchor called `name:`, a dash for a value in brackets, a comment without a blank before it after the sign of a
    block, and in brackets a text that begins with a question mark.
    """

    def __init__(self, document: str) -> None:
        self._document = document

    @classmethod
    def of(cls, document: str) -> Misread | None:
        """None where the text has no such form, as nearly always."""
        return cls(document) if _SUSPECT.search(document) else None

    def look_at(self, event: Any) -> None:
        """Look at one event of the parser.

        Raises:
            NotAMapping: it is such a one.
        """
        line, column, at = event.start_mark.line + 1, event.start_mark.column + 1, event.start_mark.index
        if name := getattr(event, "anchor", None):
            written = _LONG_ANCHOR.match(self._document, at)
            if written is not None and written[0][1:-1] == name:
                raise NotAMapping(f"no YAML: the anchor {written[0]} {_ANCHOR}", line, column)
        elif (value := getattr(event, "value", None)) is None:
            return
        elif value == "-" and _LONE_DASH.match(self._document, at):
            raise NotAMapping("no YAML: a dash stands where a value is expected", line, column)
        elif event.style in ("|", ">") and _COMMENTED_BLOCK.match(self._document, at):
            raise NotAMapping("no YAML: a blank is expected before the comment", line, column)
        elif self._document[at - 1 : at] == "?":
            raise NotAMapping(f"no YAML: {_QUESTION}", line, column - 1)


def mended(source: bytes | str, refused: NotAMapping) -> str | None:
    """What the parser refused and others read, made readable without moving a line; None where nothing would change.

    JSON may be indented by tabs and have keys of any length, and writes what lies beyond the basic plane as a pair of
    surrogate escapes, which js-yaml takes in YAML as well. A colon may stand before a comma or bracket, in brackets
    without a key before it, and there begin a text, as a question mark may; tabs may stand before a comment, after the
    dash of an entry, before a text that is indented, and alone in a line; an anchor's name is whatever has no blank,
    comma or bracket in it.

    Of what js-yaml reads there stay refused: a tab in the indentation of a block of text, a question mark after a closing
    bracket, and lines of a quoted text that are indented less than it.
    """
    try:
        document = source.decode("utf-8-sig") if isinstance(source, bytes) else source
    except UnicodeError:
        return None
    for reason, rewritten in _AT_THE_PLACE.items():
        if reason in refused.message and (found := _rewritten(document, refused, rewritten)) is not None:
            return found
    if document.lstrip().startswith("{"):
        document_as_yaml = _JSON_TEXT.sub(_announced, document.replace("\t", " "))
    else:
        # A blank line goes on with a text of several lines; at a line's begin a tab ends a block of text, as a comment does.
        document_as_yaml = _BLANK_LINE.sub("" if _IN_TEXT in refused.message else "#", document)
    found = _SURROGATES.sub(_joined, document_as_yaml)
    return found if found != document else None


def _with_blank(line: str, column: int, _above: str) -> str | None:
    """A blank after the colon at that place, where what follows ends a value."""
    before, after = line[:column], line[column:]
    fits = before.endswith(":") and after.startswith(_FLOW_INDICATORS)
    return f"{before} {after}" if fits else None


def _with_name(line: str, column: int, _above: str) -> str | None:
    """The anchor at that place, or else in that line, under a name that the parser knows as one."""
    written = _LONG_ANCHOR.match(line, column - 1) or _LONG_ANCHOR.search(line)
    return None if written is None else f"{line[: written.end() - 1]}_{line[written.end() :]}"


def _with_known_name(line: str, column: int, _above: str) -> str | None:
    """The anchor or alias around that place, each character that the parser does not know in names spelt as its number."""
    written = next((w for w in _ANCHOR_NAME.finditer(line) if w.start() < column <= w.end()), None)
    if written is None:
        return None
    name = _UNKNOWN_IN_NAMES.sub(lambda unknown: f"-{ord(unknown[0])}-", written[0][1:])
    return f"{line[: written.start() + 1]}{name}{line[written.end() :]}"


def _with_what_is_missed(line: str, column: int, _above: str) -> str | None:
    """What is missed at that place in brackets: before a colon the key null, round a text the quotes."""
    before, after = line[: column - 1], line[column - 1 :]
    if not after.startswith((":", "?")):
        return None
    if not after[1:] or after[1].isspace() or after.startswith(_FLOW_INDICATORS, 1):
        return f"{before}~{after}" if after.startswith(":") else None
    text = _TEXT_IN_BRACKETS.match(after)
    if text is None:
        return None
    quoted = "'" + text[0].replace("'", "''") + "'"
    return before + quoted + after[text.end() :]


def _with_blanks(line: str, column: int, above: str) -> str | None:
    """Blanks for tabs that only part: before a comment, after a dash, and where text is indented far enough without them.

    Not where a list or mapping of lines begins behind them, whose indentation they would be.
    """
    before, after = line[: column - 1], line[column - 1 :]
    rest = after.lstrip(" \t")
    if before.isspace() and not rest.strip():
        return f"{before}#{rest}"
    is_indentation = not before.strip(" ")
    parts = is_indentation and (rest.startswith("#") or len(before) > len(above) - len(above.lstrip(" ")))
    if not (parts or before.rstrip(" ").endswith("-")) or (_BLOCK.match(rest) and not rest.startswith("#")):
        return None
    return before + " " * (len(after) - len(rest)) + rest


_AT_THE_PLACE: Final = {
    "cannot start any token": _with_blanks,
    _IN_TEXT: _with_blanks,
    "did not find expected alphabetic or numeric character": _with_known_name,
    "did not find expected node content": _with_what_is_missed,
    _QUESTION: _with_what_is_missed,
    "found unexpected ':'": _with_blank,
    "mapping values are not allowed": _with_name,
    _ANCHOR: _with_name,
}
"""What mends the line that was refused, by the words that it was refused with."""


def _rewritten(
    document: str, refused: NotAMapping, rewritten: Callable[[str, int, str], str | None]
) -> str | None:
    lines = document.split("\n")
    if refused.line > len(lines):  # the parser counts a lone carriage return as a line's end
        return None
    above = next((line for line in reversed(lines[: refused.line - 1]) if line.strip()), "")
    mended_line = rewritten(lines[refused.line - 1], refused.column, above)
    if mended_line is None:
        return None
    lines[refused.line - 1] = mended_line
    return "\n".join(lines)


def _announced(text: re.Match[str]) -> str:
    is_long_key = text[1] is not None and len(text[0]) > _LONG_KEY
    return f"? {text[0]}" if is_long_key else text[0]


def _joined(pair: re.Match[str]) -> str:
    high, low = (int(half, 16) for half in pair.groups())
    return chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))
