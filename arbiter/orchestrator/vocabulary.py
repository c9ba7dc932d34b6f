"""The words that the orchestrator's components share on the wire: identifiers, capabilities, one task's performance.

Everything that comes in through these types is finite, bounded and printable, so that no component needs to ask again.
Task types, languages and specialisations are open vocabularies: the lists below are known values for hints, never
enums that reject (DESIGN section 6).
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    StringConstraints,
)
from pydantic_core import PydanticCustomError

from arbiter.documented import Documented

__all__ = [
    "KNOWN_LANGUAGES",
    "KNOWN_MODEL_FAMILIES",
    "KNOWN_SPECIALIZATIONS",
    "KNOWN_TASK_TYPES",
    "Capabilities",
    "Flag",
    "Identifier",
    "Instant",
    "Metadata",
    "Number",
    "PerformanceReport",
    "Text",
    "Whole",
    "WireModel",
    "Word",
    "Words",
    "near_misses",
]

KNOWN_TASK_TYPES: Final = (
    "code-editing",
    "research",
    "code-review",
    "documentation",
    "testing",
    "debugging",
    "refactoring",
    "api-design",
)
KNOWN_LANGUAGES: Final = ("TypeScript", "JavaScript", "Python", "Rust", "Go", "Java", "C++", "C#")
KNOWN_SPECIALIZATIONS: Final = (
    "AST analysis",
    "API design",
    "Performance optimization",
    "Security audit",
    "Database design",
    "Frontend architecture",
    "Backend architecture",
    "DevOps",
)
KNOWN_MODEL_FAMILIES: Final = ("gpt-4", "claude-3", "claude-3.5", "gemini-pro", "llama-3", "mixtral")


class WireModel(Documented):
    """The base of what crosses the wire: immutable, strict about names, numbers finite."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        protected_namespaces=(),
    )

    @classmethod
    def trusted(cls, **values: Any) -> Self:
        """One of these values, all of them given and none looked at: for what was made or checked here.

        As `model_construct`, without its search for aliases and defaults, which takes four times as long.
        """
        made = cls.__new__(cls)
        set_attribute = object.__setattr__
        set_attribute(made, "__dict__", values)
        set_attribute(made, "__pydantic_fields_set__", set(values))
        set_attribute(made, "__pydantic_extra__", None)
        set_attribute(made, "__pydantic_private__", None)
        return made


def _printable(value: str) -> str:
    if not value.isprintable():
        raise ValueError("must be printable text, without control characters")
    return value


def _readable(value: str) -> str:
    if not all(character.isprintable() or character in "\n\r\t" for character in value):
        raise ValueError("must be text without control characters other than line ends and tabs")
    return value


def _once_each(words: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(words))


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:  # the year 1 or 9999, in a zone that makes it 0 or 10000
        raise ValueError("must be in the years 1 to 9999 in UTC") from None


def _whole(value: object) -> object:
    # Strict() would refuse 3.0, which is an integer to JSON Schema
    if isinstance(value, str | bool):
        raise PydanticCustomError("int_type", "Input should be a valid integer")
    return value


def _scalar(value: object) -> object:
    """Say in one sentence what would otherwise be said once for each kind of scalar."""
    match value:
        case str() if len(value) > _LONGEST_SCALAR:
            raise ValueError(f"must have at most {_LONGEST_SCALAR} characters")
        case str():
            return _readable(value)
        case bool() | None:
            return value
        case int() if abs(value) > _WIDEST_SCALAR:
            raise ValueError("must be an integer of at most 53 bits")
        case float() if not math.isfinite(value):
            raise ValueError("must be a finite number")
        case int() | float():
            return value
        case _:
            raise ValueError("must be text, a number, true, false or null")


Flag = Annotated[bool, Strict()]
"""True or false: no 1, no "yes"."""

Number = Annotated[float, Strict()]
"""A number that is written as one: "0.5" is text, and true is no 1."""

Whole = Annotated[int, BeforeValidator(_whole)]
"""The same without a fraction."""

# At least one character is not a dot: "." and ".." vanish when a URL is normalised.
Identifier = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9._-]*[A-Za-z0-9_-][A-Za-z0-9._-]*$", min_length=1, max_length=255),
]
"""What agents and tasks are called: `[A-Za-z0-9._-]{1,255}`, not dots alone."""

Word = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100), AfterValidator(_printable)
]
"""One entry of an open vocabulary: 1 to 100 printable characters; surrounding blanks are dropped. Case matters."""

Words = Annotated[tuple[Word, ...], Field(max_length=100), AfterValidator(_once_each)]
"""Up to 100 words, each once, in the order given."""

Text = Annotated[str, StringConstraints(max_length=10_000), AfterValidator(_readable)]
"""Free text for people, up to 10,000 characters."""

Instant = Annotated[AwareDatetime, AfterValidator(_in_utc)]
"""A moment with its zone, kept in UTC; RFC 3339 in JSON."""

_LONGEST_SCALAR: Final = 1000
_WIDEST_SCALAR: Final = 2**53
_Scalar = Annotated[
    Annotated[str, StringConstraints(max_length=_LONGEST_SCALAR)]
    | bool
    | Annotated[int, Field(ge=-_WIDEST_SCALAR, le=_WIDEST_SCALAR)]
    | float
    | None,
    BeforeValidator(_scalar),
]

Metadata = Annotated[dict[Word, _Scalar], Field(max_length=50)]
"""Up to 50 named scalars that travel along and decide nothing."""


class Capabilities(WireModel):
    """What an agent can do."""

    task_types: Annotated[Words, Field(min_length=1)]
    """Kinds of task it takes; at least one."""
    languages: Words = ()
    """Programming languages it works in."""
    specializations: Words = ()
    """What it does better than most."""


class PerformanceReport(WireModel):
    """How one task went."""

    success: Flag
    """Whether the task was accomplished."""
    quality_score: Number = Field(ge=0, le=1)
    """How good the result is, 0 to 1."""
    latency_ms: Number = Field(ge=0, le=1e12)
    """How long it took, in milliseconds."""
    tokens_used: Whole | None = Field(default=None, ge=0, le=10**12)
    """Tokens spent, where they are counted."""
    cost: Number | None = Field(default=None, ge=0, le=1e12)
    """What it cost, in the deployment's one currency."""
    task_type: Word | None = None
    """The kind of task it was."""


def near_misses(word: str, known: Iterable[str], limit: int = 3) -> list[str]:
    """The words of `known` that `word` may have been meant for, best first; case is passed over."""
    by_folded = {candidate.casefold(): candidate for candidate in known if candidate != word}
    return [by_folded[match] for match in difflib.get_close_matches(word.casefold(), by_folded, n=limit)]
