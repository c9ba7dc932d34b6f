"""What the process itself uses, under OpenTelemetry's names; read from `/proc` where there is one.

Two names differ, `process.threads` and `process.unix.file_descriptors`: Prometheus keeps "_count" for histograms.
"""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from arbiter.protocols import Measurement

__all__ = ["ProcessMetrics"]

_STATM, _FDS = Path("/proc/self/statm"), Path("/proc/self/fd")


class ProcessMetrics:
    """CPU time, memory, threads, open files, garbage collections and age of this process; a `MetricSource`."""

    def __init__(self) -> None:
        self._since = time.monotonic()
        self._page_bytes = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 0

    def measurements(self) -> Iterator[Measurement]:
        """The present numbers."""
        times = os.times()
        for mode, seconds in (("user", times.user), ("system", times.system)):
            about, attributes = "CPU time that the process has used.", (("cpu.mode", mode),)
            yield Measurement("process.cpu.time", "counter", seconds, about, "s", attributes)
        with suppress(OSError, ValueError, IndexError):
            resident = int(_STATM.read_text(encoding="ascii").split()[1]) * self._page_bytes
            yield Measurement("process.memory.usage", "gauge", resident, "Memory that is resident.", "By")
        with suppress(OSError):
            count, about = len(os.listdir(_FDS)), "Open file descriptors."  # noqa: PTH208  counting, not walking
            yield Measurement("process.unix.file_descriptors", "gauge", count, about, "{file_descriptor}")
        threads = threading.active_count()
        yield Measurement("process.threads", "gauge", threads, "Python threads that run.", "{thread}")
        age_s = time.monotonic() - self._since
        yield Measurement("process.uptime", "gauge", age_s, "Since the application was composed.", "s")
        about = "Garbage collections, by generation."
        for generation, stats in enumerate(gc.get_stats()):
            attributes = (("cpython.gc.generation", str(generation)),)
            collections = stats["collections"]
            yield Measurement(
                "cpython.gc.collections", "counter", collections, about, "{collection}", attributes
            )
