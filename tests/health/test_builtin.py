"""The checks that every application has: where each of them warns, and where it fails."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from arbiter.clock import SystemClock
from arbiter.events import LoopBlocked, LoopFreed
from arbiter.health.builtin import BuiltinChecks
from arbiter.health.liveness import Heartbeat
from arbiter.health.settings import HealthSettings
from arbiter.observability.delivery import Delivery
from arbiter.protocols import Status
from arbiter.testing.live import Fixed
from tests.health.kit import Recorded
from tests.waiting import until

FREE_MB = 100_000_000.0
"""More than any disk has: a limit that is always passed."""


class Sent:
    """Telemetry that has lost what a test says."""

    def __init__(self, **deliveries: Delivery) -> None:
        self.deliveries = deliveries


@pytest.mark.parametrize(
    ("warn_mb", "fail_mb", "status"),
    [
        (0, 0, Status.PASS),
        (FREE_MB, 0, Status.WARN),
        (FREE_MB, FREE_MB, Status.FAIL),
    ],
)
def test_the_disk_warns_and_fails_by_its_limits(
    tmp_path: Path, warn_mb: float, fail_mb: float, status: Status
) -> None:
    """Less room than `disk_warn_mb` is a warning, less than `disk_fail_mb` a failure; both say how much there is."""
    place = tmp_path / "data" / "to come"
    settings = HealthSettings(disk_path=str(place), disk_warn_mb=warn_mb, disk_fail_mb=fail_mb)

    result = BuiltinChecks(Fixed(settings), Sent()).disk()

    assert result.status is status
    told_mb = float(result.output.split()[0])
    assert told_mb == pytest.approx(shutil.disk_usage(tmp_path).free / 1024**2, rel=0.05)
    assert result.output.endswith(f"MB free at {tmp_path}")


async def test_telemetry_warns_while_something_is_being_lost() -> None:
    """A loss of any signal since the last look is a warning that names it; without a new one the next look passes."""
    sent = Sent(spans=Delivery(accepted=10, delivered=10), logs=Delivery(accepted=4, delivered=4))
    checks = BuiltinChecks(Fixed(HealthSettings()), sent)
    looks = [await checks.delivered()]
    for spans, logs in (
        (Delivery(20, 10, failed=7, dropped=3), Delivery(6, 4, failed=2)),
        (Delivery(20, 10, failed=7, dropped=3), Delivery(6, 4, failed=2)),
        (Delivery(21, 10, failed=8, dropped=3), Delivery(6, 4, failed=2)),
    ):
        sent.deliveries = {"spans": spans, "logs": logs}
        looks.append(await checks.delivered())

    assert [look.status for look in looks] == [Status.PASS, Status.WARN, Status.PASS, Status.WARN]
    assert looks[1].output == "lost since the last look: 10 spans, 2 logs"
    assert looks[3].output == "lost since the last look: 1 spans"


@pytest.mark.parametrize(
    ("warn_s", "fail_s", "status"),
    [(5.0, 10.0, Status.PASS), (0.05, 10.0, Status.WARN), (0.01, 0.05, Status.FAIL)],
)
async def test_the_event_loop_check_remembers_the_worst_block(
    warn_s: float, fail_s: float, status: Status
) -> None:
    """A block that is over by now still counts in the next look, by `lag_warn_s` and `lag_fail_s`, and then no more."""
    events = Recorded()
    settings = Fixed(HealthSettings(lag_warn_s=0.05, lag_fail_s=10))
    heart = Heartbeat(SystemClock(), settings, events=events)
    await heart.start()
    limit = time.monotonic() + 10
    while not events.of(LoopBlocked):  # the thread that watches tells it, while the loop stands still
        assert time.monotonic() < limit
    await until(lambda: events.of(LoopFreed))
    settings.current = HealthSettings(lag_warn_s=warn_s, lag_fail_s=fail_s)
    result = await heart.look()
    settings.current = HealthSettings()
    after = await heart.look()
    await heart.stop()

    assert result.status is status
    assert after.status is Status.PASS
