"""The components' pages: what an example prints is what stands there, and each test that they name is there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import PROJECT, clean_environment

PAGES = ("registry", "routing", "performance")
EXAMPLE = re.compile(r"```python\n(.*?)```\n\nprints\n\n```text\n(.*?)```", re.DOTALL)
LOGGED = re.compile(r"\d{4}-\d\d-\d\d ")
NAMED = re.compile(r"`(test_\w+)`")


def page(name: str) -> str:
    """The text of a page."""
    return (PROJECT / "docs" / f"{name}.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PAGES)
def test_an_example_prints_what_the_page_says(name: str, tmp_path: Path) -> None:
    """The program runs as it stands, in an empty folder, and its output is the page's to the letter."""
    ((program, output),) = EXAMPLE.findall(page(name))

    done = subprocess.run(
        [sys.executable, "-"],
        input=program,
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if not LOGGED.match(line)] == output.splitlines()


@pytest.mark.parametrize("name", PAGES)
def test_every_test_that_a_page_names_is_there(name: str) -> None:
    """What a page claims, a test of that name shows."""
    tests = "\n".join(path.read_text(encoding="utf-8") for path in (PROJECT / "tests").rglob("test_*.py"))
    named = set(NAMED.findall(page(name)))

    assert len(named) >= 5
    assert [test for test in named if f"def {test}(" not in tests] == []
