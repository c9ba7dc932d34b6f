"""The documentation: the OpenAPI document as it should be, and a page that shows it without the internet.

Every address on the page is relative, so that it works behind a path prefix.
"""

from __future__ import annotations

import asyncio
import importlib.util
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.responses import HTMLResponse, JSONResponse
from starlette.staticfiles import StaticFiles

from arbiter.errors import StartError
from arbiter.orchestrator.api.models import Problem

__all__ = ["BODY", "describe", "problems", "serve_docs"]

BODY = (400, 413, 415)
"""What an operation that reads a JSON body may answer besides: malformed, too large, not declared as JSON."""

_REFERENCE = "#/components/schemas/{model}"
_ALWAYS = (401, 403, 408, 422, 429, 431, 500, 503, 504)
_WORDS = {
    400: "The body is not JSON; the position is named.",
    401: "A token is needed, or the one that was sent is not known; WWW-Authenticate says how.",
    403: "The token does not have the operation's scope.",
    404: "Not found.",
    408: "The request did not come in time.",
    409: "The present state forbids it; the problem's type says why.",
    413: "The body is larger than this service reads.",
    415: "The body is not declared as JSON.",
    422: "The input cannot be accepted; each fault is named by field.",
    429: "Too many requests; Retry-After says when to go on.",
    431: "The request's headers are larger than this service reads.",
    500: "An unforeseen failure; the log says why, by trace id.",
    503: "Not now; Retry-After says when to try again.",
    504: "It took longer than its deadline.",
}
_RETRY_AFTER = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer", "minimum": 1}}}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of an operation: the problems it may answer with, besides those that any may."""
    return {status: _documented(status) for status in sorted({*statuses, *_ALWAYS})}


def describe(app: FastAPI, *models: type[BaseModel]) -> None:
    """Let `app` describe what FastAPI cannot see: the tokens, and `models` that operations name in words of their own."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(
                title=app.title,
                version=app.version,
                summary=app.summary,
                description=app.description,
                routes=app.routes,
                tags=app.openapi_tags,
            )
            _, more = models_json_schema([(model, "validation") for model in models], ref_template=_REFERENCE)
            schema["components"]["schemas"] |= more["$defs"]
            schema["components"]["securitySchemes"] = _SECURITY
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # the way FastAPI documents


def serve_docs(app: FastAPI) -> None:
    """Serve the document, and the page at /docs and its parts below it, from the installed package `fastapi_offline`."""

    async def document() -> JSONResponse:
        """The document: made when it is first asked for, on a thread, since that takes a tenth of a second and more."""
        return JSONResponse(await asyncio.to_thread(app.openapi))

    async def docs() -> HTMLResponse:
        """The page."""
        return get_swagger_ui_html(
            openapi_url="openapi.json",
            title=f"{app.title} - API",
            swagger_js_url="docs/assets/swagger-ui-bundle.js",
            swagger_css_url="docs/assets/swagger-ui.css",
            swagger_favicon_url="docs/assets/favicon.png",
            # Swagger UI would otherwise show a badge that a public server paints.
            swagger_ui_parameters={
                "validatorUrl": None,
                "tryItOutEnabled": True,
                "displayRequestDuration": True,
            },
        )

    app.add_api_route("/openapi.json", document, include_in_schema=False, response_class=JSONResponse)
    app.add_api_route("/docs", docs, include_in_schema=False, response_class=HTMLResponse)
    app.mount("/docs/assets", StaticFiles(directory=_assets()), name="docs-assets")


def _documented(status: int) -> dict[str, Any]:
    # Named, not given as FastAPI's `model`: of that it makes one field for each status of each operation, 250 in all.
    content = {"application/problem+json": {"schema": {"$ref": _REFERENCE.format(model=Problem.__name__)}}}
    described: dict[str, Any] = {"description": _WORDS[status], "content": content}
    return {**described, "headers": _RETRY_AFTER} if status in {429, 503} else described


_SECURITY = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "One of server.tokens in the settings. Where none are set (development), none is needed.",
    }
}


def _assets() -> Path:
    found = importlib.util.find_spec("fastapi_offline")
    if found is None or found.origin is None:
        raise StartError(
            "The files of the documentation page are not installed.",
            hint="Install the extra: pip install 'arbiter-framework[orchestrator]'",
        )
    return Path(found.origin).parent / "static"
