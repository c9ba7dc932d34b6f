"""ARBITER: an application framework for Python services composed from dependency-injection containers.

    from arbiter import Infrastructure, App, SettingsProvider, Live, guarded, operation, ArbiterError

The names are looked up when first used, so that `import arbiter` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from arbiter._version import __version__
from arbiter.checks import health_check

# Not lazily: once its module is loaded, the package's attribute would be the module and hide the decorator.
from arbiter.operation import operation

if TYPE_CHECKING:
    from arbiter.app import App
    from arbiter.container.settings_provider import SettingsProvider
    from arbiter.errors import ArbiterError
    from arbiter.infrastructure import Infrastructure
    from arbiter.protocols import Live
    from arbiter.resilience.proxy import guarded

__all__ = [
    "App",
    "ArbiterError",
    "Infrastructure",
    "Live",
    "SettingsProvider",
    "__version__",
    "guarded",
    "health_check",
    "operation",
]

_HOMES = {
    "App": "arbiter.app",
    "ArbiterError": "arbiter.errors",
    "Infrastructure": "arbiter.infrastructure",
    "Live": "arbiter.protocols",
    "SettingsProvider": "arbiter.container.settings_provider",
    "guarded": "arbiter.resilience.proxy",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'arbiter' has no attribute {name!r}")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted(__all__)
