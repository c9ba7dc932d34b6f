"""How a life ends: what went wrong first, who is told, and the exit code that follows."""

from __future__ import annotations

from collections.abc import Callable

from arbiter.errors import StartError
from arbiter.host.outcome import ExitCode
from arbiter.lifecycle.phases import Phase, Phases

__all__ = ["Ending"]


class Ending:
    """What a life ends with.

    Args:
        phases: end as failed.
        report: told why the application cannot start, or go on.
    """

    def __init__(self, phases: Phases, report: Callable[[BaseException], None]) -> None:
        self._phases, self._report = phases, report
        self._failure: BaseException | None = None

    def fail(self, error: BaseException, code: ExitCode) -> ExitCode:
        """It ends here and now, because of `error`; the code is handed through."""
        if self._phases.current not in {Phase.STOPPED, Phase.FAILED}:
            self._phases.enter(Phase.FAILED)
        self._report(error)
        return code

    def note(self, error: BaseException) -> None:
        """Something has failed for good; whatever else fails in the stop that follows, this is why."""
        self._failure = self._failure or error
        self._report(error)

    def stopped(self, *, cleanly: bool) -> ExitCode:
        """Everything has stopped, each hook in its time or not; what it comes to."""
        self._phases.enter(Phase.STOPPED if cleanly and self._failure is None else Phase.FAILED)
        if self._failure is None:
            return ExitCode.CLEAN if cleanly else ExitCode.STOP_FAILED
        return ExitCode.START_FAILED if isinstance(self._failure, StartError) else ExitCode.INTERNAL
