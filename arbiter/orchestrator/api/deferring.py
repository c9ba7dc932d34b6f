"""Models of pydantic that are built when they are first used, where somebody else declares them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import BaseModel, ConfigDict

__all__ = ["deferring_models"]


@contextmanager
def deferring_models() -> Iterator[None]:
    """Let pydantic build the models that are declared meanwhile when they are first used.

    FastAPI describes the whole of OpenAPI in models, as it is imported; nearly all of them are used where the document is
    made, which is when it is first asked for.
    """
    usual = BaseModel.model_config
    BaseModel.model_config = ConfigDict(**{**usual, "defer_build": True})  # which each model begins with
    try:
        yield
    finally:
        BaseModel.model_config = usual
