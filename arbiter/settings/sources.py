"""Where settings are read from: one directory, one set of variables, one environment's name, some overrides."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from arbiter.settings.problems import Problem, SettingsInvalid

__all__ = ["PREFIX", "RESERVED", "STANDARD_ENVIRONMENTS", "Sources"]

PREFIX: Final = "ARBITER_"
"""What the name of every variable begins with that sets a key."""

RESERVED: Final = frozenset(
    {
        "ARBITER_APP",  # which application
        "ARBITER_CAWS_SAMPLE",  # a test finds a labelled sample of working specs there
        "ARBITER_ENV",  # which environment
        "ARBITER_MANAGEMENT_URL",  # where the command line finds a running instance
        "ARBITER_REQUIRE_SERVERS",  # a test without its real server fails
        "ARBITER_SARIF_SCHEMA",  # a test finds the published schema there
        "ARBITER_SECRETS_DIR",  # a directory of secret files
        "ARBITER_TOKEN",  # what the orchestrator's client presents
        "ARBITER_TRACEBACK",  # the command line shows tracebacks
        "ARBITER_URL",  # where the orchestrator's client finds the service
    }
)
"""Variables with the prefix that are not keys."""

STANDARD_ENVIRONMENTS: Final = ("development", "test", "staging", "production")
"""The environments that exist without a table of their own."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Everything a load looks at, so that the same sources give the same settings.

    Attributes:
        directory: where settings.toml and its neighbours are.
        environment: the environment's name; None asks `ARBITER_ENV`, which falls back to development.
        environ: the process's variables.
        overrides: dotted keys and raw values that beat everything (`--set`).
    """

    directory: Path
    environment: str | None = None
    # neither is shown: variables hold secrets
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    overrides: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def of_process(
        cls,
        *,
        directory: Path | str | None = None,
        environment: str | None = None,
        overrides: Iterable[str] | Mapping[str, str] = (),
    ) -> Sources:
        """What this process sees now: the working directory, a copy of its variables, overrides as `key=value`.

        Raises:
            SettingsInvalid: an override is not of the form `key=value`.
        """
        return cls(
            directory=Path(directory) if directory is not None else Path.cwd(),
            environment=environment,
            environ=dict(os.environ),
            overrides=overrides if isinstance(overrides, Mapping) else _parsed(overrides),
        )

    @property
    def environment_source(self) -> str:
        """Who named the environment, in words."""
        if self.environment is not None:
            return "--env"
        return "ARBITER_ENV" if self.environ.get("ARBITER_ENV", "").strip() else "default"

    @property
    def environment_name(self) -> str:
        """The environment's name in lower case."""
        named = self.environment if self.environment is not None else self.environ.get("ARBITER_ENV", "")
        return named.strip().lower() or "development"


def _parsed(overrides: Iterable[str]) -> dict[str, str]:
    pairs = [override.partition("=") for override in overrides]
    malformed = [key for key, equals, _ in pairs if not equals or not key.strip()]
    if malformed:
        raise SettingsInvalid(
            Problem(key.strip(), "", "not of the form key=value", "--set", "write --set section.key=value")
            for key in malformed
        )
    return {key.strip(): value for key, _, value in pairs}
