"""A unit of work keeps the settings that it began with: a pin in the context, read by every view of the settings.

The pin is an object that its owner empties at the end, so that a task that was begun by a request and outlives it
follows reloads again instead of holding old settings for ever.
"""

from __future__ import annotations

from contextvars import ContextVar, Token
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

from starlette.types import ASGIApp, Receive, Scope, Send

from arbiter.settings.snapshot import Snapshot

if TYPE_CHECKING:
    from arbiter.settings.live import LiveSettings

__all__ = ["PINNED", "Pin", "SettingsOfRequest"]


class Pin:
    """Holds what is in force now for the unit of work that runs inside `with`; made by `LiveSettings.pinned()`.

    Args:
        owner: whose settings are held; those of others are not touched.
    """

    __slots__ = ("_token", "owner", "snapshot")

    _token: Token[Pin | None]

    def __init__(self, owner: LiveSettings[Any]) -> None:
        self.owner = owner
        self.snapshot: Snapshot[Any] | None = None

    def __enter__(self) -> Snapshot[Any]:
        owner = self.owner
        owner.pins.add(self)  # before the look: a reload in between must know of it
        try:
            self.snapshot = snapshot = owner.held or owner.snapshot
        except BaseException:
            owner.pins.discard(self)
            raise
        self._token = PINNED.set(self)
        return snapshot

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.snapshot = None
        self.owner.unpin(self)
        PINNED.reset(self._token)


PINNED: Final[ContextVar[Pin | None]] = ContextVar("arbiter.settings.pinned", default=None)
"""The pin of the unit of work that runs in this context."""


class SettingsOfRequest:
    """An ASGI layer: each HTTP request sees the settings that were in force when it began, to its end.

    Args:
        app: what serves the requests.
        settings: the settings that its components read.
    """

    def __init__(self, app: ASGIApp, settings: LiveSettings[Any]) -> None:
        self._app, self._settings = app, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, as ASGI asks."""
        if scope["type"] != "http":  # a WebSocket may live for days: it follows reloads
            await self._app(scope, receive, send)
            return
        # What `with settings.pinned()` does, without its calls: each of them costs a small request half a percent.
        settings = self._settings
        pin = Pin(settings)
        settings.pins.add(pin)
        token = PINNED.set(pin)
        try:
            pin.snapshot = (
                settings._snapshot or settings.snapshot
            )  # loaded by now, but for a very first request
            await self._app(scope, receive, send)
        finally:
            pin.snapshot = None
            PINNED.reset(token)
            settings.unpin(pin)
