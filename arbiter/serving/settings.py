"""The `[server]` section: where the application listens."""

from __future__ import annotations

from pydantic import Field

from arbiter.section import Section

__all__ = ["ServerSettings"]


class ServerSettings(Section):
    """Where the application's own port is, and how much it takes in."""

    host: str = Field(default="localhost", min_length=1)
    """Address to listen on. `localhost` keeps the service on this machine; `0.0.0.0` opens it to the network."""

    port: int = Field(default=3000, ge=0, le=65535)
    """TCP port; 0 lets the operating system choose. The platform's `PORT` variable sets it too."""

    max_body_bytes: int = Field(default=1_048_576, ge=1024, le=1_073_741_824)
    """The largest request body that is read, in bytes; a larger one is answered with 413."""
