"""The `[management]` section: where the operator's endpoints are, and who may change things there."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr

from arbiter.section import Section

__all__ = ["Access", "EndpointAccess", "ManagementSettings"]

Access = Literal["none", "read-only", "unrestricted"]
"""`none`: answered with 404. `read-only`: changes are refused. `unrestricted`: who has the token may change."""


class EndpointAccess(Section):
    """What each endpoint allows; the probes are not among them, since a platform always needs those."""

    metrics: Access = "unrestricted"
    """`/metrics`"""

    info: Access = "unrestricted"
    """`/info`"""

    config: Access = "unrestricted"
    """`/config`"""

    graph: Access = "unrestricted"
    """`/graph`"""

    startup: Access = "unrestricted"
    """`/startup`"""

    loggers: Access = "unrestricted"
    """`/loggers` and `/loggers/{name}`"""

    breakers: Access = "unrestricted"
    """`/breakers` and `/breakers/{name}`"""

    tasks: Access = "unrestricted"
    """`/tasks`"""

    events: Access = "unrestricted"
    """`/events`"""

    refresh: Access = "unrestricted"
    """`/refresh`"""

    maintenance: Access = "unrestricted"
    """`/maintenance`"""

    openapi: Access = "unrestricted"
    """`/openapi.json`"""


_EVERYTHING = EndpointAccess()


class ManagementSettings(Section):
    """Where probes, metrics and introspection are served."""

    host: str = Field(default="127.0.0.1", min_length=1)
    """Address to listen on; in a pod, `0.0.0.0`, so that the kubelet reaches the probes."""

    port: int = Field(default=3001, ge=0, le=65535)
    """TCP port, different from the server's; 0 lets the operating system choose."""

    token: SecretStr = SecretStr("")
    """What a caller must present (`Authorization: Bearer ...`) to change anything. Empty refuses every change,
    except in development."""

    access: Access = "unrestricted"
    """The most that any endpoint allows, whatever stands under `endpoints`."""

    endpoints: EndpointAccess = _EVERYTHING
    """What single endpoints allow: `[management.endpoints]`, `config = "none"`."""
