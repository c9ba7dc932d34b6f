"""`arbiter new`: writes an application in the standard shape, whose own tests pass at once.

The application depends on the framework by the place that this one came from (a folder, a wheel, a commit), never by a
name: `arbiter-framework` on an index may be anybody's.
"""

from __future__ import annotations

import importlib.util
import json
import keyword
import re
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import unquote, urlsplit

from cyclopts import Parameter
from rich.markup import escape

import arbiter
from arbiter.cli.console import out_console, print_json
from arbiter.cli.options import Json
from arbiter.errors import ArbiterError

__all__ = ["FrameworkNotFound", "NameRefused", "TargetExists", "new_application"]

DISTRIBUTION: Final = "arbiter-framework"
SUFFIX: Final = ".tmpl"
HIDDEN: Final = "dot_"
TAKEN: Final = frozenset({"arbiter", "config", "containers", "data", "tests"})
_NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")


class NameRefused(ArbiterError):
    """An application cannot have this name, since its package would."""

    def __init__(self, name: str, reason: str) -> None:
        hint = "Lower-case letters, digits and hyphens, beginning with a letter: arbiter new tea-shop"
        super().__init__(f"An application cannot be called {name!r}: {reason}.", hint=hint)
        self.name = name


class TargetExists(ArbiterError):
    """The folder is there already and holds something."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"{folder} exists and is not empty.", hint="Choose another name, or remove it.")
        self.folder = folder


class FrameworkNotFound(ArbiterError):
    """Nothing says where this framework was installed from, or it is there no more."""

    def __init__(self, reason: str) -> None:
        hint = "Say where it is: arbiter new NAME --framework PATH (its folder, or a wheel)."
        super().__init__(f"The application needs the framework's place: {reason}.", hint=hint)


def new_application(
    name: str,
    *,
    framework: Annotated[
        Path | None, Parameter(name="--framework", help="The framework's folder or wheel, if not this one's.")
    ] = None,
    json: Json = False,
) -> int:
    """Write a new application into the folder NAME: components, settings, composition, tests, a Makefile.

    Its own `make test` passes at once. It installs the framework from where this one was installed from.

    Examples:
        arbiter new tea-shop
        arbiter new tea-shop --framework ~/src/arbiter
    """
    package = _package(name)
    folder = Path.cwd() / name
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise TargetExists(folder)
    values = {
        "title": name.replace("-", " ").replace("_", " ").capitalize(),
        "package": package,
        "framework": _reference(framework),
    }
    written = [_write(folder, path, text, values) for path, text in _template(files(arbiter) / "template")]
    if json:
        print_json({"folder": str(folder), "files": sorted(written), "framework": values["framework"]})
        return 0
    console = out_console()
    console.print(f"[bold green]{escape(name)}[/] is written: {len(written)} files in {escape(str(folder))}")
    console.print(f"  cd {escape(name)}")
    console.print("  make test      its tests")
    console.print("  make run       start it: http://localhost:3000/greetings/Ada")
    return 0


def _package(name: str) -> str:
    package = name.replace("-", "_")
    if not _NAME.fullmatch(name):
        raise NameRefused(name, "it is no plain name")
    if keyword.iskeyword(package) or package in sys.stdlib_module_names or package in TAKEN:
        raise NameRefused(name, f"the package {package} means something already")
    found = importlib.util.find_spec(package)
    if found is not None and found.origin is not None:
        raise NameRefused(name, f"a package {package} is installed: {found.origin}")
    return package


def _template(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every file of the template: its path below the application, and its text."""
    for entry in sorted(folder.iterdir(), key=lambda one: one.name):
        if entry.is_dir():
            yield from _template(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(SUFFIX):
            name = entry.name.removesuffix(SUFFIX)
            name = f".{name.removeprefix(HIDDEN)}" if name.startswith(HIDDEN) else name
            yield prefix + name, entry.read_text(encoding="utf-8")


def _write(folder: Path, path: str, text: str, values: dict[str, str]) -> str:
    for key, value in values.items():
        text = text.replace(f"{{{{{key}}}}}", value)
    path = re.sub(r"^package/", f"{values['package']}/", path)
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
    return path


def _reference(given: Path | None) -> str:
    """The framework as a requirement that names its place (PEP 508: `name @ url`)."""
    if given is not None:
        return f"{DISTRIBUTION} @ {_checked(given).as_uri()}"
    installed = _installed_from()
    url = str(installed.get("url", ""))
    if "vcs_info" in installed:
        vcs: Any = installed["vcs_info"]
        return f"{DISTRIBUTION} @ {vcs['vcs']}+{url}@{vcs['commit_id']}"
    if url.startswith("file:"):
        return f"{DISTRIBUTION} @ {_checked(Path(unquote(urlsplit(url).path))).as_uri()}"
    if url:
        return f"{DISTRIBUTION} @ {url}"
    return f"{DISTRIBUTION} @ {_checked(Path(arbiter.__file__).parent.parent).as_uri()}"


def _installed_from() -> dict[str, object]:
    """What the installer has noted (PEP 610); nothing where the framework came from an index."""
    try:
        noted = distribution(DISTRIBUTION).read_text("direct_url.json")
    except PackageNotFoundError:
        return {}
    return dict(json.loads(noted)) if noted else {}


def _checked(place: Path) -> Path:
    place = place.expanduser().resolve()
    if place.suffix == ".whl" and place.is_file():
        return place
    project = place / "pyproject.toml"
    if project.is_file() and f'name = "{DISTRIBUTION}"' in project.read_text(encoding="utf-8"):
        return place
    raise FrameworkNotFound(f"{place} is neither its folder nor a wheel")
