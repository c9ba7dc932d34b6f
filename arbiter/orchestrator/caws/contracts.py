"""Do the contracts that a spec names exist, and do they parse as what they claim to be?"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Protocol

from arbiter.orchestrator.caws.document import Document, read
from arbiter.orchestrator.caws.javascript import Plain
from arbiter.orchestrator.caws.models import NotAMapping, Severity

__all__ = ["Attached", "ContractFault", "Files", "Folder", "faults"]

_MOST_BYTES: Final = 8 * 1024 * 1024


class Files(Protocol):
    """Where contract files are looked up."""

    def read(self, path: str) -> bytes | None:
        """The content of the file at a path relative to the root; None where there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Folder:
    """Files of a folder, and of nothing outside it."""

    root: Path

    def read(self, path: str) -> bytes | None:
        """The content; None where it is missing, leaves the folder, or is larger than 8 MiB."""
        try:
            root = self.root.resolve()
            found = (root / path).resolve()
            is_within = found.is_relative_to(root) and found.is_file()
            return found.read_bytes() if is_within and found.stat().st_size <= _MOST_BYTES else None
        except (OSError, ValueError):
            return None


@dataclass(frozen=True, slots=True)
class Attached:
    """Files that were sent along."""

    contents: Mapping[str, bytes]

    def read(self, path: str) -> bytes | None:
        """The content; None where it was not sent."""
        return self.contents.get(path)


@dataclass(frozen=True, slots=True)
class ContractFault:
    """What is wrong with one contract.

    Attributes:
        index: of the contract in the spec, as text; empty where there is none at all.
        message: what is wrong.
    """

    index: str
    message: str


def faults(document: Document, files: Files) -> Iterator[ContractFault]:
    """What is wrong with the contracts of a spec."""
    contracts = document.data.get("contracts")
    for index, contract in enumerate(contracts if isinstance(contracts, list) else ()):
        message = _fault(contract, files)
        if message:
            yield ContractFault(str(index), message)


def _fault(contract: Plain, files: Files) -> str:
    written = contract if isinstance(contract, dict) else {}
    path, kind = written.get("path"), str(written.get("type", "")).lower()[:40]
    if not isinstance(path, str) or not path:
        # Release 12 lets a contract of behaviour do without a file.
        return (
            ""
            if kind in ("behavior", "contract-test")
            else f"contract {kind or 'without a type'} names no path"
        )
    content = files.read(path.partition("#")[0])
    if content is None:
        return f"{path[:200]} is not there"
    check = _CHECKS.get(kind) or _CHECKS.get(_kind_of(path, kind))
    reason = check(content) if check else ""
    return f"{path[:200]} is no {kind}: {reason}" if reason else ""


def _kind_of(path: str, kind: str) -> str:
    """Release 12 says only `api` or `schema`; the name's end says which."""
    ends = {".graphql": "graphql", ".gql": "graphql", ".proto": "proto", ".avsc": "avro", ".thrift": "thrift"}
    by_end = next((found for end, found in ends.items() if path.endswith(end)), "")
    if kind == "api":
        return by_end or "openapi"
    return (by_end or "json-schema") if kind == "schema" else ""


def _data(content: bytes) -> dict[str, Any]:
    document = read(content)
    broken = next((fault for fault in document.faults if fault.severity is Severity.ERROR), None)
    if broken is not None:
        raise NotAMapping(broken.message, broken.line, broken.column)
    return document.data


def _openapi(content: bytes) -> str:
    data = _data(content)
    version = str(data.get("openapi", data.get("swagger", "")))
    if not re.match(r"(3\.|2\.0)", version):
        return "it states neither openapi: 3.x nor swagger: 2.0"
    if not isinstance(data.get("info"), dict):
        return "it has no info"
    return "" if data.keys() & {"paths", "webhooks", "components"} else "it has no paths"


def _json_schema(content: bytes) -> str:
    words = {
        "$schema",
        "$ref",
        "$defs",
        "definitions",
        "type",
        "properties",
        "enum",
        "oneOf",
        "anyOf",
        "allOf",
    }
    return "" if _data(content).keys() & words else "it says nothing of what it describes"


def _pact(content: bytes) -> str:
    data = _data(content)
    lacking = [name for name in ("consumer", "provider") if name not in data]
    if lacking:
        return f"it names no {' and no '.join(lacking)}"
    return "" if data.keys() & {"interactions", "messages"} else "it has no interactions"


def _avro(content: bytes) -> str:
    return "" if "type" in _data(content) else "it has no type"


def _language(*words: str) -> Callable[[bytes], str]:
    """A check of a definition language: one of its words opens a definition, and brackets close."""
    opening = re.compile(rf"^\s*(?:{'|'.join(words)})\b", re.MULTILINE)
    blank = re.compile(r'"""[\s\S]*?(?:"""|\Z)|"(?:\\.|[^"\\\n])*"|#[^\n]*|//[^\n]*|/\*[\s\S]*?(?:\*/|\Z)')

    def check(content: bytes) -> str:
        """What is wrong; empty when nothing is."""
        text = blank.sub(" ", content.decode("utf-8"))
        if not opening.search(text):
            return f"it defines none of {', '.join(words)}"
        return _unbalanced(text)

    return check


def _unbalanced(text: str) -> str:
    closing, waiting = {"}": "{", ")": "(", "]": "["}, []
    for line, content in enumerate(text.split("\n"), start=1):
        for character in content:
            if character in "{([":
                waiting.append(character)
            elif character in closing and (not waiting or waiting.pop() != closing[character]):
                return f"line {line}: {character} closes what was not opened"
    return f"{waiting[-1]} is not closed" if waiting else ""


def _caught(check: Callable[[bytes], str]) -> Callable[[bytes], str]:
    """The check, with unreadable content as one of its answers."""

    def checked(content: bytes) -> str:
        """What is wrong; empty when nothing is."""
        try:
            return check(content)
        except NotAMapping as error:
            return error.message
        except UnicodeDecodeError:
            return "it is no text in UTF-8"

    return checked


_PROTO: Final = _caught(_language("syntax", "edition", "message", "service", "enum"))
_OPENAPI: Final = _caught(_openapi)
_CHECKS: Final[Mapping[str, Callable[[bytes], str]]] = MappingProxyType(
    {
        "openapi": _OPENAPI,
        "swagger": _OPENAPI,
        "graphql": _caught(
            _language(
                "schema", "type", "interface", "union", "enum", "input", "scalar", "directive", "extend"
            )
        ),
        "proto": _PROTO,
        "protobuf": _PROTO,
        "pact": _caught(_pact),
        "avro": _caught(_avro),
        "thrift": _caught(
            _language("namespace", "struct", "service", "enum", "typedef", "union", "exception")
        ),
        "json-schema": _caught(_json_schema),
    }
)
"""By the type that a contract states; of other types only that the file is there."""
