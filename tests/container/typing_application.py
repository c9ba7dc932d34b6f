"""What type checkers must see of the application and of composed containers; checked by both, never run."""

from __future__ import annotations

from typing import Any, assert_type

from dependency_injector import providers
from opentelemetry.metrics import Meter
from opentelemetry.trace import Tracer
from starlette.types import ASGIApp

from arbiter.clock import SystemClock
from arbiter.container.composition import decorated, nested, optional
from arbiter.events import EventBus
from arbiter.health.registry import HealthRegistry
from arbiter.infrastructure import Infrastructure
from arbiter.observability.telemetry import Telemetry
from arbiter.orchestrator.agents.contents import Store as AgentsKept
from arbiter.orchestrator.agents.registry import AgentRegistry
from arbiter.orchestrator.caws.validator import CawsValidator
from arbiter.orchestrator.performance.contents import Store as EventsKept
from arbiter.orchestrator.performance.tracker import PerformanceTracker
from arbiter.orchestrator.routing.ports import Store as DecisionsKept
from arbiter.orchestrator.routing.router import TaskRouter
from arbiter.orchestrator.storage.database import Database
from arbiter.resilience.guard import Guard
from arbiter.resilience.registry import BreakerRegistry
from arbiter.serving.limits import BodyLimit
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
    assert_type(application.settings(), Settings)
    assert_type(application.clock(), SystemClock)
    assert_type(application.events(), EventBus)
    assert_type(application.telemetry(), Telemetry)
    assert_type(application.breakers(), BreakerRegistry)
    assert_type(application.guard(), Guard)
    assert_type(application.health(), HealthRegistry)
    assert_type(application.database(), Database)
    assert_type(application.agent_store(), AgentsKept)
    assert_type(application.registry(), AgentRegistry)
    assert_type(application.event_store(), EventsKept)
    assert_type(application.tracker(), PerformanceTracker)
    assert_type(application.routing_store(), DecisionsKept)
    assert_type(application.router(), TaskRouter)
    assert_type(application.validator(), CawsValidator)
    assert_type(application.limited(), BodyLimit)
    # `.provided.x` has no type in the library
    tracer: Tracer = application.tracer()
    meter: Meter = application.meter()
    served: ASGIApp = application.asgi()
    api: ASGIApp = application.http()
    del tracer, meter, served, api
    application.regstry  # type: ignore[attr-defined]  # noqa: B018  a misspelt provider is an error


def check_composition() -> None:
    assert_type(Cached().stock(), Stock)
    assert_type(Shop().mailer(), Stock | None)
    assert_type(Shop().either(), Stock)
    assert_type(Shop().other(), Any)
    assert_type(Whole().shop.stock(), Stock)
    whatever: Any = Whole().shop.stok  # type: ignore[attr-defined]
    del whatever
