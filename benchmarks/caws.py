"""The CAWS validator: one spec in process, a whole command line, a large diff; jsonschema and PyYAML's loader beside.

The command line is that of the product's environment, `.venv`, which holds no development package.
"""

from __future__ import annotations

import asyncio
import itertools
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from arbiter.orchestrator.caws.caws12_shape import breaches, schema
from arbiter.orchestrator.caws.change import change_of_diff
from arbiter.orchestrator.caws.document import read
from arbiter.orchestrator.caws.evidence import Evidence
from arbiter.orchestrator.caws.judging import judge
from arbiter.orchestrator.caws.rulesets import ruleset_named
from arbiter.orchestrator.caws.settings import CawsSettings
from arbiter.orchestrator.caws.validator import CawsValidator
from arbiter.testing.live import Fixed
from benchmarks.harness import Row, percentile

__all__ = ["rows"]

LIMIT_MS = 2.0
PROCESS_LIMIT_MS = 350.0
DIFF_LIMIT_MS = 100.0
LEAST_A_SECOND = 1000.0
PROJECT = Path(__file__).resolve().parent.parent
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
    measured = [
        row for name in ("caws-3.4", "caws-8", "caws-12", "caws-8+arbiter") for row in _judged(text, name)
    ]
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
            f"judge a spec with a diff of {CHANGED_LINES:,} lines",
            _diff(text),
            "limit",
            DIFF_LIMIT_MS,
            "ms",
            f"<= {DIFF_LIMIT_MS:g} ms",
        ),
        *_process(text),
    ]


def _judged(text: str, ruleset: str) -> Iterator[Row]:
    validator = CawsValidator(Fixed(CawsSettings()))

    async def judgements() -> list[float]:
        """Milliseconds of each judgement."""
        taken = []
        for _ in range(600):
            begun = time.perf_counter()
            await validator.validate(text, ruleset)
            taken.append((time.perf_counter() - begun) * 1000)
        return taken[100:]

    taken = asyncio.run(judgements())
    measure, target = f"judge a 100-line spec by {ruleset}", f"<= {LIMIT_MS:g} ms"
    yield Row(f"{measure}, p95", percentile(taken, 0.95), "limit", LIMIT_MS, "ms", target)
    rate, least = 1000 / statistics.fmean(taken), f">= {LEAST_A_SECOND:g} a second"
    yield Row(f"{measure}, one process", rate, "limit", LEAST_A_SECOND, "1/s", least)


def _diff(spec: str) -> float:
    """Milliseconds to read the diff and to hold the spec against it."""
    files, each = 100, CHANGED_LINES // 200
    parts = []
    for number in range(files):
        lines = "".join(f"-old line {n}\n+new line {n}\n" for n in range(each))
        parts.append(f"--- a/src/f{number}.py\n+++ b/src/f{number}.py\n@@ -1,{each} +1,{each} @@\n{lines}")
    diff, rules, now = "".join(parts), ruleset_named("caws-8"), datetime.now(UTC)
    return _median(lambda: judge(spec, rules, Evidence(change=change_of_diff(diff)), now), 9)


def _process(text: str) -> Iterator[Row]:
    command = PROJECT / ".venv" / "bin" / "arbiter"
    if not command.exists():  # `make environment` makes it
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spec.yaml"
        path.write_text(text, encoding="utf-8")
        arguments = [str(command), "caws", "check", str(path)]
        ours = _median(lambda: subprocess.run(arguments, check=False, capture_output=True), 9)
    target = f"<= {PROCESS_LIMIT_MS:g} ms"
    yield Row("arbiter caws check, whole process", ours, "limit", PROCESS_LIMIT_MS, "ms", target)


def _median(work: Callable[[], Any], rounds: int = 101) -> float:
    """Milliseconds, without the first round."""
    taken = []
    for _ in range(rounds + 1):
        begun = time.perf_counter()
        work()
        taken.append((time.perf_counter() - begun) * 1000)
    return statistics.median(taken[1:])
