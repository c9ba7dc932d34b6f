"""How JavaScript sees a value, where that decides a verdict of the real CAWS validators.

Their rules are written with `!value`, `<`, `===` and `/re/.test(value)`. Ported to Python's own truths they would
judge differently: an empty list is present in JavaScript, `"T3"` is neither below 1 nor above 3, `true` is no tier 1.
Only what plain data can meet is here (ECMA-262: ToBoolean, ToNumber, ToString, Strict Equality).
"""

from __future__ import annotations

import math
import re
from typing import Final, TypeAlias, Union

__all__ = [
    "UNDEFINED",
    "NotPrimitive",
    "Plain",
    "Timestamp",
    "Undefined",
    "falsy",
    "length",
    "number",
    "prop",
    "same",
    "text",
    "trimmed",
]

Plain: TypeAlias = Union[bool, int, float, str, "list[Plain]", "dict[str, Plain]", "Undefined", None]


class Undefined:
    """The type of what is not there, which JavaScript tells from null."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "undefined"


UNDEFINED: Final = Undefined()


class Timestamp(str):
    """Plain text in the form of a timestamp: a Date to JavaScript, whose number is its milliseconds since 1970."""

    __slots__ = ()


_SPACE = "\t\n\v\f\r \u00a0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff" + "".join(
    map(chr, range(0x2000, 0x200B))
)
_DECIMAL = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*(?:[eE][-+]?[0-9]+)?|\.[0-9]+(?:[eE][-+]?[0-9]+)?|Infinity)")
_RADIX = re.compile(r"0(?:[xX][0-9a-fA-F]+|[oO][0-7]+|[bB][01]+)")


class NotPrimitive(TypeError):
    """The value has no text: JavaScript raises, and the real validators then fail the spec."""


def prop(value: Plain, name: str) -> Plain:
    """`value.name` for a name that only data can carry (`in`, `out`): undefined unless a mapping has it."""
    return value.get(name, UNDEFINED) if isinstance(value, dict) else UNDEFINED


def length(value: Plain) -> Plain:
    """`value.length`; of a mapping, its own key of that name."""
    return len(value) if isinstance(value, list | str) else prop(value, "length")


def falsy(value: Plain) -> bool:
    """`!value`: absent, null, false, zero, not-a-number and the empty text; never an empty list or mapping."""
    if isinstance(value, Undefined) or value is None or value is False or value == "":
        return True
    return isinstance(value, int | float) and not (value < 0 or value > 0)


def same(value: Plain, other: float) -> bool:
    """`value === other` for a number: text and booleans are never equal to one."""
    return isinstance(value, int | float) and not isinstance(value, bool) and value == other


def number(value: Plain) -> float:
    """The number that `<` and `>` compare; not-a-number, which is neither, for what has none."""
    match value:
        case None:
            return 0.0
        case bool() | int() | float():
            return _double(value)
        case Undefined():
            return math.nan
        case Timestamp():
            return math.inf if value > "1970" else -math.inf  # beyond every bound that a rule compares with
        case str():
            return _parsed(value.strip(_SPACE))
        case _:
            return _parsed(text(value).strip(_SPACE))


def text(value: Plain) -> str:
    """`String(value)`.

    Raises:
        NotPrimitive: for a mapping with a key `toString`, which hides the method that would be asked.
    """
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case float():
            return _number_text(value)
        case list():
            return ",".join("" if item is None else text(item) for item in value)
        case dict():
            if "toString" in value:
                raise NotPrimitive("Cannot convert object to primitive value")
            return "[object Object]"
        case _:
            return str(value)


def trimmed(value: str) -> str:
    """`value.trim()`: JavaScript's white space is not Python's."""
    return value.strip(_SPACE)


def _double(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _parsed(digits: str) -> float:
    if not digits:
        return 0.0
    if _DECIMAL.fullmatch(digits):
        return float(digits.replace("Infinity", "inf"))
    if _RADIX.fullmatch(digits):
        return _double(int(digits, 0))
    return math.nan


def _number_text(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return str(int(value)) if value.is_integer() and abs(value) < 1e21 else repr(value)
