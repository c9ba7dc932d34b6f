"""dependency-injector's containers, imported without its `wiring` until that is used.

`wiring` imports FastAPI, fast_depends and werkzeug wherever they are merely installed, to know their markers: a tenth of
a start, for a feature that an ARBITER application does without (docs/design.md). It works as ever for whoever wires a
container, or imports `dependency_injector.wiring`; it is then imported whole.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any, Final

__all__ = ["import_without_wiring"]

_WIRING: Final = "dependency_injector.wiring"
_CONTAINERS: Final = "dependency_injector.containers"


def import_without_wiring() -> None:
    """Import `dependency_injector.containers`, unless it, or the wiring, is there already."""
    if _WIRING in sys.modules or _CONTAINERS in sys.modules:
        return
    stand_in = ModuleType(_WIRING)
    vars(stand_in).update(wire=_later("wire"), unwire=_later("unwire"))
    sys.modules[_WIRING] = stand_in
    try:
        import_module(_CONTAINERS)
    finally:
        del sys.modules[_WIRING]


def _later(name: str) -> Any:
    def call(*arguments: Any, **named: Any) -> Any:
        return getattr(import_module(_WIRING), name)(*arguments, **named)

    return call
