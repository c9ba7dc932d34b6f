"""The options that several commands have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from arbiter.orchestrator.address import DEFAULT_URL

__all__ = ["AsJson", "File", "Languages", "Output", "Session", "Specializations", "Token", "Url"]

Url = Annotated[str, Parameter(name="--url", env_var="ARBITER_URL", help="Where the service is.")]
Token = Annotated[
    str,
    Parameter(
        name="--token",
        env_var="ARBITER_TOKEN",
        show_default=False,
        help="The API token, where the service asks for one; other users see what stands on a command line.",
    ),
]
AsJson = Annotated[
    bool, Parameter(name="--json", negative="", show_default=False, help="Answer in JSON, for scripts.")
]
Languages = Annotated[
    tuple[str, ...],
    Parameter(
        name="--language", negative="", show_default=False, help="A programming language; may be repeated."
    ),
]
Specializations = Annotated[
    tuple[str, ...],
    Parameter(
        name="--specialization", negative="", show_default=False, help="A specialisation; may be repeated."
    ),
]


File = Annotated[str, Parameter(allow_leading_hyphen=True, help="Path of the file; - is standard input.")]
Output = Annotated[str, Parameter(allow_leading_hyphen=True, help="The file to write; - is standard output.")]


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Session:
    """What every command has which talks to the service."""

    url: Url = DEFAULT_URL
    token: Token = ""
    json: AsJson = False
