"""The garbage collector around a command: what a start makes stays, and looking through it again and again finds nothing.

Importing the framework and an application makes some 400,000 objects that live as long as the process. With Python's
usual thresholds the collector looks at them 280 times on the way, and three times more before the interpreter ends:
a quarter of what a short command takes (docs/start.md). Only the command line does this, since it owns its process.
"""

from __future__ import annotations

import gc
from typing import Final

__all__ = ["before_the_end", "before_the_start", "when_started"]

_USUAL: Final = gc.get_threshold()
# A look or none in a whole start (each costs 1 % of it), and still an end to what a long command piles up.
_PATIENT: Final = 250_000


def before_the_start() -> None:
    """Collect rarely from now on."""
    gc.set_threshold(_PATIENT)


def when_started() -> None:
    """Collect as usual from now on, and never look again at what there is; for a process that serves long.

    A full collection then looks only at what requests left behind, which spares them its pause.
    """
    gc.freeze()
    gc.set_threshold(*_USUAL)


def before_the_end() -> None:
    """Let the interpreter end without looking through everything once more; files and exit hooks are closed as ever."""
    gc.freeze()
