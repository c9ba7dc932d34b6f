"""Options that several commands share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from arbiter.app import App
from arbiter.cli.application import load_application
from arbiter.settings.sources import Sources

__all__ = ["Chosen", "Json", "Management", "Token", "Traceback"]

Json = Annotated[bool, Parameter(name="--json", negative="", help="Answer with one JSON document.")]
Management = Annotated[
    str | None,
    Parameter(
        name="--management",
        env_var="ARBITER_MANAGEMENT_URL",
        help="Address of the management port; by default what the settings say.",
    ),
]
Token = Annotated[
    str | None,
    Parameter(
        name="--token",
        env_var="ARBITER_MANAGEMENT__TOKEN",
        help="The management token; by default what the settings say.",
    ),
]
Traceback = Annotated[
    bool,
    Parameter(name="--traceback", negative="", help="Show where a failure came from (ARBITER_TRACEBACK=1)."),
]


@Parameter(name="*")
@dataclass(frozen=True)
class Chosen:
    """Which application, and with which settings."""

    app: Annotated[
        str | None,
        Parameter(
            name="--app", help="Import string of the application (ARBITER_APP, containers:create_app)."
        ),
    ] = None
    env: Annotated[str | None, Parameter(name="--env", help="Environment (ARBITER_ENV, development).")] = None
    overrides: Annotated[
        tuple[str, ...],
        Parameter(
            name="--set",
            negative="",
            help="Override one key: --set routing.exploration_rate=0.2; may be repeated.",
        ),
    ] = ()

    def load(self) -> App:
        """The application, told where its settings come from.

        Raises:
            ConfigurationError: there is no such application, or an override is no `key=value`.
        """
        application = load_application(self.app)
        application.configure(self.sources())
        return application

    def sources(self) -> Sources:
        """Where the settings come from.

        Raises:
            ConfigurationError: an override is no `key=value`.
        """
        return Sources.of_process(environment=self.env, overrides=self.overrides)
