"""The thresholds against flapping."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from arbiter.health.monitor import Reading, follow
from arbiter.health.settings import HealthSettings
from arbiter.protocols import CheckResult, Status

WORDS = {"P": Status.PASS, "W": Status.WARN, "F": Status.FAIL}
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def statuses(pattern: str, settings: HealthSettings | None = None) -> str:
    """The status after each result of a pattern such as "PFF", in the same letters."""
    reading, shown = Reading(), ""
    for letter in pattern:
        result = CheckResult(WORDS[letter])
        reading = follow(reading, result, settings or HealthSettings(), now=NOW, at=0, took_s=0)
        assert reading.status is not None
        shown += reading.status.value[0].upper()
    return shown


def test_h06_a_check_falls_at_the_threshold_and_rises_at_the_other() -> None:
    """With thresholds 3 and 2, three failures in a row bring a check down, two successes up."""
    assert statuses("PFFPFFFPP") == "PPPPPPFFP"


def test_the_first_result_counts_at_once() -> None:
    """Before there is anything to damp, a check is what its first result says."""
    assert statuses("F") == "F"
    assert statuses("FPP") == "FFP"


def test_h08_alternation_changes_nothing() -> None:
    """A check that alternates stays where it was."""
    assert statuses("P" + "FP" * 10) == "P" * 21
    assert statuses("F" + "PF" * 10) == "F" * 21


def test_between_pass_and_warn_there_is_no_threshold() -> None:
    """A warning shows at once and goes at once, and counts as a success for one that was down."""
    assert statuses("PWPW") == "PWPW"
    assert statuses("FWW") == "FFW"


@given(
    pattern=st.text("PWF", min_size=1, max_size=40),
    failures=st.integers(1, 5),
    successes=st.integers(1, 5),
)
def test_a_change_needs_its_run_of_results(pattern: str, failures: int, successes: int) -> None:
    """For all patterns a fall comes with the last of `failures` failures in a row, a rise likewise."""
    settings = HealthSettings(failure_threshold=failures, success_threshold=successes)

    shown = statuses(pattern, settings)

    for at in range(1, len(pattern)):
        fell = shown[at] == "F" != shown[at - 1]
        rose = shown[at] != "F" == shown[at - 1]
        if fell:
            assert pattern[at + 1 - failures : at + 1] == "F" * failures
        if rose:
            assert len(pattern[: at + 1]) - len(pattern[: at + 1].rstrip("PW")) >= successes
        if pattern[: at + 1].endswith("F" * failures):
            assert shown[at] == "F"


def test_a_reading_remembers() -> None:
    """A reading knows when its status changed, when it last succeeded, and how often it failed since."""
    later = datetime(2026, 1, 2, tzinfo=UTC)
    settings = HealthSettings()

    good = follow(Reading(), CheckResult(Status.PASS), settings, now=NOW, at=1, took_s=0.1)
    bad = follow(good, CheckResult(Status.FAIL, "gone"), settings, now=later, at=2, took_s=0.2)

    assert (bad.status, bad.since, bad.last_success, bad.time) == (Status.PASS, NOW, NOW, later)
    assert (bad.failures, bad.successes, bad.output, bad.duration_s, bad.changes) == (1, 0, "gone", 0.2, 1)
