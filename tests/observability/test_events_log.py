"""Framework events as log lines."""

from __future__ import annotations

import pytest
import structlog

from arbiter.events import (
    BreakerChanged,
    CallRejected,
    HealthChanged,
    PhaseEntered,
    SettingsApplied,
    SettingsRejected,
    StepFinished,
)
from arbiter.observability.events_log import EventLog
from arbiter.protocols import Status


@pytest.mark.parametrize(
    ("event", "level", "name"),
    [
        (PhaseEntered("running", "starting"), "info", "lifecycle.phase"),
        (StepFinished("database", "start", 0.1), "debug", "lifecycle.step"),
        (StepFinished("database", "stop", 0.1, OSError("no")), "error", "lifecycle.step_failed"),
        (BreakerChanged("registry.query", "closed", "open", OSError("no")), "warning", "breaker.changed"),
        (BreakerChanged("registry.query", "half-open", "closed"), "info", "breaker.changed"),
        (CallRejected("registry.query", "open"), "debug", "call.rejected"),
        (HealthChanged("database", None, Status.PASS), "debug", "health.changed"),
        (HealthChanged("database", Status.FAIL, Status.PASS), "info", "health.changed"),
        (HealthChanged("database", Status.PASS, Status.FAIL, "timeout"), "warning", "health.changed"),
        (SettingsApplied(2, ("routing.seed",)), "info", "config.reload.applied"),
        (SettingsRejected(2, "routing.seed: no number"), "error", "config.reload.rejected"),
    ],
)
def test_an_event_is_one_line(event: object, level: str, name: str) -> None:
    """Each event of the framework is one line, of a level that fits what somebody may have to do about it."""
    with structlog.testing.capture_logs() as logs:
        EventLog().publish(event)

    (line,) = logs
    assert (line["log_level"], line["event"]) == (level, name)


def test_an_applications_own_events_are_passed_over() -> None:
    """What the log does not know it does not write, and does not complain about."""
    with structlog.testing.capture_logs() as logs:
        EventLog().publish(object())

    assert logs == []
