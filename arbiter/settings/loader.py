"""From sources to one snapshot, or to one report of everything that is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from arbiter.settings.documents import Document, declared_environments, misplaced, read_documents
from arbiter.settings.framework import FrameworkSettings
from arbiter.settings.layers import Assignment, Layer, assignments, cast_text, document_layers
from arbiter.settings.merging import Merged, commands_in, is_directive, merge
from arbiter.settings.problems import EnvironmentUnknown, Problem, SettingsInvalid
from arbiter.settings.report import Redaction, misfits, problems_of
from arbiter.settings.shape import Shape
from arbiter.settings.snapshot import (
    DEFAULT,
    Overridden,
    Snapshot,
    Source,
    fingerprint,
    flattened,
    values_by_path,
)
from arbiter.settings.sources import PREFIX, Sources

__all__ = ["PLACEHOLDER", "SettingsLoader"]

S = TypeVar("S", bound=BaseModel)

PLACEHOLDER: Final = "change-me"
"""What the tracked .secrets.toml says in place of a secret. It never is a value: production refuses it, and
everywhere else the key counts as not set."""


class SettingsLoader(Generic[S]):
    """Loads one settings type. Constructing it reads nothing; each call reads everything anew.

    Args:
        settings_type: the type of the whole tree: `FrameworkSettings` or what inherits it.
    """

    def __init__(self, settings_type: type[S]) -> None:
        self.settings_type = settings_type

    def __call__(self, sources: Sources | None = None) -> Snapshot[S]:
        """Load, merge and validate.

        Args:
            sources: what to read; by default what this process sees (`Sources.of_process()`).

        Raises:
            SettingsInvalid: with every problem that was found.
            EnvironmentUnknown: the environment's name is not a standard one and has no table in any file.
        """
        return _Load(self.settings_type, sources or Sources.of_process()).snapshot()

    def inspect(self, sources: Sources) -> Snapshot[S]:
        """The same for looking at, not for running: what production refuses is let pass, such as placeholders of secrets.

        So that a laptop, which has no production secrets, can show what production's settings are.
        """
        return _Load(self.settings_type, sources, lets_placeholders_pass=True).snapshot()

    def __repr__(self) -> str:
        return f"SettingsLoader({self.settings_type.__name__})"


@dataclass(slots=True)
class _Load(Generic[S]):
    """One load: collects layers, problems and secrets on the way."""

    settings_type: type[S]
    sources: Sources
    lets_placeholders_pass: bool = False
    problems: list[Problem] = field(default_factory=list)
    redaction: Redaction = field(default_factory=Redaction)
    unread: set[str] = field(default_factory=set)

    @property
    def shape(self) -> Shape:
        return Shape.of(self.settings_type)

    def snapshot(self) -> Snapshot[S]:
        documents, unreadable = read_documents(self.sources.directory)
        self.problems += unreadable
        environment = self.sources.environment_name
        known = declared_environments(documents)
        if environment not in known and not unreadable:  # a file that cannot be read may hold its table
            raise EnvironmentUnknown(environment, known, source=self.sources.environment_source)
        self._refuse_hooks()
        for document in documents:
            self.problems += misplaced(document, self.shape.names(()))
        merged = merge([*self._file_layers(documents, environment), *self._text_layers()])
        self._drop_placeholders(merged, environment)
        settings = self._validated(merged, is_whole=not unreadable)
        if isinstance(settings, FrameworkSettings) and not self.lets_placeholders_pass:
            self.problems += misfits(settings.unfit_for(environment), merged)
        if settings is None or self.problems:
            raise SettingsInvalid(map(self.redaction.clean, self.problems), environment=environment)
        return self._frozen(settings, merged, documents, environment)

    def _refuse_hooks(self) -> None:
        if (self.sources.directory / "dynaconf_hooks.py").exists():
            hint = "remove it: settings are data here."
            self.problems.append(
                Problem("", "", "code beside the settings is not run", "dynaconf_hooks.py", hint)
            )

    def _file_layers(self, documents: Sequence[Document], environment: str) -> Iterator[Layer]:
        for layer in document_layers(documents, environment):
            yield Layer(self._checked(layer.values, layer, ()), layer.source)

    def _checked(self, node: dict[str, Any], layer: Layer, prefix: tuple[str, ...]) -> dict[str, Any]:
        """The part of a tree that the type declares; the rest goes to the report."""
        kept: dict[str, Any] = {}
        for name, value in node.items():
            path = (*prefix, name)
            source = layer.source(path)
            if not self._is_known(path, source) or self._is_command(path, value, source):
                continue
            if isinstance(value, dict):
                kept[name] = self._checked(value, layer, path)
            elif expected := self._misfit(path, value):
                self.problems.append(Problem(".".join(path), "", expected, str(source)))
            else:
                self._remember(path, value, source)
                kept[name] = value
        return kept

    def _misfit(self, path: tuple[str, ...], value: object) -> str:
        """What must be refused before the merge hides it, or pydantic's leniency does."""
        if self.shape.is_section(path):
            return "a table of keys, not a single value"
        if isinstance(value, bool) and not self.shape.takes_truth(path):
            return "not a key that is true or false"
        return ""

    def _text_layers(self) -> Iterator[Layer]:
        found, problems = assignments(self.sources, self.shape)
        self.problems += problems
        for assignment in found:
            self._remember(assignment.path, assignment.text, assignment.source)
            if self._is_known(assignment.path, assignment.source) and not self._is_command(
                assignment.path, assignment.text, assignment.source
            ):
                yield from self._text_layer(assignment)

    def _text_layer(self, assignment: Assignment) -> Iterator[Layer]:
        try:
            value = cast_text(assignment.text, self.shape.alternatives(assignment.path))
        except ValueError as error:
            self.problems.append(Problem(".".join(assignment.path), "", str(error), str(assignment.source)))
            return
        layer = assignment.layer(value)
        yield Layer(self._checked(layer.values, layer, ()), layer.source)

    def _is_known(self, path: tuple[str, ...], source: Source) -> bool:
        if self.shape.knows(path) and not is_directive(path[-1]):
            return True
        if self.settings_type is FrameworkSettings and not self.shape.knows(path[:1]):
            self.unread.add(path[0])
        else:
            expected = "unknown section" if len(path) == 1 else "unknown key"
            expected += "; no directive of dynaconf is obeyed here" if is_directive(path[-1]) else ""
            self.problems.append(Problem(".".join(path), "", expected, str(source), self.shape.hint(path)))
        return False

    def _is_command(self, path: tuple[str, ...], value: object, source: Source) -> bool:
        word = next(commands_in(value), None)
        if word is None:
            return False
        expected = f"{word} is not evaluated: settings are data"
        self.problems.append(Problem(".".join(path), "", expected, str(source), "write the value itself."))
        return True

    def _remember(self, path: tuple[str, ...], value: object, source: Source) -> None:
        if value == PLACEHOLDER:
            return  # no secret, and the report has to name it
        if source.is_secret or self.shape.is_secret(path):
            self.redaction.add(value)
        else:
            self.redaction.add_passwords(value)

    def _drop_placeholders(self, merged: Merged, environment: str) -> None:
        for path in [path for path in merged.sources if merged.value_of(path) == PLACEHOLDER]:
            source = merged.sources[path]
            if not (source.is_secret or self.shape.is_secret(path)):
                continue
            if environment.startswith("production") and not self.lets_placeholders_pass:
                self.problems.append(_placeholder_in_force(path, source))
            merged.drop(path)

    def _validated(self, merged: Merged, *, is_whole: bool) -> S | None:
        try:
            return self.settings_type.model_validate(merged.values)
        except ValidationError as error:
            found = problems_of(error, merged, self.shape, self.redaction)
        except RecursionError:
            found = [Problem("", "", "nested too deeply", "all sources")]
        # what is missing may stand in the file that could not be read
        self.problems += [
            problem for problem in found if is_whole or not problem.expected.startswith("required")
        ]
        return None

    def _frozen(
        self, settings: S, merged: Merged, documents: Sequence[Document], environment: str
    ) -> Snapshot[S]:
        by_path = {path: merged.source_of(path) or DEFAULT for path in values_by_path(settings)}
        sources = {".".join(path): source for path, source in by_path.items()}
        secrets = frozenset(
            ".".join(path)
            for path, source in by_path.items()
            if source.is_secret or self.shape.is_secret(path)
        )
        return Snapshot(
            settings=settings,
            environment=environment,
            generation=1,
            sha256=fingerprint(flattened(settings), secrets),
            sources=MappingProxyType(sources),
            loaded_at=datetime.now(UTC),
            secrets=secrets,
            files=tuple(document.name for document in documents if document.tables),
            notes=tuple(self._notes(documents)),
            warnings=tuple(settings.warnings()) if isinstance(settings, FrameworkSettings) else (),
            unread=tuple(sorted(self.unread)),
            origin=self.sources,
            overrode=MappingProxyType(
                {".".join(path): found for path, found in self._overridden(merged, by_path)}
            ),
        )

    def _overridden(
        self, merged: Merged, sources: Mapping[tuple[str, ...], Source]
    ) -> Iterator[tuple[tuple[str, ...], tuple[Overridden, ...]]]:
        """What each value covered: lower layers, and the code's default at the bottom."""
        for path, source in sources.items():
            if source is DEFAULT:
                continue
            covered = [
                Overridden(below, value) for below, value in merged.overrode(path) if value != PLACEHOLDER
            ]
            if (default := self.shape.default_of(path)) is not None:
                covered.append(Overridden(DEFAULT, default))
            if covered:
                yield path, tuple(covered)

    def _notes(self, documents: Sequence[Document]) -> Iterator[str]:
        if not any(document.name == "settings.toml" for document in documents):
            yield f"no settings.toml in {self.sources.directory}: the code's defaults apply."
        if self.unread:
            yield f"sections that this settings type does not have were not read: {', '.join(sorted(self.unread))}."


def _placeholder_in_force(path: tuple[str, ...], source: Source) -> Problem:
    variable = PREFIX + "__".join(path).upper()
    table = f"[default.{'.'.join(path[:-1])}]"
    return Problem(
        ".".join(path),
        "",
        f"the placeholder {PLACEHOLDER!r} is still in force, in production",
        str(source),
        f"set the variable {variable}, or write {path[-1]} under {table} in .secrets.local.toml.",
    )
