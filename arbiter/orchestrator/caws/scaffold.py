"""A spec to start from, which passes the rules that it is written for."""

from __future__ import annotations

from typing import Final

__all__ = ["scaffold"]

_COMMON: Final = """\
# What this change may touch, and what must hold afterwards. Judge it with:
#   arbiter caws check {file}
#   arbiter caws check {file} --base main
id: {id}
title: {title}
risk_tier: {tier}            # 1 critical, 2 standard, 3 low risk
mode: {mode}               # feature, refactor, fix, doc or chore
"""
_UP_TO_8: Final = """\
blast_radius:
  modules: [{module}]
  data_migration: false
operational_rollback_slo: 15m
scope:
  in:                   # files and directories that may change
    - {module}/
    - tests/
  out:                  # what a reader could think belongs to it
    - infrastructure/
invariants:
  - Existing interfaces of {module} keep their behaviour
acceptance:
  - id: A1
    given: the change is deployed
    when: the existing tests are run
    then: all of them pass
non_functional:
  a11y: []
  perf: {{api_p95_ms: 250}}
  security: [input-validation, authentication, authorization]
contracts:
  - type: openapi
    path: docs/api.yaml
observability:
  logs: [requests and errors of {module}]
  metrics: [rate and latency of requests]
  alerts: [share of errors above 1 percent]
rollback:
  - Deploy the version before
  - Verify that the existing tests pass
"""
_OF_12: Final = """\
lifecycle_state: draft
operational_rollback_slo: 15m
blast_radius:
  modules: [{module}]
  data_migration: false
scope:
  in: [{module}/, tests/]
  out: [infrastructure/]
invariants:
  - Existing interfaces of {module} keep their behaviour
acceptance:
  - id: A1
    given: the change is deployed
    when: the existing tests are run
    then: all of them pass
non_functional:
  performance: [p95 of a request below 250 ms]
  security: [input-validation, authentication, authorization]
contracts:
  - {{name: api, type: api, path: docs/api.yaml}}
observability: [requests and errors of {module} are logged]
rollback: [Deploy the version before, Verify that the existing tests pass]
"""


def scaffold(*, ruleset: str, file: str, spec_id: str, title: str, tier: int, mode: str, module: str) -> str:
    """A spec as YAML.

    Args:
        ruleset: the rules that it must pass.
        file: where it will be, for its comment.
        spec_id: such as FEAT-0001.
        title: a sentence.
        tier: 1 to 3.
        mode: feature, refactor, fix, doc or chore.
        module: the directory that changes.
    """
    template = _COMMON + (_OF_12 if ruleset.startswith("caws-12") else _UP_TO_8)
    return template.format(
        id=spec_id, title=_quoted(title), tier=tier, mode=mode, module=_quoted(module.rstrip("/")), file=file
    ).replace('"/', '/"')


def _quoted(text: str) -> str:
    """The text as YAML: plain where that is safe, else as JSON has it, which YAML reads as well."""
    if text.replace(" ", "").replace("/", "").replace("-", "").replace("_", "").isalnum() and text.isascii():
        plain = text.strip() == text and text[0].isalpha() and text.lower() not in ("true", "false", "null")
        return text if plain else f'"{text}"'
    import json  # noqa: PLC0415  only for the rare title

    return json.dumps(text, ensure_ascii=False)
