"""The `arbiter` command: the framework's part, and the door through which applications add commands of their own.

`main` is the entry point of the distribution; an application's commands join through the entry point group
`arbiter.commands`. May import anything of the framework; nothing imports it.
"""

from __future__ import annotations

import sys

from arbiter.cli import collecting

__all__ = ["main"]


def main() -> None:
    """Run the command line and end the process with its exit code."""
    collecting.before_the_start()
    from arbiter.cli.commands import run  # noqa: PLC0415  keeps `import arbiter.cli` free of the whole framework

    code = run(sys.argv[1:])
    collecting.before_the_end()
    sys.exit(code)
