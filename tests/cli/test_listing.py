"""`arbiter --help`: what it says of each command is what the command says of itself, and costs none of them."""

from __future__ import annotations

import inspect
import pkgutil
import subprocess
import sys

import pytest
from cyclopts import App

from arbiter.cli.commands import COMMANDS


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_listed_in_its_own_words(name: str) -> None:
    """The list of all commands is written down; its words are the first of each command's own help."""
    target, summary = COMMANDS[name]

    found = pkgutil.resolve_name(target)

    own = found.help if isinstance(found, App) else (inspect.getdoc(found) or "").partition("\n\n")[0]
    assert summary == " ".join(own.split())


def test_the_list_imports_no_command() -> None:
    """Listing what there is needs neither the framework nor an application."""
    script = """
import sys
from arbiter.cli.commands import run
assert run(["--help"]) == 0
loaded = {"arbiter.infrastructure", "arbiter.settings", "pydantic", "sqlalchemy", "starlette"} & set(sys.modules)
assert not loaded, loaded
"""

    outcome = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert outcome.returncode == 0, outcome.stderr
    assert all(name in outcome.stdout for name in COMMANDS)
