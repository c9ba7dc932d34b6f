"""The `[caws]` section: what working specs are held to."""

from __future__ import annotations

from typing import Annotated, Literal

from arbiter.section import LIVE, Section

__all__ = ["CawsSettings"]


class CawsSettings(Section):
    """Which rules judge a working spec when the caller names none."""

    ruleset: Annotated[Literal["caws-3.4"], LIVE] = "caws-3.4"
    """Name of the rule set: `caws-3.4` says what the CAWS command line of release 3.4.0 says in full mode."""
