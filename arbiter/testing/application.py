"""A fresh application for one test: composed with overrides, settings and a clock, started, recorded and stopped."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Generic, TypedDict, TypeVar, Unpack

from arbiter.container.base import Container
from arbiter.container.stand_ins import replace_components
from arbiter.protocols import Clock
from arbiter.settings.sources import Sources
from arbiter.testing.either import Either
from arbiter.testing.faults import Faults
from arbiter.testing.recording import Recording

__all__ = ["Conditions", "UnderTest", "application", "compose"]

C = TypeVar("C", bound=Container)


class Conditions(TypedDict, total=False):
    """Under what conditions an application is composed for a test; every one may be left out.

    Attributes:
        overrides: objects in the place of components, by dotted provider name; each has to offer what the component
            offers, and the component's guard stays around it. A `Faults` keeps the component and breaks it on demand.
        settings: values over all other sources, by dotted key (or nested): `{"resilience.failure_threshold": 1}`.
        environment: whose table of the settings files applies; "test" by default.
        clock: stands in for everything that takes the clock; a `FakeClock`, as a rule.
        directory: where the settings files are; the working directory by default.
    """

    overrides: Mapping[str, object]
    settings: Mapping[str, object]
    environment: str
    clock: Clock
    directory: Path | str


def application(
    composition: type[C], *, recording: Recording | None = None, **conditions: Unpack[Conditions]
) -> UnderTest[C]:
    """A fresh instance of a container class, which runs inside `async with` (or `with`, in a synchronous test).

        async with application(Shop, overrides={"stock": BrokenStock()}) as shop: ...

    Variables of the process are not read, so that a test means the same everywhere.

    Args:
        composition: the container class.
        recording: keeps spans, metrics, logs and events.
        conditions: overrides, settings, environment, clock, directory; see `Conditions`.

    Raises:
        OverridesRefused: on entering, when names or interfaces do not fit; nothing was built.
        SettingsInvalid: on entering, when the settings are not valid.
    """
    return UnderTest(composition, recording or Recording(), conditions)


def compose(composition: type[C], **conditions: Unpack[Conditions]) -> C:
    """The same container, not started and not recorded; see `application`."""
    container: Any = composition()
    if "settings" in container.providers:
        where = Path(conditions.get("directory") or Path.cwd())
        given = dict(_as_text(conditions.get("settings", {})))
        environment = conditions.get("environment", "test")
        container.settings.read_from(Sources(where, environment, overrides=given))
        container.settings()
    replacements = dict(conditions.get("overrides", {}))
    if "clock" in conditions:
        replacements["clock"] = conditions["clock"]
    replace_components(container, replacements)
    for replacement in replacements.values():
        if isinstance(replacement, Faults) and "clock" in container.providers:
            replacement.use(container.clock())
    composed: C = container
    return composed


class UnderTest(Either[C], Generic[C]):
    """One application, for as long as its context lasts; see `application`."""

    def __init__(self, composition: type[C], recording: Recording, conditions: Conditions) -> None:
        self.recording = recording
        self._composition, self._conditions = composition, conditions
        self._container: C | None = None

    async def _enter(self) -> C:
        container = compose(self._composition, **self._conditions)
        self.recording.attach(container)
        if "settings" in container.providers:
            self.recording.begin_logs(container)
        try:
            await container.start()
        except BaseException:
            self.recording.end_logs(container)
            raise
        self._container = container
        return container

    async def _exit(self) -> None:
        container, self._container = self._container, None
        if container is None:
            return
        try:
            await container.stop()
        finally:
            self.recording.end_logs(container)


def _as_text(values: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Dotted keys and text, as `--set` takes them: so a test's settings outlive a reload, as an operator's do."""
    for name, value in values.items():
        key = f"{prefix}{name}"
        if isinstance(value, Mapping):
            yield from _as_text(value, f"{key}.")
        elif isinstance(value, str):
            yield key, value
        else:
            yield key, json.dumps(value, default=str)
