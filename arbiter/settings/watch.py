"""Watching the settings' directory: a change of a file becomes a reload, soon and not too often.

The directory is watched, never a file: a watch on a file goes deaf when an editor or Kubernetes puts another in its
place. What woke us does not matter; what the files look like afterwards does, so that a swap of `..data`, a rename, a
write in place and a file system that tells nothing all end in the same comparison.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import structlog

from arbiter.settings.documents import FILES
from arbiter.settings.live import LiveSettings
from arbiter.settings.sources import Sources

__all__ = ["SettingsWatch"]

log = structlog.get_logger(__name__)

_NAMES: Final = frozenset(FILES)
_State = dict[str, tuple[str, int, int, int] | None]


class SettingsWatch:
    """A daemon thread that asks for a reload when a settings file, or a file of the secrets directory, has changed.

    Args:
        settings: what is reloaded.
        quiet_ms: how long the directory must have been quiet after a change, in milliseconds.
        at_most_ms: how long to wait for that at most.
        apart_s: seconds that lie at least between two reloads.
        poll_s: seconds after which the files are looked at although nothing was told, for file systems that tell
            nothing.
    """

    def __init__(
        self,
        settings: LiveSettings[Any],
        *,
        quiet_ms: int = 100,
        at_most_ms: int = 300,
        apart_s: float = 0.6,
        poll_s: float = 5.0,
    ) -> None:
        self._settings = settings
        self._quiet_ms, self._at_most_ms = quiet_ms, at_most_ms
        self._apart_s, self._poll_s = apart_s, poll_s
        self._stopping = threading.Event()
        self._watching = threading.Event()
        self._thread: threading.Thread | None = None
        self._seen: _State = {}
        self._sources: Sources | None = None

    def start(self) -> bool:
        """Begin; returns once changes are seen. False where there is nothing to watch: settings given by hand."""
        self._sources = self._settings.snapshot.origin
        if self._sources is None or self._thread is not None:
            return False
        self._seen = _state_of(self._sources)
        self._thread = threading.Thread(target=self._run, name="arbiter.settings.watch", daemon=True)
        self._thread.start()
        self._watching.wait(1)
        return True

    def stop(self, *, timeout_s: float = 1.0) -> None:
        """End; a thread that does not end in time is left to the process's end."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _run(self) -> None:
        due = 0.0
        for _ in self._stirrings():
            if self._state() == self._seen:
                continue
            if self._stopping.wait(max(0.0, due - time.monotonic())):
                return
            due = time.monotonic() + self._apart_s
            self._seen = self._state()  # before the load: what changes meanwhile is seen at the next look
            self._reload()

    def _reload(self) -> None:
        try:
            result = self._settings.ask().result()
        except Exception:  # a bug of ours must not end the watch
            log.exception("config.reload.failed")
        else:
            log.debug("config.reload", trigger="watch", outcome=result.outcome, generation=result.generation)

    def _stirrings(self) -> Iterator[None]:
        """Yields when it is time to look: something stirred, or `poll_s` have passed."""
        while not self._stopping.is_set():
            try:
                yield from self._told()
            except (OSError, RuntimeError) as error:  # no such directory, no watches left: polling has to do
                log.warning("config.watch.polling", error=str(error), poll_s=self._poll_s)
                self._watching.set()
                self._stopping.wait(self._poll_s)
                yield None

    def _told(self) -> Iterator[None]:
        # The documented engine below `watchfiles.watch`, which alone says when the watch is set. Loaded here: only a
        # service needs it.
        from watchfiles._rust_notify import RustNotify  # noqa: PLC0415

        assert self._sources is not None  # noqa: S101  start() has seen to it
        paths = [str(path) for path in _directories(self._sources) if path.is_dir()]
        with RustNotify(
            paths,
            debug=False,
            force_polling=False,
            poll_delay_ms=300,
            recursive=False,
            ignore_permission_denied=True,
        ) as notify:
            self._watching.set()
            yield None  # whatever changed before the watch was set
            while not self._stopping.is_set():
                notify.watch(self._at_most_ms, self._quiet_ms, int(self._poll_s * 1000), self._stopping)
                yield None

    def _state(self) -> _State:
        assert self._sources is not None  # noqa: S101  start() has seen to it
        return _state_of(self._sources)


def _directories(sources: Sources) -> list[Path]:
    return [sources.directory, *_secrets_directory(sources)]


def _secrets_directory(sources: Sources) -> list[Path]:
    named = sources.environ.get("ARBITER_SECRETS_DIR", "")
    return [sources.directory / named] if named else []


def _state_of(sources: Sources) -> _State:
    """What the files look like from outside: where each really is, when it was written, its size and its inode."""
    paths = [sources.directory / name for name in FILES]
    for directory in _secrets_directory(sources):
        try:
            paths += sorted(path for path in directory.iterdir() if not path.name.startswith("."))
        except OSError:
            continue
    return {str(path): _look(path) for path in paths}


def _look(path: Path) -> tuple[str, int, int, int] | None:
    try:
        real = path.resolve(strict=True)
        status = real.stat()
    except (OSError, RuntimeError):  # not there, or a circle of links
        return None
    return str(real), status.st_mtime_ns, status.st_size, status.st_ino
