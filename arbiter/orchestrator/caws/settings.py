"""The `[caws]` section: what working specs are held to."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from arbiter.section import LIVE, Section

__all__ = ["CawsSettings"]


class CawsSettings(Section):
    """Which rules judge a working spec when the caller names none, who else is asked, and where verdicts are kept."""

    ruleset: Annotated[Literal["caws-3.4", "caws-8", "caws-12", "arbiter"], LIVE] = "caws-3.4"
    """Name of the rule set: `caws-3.4` says what the CAWS command line of release 3.4.0 says in full mode."""

    external_command: Annotated[tuple[str, ...], LIVE] = ()
    """Another validator to ask first: program and arguments (`{ruleset}` is filled in). It reads the spec from standard
    input and prints `{"passed": ..., "errors": [...]}`. Empty for none; the built-in rules stand in when it fails."""

    external_timeout_ms: Annotated[int, LIVE] = Field(default=2000, ge=1, le=600_000)
    """How long the external validator may take. Below `resilience.timeout_ms`, it is this limit that speaks."""

    record: Annotated[str, LIVE] = ""
    """File that every verdict is appended to, each entry chained to the one before by SHA-256. Empty for none."""
