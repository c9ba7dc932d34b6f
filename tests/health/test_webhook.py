"""The webhook: what is posted, received by a real server, and a server in trouble."""

from __future__ import annotations

import hashlib
import hmac
import io
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import orjson
import pytest
from pydantic import SecretStr, ValidationError

from arbiter.events import HealthChanged
from arbiter.health.alerts.alert import Alert, Origin
from arbiter.health.alerts.service import Alerts
from arbiter.health.alerts.settings import AlertSettings
from arbiter.health.alerts.signing import signature_of, verify
from arbiter.health.alerts.sinks import WebhookSink, postable
from arbiter.health.settings import HealthSettings
from arbiter.observability.logging import configure_logging
from arbiter.observability.settings import ObservabilitySettings
from arbiter.protocols import Status
from arbiter.testing.clock import FakeClock
from arbiter.testing.live import Fixed
from tests.health.receiver import Receiver, receiving
from tests.waiting import until

SECRET = "shared-secret"
DOWN = HealthChanged("database", Status.PASS, Status.FAIL, "gone")
UP = HealthChanged("database", Status.FAIL, Status.PASS)


def test_a_postable_alert_is_what_alertmanager_takes() -> None:
    """The object has labels, annotations and RFC 3339 times, no empty label, and ends by itself if nobody repeats it."""
    since = datetime.fromisoformat("2026-01-01T00:00:00+00:00")
    alert = Alert(
        "HealthCheck", "database", critical=True, summary="gone", since=since, old="pass", new="fail"
    )

    shown = postable(alert, Origin("shop", "", "host:1"), now=since, repeat_s=300)

    assert shown == {
        "labels": {
            "alertname": "HealthCheck", "subject": "database", "severity": "critical", "service": "shop", "instance": "host:1",
        },
        "annotations": {"summary": "gone", "from": "pass", "to": "fail", "generation": "1"},
        "startsAt": "2026-01-01T00:00:00.000Z",
        "endsAt": "2026-01-01T00:20:00.000Z",
    }  # fmt: skip


@pytest.mark.parametrize(
    "wrong",
    [{"webhook_url": "ftp://x", "webhook_secret": "s"}, {"webhook_url": "http://x"}, {"queue_size": 0}],
)
def test_an_address_needs_http_and_a_secret(wrong: dict[str, Any]) -> None:
    """A webhook without a secret, or of another kind than http, is refused with the settings."""
    with pytest.raises(ValidationError):
        AlertSettings(**wrong)


@asynccontextmanager
async def posting(receiver: Receiver, **alerts: Any) -> AsyncIterator[Alerts]:
    """Alerts as an application runs them, on their own thread, that post to this receiver."""
    where = {"webhook_url": receiver.url, "webhook_secret": SECRET}
    settings = Fixed(HealthSettings(alerts=AlertSettings(**where, **alerts)))
    service = Alerts(settings, clock := FakeClock(), service="shop", environment="test", drain_s=1)
    assert clock.monotonic() == 0
    await service.start()
    try:
        yield service
    finally:
        await service.stop()


async def test_the_webhook_is_signed() -> None:
    """A real server gets JSON for Alertmanager, with a signature that a receiver can recompute."""
    with receiving() as receiver:
        async with posting(receiver) as alerts:
            alerts.publish(DOWN)
            await until(lambda: len(receiver.posts) == 1, 10)
            alerts.publish(UP)
            await until(lambda: len(receiver.posts) == 2, 10)
    down, up = receiver.posts

    timestamp = down.headers["x-arbiter-timestamp"]
    mac = hmac.new(SECRET.encode(), timestamp.encode() + b"." + down.body, hashlib.sha256).hexdigest()
    assert down.headers["x-arbiter-signature"] == f"sha256={mac}"
    assert down.headers["content-type"] == "application/json"
    assert down.path == "/api/v2/alerts"
    (sent,) = orjson.loads(down.body)
    assert sent["labels"]["alertname"] == "HealthCheck"
    assert sent["labels"].items() >= {"subject": "database", "service": "shop", "environment": "test"}.items()
    (over,) = orjson.loads(up.body)
    assert over["labels"] == sent["labels"]
    assert over["startsAt"] == sent["startsAt"]
    assert SECRET not in str(receiver.posts)


