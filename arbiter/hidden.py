"""Imports without what a library takes along only because it is installed.

Some libraries look whether another one can be imported, and do without where it cannot. What they would do with it is of no
use here, and their look is a whole import: hidden meanwhile, it costs nothing (docs/start.md).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from types import ModuleType

__all__ = ["hidden"]


@contextmanager
def hidden(name: str) -> Iterator[None]:
    """Let the import of a module fail meanwhile, on every thread, unless it was imported already.

    Args:
        name: the module's full name.
    """
    modules: MutableMapping[str, ModuleType | None] = sys.modules  # type: ignore[assignment]
    if name in modules:
        yield
        return
    modules[name] = None  # how importlib is told that there is none
    try:
        yield
    finally:
        modules.pop(name, None)
