"""Real servers for tests, started from the binaries that the machine has, on free loopback ports.

    with postgresql() as server:      # raises ServerMissing with the reason where there is none
        url = server.new_database()

A server run by root is started as `nobody`, since PostgreSQL refuses to run as root.
"""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.ports import free_port

__all__ = [
    "Postgresql",
    "RedisServer",
    "ServerMissing",
    "postgresql",
    "prometheus",
    "promtool",
    "redis_server",
]

_START_LIMIT_S = 30.0
_STOP_LIMIT_S = 10.0


class ServerMissing(Exception):
    """The server cannot be started here; the words say what is missing."""


@dataclass(slots=True)
class Postgresql:
    """A running server, empty but for the databases that tests ask for."""

    port: int
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def new_database(self, template: str = "template1") -> str:
        """Make a database, a copy of `template`, which nobody may be connected to; returns its URL."""
        import psycopg

        name = f"test_{next(self._numbers)}"
        with psycopg.connect(self.dsn("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
        return f"postgresql+psycopg://arbiter@127.0.0.1:{self.port}/{name}"

    def empty(self, url: str) -> None:
        """Take every row out of a database with our schema; positions begin at 1 again.

        A database of its own for each test would leave some 300 files behind each time, which takes minutes to delete.
        """
        import psycopg

        with psycopg.connect(self.dsn(url.rpartition("/")[2]), autocommit=True) as connection:
            connection.execute("SET lock_timeout = '10s'")
            found = connection.execute(
                "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
            ).fetchall()
            tables = ", ".join(sorted(name for (name,) in found if name != "alembic_version"))
            connection.execute(f"TRUNCATE {tables} RESTART IDENTITY CASCADE".encode())

    def dsn(self, database: str) -> str:
        """What the driver itself connects with."""
        return f"host=127.0.0.1 port={self.port} user=arbiter dbname={database} connect_timeout=2"


@contextlib.contextmanager
def postgresql() -> Iterator[Postgresql]:
    """Run a server for as long as the block lasts. It forgets on a crash (fsync off), which is right for tests.

    Raises:
        ServerMissing: the driver or the binaries are not installed.
    """
    binaries = _binaries()
    directory = Path(tempfile.mkdtemp(prefix="arbiter-postgres-"))
    try:
        port, identity = free_port(), _identity(directory)
        options = ("-U", "arbiter", "-A", "trust", "-E", "UTF8", "-N")
        initdb = [str(binaries / "initdb"), "-D", str(directory / "data"), *options]
        subprocess.run(initdb, check=True, capture_output=True, cwd=directory, **identity)
        process = _serve(binaries, directory, port, identity)
        try:
            yield _ready(Postgresql(port), process)
        finally:
            _end(process)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


class RedisServer:
    """A Redis on a port of its own, which it keeps while it is stopped and started again. It keeps nothing on disk."""

    def __init__(self, binary: str, directory: Path) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._binary, self._directory = binary, directory
        self._identity = _identity(directory)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Serve, from nothing."""
        options = {"port": str(self.port), "bind": "127.0.0.1", "save": "", "appendonly": "no"}
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        with (self._directory / "log").open("ab") as output:
            self._process = subprocess.Popen(
                [self._binary, *words],
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self._directory,
                **self._identity,
            )
        self._await_answer(self._process)

    def stop(self) -> None:
        """End at once, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Answer no more, with every connection still open."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Answer again."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _await_answer(self, process: subprocess.Popen[bytes]) -> None:
        until = time.monotonic() + _START_LIMIT_S
        while time.monotonic() < until and process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.02)
        raise ServerMissing(f"Redis did not start within {_START_LIMIT_S:g} s")


@contextlib.contextmanager
def redis_server(*, running: bool = True) -> Iterator[RedisServer]:
    """A Redis for as long as the block lasts.

    Raises:
        ServerMissing: the driver or the binary is not installed.
    """
    if importlib.util.find_spec("redis") is None:
        raise ServerMissing("redis is not installed (extra `redis`)")
    binary = shutil.which("redis-server")
    if binary is None:
        raise ServerMissing("no Redis server is installed (Debian: apt-get install redis-server)")
    directory = Path(tempfile.mkdtemp(prefix="arbiter-redis-"))
    try:
        server = RedisServer(binary, directory)
        try:
            if running:
                server.start()
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _binaries() -> Path:
    if importlib.util.find_spec("psycopg") is None:
        raise ServerMissing("psycopg is not installed (extra `postgres`)")
    on_path = shutil.which("postgres")
    found = [Path(on_path).parent] if on_path else []
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for directory in found:
        if (directory / "initdb").exists() and (directory / "postgres").exists():
            return directory
    raise ServerMissing("no PostgreSQL server is installed (Debian: apt-get install postgresql)")


def _identity(directory: Path) -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    os.chown(directory, nobody.pw_uid, nobody.pw_gid)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _serve(binaries: Path, directory: Path, port: int, identity: dict[str, Any]) -> subprocess.Popen[bytes]:
    options = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off"}
    words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
    with (directory / "log").open("wb") as output:
        return subprocess.Popen(
            [f"{binaries}/postgres", "-D", f"{directory}/data", "-p", str(port), *words],
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=directory,
            **identity,
        )


def _ready(server: Postgresql, process: subprocess.Popen[bytes]) -> Postgresql:
    import psycopg

    until = time.monotonic() + _START_LIMIT_S
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(psycopg.OperationalError), psycopg.connect(server.dsn("postgres")):
            return server
        time.sleep(0.02)
    raise ServerMissing(f"PostgreSQL did not start within {_START_LIMIT_S:g} s")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)  # a fast shutdown: sessions are ended
    try:
        process.wait(_STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def promtool(*arguments: str, text: bytes) -> subprocess.CompletedProcess[bytes]:
    """Run Prometheus's own checker on `text`.

    Raises:
        ServerMissing: it is not installed.
    """
    command = [_prometheus_binary("promtool"), *arguments]
    return subprocess.run(command, input=text, capture_output=True, timeout=60, check=False)


@contextlib.contextmanager
def prometheus(target: str) -> Iterator[str]:
    """A Prometheus server that scrapes `target` (host:port) every second, for as long as the block lasts; its URL.

    Raises:
        ServerMissing: it is not installed.
    """
    binary, port = _prometheus_binary("prometheus"), free_port()
    directory = Path(tempfile.mkdtemp(prefix="arbiter-prometheus-"))
    job = {"job_name": "arbiter", "scrape_interval": "1s", "static_configs": [{"targets": [target]}]}
    (directory / "prometheus.yml").write_text(json.dumps({"scrape_configs": [job]}))  # JSON is YAML
    options = [f"--config.file={directory}/prometheus.yml", f"--storage.tsdb.path={directory}/data"]
    try:
        with (directory / "log").open("wb") as output:
            process = subprocess.Popen(
                [binary, *options, f"--web.listen-address=127.0.0.1:{port}"], stdout=output, stderr=output
            )
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            _end(process)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _prometheus_binary(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise ServerMissing(f"{name} is not installed (Debian: apt-get install prometheus)")
    return found
