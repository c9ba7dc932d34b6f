"""Records in Redis: one hash a circuit, one Lua script for everything, short time-outs and no retries."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from typing import Any, Final

from arbiter.errors import ConfigurationError
from arbiter.resilience.shared.record import Decision, Lease, Record, Reply, StoreFailed

__all__ = ["RedisStore"]

# One hash tag, so that a cluster keeps them together: the script changes a record and the generation at once.
_PREFIX: Final = "{arbiter}:breakers:"
_GENERATION: Final = "{arbiter}:breakers"
_US: Final = 1_000_000


class RedisStore:
    """A `Store`. To be used by one thread.

    Args:
        url: `redis://`, `rediss://` or `unix://`.
        timeout_s: how long one command may take.

    Raises:
        ConfigurationError: redis is not installed, or the address cannot be used.
    """

    def __init__(self, url: str, timeout_s: float) -> None:
        try:
            import redis  # noqa: PLC0415  an extra, and slow to import
            from redis.backoff import NoBackoff  # noqa: PLC0415
            from redis.retry import Retry  # noqa: PLC0415
        except ModuleNotFoundError as error:
            raise ConfigurationError(
                "resilience.redis_url is set, and the package redis is not installed.",
                hint="pip install 'arbiter-framework[redis]', or take redis_url away.",
            ) from error
        self._failures: tuple[type[Exception], ...] = (redis.RedisError, OSError)
        try:
            # Without this, redis-py tries again for eight seconds once a server is gone.
            retry = Retry(NoBackoff(), 0)
            self._client: Any = redis.Redis.from_url(
                url,
                socket_timeout=timeout_s,
                socket_connect_timeout=timeout_s,
                retry=retry,
                decode_responses=True,
                client_name="arbiter-breakers",
            )
        except ValueError:
            raise ConfigurationError(
                "resilience.redis_url is no address of a Redis server.",
                hint="Write it as redis://host:6379/0, rediss://... or unix:///path.",
            ) from None
        script = (
            resources.files("arbiter.resilience.shared").joinpath("record.lua").read_text(encoding="utf-8")
        )
        self._script: Any = self._client.register_script(script)

    def generation(self) -> int:
        """A number that differs whenever any record has changed."""
        with self._answering():
            return int(self._client.get(_GENERATION) or 0)

    def read(self, names: list[str]) -> dict[str, Record]:
        """The records that there are, by circuit."""
        replies = {name: self._run(name, "read", 0) for name in names}
        return {name: reply.record for name, reply in replies.items() if reply.record is not None}

    def lease(self, name: str, lease: Lease, permits: int, max_age_s: float, attempt: int) -> Reply:
        """Take a trial's lease, if the interval is over and fewer than `permits` are out."""
        return self._run(name, "lease", lease.version, lease.id, permits, _us(max_age_s), attempt)

    def settle(self, name: str, lease: Lease, verdict: str, threshold: int, decision: Decision) -> Reply:
        """Give a lease back with its verdict."""
        opening = (_us(decision.interval_s), decision.attempt)
        return self._run(name, "settle", lease.version, lease.id, verdict, threshold, *opening)

    def decide(self, name: str, version: int, decision: Decision) -> Reply:
        """Change the state, unless the record is newer than `version`."""
        words = (decision.state, _us(decision.interval_s), decision.attempt, int(decision.forced))
        return self._run(name, "decide", version, *words)

    def close(self) -> None:
        """Let go of the connection."""
        with self._answering():
            self._client.close()

    def _run(self, name: str, act: str, version: int, *words: object) -> Reply:
        with self._answering():
            answer = self._script(keys=[_PREFIX + name, _GENERATION], args=[act, version, *words])
        done, known, state, left_us, attempt = answer
        record = Record(int(known), state, int(left_us) / _US, int(attempt)) if known else None
        return Reply(bool(done), record)

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except self._failures as error:
            raise StoreFailed(f"{type(error).__name__}: {error}") from error


def _us(seconds: float) -> int:
    return round(seconds * _US)
