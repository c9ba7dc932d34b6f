"""The `[observability]` section."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from arbiter.observability.settings import ObservabilitySettings


@pytest.mark.parametrize(
    "wrong",
    [
        {"sample_ratio": 1.5},
        {"log_level": "loud"},
        {"otlp_endpoint": "collector:4317"},
        {"silent_paths": ["livez"]},
        {"log_levl": "info"},
    ],
)
def test_a_value_that_cannot_hold_is_refused(wrong: dict[str, Any]) -> None:
    """A ratio out of range, an unknown level, an endpoint without scheme, a relative path, an unknown key."""
    with pytest.raises(ValidationError):
        ObservabilitySettings(**wrong)
