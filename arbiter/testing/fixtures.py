"""What the plugin's fixtures give a test; name these types in its signature."""

from __future__ import annotations

from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar, Unpack, overload

from arbiter.app import App
from arbiter.container.base import Container
from arbiter.infrastructure import Infrastructure
from arbiter.testing import application as composing
from arbiter.testing import serving
from arbiter.testing.application import Conditions, UnderTest
from arbiter.testing.either import Either
from arbiter.testing.recording import Recording
from arbiter.testing.serving import Running

__all__ = ["Applications", "Services"]

C = TypeVar("C", bound=Container)
S = TypeVar("S", bound=Infrastructure)
R = TypeVar("R")


class _Fixture:
    """Remembers the last application, for `run`."""

    def __init__(self, recorded: Recording, directory: Path) -> None:
        self._recorded, self._directory = recorded, directory
        self._last: Either[Any] | None = None

    def run(self, work: Coroutine[Any, Any, R]) -> R:
        """Run a coroutine where the last application runs that was entered with `with`, and return what it returns."""
        if self._last is None:
            work.close()
            raise RuntimeError("there is no application yet: with application(Shop) as shop: ...")
        return self._last.run(work)


class Applications(_Fixture):
    """The `application` fixture: makes fresh applications; see `arbiter.testing.application.application`."""

    def __call__(self, composition: type[C], **conditions: Unpack[Conditions]) -> UnderTest[C]:
        """An application that runs inside `async with`, or `with`."""
        conditions.setdefault("directory", self._directory)
        made = composing.application(composition, recording=self._recorded, **conditions)
        self._last = made
        return made


class Services(_Fixture):
    """The `running` fixture: serves fresh applications; see `arbiter.testing.serving.running`."""

    @overload
    def __call__(self, app: App, **conditions: Unpack[Conditions]) -> Running[Infrastructure]: ...

    @overload
    def __call__(self, app: type[S], **conditions: Unpack[Conditions]) -> Running[S]: ...

    def __call__(self, app: Any, **conditions: Unpack[Conditions]) -> Running[Any]:
        """An application that serves inside `async with`, or `with`."""
        conditions.setdefault("directory", self._directory)
        made = serving.running(app, recording=self._recorded, **conditions)
        self._last = made
        return made