async def test_the_address_stays_out_of_the_log() -> None:
    """An address may be its own secret, as those of chats are: no line holds it, whether a post went well or not."""
    stream = io.StringIO()
    with (
        configure_logging(
            ObservabilitySettings(log_format="json"), service="shop", environment="test", stream=stream
        ),
        receiving() as receiver,
    ):
        receiver.url += "/s3cr3t"
        async with posting(receiver) as alerts:
            alerts.publish(DOWN)
            await until(lambda: len(receiver.posts) == 1, 10)
            receiver.status = 500
            alerts.publish(UP)
            await until(lambda: "alert.not_sent" in stream.getvalue(), 10)

    assert receiver.posts[0].path.endswith("s3cr3t")
    assert "s3cr3t" not in stream.getvalue()


async def test_h09_a_server_that_answers_500_gets_three_posts() -> None:
    """A refusal is tried again twice, each post signed anew, and then given up."""
    with receiving() as receiver:
        receiver.status = 500
        clock = FakeClock()
        sink = WebhookSink(Origin("shop", "test", "i"), clock)
        where = AlertSettings(webhook_url=SecretStr(receiver.url), webhook_secret=SecretStr(SECRET))
        service = Alerts(Fixed(HealthSettings(alerts=where)), clock, sinks=[sink], drain_s=0.1)
        await service.start()
        service.publish(DOWN)

        def is_given_up() -> bool:
            if not sink._is_busy:  # time stands still while a post is under way
                clock.advance(0.25)
            return _failed(service) == 1

        await until(is_given_up)
        await service.stop()

    timestamps = [int(post.headers["x-arbiter-timestamp"]) for post in receiver.posts]
    assert len(receiver.posts) == 3
    assert timestamps == sorted(set(timestamps))


async def test_h09_a_server_that_hangs_holds_up_nothing() -> None:
    """While a post hangs, events are taken at once and the end comes within the drain's limit."""
    with receiving() as receiver:
        receiver.hangs = True
        async with posting(receiver, log=False) as alerts:
            alerts.publish(DOWN)
            await until(lambda: len(receiver.posts) == 1, 10)
            alerts.publish(UP)

            assert alerts.waiting == 1
        names = [thread.name for thread in threading.enumerate()]

    assert "arbiter.alerts" not in names


async def test_a_redirect_is_not_followed() -> None:
    """The body is meant for one address: whoever answers 302 has not taken it."""
    with receiving() as receiver:
        receiver.status = 302
        sink = WebhookSink(Origin("shop", "test", "i"), FakeClock())
        where = AlertSettings(webhook_url=SecretStr(receiver.url), webhook_secret=SecretStr(SECRET))

        with pytest.raises(Exception, match="it answered 302"):
            await sink.send([], where)


def test_a_receiver_can_verify() -> None:
    """A genuine post is accepted while it is fresh; another body, secret, time or form is not."""
    body, signature = b"[]", signature_of(SECRET, 1000, b"[]")

    assert verify(SECRET, "1000", signature, body, now=1200)
    assert not verify(SECRET, "1000", signature, body, now=1301)
    assert not verify(SECRET, "1001", signature, body, now=1200)
    assert not verify(SECRET, "1000", signature, b"[1]", now=1200)
    assert not verify("other", "1000", signature, body, now=1200)
    assert not verify(SECRET, "1000", "sha256=ü", body, now=1200)
    assert not verify(SECRET, "1e3", signature, body, now=1200)


def _failed(service: Alerts) -> float:
    return sum(
        one.value
        for one in service.measurements()
        if {("outcome", "failed"), ("sink", "webhook")} <= set(one.attributes)
    )
