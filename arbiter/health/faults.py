"""What can be wrong with the names of checks and groups, each told with the places that clash."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches

from arbiter.errors import ConfigurationError, ContainerError, NotFound

__all__ = ["CheckExists", "GroupMemberUnknown", "UnknownGroup"]


class CheckExists(ContainerError):
    """Two checks have one name.

    Args:
        name: the name.
        places: where the two stand.
    """

    def __init__(self, name: str, places: tuple[str, str]) -> None:
        super().__init__(
            f"Two health checks are called {name!r}: {places[0]}, and {places[1]}.",
            hint="Give one of them another name; a component's own check has its provider's name.",
        )
        self.name, self.places = name, places


class GroupMemberUnknown(ConfigurationError):
    """A group of the settings names a check that nobody has registered.

    Args:
        group: the group's name, `health.groups.<group>`.
        member: the unknown name.
        known: the names that checks have.
    """

    def __init__(self, group: str, member: str, known: Collection[str]) -> None:
        near = get_close_matches(member, known, n=3)
        hint = (
            f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(sorted(known)) or 'none'}."
        )
        super().__init__(
            f"health.groups.{group} names the check {member!r}, and no component has a check of this name.",
            hint=f"Mend the setting health.groups.{group}, or register the check; {hint}",
        )
        self.group, self.member = group, member


class UnknownGroup(NotFound):
    """No check belongs to the group that was asked for."""

    code = "unknown-health-group"

    def __init__(self, group: str, known: Collection[str]) -> None:
        super().__init__(
            f"There is no health group {group!r}.", hint=f"Known: {', '.join(sorted(known)) or 'none'}."
        )
        self.group = group
