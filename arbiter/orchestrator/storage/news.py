"""What other instances changed: sent with a transaction, heard after its commit by every other instance, in that order.

PostgreSQL carries it (NOTIFY), to a connection and a thread of its own. SQLite belongs to one program, and has no news.
Whoever follows loads what there is after it began to listen; what it hears twice by that must do no harm.
"""

from __future__ import annotations

import asyncio
import contextlib
import select
import socket
import uuid
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson
import structlog

if TYPE_CHECKING:
    import psycopg
    from sqlalchemy import URL, Connection

__all__ = ["Listener", "News", "announce", "outbox", "send"]

log = structlog.get_logger(__name__)

_CHANNEL: Final = "arbiter"
_OUTBOX: Final = "arbiter.outbox"
_ALIVE_EVERY_S: Final = 10.0
"""How often a silent connection is asked whether it is still there."""
_AGAIN_AFTER_S: Final = 0.5

_SEND = f"SELECT pg_notify('{_CHANNEL}', word) FROM unnest(CAST(%(words)s AS text[])) AS word"  # noqa: S608  a constant


def announce(connection: Connection, topic: str, fact: Any) -> None:
    """Tell all other instances of a change, if and when the transaction of `connection` commits.

    Args:
        connection: that a write job was handed.
        topic: what followers asked for.
        fact: as JSON, up to about 7,000 bytes.
    """
    if connection.dialect.name == "postgresql":
        outbox(connection).append((topic, fact))


def outbox(connection: Connection) -> list[tuple[str, Any]]:
    """What is to be sent with the transaction."""
    waiting: list[tuple[str, Any]] = connection.info.setdefault(_OUTBOX, [])
    return waiting


def send(connection: Connection, sender: str) -> None:
    """Hand over what was announced, which the server delivers with the commit."""
    waiting = outbox(connection)
    if waiting:
        words = [orjson.dumps([sender, topic, fact]).decode() for topic, fact in waiting]
        connection.exec_driver_sql(_SEND, {"words": words})
        waiting.clear()


class News:
    """Who wants to hear of which topic.

    Attributes:
        sender: what this instance signs its own announcements with, which it passes over when it hears them.
    """

    def __init__(self) -> None:
        self.sender = uuid.uuid4().hex
        self._followers: list[_Follower] = []

    def follow(
        self, topic: str, heard: Callable[[Any], None], lost: Callable[[], None]
    ) -> Callable[[], None]:
        """Tell of a topic from now on, until what is returned is called. Both are called on the present loop."""
        follower = _Follower(topic, heard, lost, asyncio.get_running_loop())
        self._followers.append(follower)
        return lambda: self._followers.remove(follower)

    def tell(self, words: list[str] | None) -> None:
        """Pass on what came in, or None: something may have been missed. On any thread."""
        told = [fact for fact in map(orjson.loads, words or ()) if fact[0] != self.sender]
        for follower in list(self._followers):
            facts = [fact for _, topic, fact in told if topic == follower.topic]
            if facts or words is None:
                with contextlib.suppress(RuntimeError):  # its loop is closed: it has gone without a stop
                    follower.loop.call_soon_threadsafe(follower.tell, facts, words is None)


class Listener:
    """Hears what other instances announce, on a thread of its own, and connects again when it is cut off.

    Args:
        url: of the PostgreSQL database.
        news: who wants to know.
    """

    def __init__(self, url: URL, news: News) -> None:
        self._parameters = url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._news = news
        self._wake, self._woken = socket.socketpair()
        self._is_over = False
        self.listening: Future[None] = Future()
        """Done once nothing that is announced from then on can be missed; or failed."""

    def run(self) -> None:
        """The thread's life: until `close`."""
        import psycopg  # noqa: PLC0415  an extra, and only PostgreSQL needs it

        while not self._is_over:
            try:
                with psycopg.connect(self._parameters, autocommit=True, connect_timeout=5) as connection:
                    self._hear(connection)
            except psycopg.Error as error:
                if not self.listening.done():
                    self.listening.set_exception(error)
                    break
                reason = str(error).partition("\n")[0]
                log.warning("changes of other instances are not heard, trying again", reason=reason)
                select.select([self._woken], [], [], _AGAIN_AFTER_S)
        self._wake.close()
        self._woken.close()

    def close(self) -> None:
        """Let `run` return."""
        self._is_over = True
        with contextlib.suppress(OSError):
            self._wake.send(b"x")

    def _hear(self, connection: psycopg.Connection[Any]) -> None:
        connection.execute(f"LISTEN {_CHANNEL}".encode())
        if self.listening.done():
            self._news.tell(None)
        else:
            self.listening.set_result(None)
        while not self._is_over:
            heard, _, _ = select.select([connection.fileno(), self._woken.fileno()], [], [], _ALIVE_EVERY_S)
            if not heard:
                connection.execute("SELECT 1")
            words = [notify.payload for notify in connection.notifies(timeout=0)]
            if words:
                self._news.tell(words)


@dataclass(frozen=True, slots=True, eq=False)
class _Follower:
    topic: str
    heard: Callable[[Any], None]
    lost: Callable[[], None]
    loop: asyncio.AbstractEventLoop

    def tell(self, facts: list[Any], is_lost: bool) -> None:  # noqa: FBT001  called by the loop, by position
        """Tell the follower; on its loop."""
        if is_lost:
            self.lost()
        for fact in facts:
            try:
                self.heard(fact)
            except Exception:
                log.exception("a change of another instance was not taken over", topic=self.topic)
