"""Builds nodes from the events of PyYAML's parser, without recursion and within bounds.

PyYAML's loading will not do, and neither will its `compose`: it keeps the last of two equal keys without a word, reads
YAML 1.1 (`no` is false, `12:30:00` is 45000, `010` is 8, dates are objects), and recurses in C, so that 100,000 opening
brackets end the process with a segmentation fault. Here scalars follow the core schema of YAML 1.2, nesting and
aliases are bounded, and what is doubtful is recorded as findings. Keys and merges are those of js-yaml 4.1.0, which
the real validators read with.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import yaml

from arbiter.orchestrator.caws.javascript import NotPrimitive, Plain, text
from arbiter.orchestrator.caws.models import Finding, NotAMapping, Severity
from arbiter.orchestrator.caws.scalars import TagRefused, contents_of_tag, scalar, structure_tag

__all__ = ["MAX_DEPTH", "MAX_EXPANDED", "Composer", "Node", "Path", "Stopped", "finding_at"]

MAX_DEPTH: Final = 100
"""How deep mappings and lists may be nested, written out or through aliases."""

MAX_EXPANDED: Final = 100_000
"""How many values all aliases together may stand for (the well-known attack of ten lines stands for 10**9)."""

_CHARACTERS: Final = 64
"""How much text counts as one value more."""

_OBJECT: Final = "[object Object]"

Path: TypeAlias = tuple[str, ...]
Place: TypeAlias = tuple[int, int]


class Stopped(Exception):
    """Reading ends here; the reason is among the faults."""


@dataclass(slots=True)
class Node:
    """One value of the document and where it begins; line and column count from 1."""

    value: Plain
    line: int
    column: int
    is_merge: bool = False
    """The plain key `<<`, told from a quoted one."""
    size: int = 1
    """How many values it stands for, with everything below it and behind aliases; a long text counts as several."""
    height: int = 0
    """Levels of mappings and lists below it."""
    children: dict[str, Node] = field(default_factory=dict)
    """By key, or by index."""

    @property
    def mapping(self) -> dict[str, Plain] | None:
        """The value, where it is a mapping."""
        return self.value if isinstance(self.value, dict) else None


@dataclass(slots=True)
class _Frame:
    """A mapping or list that is not closed yet."""

    node: Node
    path: Path
    tag: str | None
    key: tuple[str, Node] | None = None
    """Of a mapping: the key whose value comes next."""
    merged: set[str] = field(default_factory=set)
    """Keys that came through `<<`, which the mapping's own may override."""


