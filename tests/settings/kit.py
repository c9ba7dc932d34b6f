"""A small settings type and a directory of files to load it from, for the tests of this room."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, model_validator

from arbiter.section import LIVE, Section
from arbiter.settings.framework import FrameworkSettings, section
from arbiter.settings.loader import SettingsLoader
from arbiter.settings.problems import SettingsInvalid
from arbiter.settings.snapshot import Snapshot
from arbiter.settings.sources import Sources


class RegistrySection(Section):
    """One key of each kind that matters."""

    max_agents: Annotated[int, LIVE] = Field(default=1000, ge=1)
    cache_enabled: Annotated[bool, LIVE] = True
    label: str = "registry"
    tags: Annotated[tuple[str, ...], LIVE] = ()
    weights: dict[str, float] = Field(default_factory=dict)
    mode: Literal["fast", "safe"] = "safe"
    limit: Annotated[int | None, LIVE] = None
    key: SecretStr = SecretStr("")
    keys: tuple[SecretStr, ...] = ()
    floor: int = 0

    @model_validator(mode="after")
    def _above_the_floor(self) -> Self:
        if self.max_agents < self.floor:
            raise ValueError(f"max_agents is below the floor; key {self.key.get_secret_value()}")
        return self


class ShopSettings(FrameworkSettings):
    """An application's settings: the framework's, and one section of its own."""

    registry: RegistrySection = section(RegistrySection)


load = SettingsLoader(ShopSettings)


def sources(
    directory: Path,
    *,
    environment: str | None = None,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, str] | None = None,
    **files: str,
) -> Sources:
    """Write the files (`settings`, `settings_local`, `secrets`, `secrets_local`) and name all the rest."""
    names = {
        "settings": "settings.toml",
        "settings_local": "settings.local.toml",
        "secrets": ".secrets.toml",
        "secrets_local": ".secrets.local.toml",
    }
    for name, text in files.items():
        (directory / names[name]).write_text(text)
    return Sources(directory, environment, environ or {}, overrides or {})


def loaded(directory: Path, **given: object) -> Snapshot[ShopSettings]:
    """The snapshot that the given sources make."""
    return load(sources(directory, **given))  # type: ignore[arg-type]  # passed on as they came


def refused(directory: Path, **given: object) -> SettingsInvalid:
    """The report that the given sources make; fails when they are accepted."""
    try:
        loaded(directory, **given)
    except SettingsInvalid as error:
        return error
    raise AssertionError("the settings were accepted")
