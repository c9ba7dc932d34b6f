"""What the registry counts, in plain numbers that are read when an exporter asks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from arbiter.histogram import Histogram
from arbiter.orchestrator.agents.entry import Entry
from arbiter.orchestrator.agents.models import AgentStatus
from arbiter.orchestrator.agents.ranker import Ranker
from arbiter.protocols import Measurement

__all__ = ["Figures"]


class Figures:
    """Registrations, queries and updates, and how long queries took."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = dict.fromkeys(("registrations", "queries", "updates"), 0)
        self._query_times = Histogram()

    def count(self, what: str) -> None:
        """One more of `what`: registrations, queries or updates."""
        self._counts[what] += 1

    def queried(self, seconds: float) -> None:
        """One query more, which took so long."""
        self.count("queries")
        self._query_times.observe(seconds)

    def measurements(self, entries: Sequence[Entry], ranker: Ranker) -> Iterator[Measurement]:
        """The present numbers."""
        about, statuses = "Registered agents, by status.", Counter(entry.record.status for entry in entries)
        for status in AgentStatus:
            labels = (("status", status.value),)
            yield Measurement("arbiter.registry.agents", "gauge", statuses[status], about, "{agent}", labels)
        active = sum(entry.active for entry in entries)
        yield Measurement("arbiter.registry.load", "gauge", active, "Tasks that agents carry.", "{task}")
        load = sum(entry.utilization for entry in entries) / len(entries) if entries else 0.0
        about = "Mean utilisation of all agents, 0 to 1."
        yield Measurement("arbiter.registry.utilization", "gauge", load / 100, about)
        for name, value in self._counts.items():
            yield Measurement(f"arbiter.registry.{name}", "counter", value, f"Agent {name}.", "{call}")
        about = "Time that queries took in memory."
        yield self._query_times.measurement("arbiter.registry.query.duration", about, "s")
        about = "Rankings looked up, by whether they were remembered."
        for outcome, value in (("hit", ranker.hits), ("miss", ranker.misses)):
            labels = (("outcome", outcome),)
            yield Measurement("arbiter.registry.rankings", "counter", value, about, "{ranking}", labels)