class Composer:
    """Takes events one by one; then `root` is the document's top and `faults` is what was doubtful.

    Args:
        core: read by the core schema alone, as CAWS 12 does: `<<` is a key like any other, and tags beyond the schema
            are faults.
    """

    def __init__(self, *, core: bool = False) -> None:
        self._core = core
        self.root: Node | None = None
        self.faults: list[Finding] = []
        self._stack: list[_Frame] = []
        self._anchors: dict[str, Node] = {}
        self._expanded = 0

    def take(self, event: Any) -> None:
        """Take one event of `yaml.parse`.

        Raises:
            NotAMapping: the top is no mapping, a second document begins, an alias names nothing.
            Stopped: a bound is reached.
        """
        match event:
            case yaml.ScalarEvent():
                node = self._scalar(event)
                if event.anchor is not None:
                    self._anchors[event.anchor] = node
                self._put(node)
            case yaml.AliasEvent():
                self._put(self._alias(event))
            case yaml.CollectionStartEvent():
                self._open(event)
            case yaml.CollectionEndEvent():
                self._close()
            case yaml.DocumentStartEvent() if self.root is not None:
                raise NotAMapping("a second document begins, where one is expected", *_place(event))
            case _:
                pass

    def too_deep(self, place: Place) -> None:
        """Record that the parser went no deeper; newer ones have a bound of their own, and look ahead.

        Raises:
            NotAMapping: it had not come as far as the top.
        """
        message = f"nested deeper than {MAX_DEPTH} levels"
        if self.root is None:
            raise NotAMapping(message, *place)
        self._fault("depth-limit", place, message, "Make it flatter.")

    def _open(self, event: Any) -> None:
        is_mapping = isinstance(event, yaml.MappingStartEvent)
        place = _place(event)
        if not (self._stack or is_mapping):
            raise NotAMapping("the top of the document is a list, no mapping", *place)
        self._bound_depth(place, len(self._stack) + 1)
        if fault := structure_tag(event.tag, is_mapping=is_mapping, core=self._core):
            self._fault("unknown-tag", place, fault, "Take the tag out.")
        node = Node({} if is_mapping else [], *place)
        self.root = self.root or node
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        self._stack.append(_Frame(node, self._path(), event.tag))

    def _close(self) -> None:
        frame = self._stack.pop()
        if fault := contents_of_tag(frame.tag, frame.node.value):
            place = (frame.node.line, frame.node.column)
            self._fault("unknown-tag", place, fault, "Take the tag out.", frame.path)
        if self._stack:
            self._put(frame.node)

    def _scalar(self, event: Any) -> Node:
        written, is_plain, mark = event.value, event.implicit[0], event.start_mark
        if not self._stack:
            empty = is_plain and not written
            what = (
                "the document is empty" if empty else "the top of the document is a single value, no mapping"
            )
            raise NotAMapping(what, *_place(event))
        try:
            value = scalar(written, event.tag, quoted=bool(event.style), core=self._core)
        except TagRefused as refused:
            self._fault("unknown-tag", _place(event), str(refused), "Take the tag out.")
            value = written
        is_merge = is_plain and written == "<<" and not self._core
        return Node(value, mark.line + 1, mark.column + 1, is_merge, 1 + len(written) // _CHARACTERS)

    def _alias(self, event: Any) -> Node:
        place = _place(event)
        if event.anchor not in self._anchors:
            raise NotAMapping(f"no YAML: alias *{event.anchor} has no anchor before it", *place)
        node = self._anchors[event.anchor]
        if any(frame.node is node for frame in self._stack):
            return self._circle(event.anchor, node, place)
        self._expanded += node.size
        if self._expanded > MAX_EXPANDED:
            message = f"the aliases stand for more than {MAX_EXPANDED} values"
            self._fault("alias-limit", place, message, "Write the values out.")
            raise Stopped
        self._bound_depth(place, len(self._stack) + node.height)
        return node

    def _circle(self, anchor: str, node: Node, place: Place) -> Node:
        """What stands for a value within itself: an empty one, as all that the real validators ask of it is its kind."""
        message, hint = f"*{anchor} contains itself", "Write the value out."
        self._fault("alias-circle", place, message, hint, severity=Severity.WARNING)
        return Node([] if isinstance(node.value, list) else {}, *place)

    def _put(self, node: Node) -> None:
        """Put a finished node where it belongs: into the list, or as key or value of the mapping."""
        frame = self._stack[-1]
        parent = frame.node
        parent.size += node.size
        if parent.height <= node.height:
            parent.height = node.height + 1
        if isinstance(parent.value, list):
            parent.children[str(len(parent.value))] = node
            parent.value.append(node.value)
        elif frame.key is None:
            frame.key = (self._key(node), node)
        else:
            (name, key), frame.key = frame.key, None
            if key.is_merge or name in parent.children:
                self._doubtful(frame, name, key, node)
            else:
                _adopt(parent, name, node)

    def _doubtful(self, frame: _Frame, name: str, key: Node, node: Node) -> None:
        """Put the value of a key that merges, that overrides what was merged, or that stands twice."""
        if key.is_merge:
            self._merge(frame, node)
        elif name in frame.merged:
            frame.merged.discard(name)
            _adopt(frame.node, name, node)
        else:
            first = frame.node.children[name].line
            message = f"key {name[:60]!r} stands twice in one mapping; its first value is in line {first}"
            place = (key.line, key.column)
            self._fault("duplicate-key", place, message, "Keep one of the two.", (*frame.path, name))

    def _merge(self, frame: _Frame, node: Node) -> None:
        """`<<: *base`: take over the keys that are not there yet (yaml.org/type/merge.html)."""
        sources = list(node.children.values()) if isinstance(node.value, list) else [node]
        if any(source.mapping is None for source in sources):
            message = "<< can merge only a mapping, or a list of mappings"
            self._fault(
                "merge-refused", (node.line, node.column), message, "Point << at a mapping.", frame.path
            )
            return
        for source in sources:
            for name, child in source.children.items():
                if name not in frame.node.children:
                    _adopt(frame.node, name, child)
                    frame.merged.add(name)

    def _key(self, node: Node) -> str:
        """The key's text, as JavaScript makes it; a list or mapping as key is a finding."""
        if isinstance(node.value, str):
            return str(node.value)
        if not isinstance(node.value, (dict, list)):
            return text(node.value)
        place = (node.line, node.column)
        message = "a list or mapping stands where a key is expected"
        hint = "Quote it if it is text: to YAML a placeholder {{NAME}} is a mapping."
        self._fault("unhashable-key", place, message, hint, severity=Severity.WARNING)
        if isinstance(node.value, dict):
            return _OBJECT
        if any(isinstance(item, list) for item in node.value):
            self._fault(
                "key-refused", place, "a list within a list cannot be a key", "Quote it if it is text."
            )
        try:
            return text([_OBJECT if isinstance(item, dict) else item for item in node.value])
        except NotPrimitive:
            return _OBJECT

    def _bound_depth(self, place: Place, depth: int) -> None:
        if depth > MAX_DEPTH:
            self.too_deep(place)
            raise Stopped

    def _path(self) -> Path:
        """Where the next node belongs."""
        if not self._stack:
            return ()
        frame = self._stack[-1]
        if isinstance(frame.node.value, list):
            return (*frame.path, str(len(frame.node.value)))
        return frame.path if frame.key is None else (*frame.path, frame.key[0])

    def _fault(
        self,
        code: str,
        place: Place,
        message: str,
        hint: str,
        path: Path | None = None,
        severity: Severity = Severity.ERROR,
    ) -> None:
        where = self._path() if path is None else path
        self.faults.append(finding_at(place, code, where, message, hint, severity))


def finding_at(
    place: Place, code: str, path: Path, message: str, hint: str, severity: Severity = Severity.ERROR
) -> Finding:
    """A finding at a place; the path becomes a JSON Pointer (RFC 6901)."""
    pointer = "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in path)
    line, column = place
    return Finding(
        code=code, severity=severity, path=pointer, line=line, column=column, message=message, hint=hint
    )


def _adopt(node: Node, name: str, child: Node) -> None:
    node.children[name] = child
    if isinstance(node.value, dict):
        node.value[name] = child.value


def _place(event: Any) -> Place:
    return event.start_mark.line + 1, event.start_mark.column + 1
