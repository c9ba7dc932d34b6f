"""What a host does about reloads: watches the files, counts, and keeps the `config` check that says when one failed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from arbiter.checks import health_check
from arbiter.events import SettingsApplied, SettingsRejected
from arbiter.protocols import CheckResult, Measurement, Status
from arbiter.settings.live import LiveSettings
from arbiter.settings.subscribers import SettingsSubscriber
from arbiter.settings.watch import SettingsWatch

__all__ = ["SettingsOversight"]


class SettingsOversight:
    """The operator's view of reloads. It is an event sink and a metric source; `look` is the `config` check.

    As an adopter, it subscribes every component that has `prepare_settings` and `commit_settings`.

    Args:
        settings: what is reloaded.
    """

    def __init__(self, settings: LiveSettings[Any]) -> None:
        self._settings = settings
        self._watch: SettingsWatch | None = None
        self._reloads = {"applied": 0, "rejected": 0}
        self._subscribed: dict[str, Callable[[], None]] = {}

    def begin(self) -> None:
        """Watch the files from now on; idempotent."""
        if self._watch is None:
            self._watch = SettingsWatch(self._settings)
            self._watch.start()

    def end(self) -> None:
        """Stop watching."""
        if self._watch is not None:
            self._watch.stop()
            self._watch = None

    def adopt(self, name: str, component: object) -> None:
        """Ask and tell a component of reloads, if it wants that; the same name again replaces the earlier one."""
        if isinstance(component, SettingsSubscriber) and not isinstance(component, type):
            self._subscribed.pop(name, _nothing)()
            self._subscribed[name] = self._settings.subscribe(component, name=name)

    @health_check(name="config", critical=False)
    async def look(self) -> CheckResult:
        """The `config` check: warns after a rejected reload, and while changed keys wait for a restart."""
        last = self._settings.last
        if last is not None and last.outcome == "rejected":
            words = f"the last reload was rejected; generation {last.generation} stays in force"
            return CheckResult(Status.WARN, words)
        if last is not None and last.restart_required:
            return CheckResult(Status.WARN, f"a restart is needed for {', '.join(last.restart_required)}")
        return CheckResult(Status.PASS)

    def publish(self, event: object) -> None:
        """Count one event of a reload."""
        match event:
            case SettingsApplied():
                self._reloads["applied"] += 1
            case SettingsRejected():
                self._reloads["rejected"] += 1
            case _:
                return

    def measurements(self) -> Iterable[Measurement]:
        """The generation in force, and how many reloads ended how."""
        held = self._settings.held
        yield Measurement(
            "arbiter.config.generation",
            "gauge",
            0 if held is None else held.generation,
            "Which set of settings is in force; 1 is the first.",
        )
        for outcome, count in self._reloads.items():
            yield Measurement(
                "arbiter.config.reloads",
                "counter",
                count,
                "Reloads of the settings that changed something or were refused.",
                "{reload}",
                (("outcome", outcome),),
            )


def _nothing() -> None:
    """Undoes nothing."""
