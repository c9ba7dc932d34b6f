"""Finding the application: an import string, looked for in the working directory first."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

from arbiter.app import App
from arbiter.errors import ArbiterError, ConfigurationError, StartError

__all__ = ["DEFAULT_APPLICATION", "ApplicationBroken", "ApplicationNotFound", "load_application"]

DEFAULT_APPLICATION = "containers:create_app"


class ApplicationNotFound(ConfigurationError):
    """The import string names no application in the working directory."""

    def __init__(self, spec: str, reason: str) -> None:
        super().__init__(
            f"The application {spec!r} cannot be loaded: {reason}",
            hint="Run the command in the application's folder, or name it: --app package.module:create_app "
            "(or ARBITER_APP).",
        )
        self.spec = spec


class ApplicationBroken(StartError):
    """The application is there, and making it fails; the cause is chained."""

    def __init__(self, spec: str, doing: str) -> None:
        super().__init__(
            f"The application {spec!r} fails while it is {doing}.",
            hint="--traceback shows where (or ARBITER_TRACEBACK=1).",
        )
        self.spec = spec


def load_application(spec: str | None = None) -> App:
    """The application that `spec` names: `module:callable`, which returns an `App`.

    `containers` and `config` are names that other people's packages own as well, so the working directory comes first
    on `sys.path`, and what was found must lie below it.

    Args:
        spec: the import string; by default `ARBITER_APP`, else `containers:create_app`.

    Raises:
        ApplicationNotFound: nothing of that name is here, it needs a module that is not, or it is somebody else's.
        ApplicationBroken: its import, or the callable, raises something of its own.
    """
    spec = spec or os.environ.get("ARBITER_APP") or DEFAULT_APPLICATION
    module_name, colon, attribute = spec.partition(":")
    if not (module_name and colon and attribute):
        raise ApplicationNotFound(spec, "it is not of the form module:callable.")
    here = Path.cwd()
    if str(here) not in sys.path:
        sys.path.insert(0, str(here))
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise ApplicationNotFound(spec, f"there is no module {error.name!r} here.") from error
    except ArbiterError:
        raise
    except Exception as error:
        raise ApplicationBroken(spec, "imported") from error
    _check_place(spec, module.__file__, here)
    app = getattr(module, attribute, None)
    if not callable(app):
        raise ApplicationNotFound(spec, f"{module_name} has no callable {attribute!r}.")
    try:
        return _checked(spec, app())
    except ArbiterError:
        raise
    except Exception as error:
        raise ApplicationBroken(spec, "made") from error


def _check_place(spec: str, file: str | None, here: Path) -> None:
    if file is None or not Path(file).absolute().is_relative_to(here):
        raise ApplicationNotFound(
            spec, f"it was found in {file}, which is not below the working directory {here}."
        )


def _checked(spec: str, found: object) -> App:
    if not isinstance(found, App):
        raise ApplicationNotFound(spec, f"it returned {type(found).__name__}, not an App.")
    return found
