"""SARIF 2.1.0: what code hosts need of a log, and that no judgement breaks it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import jsonschema_rs
import orjson
import pytest

from arbiter.orchestrator.caws.evidence import Attachment, Evidence
from arbiter.orchestrator.caws.sarif import sarif_of
from tests.orchestrator.caws.kit import NOW, changed, judged, spec, waiver

TEXT = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}}
# The parts of the published schema that this log uses, with their bounds; the whole of it is tried where
# ARBITER_SARIF_SCHEMA names a copy.
COMPACT: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["version", "runs"],
    "properties": {
        "$schema": {"type": "string", "format": "uri"},
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["tool"],
                "properties": {
                    "tool": {
                        "type": "object",
                        "required": ["driver"],
                        "properties": {
                            "driver": {
                                "type": "object",
                                "additionalProperties": False,
                                "required": ["name"],
                                "properties": {
                                    "name": {"type": "string"},
                                    "semanticVersion": {"type": "string"},
                                    "rules": {
                                        "type": "array",
                                        "uniqueItems": True,
                                        "items": {
                                            "type": "object",
                                            "additionalProperties": False,
                                            "required": ["id"],
                                            "properties": {
                                                "id": {"type": "string"},
                                                "shortDescription": TEXT,
                                                "help": TEXT,
                                            },
                                        },
                                    },
                                },
                            }
                        },
                    },
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "properties": {"type": "object"},
                    "results": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "additionalProperties": False,
                            "required": ["message"],
                            "properties": {
                                "ruleId": {"type": "string"},
                                "ruleIndex": {"type": "integer", "minimum": 0},
                                "level": {"enum": ["none", "note", "warning", "error"]},
                                "message": TEXT,
                                "locations": {
                                    "type": "array",
                                    "items": {
                                        "type": "object",
                                        "properties": {
                                            "physicalLocation": {
                                                "type": "object",
                                                "properties": {
                                                    "artifactLocation": {
                                                        "properties": {"uri": {"format": "uri-reference"}}
                                                    },
                                                    "region": {
                                                        "properties": {
                                                            "startLine": {"type": "integer", "minimum": 1},
                                                            "startColumn": {"type": "integer", "minimum": 1},
                                                        }
                                                    },
                                                },
                                            }
                                        },
                                    },
                                },
                            },
                        },
                    },
                },
            },
        },
    },
}

DOCUMENTS = [
    (spec(), None),
    ("id: nope\nrisk_tier: 9\n", None),
    (spec(scope="{in: [/]}"), "arbiter"),
    ("{{A}}: 1\nx: 1\nx: 2\n", "caws-8"),
    ("id: 1\n", "caws-12"),
]


def schemas() -> list[Any]:
    """The compact one, and the published one where a copy is named."""
    named = os.environ.get("ARBITER_SARIF_SCHEMA")
    return [COMPACT, *([orjson.loads(Path(named).read_bytes())] if named else [])]


@pytest.mark.parametrize(("document", "ruleset"), DOCUMENTS)
async def test_a_log_is_of_the_published_shape(document: str, ruleset: str | None) -> None:
    """Whatever was found: about the spec, about other files, with any severity."""
    evidence = Evidence(
        waivers=(waiver(status="revoked"),),
        change=changed(900, 10, "lib"),
        reports=(Attachment("odd name #1.xml", "hello"),),
        now=NOW,
    )
    for given in (None, evidence):
        log = sarif_of(await judged(document, ruleset, given), "./my spec.yaml", "1.0.0")

        for schema in schemas():
            validator = jsonschema_rs.validator_for(schema, validate_formats=True)
            assert [error.message for error in validator.iter_errors(log)] == []


async def test_each_result_points_at_its_rule_and_place() -> None:
    """Index and id agree; levels are those of SARIF; paths are escaped."""
    judgement = await judged("id: nope\n" + spec(id=None, invariants="[]"))

    (run,) = sarif_of(judgement, "my spec.yaml", "1.0.0")["runs"]

    found = {result["ruleId"]: result for result in run["results"]}
    place = found["id-format"]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "my%20spec.yaml"
    assert place["region"] == {"startLine": 1, "startColumn": 5}
    assert [found[name]["level"] for name in ("id-format", "no-invariants")] == ["error", "warning"]
    assert all(run["tool"]["driver"]["rules"][r["ruleIndex"]]["id"] == r["ruleId"] for r in run["results"])
