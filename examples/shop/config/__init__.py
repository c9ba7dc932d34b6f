"""The settings: the framework's sections and this application's own, as one type."""

from __future__ import annotations

from arbiter.settings.framework import FrameworkSettings, section
from arbiter.settings.loader import SettingsLoader

from shop.settings import StockSettings, StorageSettings

__all__ = ["Settings", "load"]


class Settings(FrameworkSettings):
    """Everything that can be set."""

    storage: StorageSettings = section(StorageSettings)
    """Where the shop keeps its books."""

    stock: StockSettings = section(StockSettings)
    """When there is too little."""


load = SettingsLoader(Settings)
