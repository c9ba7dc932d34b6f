"""How events are made fit to be shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from arbiter.events import BreakerChanged
from arbiter.management.answers import as_json
from arbiter.management.recent import RecentEvents, shown
from arbiter.testing.clock import FakeClock


@dataclass
class Odd:
    """An application's own event."""

    value: Any
    time: str = "mine"


def test_a_failure_is_shown_by_its_first_line_without_passwords() -> None:
    """An exception in an event becomes its type and first line, the password of an address masked."""
    recent = RecentEvents(FakeClock())

    recent.publish(BreakerChanged("db.query", "closed", "open", OSError("postgres://me:pw@db refused\nmore")))

    (event,) = recent.list()
    assert event["cause"] == "OSError: postgres://me:******@db refused"


@pytest.mark.parametrize(
    "value",
    [
        2**70,
        float("nan"),
        "\udc80",
        {1: {2: {3: {4: {5: 6}}}}},
        [[]] * 1000,
        "x" * 10**6,
        object(),
        {b"k": b"v"},
    ],
)
def test_any_event_can_be_written_as_json(value: object) -> None:
    """Whatever an application publishes, `/events` answers, and stays small."""
    recent = RecentEvents(FakeClock())

    recent.publish(Odd(value))
    recent.publish(value)

    assert 0 < len(as_json(recent.list()).body) < 10_000


def test_what_is_deep_is_cut() -> None:
    """Nesting ends after four levels."""
    deep: Any = None
    for _ in range(100):
        deep = [deep]

    assert shown(deep) == [[[["..."]]]]
