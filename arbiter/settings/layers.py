"""The layers above the code's defaults, lowest first: files by table, secret files, the platform, variables, overrides.

A layer is a tree of sections with a source for each key. What comes from a variable is text, and is cast by the
declared type of its key; what comes from a file has TOML's types.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, get_origin

from pydantic import BaseModel

from arbiter.settings.documents import DEFAULT_TABLE, Document
from arbiter.settings.problems import Problem
from arbiter.settings.shape import Shape
from arbiter.settings.snapshot import Source
from arbiter.settings.sources import PREFIX, RESERVED, Sources

__all__ = ["Assignment", "Layer", "assignments", "cast_text", "document_layers"]

# Kubernetes announces each Service to every pod as variables; one called "arbiter" has our prefix.
_SERVICE_LINK: Final = re.compile(
    r"ARBITER_(?:\w+_)?(?:SERVICE_(?:HOST|PORT(?:_\w+)?)|PORT(?:_\d+_(?:TCP|UDP|SCTP)\w*)?)"
)


@dataclass(frozen=True, slots=True)
class Layer:
    """A tree of sections, and the source of each key in it."""

    values: dict[str, Any]
    source: Callable[[tuple[str, ...]], Source]


@dataclass(frozen=True, slots=True)
class Assignment:
    """One key set by text: a variable, a secret file, an override."""

    path: tuple[str, ...]
    text: str
    source: Source

    def layer(self, value: object) -> Layer:
        """The layer that sets this one key to `value`."""
        for name in reversed(self.path):
            value = {name: value}
        return Layer(value if isinstance(value, dict) else {}, lambda _: self.source)


def document_layers(documents: Sequence[Document], environment: str) -> Iterator[Layer]:
    """Each file's [default] and then its [environment], in the order of the files."""
    for document in documents:
        for name in (DEFAULT_TABLE, environment):
            table = document.tables.get(name)
            if isinstance(table, dict):
                yield Layer(table, _source_in(document, name))


def assignments(sources: Sources, shape: Shape) -> tuple[list[Assignment], list[Problem]]:
    """What text sets, lowest first: secret files, the platform's variables, ours, overrides."""
    secrets, problems = _secret_files(sources.environ.get("ARBITER_SECRETS_DIR", ""), sources.directory)
    found = [*_ordered(secrets), *_platform(sources.environ, shape)]
    found += _ordered(_variables(sources.environ))
    found += _ordered(
        Assignment(tuple(key.lower().split(".")), text, Source("override", "--set"))
        for key, text in sources.overrides.items()
    )
    return found, problems


def cast_text(text: str, alternatives: Sequence[Any]) -> object:
    """Text as the declared type wants it. Scalars stay text: pydantic reads them by the field's type.

    Raises:
        ValueError: the key holds a list or a table, and the text is neither JSON nor a TOML value.
    """
    if not any(_is_container(annotation) for annotation in alternatives):
        takes_none = type(None) in alternatives and str not in alternatives
        return None if takes_none and text.strip().lower() in {"", "none", "null"} else text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError, KeyError):
        raise ValueError("neither JSON nor a TOML value") from None


def _source_in(document: Document, table: str) -> Callable[[tuple[str, ...]], Source]:
    return lambda path: document.source(table, path)


def _ordered(found: Iterable[Assignment]) -> list[Assignment]:
    """A whole section comes before one key of it, whatever the order of the variables."""
    return sorted(found, key=lambda assignment: (len(assignment.path), assignment.path))


def _variables(environ: Mapping[str, str]) -> Iterator[Assignment]:
    for name, text in environ.items():
        if name.startswith(PREFIX) and name not in RESERVED and not _is_service_link(name):
            path = tuple(name.removeprefix(PREFIX).lower().split("__"))
            yield Assignment(path, text, Source("variable", name))


def _is_service_link(name: str) -> bool:
    return "__" not in name and _SERVICE_LINK.fullmatch(name) is not None


def _platform(environ: Mapping[str, str], shape: Shape) -> Iterator[Assignment]:
    for name, path in (("PORT", ("server", "port")), ("LOG_LEVEL", ("observability", "log_level"))):
        text = environ.get(name, "").strip()
        if text and shape.knows(path):
            yield Assignment(path, text.lower(), Source("platform", name))


def _secret_files(directory: str, base: Path) -> tuple[Iterator[Assignment], list[Problem]]:
    if not directory:
        return iter(()), []
    found: list[Assignment] = []
    problems: list[Problem] = []
    try:
        # a mounted volume keeps its versions in entries that begin with ".."
        entries = sorted(path for path in (base / directory).iterdir() if not path.name.startswith("."))
    except OSError as error:
        expected = f"cannot be read: {error.strerror}"
        return iter(()), [Problem("ARBITER_SECRETS_DIR", repr(directory), expected, "ARBITER_SECRETS_DIR")]
    for path in entries:
        source = Source("secrets directory", f"ARBITER_SECRETS_DIR/{path.name}")
        try:
            if path.is_file():
                text = path.read_text().removesuffix("\n").removesuffix("\r")
                found.append(Assignment(tuple(re.split(r"__|\.", path.name.lower())), text, source))
        except (OSError, UnicodeDecodeError):
            problems.append(Problem(path.name, "", "cannot be read as UTF-8 text", str(source)))
    return iter(found), problems


def _is_container(annotation: Any) -> bool:
    origin = get_origin(annotation) or annotation
    if not isinstance(origin, type) or issubclass(origin, str | bytes):
        return False
    return issubclass(origin, BaseModel | Mapping | Sequence | AbstractSet)
