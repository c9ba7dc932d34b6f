"""That no scenario is without its test."""

from __future__ import annotations

import re
from pathlib import Path

NUMBERED = re.compile(r"def test_[a-h](\d\d)_\w+")


def test_every_scenario_has_a_test_that_is_named_for_it() -> None:
    """There are 66, in groups a to h."""
    tests = "\n".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))

    assert sorted({int(number) for number in NUMBERED.findall(tests)}) == list(range(1, 67))
