"""Modules that cannot be imported for a while."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import pytest

from arbiter.hidden import hidden


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module that can be imported, and was not yet."""
    (tmp_path / "taken_along.py").write_text("value = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "taken_along", raising=False)
    return "taken_along"


def test_a_hidden_module_is_not_there_until_it_is_hidden_no_more(module: str) -> None:
    """Its import fails as if it were not installed, and works afterwards."""
    with hidden(module), pytest.raises(ImportError):
        import_module(module)

    assert import_module(module).value == 1


def test_what_was_imported_stays(module: str) -> None:
    """A module that somebody uses already is not taken from him."""
    imported = import_module(module)

    with hidden(module):
        assert import_module(module) is imported

    assert sys.modules[module] is imported


def test_a_failure_meanwhile_hides_nothing_for_good(module: str) -> None:
    """What is raised goes on, and the module can be imported again."""
    with pytest.raises(KeyError), hidden(module):
        raise KeyError

    assert import_module(module).value == 1
