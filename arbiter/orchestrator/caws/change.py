"""What a change touches: files, lines, renames, deletions, binaries; from a unified diff or `git diff --numstat`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from arbiter.errors import Invalid

__all__ = ["Change", "ChangeUnreadable", "ChangedFile", "change_of_diff", "change_of_numstat"]

_DIFF_START = re.compile(r"^(?:diff --git |--- |Index: )", re.MULTILINE)
_COMBINED = re.compile(r"^diff --(?:cc|combined) ", re.MULTILINE)
_GIT_HEADER = re.compile(r"^diff --git (?:\"?([abciow12])/.* \"?([abciow12])/)?", re.MULTILINE)
_ESCAPE = re.compile(r"\\([0-7]{3}|.)", re.DOTALL)
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
_BRACED = re.compile(r"^(.*)\{(.*) => (.*)\}(.*)$", re.DOTALL)


class ChangeUnreadable(Invalid):
    """What was given as a change is none, so that nothing could be held against the budget."""

    code = "change-unreadable"

    def __init__(self, reason: str) -> None:
        hint = "Give what git diff or git diff --numstat prints, or --base REV for the repository itself."
        super().__init__(f"the change cannot be read: {reason}", hint=hint, field="change")


@dataclass(frozen=True, slots=True)
class ChangedFile:
    """One file of a change.

    Attributes:
        path: where it is after the change; of a deleted file, where it was. Relative, with forward slashes.
        added: lines.
        removed: lines.
        old_path: where it was before a rename, else empty.
        deleted: whether it is gone.
        binary: whether it has no lines that could be counted.
        generated: whether the repository says that nobody wrote it.
    """

    path: str
    added: int = 0
    removed: int = 0
    old_path: str = ""
    deleted: bool = False
    binary: bool = False
    generated: bool = False

    @property
    def paths(self) -> tuple[str, ...]:
        """Each path that the change touches: a rename touches two."""
        return (self.path, self.old_path) if self.old_path else (self.path,)


@dataclass(frozen=True, slots=True)
class Change:
    """The files that a change touches, each once, and where it was read from."""

    files: tuple[ChangedFile, ...]
    source: str = "the change"


def change_of_diff(text: str, source: str = "the diff") -> Change:
    """The change that a unified diff describes; git's extended headers are understood.

    Raises:
        ChangeUnreadable: it is no diff, its hunks do not hold what their headers say, or it is one of a merge with
            several parents, whose lines cannot be told apart.
    """
    from unidiff.errors import UnidiffParseError  # noqa: PLC0415  a spec alone needs none of it
    from unidiff.patch import PatchSet  # noqa: PLC0415

    if text.strip() and not _DIFF_START.search(text):
        raise ChangeUnreadable("it holds no diff")
    if _COMBINED.search(text):
        raise ChangeUnreadable("it is the combined diff of a merge, not one against a single base")
    try:
        patches = PatchSet(text, metadata_only=True)  # the lines are counted and checked, not kept
    except UnidiffParseError as error:
        raise ChangeUnreadable(str(error)[:200]) from error
    before, after = _prefixes(text)
    return Change(_merged(_of_patch(patch, before, after) for patch in patches), source)


def _prefixes(text: str) -> tuple[str, str]:
    """What stands before old and new paths: `a/` and `b/`, or what git is set to (diff.mnemonicPrefix, diff.noprefix)."""
    header = _GIT_HEADER.search(text)
    if header is None:
        return "a/", "b/"
    old, new = header.groups()
    return (f"{old}/", f"{new}/") if old and old != new else ("", "")


def _of_patch(patch: object, before: str, after: str) -> ChangedFile:
    source, target = str(getattr(patch, "source_file", "")), str(getattr(patch, "target_file", ""))
    renamed, deleted = (
        bool(getattr(patch, "is_rename", False)),
        bool(getattr(patch, "is_removed_file", False)),
    )
    path, old = _plain(target, after), _plain(source, before) if renamed else ""
    return ChangedFile(
        _plain(source, before) if deleted else path,
        int(getattr(patch, "added", 0)),
        int(getattr(patch, "removed", 0)),
        old_path=old if old != path else "",
        deleted=deleted,
        binary=bool(getattr(patch, "is_binary_file", False)),
    )


def _plain(name: str, prefix: str) -> str:
    """The path without quotes, escapes and git's prefix."""
    return _unquoted(name).removeprefix(prefix)


def change_of_numstat(text: str, source: str = "the numstat") -> Change:
    """The change that `git diff --numstat` describes, with or without `-z`.

    Raises:
        ChangeUnreadable: a line is none of numstat's.
    """
    entries = _of_records(text) if "\0" in text else _of_lines(text)
    return Change(_merged(entries), source)


def _of_lines(text: str) -> Iterator[ChangedFile]:
    for written in text.split("\n"):  # a name may hold what Unicode calls a line's end
        line = written.rstrip("\r")
        if line.strip():
            added, removed, name = _columns(line)
            old, path = _renamed(name)
            yield _counted(added, removed, path, old)


def _of_records(text: str) -> Iterator[ChangedFile]:
    records = iter(text.split("\0"))
    for record in records:
        if record.strip():
            added, removed, path = _columns(record)
            # An empty name announces a rename: the old and the new name follow.
            old, path = (next(records, ""), next(records, "")) if not path else ("", path)
            yield _counted(added, removed, path, old)


def _columns(line: str) -> tuple[str, str, str]:
    columns = line.lstrip("\n").split("\t", 2)
    if len(columns) != 3 or not all(re.fullmatch(r"[0-9]{1,9}|-", column) for column in columns[:2]):
        raise ChangeUnreadable(f"{line[:80]!r} is no line of numstat")
    return columns[0], columns[1], columns[2]


def _renamed(name: str) -> tuple[str, str]:
    """Old and new path; `src/{a => b}/c.py` and `a => b` are renames."""
    if braced := _BRACED.match(name):
        before, old, new, after = braced.groups()
        return (before + old + after).replace("//", "/"), (before + new + after).replace("//", "/")
    old, arrow, new = name.partition(" => ")
    return (_unquoted(old), _unquoted(new)) if arrow else ("", _unquoted(name))


def _counted(added: str, removed: str, path: str, old: str) -> ChangedFile:
    if not path:
        raise ChangeUnreadable("a line of numstat names no file")
    if added == "-" or removed == "-":
        return ChangedFile(path, old_path=old, binary=True)
    return ChangedFile(path, int(added), int(removed), old_path=old)


def _unquoted(name: str) -> str:
    """A name as git quotes it: in double quotes, with C escapes, bytes in octal."""
    if not (len(name) > 1 and name[0] == name[-1] == '"'):
        return name
    raw = _ESCAPE.sub(lambda found: _byte(found[1]), name[1:-1])
    return raw.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _byte(escape: str) -> str:
    if escape.isdigit():
        code = int(escape, 8) & 0xFF
        return chr(code) if code < 0x80 else chr(0xDC00 + code)
    return _ESCAPES.get(escape, escape)


def _merged(files: Iterable[ChangedFile]) -> tuple[ChangedFile, ...]:
    """Each path once; a diff of several commits names a file several times."""
    found: dict[str, ChangedFile] = {}
    for file in files:
        known = found.get(file.path)
        if known is None:
            found[file.path] = file
        else:
            found[file.path] = ChangedFile(
                file.path,
                known.added + file.added,
                known.removed + file.removed,
                old_path=known.old_path or file.old_path,
                deleted=file.deleted,
                binary=known.binary or file.binary,
            )
    return tuple(found.values())
