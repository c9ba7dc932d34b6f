"""JSON answers of the management port."""

from __future__ import annotations

import json

import orjson
from starlette.responses import Response

__all__ = ["as_json"]


def as_json(value: object) -> Response:
    """A JSON answer that nobody keeps, whatever the value holds: what JSON does not have is written as text."""
    try:
        body = orjson.dumps(value, default=str, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS)
    except (
        orjson.JSONEncodeError
    ):  # an integer beyond 64 bits, or text that is no UTF-8 (a variable of the process)
        body = json.dumps(value, default=str, indent=2).encode()
    return Response(body, media_type="application/json", headers={"Cache-Control": "no-store"})
