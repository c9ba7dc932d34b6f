"""What a check says about an error, fit for a probe's answer: one line, bounded, no password."""

from __future__ import annotations

import re

from arbiter.masking import MASK, without_password

__all__ = ["one_line", "told_of"]

_LONGEST = 300
_NAMED_SECRET = re.compile(
    r"(?P<name>\b(?:password|passwd|pwd|secret|token|api[_-]?key)\b['\"]?\s*[=:]\s*)"
    r"(?P<secret>'[^']*'|\"[^\"]*\"|[^\s,;&]+)",
    re.IGNORECASE,
)


def one_line(text: str) -> str:
    """The first line of `text`, at most 300 characters, with passwords of addresses and `password=...`
    masked.
    """
    # no lone surrogates: the answer is UTF-8
    text = text.encode(errors="replace").decode()
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")
    masked = _NAMED_SECRET.sub(rf"\g<name>{MASK}", without_password(first))
    return masked if len(masked) <= _LONGEST else f"{masked[: _LONGEST - 3]}..."


def told_of(error: BaseException) -> str:
    """The error's class and the first line of its message."""
    try:
        message = one_line(str(error))
    except Exception:  # noqa: BLE001  somebody's __str__; the class must do
        message = ""
    return f"{type(error).__name__}: {message}" if message else type(error).__name__
