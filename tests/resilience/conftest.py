"""A real Redis for the tests that share circuits."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.servers import RedisServer, ServerMissing, redis_server


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    """A real Redis; skips where there is none, fails where it must be there."""
    with _server(running=True) as server:
        yield server


@pytest.fixture
def absent() -> Iterator[RedisServer]:
    """A Redis that does not run yet."""
    with _server(running=False) as server:
        yield server


@contextmanager
def _server(*, running: bool) -> Iterator[RedisServer]:
    try:
        with redis_server(running=running) as server:
            yield server
    except ServerMissing as missing:
        if os.environ.get("ARBITER_REQUIRE_SERVERS") == "1":
            raise
        pytest.skip(str(missing))
