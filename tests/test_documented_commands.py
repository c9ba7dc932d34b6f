"""What the pages tell people to type can be typed: each command is there, and takes the options it is shown with."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import pytest

from arbiter.cli.commands import build
from tests.processes import PROJECT

PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```\w*[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
SHOWN = re.compile(r"^(?:\$ )?(?:[A-Z_]+=\S+ )*(?:\.venv/bin/)?arbiter (.+)$")


def shown() -> Iterator[tuple[str, str]]:
    """Each command, with the page that shows it; two may stand beside each other, words after several blanks explain."""
    for page in PAGES:
        for block in BLOCK.findall(page.read_text(encoding="utf-8")):
            for line in block.splitlines():
                if found := SHOWN.match(line):
                    for part in re.split(r" {3,}arbiter ", found[1]):
                        yield page.name, re.split(r" {3,}|\s[|>]|\s2>", part)[0]


@pytest.mark.parametrize(("page", "command"), list(shown()), ids=str)
def test_a_command_of_the_pages_can_be_typed(page: str, command: str) -> None:
    """Parsed, not run: no unknown command, no unknown option, no value of the wrong kind."""
    words = shlex.split(command, comments=True)

    build(listing=False).parse_args(words, exit_on_error=False, print_error=False)

    assert words, page
