"""The orchestrator's settings: the framework's sections and its own, as one type, and the loader of it.

This package belongs to the application and is not installed. It may import `arbiter.settings` and sections.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from arbiter.orchestrator.agents.settings import RegistrySettings
from arbiter.orchestrator.caws.settings import CawsSettings
from arbiter.orchestrator.performance.settings import PerformanceSettings
from arbiter.orchestrator.routing.settings import RoutingSettings
from arbiter.orchestrator.scopes import SCOPES
from arbiter.orchestrator.storage.settings import StorageSettings
from arbiter.serving.settings import usable
from arbiter.settings.framework import FrameworkSettings, section
from arbiter.settings.loader import SettingsLoader
from arbiter.settings.problems import Contradiction

__all__ = ["Settings", "load"]


class Settings(FrameworkSettings):
    """Everything that can be set about the orchestrator."""

    registry: RegistrySettings = section(RegistrySettings)
    """The registry of agents."""

    routing: RoutingSettings = section(RoutingSettings)
    """Which agent gets a task."""

    performance: PerformanceSettings = section(PerformanceSettings)
    """What is remembered of the agents' work."""

    caws: CawsSettings = section(CawsSettings)
    """How working specs are judged."""

    storage: StorageSettings = section(StorageSettings)
    """Where the data is."""

    def warnings(self) -> Iterator[str]:
        """What is allowed and yet looks like a mistake, as sentences."""
        yield from super().warnings()
        for name, one in self.server.tokens.items():
            if unknown := sorted(set(one.scopes) - {*SCOPES, "*"}):
                yield f"server.tokens.{name}.scopes: nothing asks for {', '.join(unknown)}; known are {', '.join(SCOPES)}."
        if not usable(self.server.tokens) and self.server.host not in {"localhost", "127.0.0.1", "::1"}:
            yield f"server.tokens is empty: whoever reaches {self.server.host} may use the whole API."

    def unfit_for(self, environment: str) -> Iterator[Contradiction]:
        """Production does not open the API to everybody."""
        yield from super().unfit_for(environment)
        if environment.startswith("production") and not usable(self.server.tokens):
            yield Contradiction(
                ("server.tokens",),
                "no token is set, and in production nobody uses the API without one",
                hint="set the variables ARBITER_SERVER__TOKENS__ADMIN__TOKEN (any long random text) and "
                """ARBITER_SERVER__TOKENS__ADMIN__SCOPES='["*"]', or write token and scopes under """
                "[default.server.tokens.admin] in .secrets.local.toml.",
            )


load: Final = SettingsLoader(Settings)
"""Loads them; reads nothing until it is called."""
