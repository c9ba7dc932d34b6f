"""A folder that the orchestrator can be run in, with settings files of a test's own."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from tests.processes import PROJECT, Service, answer_of

__all__ = ["home", "keys_of", "replaced", "reported"]


def home(folder: Path, **files: str) -> Path:
    """A new folder with the application's own packages and these files (`settings`, `secrets`, ...)."""
    made = folder / "home"
    made.mkdir()
    for name in ("config", "containers"):
        shutil.copytree(PROJECT / name, made / name, ignore=shutil.ignore_patterns("__pycache__"))
    names = {"settings": "settings.toml", "secrets": ".secrets.toml", "secrets_local": ".secrets.local.toml"}
    for name, text in files.items():
        (made / names[name]).write_text(text)
    return made


def replaced(file: Path, text: str) -> None:
    """Put another file in this one's place, as editors and deployments do."""
    aside = file.with_name(f"{file.name}.new")
    aside.write_text(text)
    os.replace(aside, file)  # noqa: PTH105  the very call that is meant


def keys_of(service: Service) -> dict[str, Any]:
    """What `GET /config` says of every key."""
    keys: dict[str, Any] = answer_of(f"{service.management}/config").json()["keys"]
    return keys


def reported(service: Service) -> dict[str, Any]:
    """What `GET /info` says of the settings."""
    settings: dict[str, Any] = answer_of(f"{service.management}/info").json()["settings"]
    return settings
