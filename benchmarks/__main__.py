"""`make bench`: every measure, one table, one JSON file."""

from __future__ import annotations

import importlib
import logging
import sys

import structlog

from benchmarks.harness import Row, present, save

SUITES = (
    "caws",
    "components",
    "conformance",
    "container",
    "guard",
    "health",
    "host",
    "routing",
    "settings",
    "sharing",
    "start",
    "telemetry",
)


def main(chosen: list[str]) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    rows: list[Row] = []
    for name in chosen or SUITES:
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        rows += importlib.import_module(f"benchmarks.{name}").rows()
    present(rows)
    print(f"written to {save(rows)}")


if __name__ == "__main__":
    main(sys.argv[1:])
