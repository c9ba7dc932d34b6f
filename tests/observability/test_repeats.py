"""The same line, again and again."""

from __future__ import annotations

import io
import logging

import orjson
import pytest
import structlog

from arbiter.observability.logging import configure_logging
from arbiter.observability.repeats import Repeats
from arbiter.observability.settings import ObservabilitySettings


class Named:
    """A logger's output, of which only the name counts."""

    name = "shop"


def test_the_same_line_is_written_so_often_a_second() -> None:
    """Within a second the limit holds for each line of its own; the next second begins with what was withheld."""
    now = 0.0
    repeats = Repeats(2, lambda: now)

    def written(event: object, method: str = "warning") -> dict[str, object] | None:
        try:
            return dict(repeats(Named, method, {"event": event}))
        except structlog.DropEvent:
            return None

    first = [written("down") for _ in range(5)]
    others = [written("up"), written("down", "error"), written(["no", "text"])]
    now = 1.0
    second = [written("down"), written("down"), written("down")]

    assert first == [{"event": "down"}, {"event": "down"}, None, None, None]
    assert None not in others
    assert second == [{"event": "down", "withheld": 3}, {"event": "down"}, None]
    assert repeats.rest() == {("shop", "warning", "down"): 1}


def test_what_is_withheld_is_told_in_the_end() -> None:
    """With `log_repeats` a storm leaves the limit's lines and a last one with the count, from structlog and stdlib alike."""
    stream = io.StringIO()
    before = structlog.get_config()
    settings = ObservabilitySettings(log_format="json", log_repeats=3)
    with configure_logging(settings, service="shop", environment="test", stream=stream):
        for number in range(100):
            structlog.get_logger("shop").warning("db.away", number=number)
            logging.getLogger("old").warning("still away")
    structlog.configure(**before)

    lines = [orjson.loads(line) for line in stream.getvalue().splitlines()]
    for logger, event in (("shop", "db.away"), ("old", "still away")):
        mine = [line for line in lines if line["logger"] == logger]
        assert [line["event"] for line in mine if line["event"] != "log.withheld"].count(event) >= 3
        withheld = sum(line.get("withheld", 0) for line in mine)
        assert withheld + sum(line["event"] == event for line in mine) == 100
    assert lines[-1]["event"] == "log.withheld"


@pytest.mark.parametrize("number", [1, 1000])
def test_without_a_limit_every_line_is_written(number: int) -> None:
    """By default nothing is withheld."""
    stream = io.StringIO()
    before = structlog.get_config()
    with configure_logging(
        ObservabilitySettings(log_format="json"), service="shop", environment="test", stream=stream
    ):
        for _ in range(number):
            structlog.get_logger("shop").warning("db.away")
    structlog.configure(**before)

    assert len(stream.getvalue().splitlines()) == number
