"""Passwords in text that was made for people: an address with a password in it is the secret that most errors tell."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["MASK", "passwords_in", "without_password"]

MASK: Final = "******"
"""Stands for every secret, whatever its length."""

_USERINFO: Final = re.compile(r"(?<=://)([^/@\s:]*):([^/\s]*)@")


def without_password(text: str) -> str:
    """The text with the password of every address in it masked (`scheme://user:password@host`)."""
    return _USERINFO.sub(rf"\1:{MASK}@", text) if "://" in text else text


def passwords_in(text: str) -> list[str]:
    """The passwords of the addresses in a text."""
    return [password for _, password in _USERINFO.findall(text)]
