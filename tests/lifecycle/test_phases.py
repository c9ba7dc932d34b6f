"""The phases of a host's life."""

from __future__ import annotations

import pytest

from arbiter.errors import LifecycleStateError
from arbiter.events import PhaseEntered
from arbiter.lifecycle.phases import Phase, Phases
from arbiter.testing.clock import FakeClock

LIFE = (Phase.CONFIGURING, Phase.STARTING, Phase.RUNNING, Phase.PRE_DRAIN, Phase.DRAINING, Phase.STOPPING, Phase.STOPPED)  # fmt: skip


def test_a_life_goes_through_its_phases_and_is_timed() -> None:
    """Each phase is published with the one before it, and the timeline says how long each lasted."""
    clock, published = FakeClock(), list[object]()
    phases = Phases(clock, published.append)
    for phase in LIFE:
        clock.advance(2)
        phases.enter(phase)
    clock.advance(1)

    assert published == [
        PhaseEntered(phase, before) for before, phase in zip((Phase.CREATED, *LIFE), LIFE, strict=False)
    ]
    assert [timing.phase for timing in phases.timeline] == [Phase.CREATED, *LIFE]
    assert [timing.duration_s for timing in phases.timeline] == [2.0] * 7 + [1.0]


@pytest.mark.parametrize("phase", [Phase.RUNNING, Phase.STOPPING, Phase.CREATED, Phase.MAINTENANCE])
def test_a_phase_that_cannot_follow_is_refused(phase: Phase) -> None:
    """The state machine's law holds whoever asks."""
    phases = Phases(FakeClock(), list[object]().append)

    with pytest.raises(LifecycleStateError, match="cannot go from created"):
        phases.enter(phase)


def test_maintenance_is_followed_there_and_back_and_ignored_elsewhere() -> None:
    """The operator's gate moves a running host only."""
    phases = Phases(FakeClock(), list[object]().append)
    phases.maintain(on=True)
    seen = [phases.current]
    for phase in LIFE[:3]:
        phases.enter(phase)
    for on in (True, True, False, False, True):
        phases.maintain(on=on)
        seen.append(phases.current)
    phases.enter(Phase.PRE_DRAIN)

    maintenance, running = Phase.MAINTENANCE, Phase.RUNNING
    assert seen == [Phase.CREATED, maintenance, maintenance, running, running, maintenance]
