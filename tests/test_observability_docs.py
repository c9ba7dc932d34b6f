"""docs/observability.md is a program: an operator follows it and finds out why one task was slow."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import PROJECT, probe, until
from tests.test_tutorial import BLOCK, Block, Reader

PAGE = PROJECT / "docs" / "observability.md"
REQUEST = '"name": "POST /v1/tasks/route"'
OURS = ("config", "containers", "settings.toml")


class Operator(Reader):
    """Somebody who follows the page in a folder that holds the application."""

    def follow(self, block: Block) -> None:
        """Do what one block says; examples of code are for the reader's own application, and only have to run."""
        if block.title:
            (self.folder / block.title).write_text(self.moved(block.text), encoding="utf-8")
        elif block.language == "python":
            self.run([sys.executable, "-c", block.text])
        elif block.language:
            super().follow(block)

    def serve(self, command: str) -> None:
        """Start the service as the page does, in the background of a shell."""
        self.server = subprocess.Popen(
            ["bash", "-c", f"exec env {command}"],
            cwd=self.folder,
            env=self.variables(),
            start_new_session=True,
        )
        until(
            lambda: probe(f"http://127.0.0.1:{self.management}/readyz") == 200, what="the service", limit_s=60
        )

    def stop(self) -> int:
        """What `kill` does."""
        assert self.server is not None
        self.server.send_signal(signal.SIGTERM)
        return self.server.wait(30)

    def type(self, command: str, output: str) -> None:
        """Run a command; what reads the log may be asked again, since spans are written half a second later."""
        until(lambda: self._is_written(command), what=f"the spans that are read by {command}")
        super().type(command, output)

    def _is_written(self, command: str) -> bool:
        """Whether the spans of all six requests are in the file."""
        log = self.folder / "arbiter.log"
        return "arbiter.log" not in command or log.read_text(encoding="utf-8").count(REQUEST) == 6


@pytest.fixture
def operator(tmp_path: Path) -> Iterator[Operator]:
    """An operator in a copy of the application, who leaves no server running."""
    for name in OURS:
        if (PROJECT / name).is_dir():
            shutil.copytree(PROJECT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(PROJECT / name, tmp_path / name)
    made = Operator(tmp_path)
    yield made
    if made.server is not None and made.server.poll() is None:
        os.killpg(made.server.pid, signal.SIGKILL)
        made.server.wait()


@pytest.mark.skipif(
    shutil.which("curl") is None, reason="the page's operator has curl, and this machine has not"
)
def test_an_operator_finds_out_why_one_task_was_slow(operator: Operator) -> None:
    """Every block of the page does what the page says."""
    for block in [Block(*found) for found in BLOCK.findall(PAGE.read_text(encoding="utf-8"))]:
        operator.follow(block)
