"""The garbage collector around a command."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Iterator

import pytest

from arbiter.cli import collecting


@pytest.fixture(autouse=True)
def usual() -> Iterator[tuple[int, int, int]]:
    """The thresholds of this process, given back with everything that was frozen."""
    thresholds = gc.get_threshold()
    yield thresholds
    gc.unfreeze()
    gc.set_threshold(*thresholds)


def test_a_start_collects_rarely_and_never_not_at_all() -> None:
    """A long command must not pile up circles for ever: collection is rare, not off."""
    collecting.before_the_start()

    assert gc.isenabled()
    assert 0 < gc.get_threshold()[0] <= 250_000


def test_a_running_service_collects_as_usual_but_not_what_its_start_made(
    usual: tuple[int, int, int],
) -> None:
    """What the start made is out of the collector's sight; what comes later is collected."""
    collecting.before_the_start()
    collecting.when_started()

    assert gc.get_threshold() == usual
    assert gc.get_freeze_count() > 1000
    circle: list[object] = []
    circle.append(circle)
    del circle
    assert gc.collect() >= 1


def test_the_end_of_a_command_loses_nothing() -> None:
    """Exit hooks run and buffers are written, though nothing is collected any more."""
    script = """
import atexit, sys
from arbiter.cli import main
atexit.register(print, "hook ran")
sys.argv = ["arbiter", "--version"]
main()
"""

    outcome = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert outcome.returncode == 0
    assert outcome.stdout.split()[-2:] == ["hook", "ran"]
