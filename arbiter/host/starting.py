"""The start of a container, which a stop may overtake."""

from __future__ import annotations

import asyncio

import structlog

from arbiter.errors import ConfigurationError, StartError
from arbiter.infrastructure import Infrastructure

__all__ = ["started_first"]

log = structlog.get_logger(__name__)


async def started_first(container: Infrastructure, stop_asked: asyncio.Event) -> bool:
    """Start the container, unless the stop is asked for first.

    Returns:
        Whether it runs; if not, what had started was stopped again.

    Raises:
        ConfigurationError: a setting is why it did not start.
        StartError: whatever else a component raised; its cause.
    """
    starting = asyncio.ensure_future(container.start())
    asked = asyncio.ensure_future(stop_asked.wait())
    await asyncio.wait({starting, asked}, return_when=asyncio.FIRST_COMPLETED)
    asked.cancel()
    if not starting.done():
        log.info("app.start.cancelled")
        starting.cancel()
    try:
        await starting
    except asyncio.CancelledError:
        return False
    except Exception as error:
        if (fault := _fault_of_settings(error)) is not None:
            raise fault from fault.__cause__
        raise StartError("The application did not start; what had started was stopped again.") from error
    return True


def _fault_of_settings(error: BaseException | None) -> ConfigurationError | None:
    """The setting that a start failed over, such as a health group that names a check that is not there."""
    while error is not None and not isinstance(error, ConfigurationError):
        if isinstance(error, BaseExceptionGroup):
            return next(filter(None, map(_fault_of_settings, error.exceptions)), None)
        error = error.__cause__
    return error
