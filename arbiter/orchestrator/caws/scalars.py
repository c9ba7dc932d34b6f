"""One scalar of YAML: its value by the core schema of YAML 1.2 (section 10.3.2), or by its explicit tag.

Numbers may also be written as js-yaml 4.1.0 reads them beyond the schema (`0b10`, `1_000`), and a timestamp stays the
text that it is, marked as one: the real validators read with js-yaml, and a tier written so decides their verdicts.
"""

from __future__ import annotations

import base64
import math
import re
from typing import Final

from arbiter.orchestrator.caws.javascript import Plain, Timestamp

__all__ = ["TagRefused", "contents_of_tag", "scalar", "structure_tag"]

_PREFIX: Final = "tag:yaml.org,2002:"
_WORDS: Final[dict[str, Plain]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
}
_NUMERIC_START: Final = frozenset("0123456789+-.")
_INTEGER = re.compile(
    r"[-+]?(?:0b[01_]*[01]|0o[0-7_]*[0-7]|0x[0-9a-fA-F_]*[0-9a-fA-F]|[0-9](?:[0-9_]*[0-9])?)"
)
_FLOAT = re.compile(
    r"[-+]?(?:[0-9][0-9_]*(?:\.[0-9_]*)?(?:[eE][-+]?[0-9]+)?|\.[0-9_]+(?:[eE][-+]?[0-9]+)?)(?<!_)"
)
_TIMESTAMP = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt]|[ \t]+)[0-9]{1,2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]*)?"
    r"(?:[ \t]*(?:Z|[-+][0-9]{1,2}(?::[0-9]{2})?))?"
)
_BASES: Final = {"0b": 2, "0o": 8, "0x": 16}
_MAPPING_TAGS: Final = frozenset({None, "!", _PREFIX + "map", _PREFIX + "set"})
_SEQUENCE_TAGS: Final = frozenset({None, "!", _PREFIX + "seq", _PREFIX + "omap", _PREFIX + "pairs"})
_BEYOND_CORE: Final = frozenset(
    _PREFIX + kind for kind in ("set", "omap", "pairs", "binary", "timestamp", "merge")
)


class TagRefused(ValueError):
    """The tag is unknown, or its scalar is not of its form."""


def scalar(written: str, tag: str | None, *, quoted: bool, core: bool = False) -> Plain:
    """The value of what was written: by its tag, by the core schema where it stands plain, else the text itself.

    Args:
        written: the text between quotes, or as it stands.
        tag: its explicit tag.
        quoted: whether it stands in quotes, or as a block of lines.
        core: whether nothing beyond the core schema is known: timestamps are text, their tag is refused.

    Raises:
        TagRefused: see there.
    """
    if core and tag in _BEYOND_CORE:
        raise TagRefused(f"tag {tag} is none of the core schema")
    if tag is None:
        value = written if quoted else _plain(written)
        return written if core and isinstance(value, Timestamp) else value
    if tag in ("!", _PREFIX + "str"):
        return None if tag == "!" and not (written or quoted) else written
    if tag == _PREFIX + "binary":
        return _binary(written)
    value = _plain(written)
    if (quoted and not written) or not _fits(value, tag.removeprefix(_PREFIX)):
        raise TagRefused(f"{written[:40]!r} is no value of tag {tag}")
    return value


def structure_tag(tag: str | None, *, is_mapping: bool, core: bool = False) -> str:
    """What is wrong with the tag of a mapping or list; empty when nothing is."""
    if core and tag in _BEYOND_CORE:
        return f"tag {tag} is none of the core schema"
    if tag in (_MAPPING_TAGS if is_mapping else _SEQUENCE_TAGS):
        return ""
    return f"tag {tag} is no tag of a {'mapping' if is_mapping else 'list'}"


def contents_of_tag(tag: str | None, value: Plain) -> str:
    """What of the contents is none of its tag; empty when nothing is."""
    if tag == _PREFIX + "set" and isinstance(value, dict) and any(v is not None for v in value.values()):
        return "a set has keys without values"
    if tag in (_PREFIX + "omap", _PREFIX + "pairs") and isinstance(value, list):
        if not all(isinstance(item, dict) and len(item) == 1 for item in value):
            return f"{tag.removeprefix(_PREFIX)} is a list of mappings of one key each"
        names = [name for item in value if isinstance(item, dict) for name in item]
        if tag.endswith("omap") and len(set(names)) < len(names):
            return "omap has each key once"
    return ""


def _plain(written: str) -> Plain:
    if written in _WORDS:
        return _WORDS[written]
    if written[0] not in _NUMERIC_START:
        return written
    if _INTEGER.fullmatch(written):
        return _integer(written.replace("_", ""))
    if _FLOAT.fullmatch(written):
        return float(written.replace("_", ""))
    return Timestamp(written) if _TIMESTAMP.fullmatch(written) else written


def _binary(written: str) -> Plain:
    """To JavaScript an array of bytes: neither text nor list, with a length."""
    try:
        return {"length": len(base64.b64decode("".join(written.split()), validate=True))}
    except ValueError as error:
        raise TagRefused("it is no base64") from error


def _integer(digits: str) -> int | float:
    base = _BASES.get(digits.lstrip("+-")[:2], 10)
    if len(digits) > 300:  # Python reads no more than 4,300 decimal digits; a double to JavaScript anyway
        return float(digits) if base == 10 else math.inf
    return int(digits, base)


def _fits(value: Plain, kind: str) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    fits = {
        "null": value is None,
        "bool": isinstance(value, bool),
        "int": is_number and isinstance(value, int),
        "float": is_number,
        "timestamp": isinstance(value, Timestamp),
        "merge": value == "<<",
    }
    return fits.get(kind, False)
