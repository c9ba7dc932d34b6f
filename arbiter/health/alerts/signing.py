"""The signature of a post: proves who sent it, and when."""

from __future__ import annotations

import hashlib
import hmac

__all__ = ["SIGNATURE_HEADER", "TIMESTAMP_HEADER", "signature_of", "verify"]

TIMESTAMP_HEADER = "X-Arbiter-Timestamp"
SIGNATURE_HEADER = "X-Arbiter-Signature"


def signature_of(secret: str, timestamp: int, body: bytes) -> str:
    """HMAC-SHA256 over `<timestamp>.<body>`, as `sha256=<64 hexadecimal digits>`.

    Args:
        secret: the shared secret, as UTF-8.
        timestamp: seconds since 1970 at which the post is sent; signed, so that an old post cannot be sent again.
        body: the body, byte by byte.
    """
    digest = hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()
    return f"sha256={digest}"


def verify(
    secret: str, timestamp: str, signature: str, body: bytes, *, now: float, tolerance_s: float = 300.0
) -> bool:
    """Whether a post that was received is genuine and fresh; for receivers in Python.

    Args:
        secret: the shared secret.
        timestamp: the header `X-Arbiter-Timestamp`.
        signature: the header `X-Arbiter-Signature`.
        body: the body as it came.
        now: seconds since 1970.
        tolerance_s: how many seconds the two clocks may differ, and a post may be under way.
    """
    if not timestamp.isascii() or not timestamp.isdigit() or abs(now - int(timestamp)) > tolerance_s:
        return False
    return hmac.compare_digest(signature_of(secret, int(timestamp), body).encode(), signature.encode())
