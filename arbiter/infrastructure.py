"""The pillars, ready wired: what every application's container inherits."""

from __future__ import annotations

from dependency_injector import providers
from opentelemetry.metrics import Meter
from opentelemetry.trace import Tracer
from starlette.types import ASGIApp

from arbiter._version import __version__
from arbiter.clock import SystemClock
from arbiter.container.base import Container
from arbiter.container.config_provider import ConfigProvider
from arbiter.container.settings_provider import SettingsProvider
from arbiter.events import EventBus
from arbiter.health.alerts.service import Alerts
from arbiter.health.builtin import BuiltinChecks
from arbiter.health.liveness import Heartbeat
from arbiter.health.registry import HealthRegistry
from arbiter.lifecycle.background import Background
from arbiter.management.probes import ProbeLayer, Probes
from arbiter.management.recent import RecentEvents
from arbiter.observability.asgi import TelemetryMiddleware
from arbiter.observability.events_log import EventLog
from arbiter.observability.events_metrics import LifecycleMetrics
from arbiter.observability.events_span import SpanEvents
from arbiter.observability.process_metrics import ProcessMetrics
from arbiter.observability.telemetry import Telemetry
from arbiter.resilience.guard import Guard
from arbiter.resilience.registry import BreakerRegistry
from arbiter.resilience.shared.fleet import SharedCircuits
from arbiter.serving.limits import BodyLimit
from arbiter.serving.nothing import NothingServed
from arbiter.serving.rates import RateLimit
from arbiter.serving.tokens import Tokens
from arbiter.settings.framework import FrameworkSettings
from arbiter.settings.loader import SettingsLoader
from arbiter.settings.oversight import SettingsOversight
from arbiter.settings.pins import SettingsOfRequest

__all__ = ["Infrastructure"]


class Infrastructure(Container):
    """Configuration, telemetry, resilience and health, each given to whoever asks for it in a constructor.

    An application inherits this and adds its components:

        class Shop(Infrastructure):
            stock = providers.Singleton(guarded(Stock), guard=Infrastructure.guard)
    """

    settings = SettingsProvider(SettingsLoader(FrameworkSettings))
    config = ConfigProvider(settings)

    oversight = providers.Singleton(SettingsOversight, settings.itself)

    clock = providers.Singleton(SystemClock)
    background = providers.Singleton(Background, clock, settings.latest(lambda s: s.lifecycle))
    recent = providers.Singleton(RecentEvents, clock)
    lifecycle_metrics = providers.Singleton(LifecycleMetrics)
    process_metrics = providers.Singleton(ProcessMetrics)
    events = providers.Singleton(
        EventBus,
        sinks=providers.List(
            providers.Singleton(EventLog), providers.Singleton(SpanEvents), recent, lifecycle_metrics
        ),
    )

    alerts = providers.Singleton(
        Alerts,
        settings.latest(lambda s: s.health),
        clock,
        service=config.observability.service_name,
        environment=settings.environment,
        port=config.server.port,
    )

    telemetry = providers.Singleton(
        Telemetry,
        settings.latest(lambda s: s.observability),
        environment=settings.environment,
        version=__version__,
        budget_s=config.lifecycle.telemetry_s,
    )
    tracer: providers.Provider[Tracer] = telemetry.provided.tracer
    meter: providers.Provider[Meter] = telemetry.provided.meter

    sharing = providers.Singleton(SharedCircuits, config.resilience.redis_url, events)
    breakers = providers.Singleton(
        BreakerRegistry,
        settings=settings.latest(lambda s: s.resilience),
        clock=clock,
        events=events,
        sharing=sharing,
    )
    guard = providers.Singleton(
        Guard,
        settings=settings.latest(lambda s: s.resilience),
        breakers=breakers,
        tracer=tracer,
        clock=clock,
        events=events,
    )

    heartbeat = providers.Singleton(
        Heartbeat, clock=clock, settings=settings.latest(lambda s: s.health), events=events
    )
    builtin_checks = providers.Singleton(BuiltinChecks, settings.latest(lambda s: s.health), telemetry)
    health = providers.Singleton(
        HealthRegistry,
        settings=settings.latest(lambda s: s.health),
        clock=clock,
        events=events,
        service=config.observability.service_name,
        version=__version__,
        circuits=breakers.provided.troubled,
    )
    probes = providers.Singleton(Probes, health, heartbeat, config.management.token)

    api_tokens = providers.Singleton(Tokens, settings.latest(lambda s: s.server))

    # What the main port serves, from the inside out; an application redeclares `http`.
    http: providers.Provider[ASGIApp] = providers.Singleton(NothingServed)
    limited = providers.Singleton(
        BodyLimit, http, max_bytes=config.server.max_body_bytes, timeout_s=config.server.body_timeout_s
    )
    paced = providers.Singleton(RateLimit, limited, settings.latest(lambda s: s.server), api_tokens, clock)
    pinned = providers.Singleton(SettingsOfRequest, paced, settings.itself)
    probed = providers.Singleton(ProbeLayer, pinned, probes)
    asgi = providers.Singleton(
        TelemetryMiddleware,
        probed,
        tracer=tracer,
        silent_paths=config.observability.silent_paths,
        access_log=config.observability.access_log,
        propagator=telemetry.provided.propagator,
    )
