"""The `[management]` section: where the operator's endpoints are, and who may change things there."""

from __future__ import annotations

from pydantic import Field, SecretStr

from arbiter.section import Section

__all__ = ["ManagementSettings"]


class ManagementSettings(Section):
    """Where probes, metrics and introspection are served."""

    host: str = Field(default="127.0.0.1", min_length=1)
    """Address to listen on; in a pod, `0.0.0.0`, so that the kubelet reaches the probes."""

    port: int = Field(default=3001, ge=0, le=65535)
    """TCP port, different from the server's; 0 lets the operating system choose."""

    token: SecretStr = SecretStr("")
    """What a caller must present (`Authorization: Bearer ...`) to change anything. Empty refuses every change,
    except in development."""
