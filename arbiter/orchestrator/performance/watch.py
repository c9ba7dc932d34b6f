"""Keeps an eye on every agent: counts its executions into windows, and says when something begins to be out of the
ordinary and when it is over.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from arbiter.events import Alarm
from arbiter.orchestrator.performance.analysis import History, Judgement, judge, saturation
from arbiter.orchestrator.performance.models import (
    AgentPerformance,
    Anomaly,
    AnomalyKind,
    AnomalySeverity,
    EventType,
    PerformanceEvent,
)
from arbiter.orchestrator.performance.sums import Key, Sums
from arbiter.orchestrator.performance.windows import REALTIME, WINDOWS, AgentWindows, Execution

__all__ = ["SYSTEM", "Change", "Watch", "told"]

SYSTEM: Final = "system"
"""Whom a load spike concerns that names no agent."""

_FORGET_S: Final = float(WINDOWS[-1].duration_s)


@dataclass(frozen=True, slots=True)
class Change:
    """An anomaly began, became worse or milder, or (`is_over`) ended."""

    anomaly: Anomaly
    is_over: bool = False


@dataclass(slots=True)
class _Watched:
    windows: AgentWindows = field(default_factory=AgentWindows)
    history: History = field(default_factory=History)
    anomalies: dict[AnomalyKind, Anomaly] = field(default_factory=dict)
    loads: list[float] = field(default_factory=list)
    last_s: float = 0.0


class Watch:
    """All agents that did something in the last seven days."""

    def __init__(self) -> None:
        self._agents: dict[str, _Watched] = {}

    def count(self, executions: Iterable[Execution]) -> None:
        """Count completed executions one by one, as others stored them."""
        for one in executions:
            watched = self._watched(one.agent_id, one.at_s)
            if watched.windows.count(one):
                self._remember(watched, one.at_s)

    def add(self, totals: Mapping[Key, Sums], at_s: float) -> None:
        """Count what was stored together at `at_s`: the completed executions of it that name an agent."""
        for (agent_id, kind), executions in totals.items():
            if kind == EventType.TASK_EXECUTION_COMPLETE and agent_id:
                watched = self._watched(agent_id, at_s)
                if watched.windows.add(executions, at_s):
                    self._remember(watched, at_s)

    def load(self, subject: str, share: float, at_s: float) -> None:
        """Take note of how much of the scarcer of CPU and memory is taken, 0 to 1; the next look judges the last."""
        self._watched(subject, at_s).loads.append(share)

    def look(self, now: datetime) -> list[Change]:
        """What changed since the last look; forgets whom nobody has seen for seven days."""
        now_s = now.timestamp()
        for agent_id in [
            name for name, one in self._agents.items() if one.last_s < now_s - _FORGET_S and not one.anomalies
        ]:
            del self._agents[agent_id]
        return [change for agent_id, one in self._agents.items() for change in self._look(agent_id, one, now)]

    def performance(self, agent_id: str, now: datetime) -> AgentPerformance:
        """How the agent does now; nothing is known of one that did nothing."""
        watched = self._agents.get(agent_id) or _Watched()
        profiles = (watched.windows.profile(window, now.timestamp()) for window in WINDOWS)
        return AgentPerformance(
            agent_id=agent_id,
            profiles=tuple(profile for profile in profiles if profile is not None),
            baseline=watched.history.baseline,
            trend=watched.history.trend(),
            anomalies=tuple(watched.anomalies.values()),
        )

    def anomalies(self) -> tuple[Anomaly, ...]:
        """Everything that is out of the ordinary, the oldest first."""
        found = (anomaly for one in self._agents.values() for anomaly in one.anomalies.values())
        return tuple(sorted(found, key=lambda anomaly: anomaly.since))

    def _watched(self, agent_id: str, at_s: float) -> _Watched:
        watched = self._agents.get(agent_id)
        if watched is None:
            watched = self._agents[agent_id] = _Watched()
        watched.last_s = at_s
        return watched

    def _look(self, agent_id: str, watched: _Watched, now: datetime) -> Iterator[Change]:
        if watched.windows.turn(now.timestamp()):
            self._remember(watched, now.timestamp())
        for judgement in _judgements(watched, now.timestamp()):
            known = watched.anomalies.get(judgement.kind)
            if judgement.severity is not None and (known is None or known.severity != judgement.severity):
                anomaly = _anomaly(agent_id, judgement, judgement.severity, known.since if known else now)
                watched.anomalies[judgement.kind] = anomaly
                yield Change(anomaly)
            elif known is not None and judgement.is_over:
                del watched.anomalies[judgement.kind]
                yield Change(known, is_over=True)

    def _remember(self, watched: _Watched, at_s: float) -> None:
        profile = watched.windows.profile(REALTIME, at_s)
        if profile is not None:
            watched.history.add(at_s, profile)


def _judgements(watched: _Watched, now_s: float) -> Iterator[Judgement]:
    profile, baseline = watched.windows.profile(REALTIME, now_s), watched.history.baseline
    if profile is not None and baseline is not None:
        yield from judge(profile, baseline)
    if watched.loads:
        yield saturation(watched.loads[-1])
        watched.loads.clear()


def _anomaly(agent_id: str, judgement: Judgement, severity: AnomalySeverity, since: datetime) -> Anomaly:
    return Anomaly(
        agent_id=agent_id,
        kind=judgement.kind,
        severity=severity,
        value=judgement.value,
        baseline=judgement.baseline,
        since=since.astimezone(UTC),
    )


def told(change: Change, now: datetime) -> tuple[Alarm, PerformanceEvent]:
    """What people are told of a change, and the event that is kept of it."""
    anomaly = change.anomaly
    usual = "" if anomaly.baseline is None else f", usual is {anomaly.baseline:g}"
    state = "is over" if change.is_over else f"is {anomaly.severity}: {anomaly.value:g}{usual}"
    alarm = Alarm(
        name="AgentAnomaly",
        subject=f"{anomaly.agent_id}/{anomaly.kind}",
        on=not change.is_over,
        summary=f"{anomaly.kind} of {anomaly.agent_id} {state}",
        critical=anomaly.severity is AnomalySeverity.CRITICAL,
    )
    event = PerformanceEvent(
        # so named that instances which see the same thing in the same minute store it once
        id=f"anomaly.{anomaly.kind}.{int(now.timestamp()) // 60}.{anomaly.agent_id}"[:255],
        type=EventType.ANOMALY_DETECTED,
        timestamp=now,
        agent_id=anomaly.agent_id,
        metadata={
            "kind": anomaly.kind.value,
            "severity": anomaly.severity.value,
            "value": anomaly.value,
            **({} if anomaly.baseline is None else {"baseline": anomaly.baseline}),
        },
    )
    return alarm, event
