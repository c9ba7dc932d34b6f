"""The CAWS validator: one spec in process, a whole command line, a large diff; jsonschema and PyYAML's loader beside."""

from __future__ import annotations

import asyncio
import itertools
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from arbiter.orchestrator.caws.caws12_shape import breaches, schema
from arbiter.orchestrator.caws.change import change_of_diff
from arbiter.orchestrator.caws.document import read
from arbiter.orchestrator.caws.settings import CawsSettings
from arbiter.orchestrator.caws.validator import CawsValidator
from arbiter.testing.live import Fixed
from benchmarks.harness import Row, percentile

__all__ = ["rows"]

LIMIT_MS = 2.0
PROCESS_LIMIT_MS = 350.0
DIFF_LIMIT_MS = 100.0
CHANGED_LINES = 20_000

HEAD = """\
id: FEAT-0042
title: Customers can export their invoices
risk_tier: 2
mode: feature
lifecycle_state: active
blast_radius:
  modules: [billing, export]
  data_migration: false
operational_rollback_slo: 15m
scope:
  in:
    - src/billing/
    - src/export/
  out:
    - src/auth/
non_functional:
  security: [input-validation, authentication, authorization]
contracts:
  - name: export
    type: api
    path: docs/api.yaml
observability: [exports are logged]
rollback:
  - Switch the feature off
  - Verify that exports are refused
invariants:
"""


def spec_of_100_lines() -> str:
    """A spec as teams write them: half of it invariants and acceptance criteria."""
    text = (
        HEAD
        + "".join(f"  - Invariant {n} of the exported invoices holds\n" for n in range(20))
        + "acceptance:\n"
    )
    for number in itertools.count(1):
        if text.count("\n") >= 100:
            return text
        text += f"  - id: A{number}\n    given: invoice {number} is paid\n    when: it is exported\n    then: the file holds its total\n"
    return text


def rows() -> list[Row]:
    text = spec_of_100_lines()
    measured = [_judged(text, name) for name in ("caws-3.4", "caws-8", "caws-12", "caws-8+arbiter")]
    pure = _median(lambda: yaml.load(text, Loader=yaml.SafeLoader))
    data = read(text, core=True).data
    peer = jsonschema.Draft202012Validator(schema())
    return [
        *measured,
        Row(
            "read a 100-line spec, with places",
            _median(lambda: read(text)),
            "PyYAML pure loader",
            pure,
            "ms",
            "-",
        ),
        Row(
            "shape of a spec (caws-12)",
            _median(lambda: list(breaches(data))),
            "jsonschema",
            _median(lambda: list(peer.iter_errors(data))),
            "ms",
            "-",
        ),
        Row(
            f"a diff of {CHANGED_LINES:,} lines",
            _diff(),
            "limit",
            DIFF_LIMIT_MS,
            "ms",
            f"<= {DIFF_LIMIT_MS:g} ms",
        ),
        _process(text),
    ]


def _judged(text: str, ruleset: str) -> Row:
    validator = CawsValidator(Fixed(CawsSettings()))

    async def judge() -> list[float]:
        """Milliseconds of each judgement."""
        taken = []
        for _ in range(600):
            begun = time.perf_counter()
            await validator.validate(text, ruleset)
            taken.append((time.perf_counter() - begun) * 1000)
        return taken[100:]

    p95 = percentile(asyncio.run(judge()), 0.95)
    return Row(
        f"judge a 100-line spec by {ruleset}, p95", p95, "limit", LIMIT_MS, "ms", f"<= {LIMIT_MS:g} ms"
    )


def _diff() -> float:
    files, each = 100, CHANGED_LINES // 200
    parts = []
    for number in range(files):
        lines = "".join(f"-old line {n}\n+new line {n}\n" for n in range(each))
        parts.append(f"--- a/src/f{number}.py\n+++ b/src/f{number}.py\n@@ -1,{each} +1,{each} @@\n{lines}")
    text = "".join(parts)
    return _median(lambda: change_of_diff(text), 9)


def _process(text: str) -> Row:
    command = str(Path(sys.executable).parent / "arbiter")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spec.yaml"
        path.write_text(text, encoding="utf-8")
        arguments = [command, "caws", "check", str(path)]
        ours = _median(lambda: subprocess.run(arguments, check=False, capture_output=True), 9)
    return Row(
        "arbiter caws check, whole process",
        ours,
        "limit",
        PROCESS_LIMIT_MS,
        "ms",
        f"<= {PROCESS_LIMIT_MS:g} ms",
    )


def _median(work: Callable[[], Any], rounds: int = 101) -> float:
    """Milliseconds, without the first round."""
    taken = []
    for _ in range(rounds + 1):
        begun = time.perf_counter()
        work()
        taken.append((time.perf_counter() - begun) * 1000)
    return statistics.median(taken[1:])
