"""The orchestrator's settings: the framework's sections and its own, as one type, and the loader of it.

This package belongs to the application and is not installed. It may import `arbiter.settings` and sections.
"""

from __future__ import annotations

from typing import Final

from arbiter.orchestrator.agents.settings import RegistrySettings
from arbiter.orchestrator.caws.settings import CawsSettings
from arbiter.orchestrator.performance.settings import PerformanceSettings
from arbiter.orchestrator.routing.settings import RoutingSettings
from arbiter.orchestrator.storage.settings import StorageSettings
from arbiter.settings.framework import FrameworkSettings, section
from arbiter.settings.loader import SettingsLoader

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


load: Final = SettingsLoader(Settings)
"""Loads them; reads nothing until it is called."""
