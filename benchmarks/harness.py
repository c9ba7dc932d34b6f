"""The harness: interleaved rounds, medians, ratios, one table and one JSON file."""

from __future__ import annotations

import gc
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import orjson
from rich.console import Console
from rich.table import Table

__all__ = ["Row", "interleaved", "percentile", "present", "save"]

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True)
class Row:
    """One measure.

    Attributes:
        measure: what was measured.
        ours: our figure, in `unit`.
        peer: what stands beside it: another way, a library, or the limit that is to be kept.
        peer_value: its figure in the same unit, measured in the same run unless it is a limit.
        unit: such as ns, ms, 1/s.
        target: what was aimed at, in words.
    """

    measure: str
    ours: float
    peer: str
    peer_value: float
    unit: str
    target: str

    @property
    def ratio(self) -> float:
        """Ours over the peer's."""
        return self.ours / self.peer_value if self.peer_value else float("nan")


def interleaved(
    cases: Mapping[str, Callable[[int], float]], *, rounds: int = 21, calls: int = 2000
) -> dict[str, float]:
    """The median cost of each case, in seconds a call.

    Every case runs once in every round, so that whatever else the machine does meets them all alike.

    Args:
        cases: for each name, a function that makes `calls` calls and returns the seconds they took.
        rounds: how often everything is repeated; the first round warms up and is thrown away.
        calls: how many calls a round makes of each case.
    """
    taken: dict[str, list[float]] = {name: [] for name in cases}
    gc.collect()
    for round_number in range(rounds + 1):
        for name, case in cases.items():
            seconds = case(calls) / calls
            if round_number:
                taken[name].append(seconds)
    return {name: statistics.median(values) for name, values in taken.items()}


def percentile(values: list[float], share: float) -> float:
    """The value that `share` (0..1) of the values do not exceed (nearest rank)."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))]


def present(rows: list[Row]) -> None:
    """Print the table."""
    table = Table("measure", "ours", "peer or limit", "peer's", "ratio", "target", header_style="bold")
    for row in rows:
        table.add_row(
            row.measure,
            f"{row.ours:,.3g} {row.unit}",
            row.peer,
            f"{row.peer_value:,.3g} {row.unit}",
            f"{row.ratio:.2f}",
            row.target,
        )
    Console(width=170).print(table)


def save(rows: list[Row]) -> Path:
    """Write the run as JSON and return where."""
    RESULTS.mkdir(exist_ok=True)
    now = datetime.now(UTC)
    document = {
        "measured_at": now,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "rows": [{**asdict(row), "ratio": row.ratio} for row in rows],
    }
    path = RESULTS / f"{now:%Y%m%dT%H%M%SZ}.json"
    path.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))
    return path


def clocked(work: Callable[[], None]) -> float:
    """Seconds of CPU time that `work` took in this thread."""
    begun = time.thread_time()
    work()
    return time.thread_time() - begun
