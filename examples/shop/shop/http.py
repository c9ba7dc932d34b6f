"""The HTTP API; probes, limits and telemetry are around it already."""

from __future__ import annotations

import dataclasses

from arbiter import ArbiterError
from arbiter.errors import Invalid
from arbiter.serving.problems import problem_of
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from shop.orders import Orders
from shop.stock import Stock

__all__ = ["create_http"]


class OrderDraft(BaseModel):
    """What a customer sends."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    item: str
    count: int = 1


def create_http(stock: Stock, orders: Orders) -> Starlette:
    """`GET /stock` and `POST /orders`."""

    async def show(_: Request) -> Response:
        return JSONResponse(await stock.all())

    async def place(request: Request) -> Response:
        try:
            draft = OrderDraft.model_validate_json(await request.body())
        except ValidationError as error:
            first = error.errors()[0]
            raise Invalid(first["msg"], field=".".join(map(str, first["loc"]))) from error
        order = await orders.place(draft.item, draft.count)
        return JSONResponse(dataclasses.asdict(order), status_code=201)

    async def refuse(_: Request, error: Exception) -> Response:
        assert isinstance(error, ArbiterError)
        return problem_of(error)

    return Starlette(
        routes=[Route("/stock", show), Route("/orders", place, methods=["POST"])],
        exception_handlers={ArbiterError: refuse},
    )
