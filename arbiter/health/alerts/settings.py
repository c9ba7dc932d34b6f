"""The `[health.alerts]` section: who is told, and how often."""

from __future__ import annotations

from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator

from arbiter.section import LIVE, Section

__all__ = ["AlertSettings"]


class AlertSettings(Section):
    """Sinks and their limits. Transitions come after the thresholds of the checks, so that flapping tells nobody."""

    log: Annotated[bool, LIVE] = True
    """Whether alerts are lines of the log: `alert.firing`, `alert.resolved`."""

    webhook_url: Annotated[SecretStr, LIVE] = SecretStr("")
    """Where alerts are posted to, such as `http://alertmanager:9093/api/v2/alerts`; nowhere when empty. A secret, since
    such addresses often hold a key."""

    webhook_secret: Annotated[SecretStr, LIVE] = SecretStr("")
    """What each post is signed with (HMAC-SHA256); required with an address."""

    webhook_timeout_s: Annotated[float, LIVE] = Field(default=5.0, gt=0, le=60)
    """Seconds that one try of a post may take; there are three, with pauses of 1, 2 and 4 seconds after them."""

    repeat_interval_s: Annotated[float, LIVE] = Field(default=300.0, ge=1, le=86400)
    """Seconds after which an alert that is still on is told again."""

    group_above: Annotated[int, LIVE] = Field(default=5, ge=1, le=100)
    """Alerts that are told one by one within the window; further ones wait for its end, and go together."""

    group_window_s: Annotated[float, LIVE] = Field(default=10.0, gt=0, le=600)
    """The window of the grouping, in seconds."""

    queue_size: Annotated[int, LIVE] = Field(default=100, ge=1, le=10_000)
    """Alerts that may wait for a sink; beyond that the oldest is dropped and counted, recoveries last."""

    @model_validator(mode="after")
    def _is_signed_and_has_an_address(self) -> Self:
        url = self.webhook_url.get_secret_value()
        if not url:
            return self
        if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname:
            raise ValueError("webhook_url must be an http or https address")
        if not self.webhook_secret.get_secret_value():
            raise ValueError("webhook_secret must be set with webhook_url: every post is signed")
        return self
