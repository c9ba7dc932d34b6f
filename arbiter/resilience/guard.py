"""The guard: gives the methods of guarded components their seams, and names them by provider.

A proxy made without an engine is named by its class in snake_case; when the engine shows it to `adopt`, its operations
become `<provider>.<method>`. Operations of one name share breaker, limit and counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from weakref import WeakValueDictionary

from opentelemetry.trace import NoOpTracer, Tracer

from arbiter.clock import SystemClock
from arbiter.events import SettingsApplied
from arbiter.protocols import Clock, EventSink, Live, Measurement
from arbiter.resilience.call import Parts
from arbiter.resilience.deadline import Deadlines
from arbiter.resilience.outcome import Rules
from arbiter.resilience.plan import Plan
from arbiter.resilience.pool import Pool
from arbiter.resilience.proxy import Proxy, as_proxy
from arbiter.resilience.registry import BreakerRegistry
from arbiter.resilience.seam import Seam
from arbiter.resilience.settings import ResilienceSettings

__all__ = ["Guard"]


class Guard:
    """Stands around the operations of components: span, breaker, deadline, bulkhead, fallback, counts.

    It is an adopter (names proxies by provider), a metric source, and an event sink: shown `SettingsApplied`, it takes
    the new settings at once; otherwise calls notice them within 50 ms.

    Args:
        settings: the section in force.
        breakers: where the operations' breakers live.
        tracer: makes the spans; with a no-op tracer no span work is done at all.
        clock: measures durations and deadlines.
        events: takes rejections and transitions.
        rules: what counts as an answer, a failure or nothing.
        measure: whether outcomes and durations are counted.
    """

    def __init__(
        self,
        settings: Live[ResilienceSettings],
        breakers: BreakerRegistry,
        tracer: Tracer | None = None,
        clock: Clock | None = None,
        events: EventSink | None = None,
        *,
        rules: Rules | None = None,
        measure: bool = True,
    ) -> None:
        clock = clock or SystemClock()
        self._parts = Parts(
            settings=settings,
            breakers=breakers,
            deadlines=Deadlines(clock),
            clock=clock,
            tracer=None if tracer is None or isinstance(tracer, NoOpTracer) else tracer,
            events=events,
            rules=rules or Rules(),
            measure=measure,
        )
        self._seams: dict[str, Seam] = {}
        self._pools: WeakValueDictionary[str, Pool] = WeakValueDictionary()  # held by their seams

    def bind(self, proxy: Proxy, name: str) -> None:
        """Give every guarded method of `proxy` the seam of `<name>.<operation>`, in place of the one it had."""
        for plan in proxy._arbiter_plans:
            before = getattr(proxy, plan.slot, None)
            seam = self._seam(name, plan)
            seam.users += 1
            object.__setattr__(proxy, plan.slot, seam)
            if before is not None:
                self._leave(before)
        object.__setattr__(proxy, "_arbiter_name", name)

    def adopt(self, name: str, component: object) -> None:
        """Name the operations of `component` by its provider, if it is a proxy that this guard made."""
        proxy = as_proxy(component)
        if proxy is not None and proxy._arbiter_guard is self and proxy._arbiter_name != name:
            self.bind(proxy, name)

    def publish(self, event: object) -> None:
        """Take new settings as soon as they are applied."""
        if isinstance(event, SettingsApplied):
            self.refresh()

    def refresh(self) -> None:
        """Bring the settings in force to every operation, now."""
        for seam in tuple(self._seams.values()):
            seam.refresh()

    def measurements(self) -> Iterator[Measurement]:
        """Calls by outcome, durations, calls in flight, retries and limits of every operation; threads of each component."""
        for seam in tuple(self._seams.values()):
            yield from seam.tally.measurements()
            yield from seam.layers.measurements()
        for pool in tuple(self._pools.values()):
            yield from pool.measurements()

    def _seam(self, provider: str, plan: Plan) -> Seam:
        name = f"{provider}.{plan.operation}"
        found = self._seams.get(name)
        if found is None:
            pool = self._pool(provider) if plan.is_offloaded else None
            found = self._seams[name] = Seam(name, self._parts, plan, pool)
        return found

    def _pool(self, provider: str) -> Pool:
        found = self._pools.get(provider)
        if found is None:
            found = self._pools[provider] = Pool(provider, self._parts.settings)
        return found

    def _leave(self, seam: Seam) -> None:
        seam.users -= 1
        if not seam.users:
            self._seams.pop(seam.name, None)
            self._parts.breakers.discard(seam.name)
