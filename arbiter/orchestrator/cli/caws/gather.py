"""What `arbiter caws check` holds a spec against: gathered from options, and from the `.caws` folder around the spec."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from arbiter.errors import Invalid
from arbiter.orchestrator.caws.change import Change, change_of_diff, change_of_numstat
from arbiter.orchestrator.caws.contracts import Folder
from arbiter.orchestrator.caws.evidence import Attachment, Evidence
from arbiter.orchestrator.cli.files import read

__all__ = ["Given", "gathered"]

_OF_WAIVERS = ("waivers.yml", "waivers.yaml")


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Given:
    """The options that bring something to hold the spec against."""

    base: Annotated[
        str,
        Parameter(
            help="Judge what changed in the repository since it left this revision.", show_default=False
        ),
    ] = ""
    diff: Annotated[
        str,
        Parameter(
            allow_leading_hyphen=True,
            help="Judge the change in this unified diff; - is standard input.",
            show_default=False,
        ),
    ] = ""
    numstat: Annotated[
        str,
        Parameter(
            allow_leading_hyphen=True,
            help="Judge the change in this output of git diff --numstat.",
            show_default=False,
        ),
    ] = ""
    report: Annotated[
        tuple[str, ...],
        Parameter(
            negative="",
            show_default=False,
            help="A report: Cobertura, LCOV, coverage.py, Stryker, mutmut, JUnit, SARIF; may be repeated.",
        ),
    ] = ()
    require: Annotated[
        tuple[str, ...],
        Parameter(
            negative="", show_default=False, help="A gate that fails where nothing shows it; may be repeated."
        ),
    ] = ()
    policy: Annotated[
        str, Parameter(help="The policy; .caws/policy.yaml without it.", show_default=False)
    ] = ""
    waivers: Annotated[
        tuple[str, ...],
        Parameter(
            negative="",
            show_default=False,
            help="A file or folder of waivers; .caws/waivers without it; may be repeated.",
        ),
    ] = ()
    root: Annotated[
        str, Parameter(help="Where contract paths begin; the folder of .caws without it.", show_default=False)
    ] = ""
    at: Annotated[
        str,
        Parameter(
            help="The moment to judge at, as 2026-12-31T00:00:00Z; now without it.", show_default=False
        ),
    ] = ""


_NOTHING = Given()


def gathered(file: str, given: Given) -> Evidence:
    """The evidence that the options name; nothing but the spec where they name none.

    Args:
        file: the spec's path; its `.caws` folder holds the policy and the waivers.
        given: the options.

    Raises:
        FileUnreadable: a file that was named cannot be read.
        ChangeUnreadable: what was given as a change is none.
        RepositoryUnreadable: there is no such revision.
    """
    now = _moment(given.at) if given.at else None
    if all(getattr(given, f.name) == getattr(_NOTHING, f.name) for f in fields(given) if f.name != "at"):
        return Evidence(now=now)
    home = _home(file)
    return Evidence(
        policy=_policy(given, home),
        waivers=tuple(_waivers(given, home)),
        change=_change(given, home),
        reports=tuple(Attachment(name, read(name)) for name in given.report),
        files=Folder(Path(given.root) if given.root else home),
        required=frozenset(given.require),
        now=now,
    )


def _home(file: str) -> Path:
    """The folder that holds `.caws`: above the spec where it is in one, else the working directory."""
    path = Path.cwd() if file == "-" else Path(file).absolute()
    return next((folder.parent for folder in path.parents if folder.name == ".caws"), Path.cwd())


def _policy(given: Given, home: Path) -> Attachment | None:
    if given.policy:
        return Attachment(given.policy, read(given.policy))
    found = home / ".caws" / "policy.yaml"
    return Attachment(".caws/policy.yaml", found.read_bytes()) if found.is_file() else None


def _waivers(given: Given, home: Path) -> Iterator[Attachment]:
    own = home / ".caws"
    places = [Path(name) for name in given.waivers] or [
        own / "waivers",
        *(own / name for name in _OF_WAIVERS),
    ]
    for place in places:
        if place.is_dir():
            for path in sorted((*place.glob("*.yaml"), *place.glob("*.yml"))):
                yield Attachment(_shown(path, home), read(str(path)))
        elif place.exists() or given.waivers:
            yield Attachment(_shown(place, home), read(str(place)))


def _shown(path: Path, home: Path) -> str:
    absolute = path.absolute()
    return absolute.relative_to(home).as_posix() if absolute.is_relative_to(home) else str(path)


def _change(given: Given, home: Path) -> Change | None:
    if given.base:
        from arbiter.orchestrator.caws.repository import change_since  # noqa: PLC0415  starts processes

        return change_since(given.base, Path(given.root) if given.root else home)
    if given.diff:
        return change_of_diff(read(given.diff).decode("utf-8", "replace"), given.diff)
    if given.numstat:
        return change_of_numstat(read(given.numstat).decode("utf-8", "replace"), given.numstat)
    return None


def _moment(written: str) -> datetime:
    """The moment in `written`; without a zone it is UTC."""
    try:
        found = datetime.fromisoformat(written)
    except ValueError as error:
        hint = "Write it as 2026-12-31T00:00:00Z."
        raise Invalid(f"--at {written!r} is no moment", hint=hint, field="at") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)
