"""Models that are built when they are first used."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, ValidationError

from arbiter.orchestrator.api.deferring import deferring_models


def test_a_model_is_built_when_it_is_first_used() -> None:
    """Declared meanwhile it is whole only after its first use, and refuses what it always would."""
    with deferring_models():

        class Later(BaseModel):
            number: int

    assert not Later.__pydantic_complete__
    with pytest.raises(ValidationError):
        Later.model_validate({"number": "none"})
    assert Later.__pydantic_complete__


def test_models_of_before_and_after_are_built_at_once() -> None:
    """Nothing of it lasts."""
    with pytest.raises(KeyError), deferring_models():
        raise KeyError

    class AtOnce(BaseModel):
        number: int

    assert AtOnce.__pydantic_complete__
    assert "defer_build" not in AtOnce.model_config
