"""Lines of a file that tell when they are damaged: a checksum, a space, and what was kept.

The checksum is the first 16 hexadecimal digits of the SHA-256 of the rest. A line without its end was never acknowledged.
"""

from __future__ import annotations

import hashlib

__all__ = ["checked_line", "content_of"]


def checked_line(content: bytes) -> bytes:
    """The line that keeps `content`, which has no line break of its own, with its end."""
    return b"%s %s\n" % (_checksum(content), content)


def content_of(line: bytes) -> bytes | None:
    """What `line`, without its end, was made of; None where it is damaged."""
    checksum, _, content = line.partition(b" ")
    return content if checksum == _checksum(content) else None


def _checksum(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest()[:16].encode()
