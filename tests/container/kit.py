"""Parts for the tests of containers: resources that write down what happens to them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field

from arbiter.protocols import EventSink

__all__ = ["Component", "Journal", "Plain", "Recorder"]


@dataclass
class Journal:
    """What happened, in order."""

    lines: list[str] = field(default_factory=list)

    def resource(self, name: str) -> Callable[..., Iterator[str]]:
        """A resource that is opened and closed."""

        def opened(*_: object, **__: object) -> Iterator[str]:
            self.lines.append(f"+{name}")
            yield name
            self.lines.append(f"-{name}")

        return opened

    def async_resource(self, name: str) -> Callable[..., AsyncIterator[str]]:
        """The same, with a turn of the loop on each side."""

        async def opened(*_: object, **__: object) -> AsyncIterator[str]:
            await asyncio.sleep(0)
            self.lines.append(f"+{name}")
            yield name
            await asyncio.sleep(0)
            self.lines.append(f"-{name}")

        return opened

    def component(self, name: str) -> Callable[..., Component]:
        """A component that starts and stops."""

        def make(*needs: object, **named: object) -> Component:
            return Component(self, name, (*needs, *named.values()))

        return make

    def take(self) -> list[str]:
        """The lines, which are forgotten then."""
        lines, self.lines = self.lines, []
        return lines


class Plain:
    """Something that only holds what it was given."""

    def __init__(self, *needs: object, **named: object) -> None:
        self.needs = (*needs, *named.values())


class Component(Plain):
    """Something with hooks."""

    def __init__(self, journal: Journal, name: str, needs: tuple[object, ...]) -> None:
        super().__init__(*needs)
        self._journal, self._name = journal, name

    async def start(self) -> None:
        self._journal.lines.append(f"start {self._name}")

    async def stop(self) -> None:
        self._journal.lines.append(f"stop {self._name}")


class Recorder(EventSink):
    """Keeps every event."""

    def __init__(self) -> None:
        self.seen: list[object] = []

    def publish(self, event: object) -> None:
        self.seen.append(event)
