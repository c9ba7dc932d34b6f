"""Where alerts go: the log, and a webhook that an Alertmanager can stand behind."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Protocol

import orjson
import structlog

from arbiter._version import __version__
from arbiter.health.alerts.alert import Alert, Origin
from arbiter.health.alerts.settings import AlertSettings
from arbiter.health.alerts.signing import SIGNATURE_HEADER, TIMESTAMP_HEADER, signature_of
from arbiter.protocols import Clock

__all__ = ["LogSink", "NotDelivered", "Sink", "WebhookSink", "postable"]

log = structlog.get_logger(__name__)

_KEPT_ALIVE_FOR_REPEATS = 4  # as Prometheus does: rules/manager.go, sendAlerts


class NotDelivered(Exception):
    """A sink did not take the alerts; the message says why, without address or secret."""


class Sink(Protocol):
    """Takes alerts, several at a time when there are many."""

    @property
    def name(self) -> str:
        """What logs and metrics call it."""
        ...

    def is_wanted(self, settings: AlertSettings) -> bool:
        """Whether the settings ask for it."""
        ...

    async def send(self, alerts: Sequence[Alert], settings: AlertSettings) -> None:
        """Deliver, or raise."""
        ...


class LogSink:
    """One line for each alert, or one for many."""

    name = "log"

    def is_wanted(self, settings: AlertSettings) -> bool:
        """As `health.alerts.log` says."""
        return settings.log

    async def send(self, alerts: Sequence[Alert], settings: AlertSettings) -> None:  # noqa: ARG002  the sinks' shape
        """Write it down."""
        if len(alerts) > 1:
            firing = [f"{one.name} {one.subject}" for one in alerts if one.is_firing]
            resolved = [f"{one.name} {one.subject}" for one in alerts if not one.is_firing]
            log.error("alert.group", firing=firing, resolved=resolved)
            return
        for alert in alerts:
            say = log.info if not alert.is_firing else log.error if alert.critical else log.warning
            say(
                "alert.firing" if alert.is_firing else "alert.resolved",
                alert=alert.name,
                subject=alert.subject,
                severity=alert.severity,
                summary=alert.summary,
                since=alert.since.isoformat(),
            )


class WebhookSink:
    """Posts signed JSON: the array that `POST /api/v2/alerts` of an Alertmanager takes.

    Each try runs on a daemon thread, so that neither a name that does not resolve nor a server that drips can hold up
    anything; while one is still going, no other is begun.

    Args:
        origin: labels of every alert.
        clock: tells the time that is signed.
    """

    name = "webhook"

    def __init__(self, origin: Origin, clock: Clock) -> None:
        self._origin, self._clock = origin, clock
        self._is_busy = False

    def is_wanted(self, settings: AlertSettings) -> bool:
        """When there is an address."""
        return bool(settings.webhook_url.get_secret_value())

    async def send(self, alerts: Sequence[Alert], settings: AlertSettings) -> None:
        """Post them once.

        Raises:
            NotDelivered: nobody answered, or with another status than 2xx.
        """
        if self._is_busy:
            raise NotDelivered("the last try is still going")
        now = self._clock.now()
        body = orjson.dumps(
            [postable(one, self._origin, now=now, repeat_s=settings.repeat_interval_s) for one in alerts]
        )
        timestamp = int(now.timestamp())
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"arbiter/{__version__}",
            TIMESTAMP_HEADER: str(timestamp),
            SIGNATURE_HEADER: signature_of(settings.webhook_secret.get_secret_value(), timestamp, body),
        }
        url, timeout_s = settings.webhook_url.get_secret_value(), settings.webhook_timeout_s
        if failure := await self._on_thread(url, body, headers, timeout_s):
            raise NotDelivered(failure)

    async def _on_thread(self, url: str, body: bytes, headers: Mapping[str, str], timeout_s: float) -> str:
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[str] = loop.create_future()
        self._is_busy = True

        def work() -> None:
            failure = _posted(url, body, headers, timeout_s)
            self._is_busy = False
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(_settle, answered, failure)

        threading.Thread(target=work, name="arbiter.webhook", daemon=True).start()
        return await answered


def _settle(answered: asyncio.Future[str], failure: str) -> None:
    if not answered.done():
        answered.set_result(failure)


def _posted(url: str, body: bytes, headers: Mapping[str, str], timeout_s: float) -> str:
    """Why it was not taken; "" when it was. No redirect is followed: the body is for one address."""
    import httpx2  # noqa: PLC0415  costs a start that has nobody to tell nothing

    try:
        with httpx2.Client(timeout=timeout_s, follow_redirects=False) as client:
            answer = client.post(url, content=body, headers=dict(headers))
    except Exception as error:  # noqa: BLE001  whatever it is, the address may stand in its words
        return type(error).__name__
    return "" if answer.is_success else f"it answered {answer.status_code}"


def postable(alert: Alert, origin: Origin, *, now: datetime, repeat_s: float) -> dict[str, Any]:
    """One alert as Alertmanager's API v2 takes it (`postableAlert` of its OpenAPI document).

    Args:
        alert: what is told.
        origin: who tells.
        now: when.
        repeat_s: how often it is told again; it ends by itself when it was not for four times that long.
    """
    labels = {
        "alertname": alert.name,
        "subject": alert.subject,
        "severity": alert.severity,
        "service": origin.service,
        "environment": origin.environment,
        "instance": origin.instance,
    }
    annotations = {
        "summary": alert.summary,
        "from": alert.old,
        "to": alert.new,
        "trace_id": alert.trace_id,
        "generation": str(alert.generation),
    }
    until = alert.ended.timestamp() if alert.ended else now.timestamp() + _KEPT_ALIVE_FOR_REPEATS * repeat_s
    return {
        "labels": {name: value for name, value in labels.items() if value},
        "annotations": {name: value for name, value in annotations.items() if value},
        "startsAt": _rfc3339(alert.since.timestamp()),
        "endsAt": _rfc3339(until),
    }


def _rfc3339(timestamp: float) -> str:
    moment = datetime.fromtimestamp(timestamp, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
