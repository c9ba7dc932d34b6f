"""What type checkers must see of the application and of composed containers; checked by both, never run."""
# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from typing import Any, assert_type

from dependency_injector import providers
from opentelemetry.metrics import Meter
from opentelemetry.trace import Tracer
from starlette.types import ASGIApp

from arbiter.clock import SystemClock
from arbiter.container.composition import decorated, nested, optional
from arbiter.container.config_provider import ConfigProvider
from arbiter.events import EventBus
from arbiter.health.alerts.service import Alerts
from arbiter.health.builtin import BuiltinChecks
from arbiter.health.liveness import Heartbeat
from arbiter.health.registry import HealthRegistry
from arbiter.infrastructure import Infrastructure
from arbiter.lifecycle.background import Background
from arbiter.management.probes import ProbeLayer, Probes
from arbiter.management.recent import RecentEvents
from arbiter.observability.asgi import TelemetryMiddleware
from arbiter.observability.events_metrics import LifecycleMetrics
from arbiter.observability.process_metrics import ProcessMetrics
from arbiter.observability.telemetry import Telemetry
from arbiter.orchestrator.agents.contents import Store as AgentsKept
from arbiter.orchestrator.agents.registry import AgentRegistry
from arbiter.orchestrator.caws.external import ExternalValidator
from arbiter.orchestrator.caws.validator import CawsValidator
from arbiter.orchestrator.performance.contents import Store as EventsKept
from arbiter.orchestrator.performance.tracker import PerformanceTracker
from arbiter.orchestrator.routing.contents import Store as DecisionsKept
from arbiter.orchestrator.routing.router import TaskRouter
from arbiter.orchestrator.storage.database import Database
from arbiter.resilience.guard import Guard
from arbiter.resilience.registry import BreakerRegistry
from arbiter.resilience.shared.fleet import SharedCircuits
from arbiter.serving.limits import BodyLimit
from arbiter.serving.rates import RateLimit
from arbiter.serving.tokens import Tokens
from arbiter.settings.oversight import SettingsOversight
from arbiter.settings.pins import SettingsOfRequest
from config import Settings
from containers.application import Application


class Stock:
    def take(self, sku: str) -> str:
        return sku


class Caching(Stock):
    def __init__(self, inner: Stock) -> None:
        self.inner = inner


class Shop(Infrastructure):
    stock = providers.Singleton(Stock)
    mailer = optional(Infrastructure.config.mail.enabled, providers.Singleton(Stock))
    either = optional(Infrastructure.config.mail.enabled, stock, providers.Singleton(Stock))
    other = optional(Infrastructure.config.mail.enabled, stock, providers.Object(1))


class Cached(Shop):
    stock = decorated(Shop.stock, Caching)


class Whole(Infrastructure):
    shop = nested(Shop, sharing=Infrastructure)


def check(application: Application) -> None:
    """Every provider of `Application`, which a test counts: one that is missing here fails it."""
    assert_type(application.settings(), Settings)
    assert_type(application.config, ConfigProvider)
    assert_type(application.oversight(), SettingsOversight)
    assert_type(application.clock(), SystemClock)
    assert_type(application.background(), Background)
    assert_type(application.recent(), RecentEvents)
    assert_type(application.lifecycle_metrics(), LifecycleMetrics)
    assert_type(application.process_metrics(), ProcessMetrics)
    assert_type(application.events(), EventBus)
    assert_type(application.alerts(), Alerts)
    assert_type(application.telemetry(), Telemetry)
    assert_type(application.tracer(), Tracer)
    assert_type(application.meter(), Meter)
    assert_type(application.sharing(), SharedCircuits)
    assert_type(application.breakers(), BreakerRegistry)
    assert_type(application.guard(), Guard)
    assert_type(application.heartbeat(), Heartbeat)
    assert_type(application.builtin_checks(), BuiltinChecks)
    assert_type(application.health(), HealthRegistry)
    assert_type(application.probes(), Probes)
    assert_type(application.database(), Database)
    assert_type(application.agent_store(), AgentsKept)
    assert_type(application.registry(), AgentRegistry)
    assert_type(application.event_store(), EventsKept)
    assert_type(application.tracker(), PerformanceTracker)
    assert_type(application.routing_store(), DecisionsKept)
    assert_type(application.router(), TaskRouter)
    assert_type(application.external_validator(), ExternalValidator)
    assert_type(application.validator(), CawsValidator)
    assert_type(application.http(), ASGIApp)
    assert_type(application.limited(), BodyLimit)
    assert_type(application.api_tokens(), Tokens)
    assert_type(application.paced(), RateLimit)
    assert_type(application.pinned(), SettingsOfRequest)
    assert_type(application.probed(), ProbeLayer)
    assert_type(application.asgi(), TelemetryMiddleware)
    application.regstry  # type: ignore[attr-defined]  # noqa: B018  a misspelt provider is an error


def check_composition() -> None:
    assert_type(Cached().stock(), Stock)
    assert_type(Shop().mailer(), Stock | None)
    assert_type(Shop().either(), Stock)
    assert_type(Shop().other(), Any)
    assert_type(Whole().shop.stock(), Stock)
    whatever: Any = Whole().shop.stok  # type: ignore[attr-defined]
    del whatever
