"""What can be wrong with how providers use the settings: keys, live keys, selectors, budgets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dependency_injector import providers

from arbiter.container.config_provider import ConfigProvider
from arbiter.container.needs import AnyProvider, can_choose, chosen, effective, needs_of
from arbiter.container.plan import named_providers
from arbiter.container.problems import Problem
from arbiter.container.settings_provider import SettingsProvider
from arbiter.errors import ConfigurationError
from arbiter.lifecycle.settings import LifecycleSettings
from arbiter.section import Reload
from arbiter.settings.problems import did_you_mean
from arbiter.settings.shape import Shape

__all__ = ["budget_problems", "choice_problems", "option_problems"]


def option_problems(provider: AnyProvider, name: str) -> Iterator[Problem]:
    """Keys of `config` that do not exist, or may change while they are injected as fixed."""
    for option in _injected_options(provider):
        yield from _option_problem(option, name)


def choice_problems(provider: AnyProvider, name: str) -> Iterator[Problem]:
    """A selector whose setting names none of its branches."""
    if not isinstance(provider, providers.Selector) or not can_choose(provider):
        return
    try:
        taken = chosen(provider)
    except ConfigurationError:  # the settings' own report says it
        return
    if taken is None:
        known = ", ".join(provider.providers)
        decides: Any = provider.selector
        message = f"the choice is {decides()!r}, and there is no such branch"
        yield Problem("choice", name, message, f"the branches are: {known}")


def budget_problems(container: Any) -> Iterator[Problem]:
    """Budgets in the settings for components that do not exist."""
    found = container.providers.get("settings")
    if found is None or not isinstance(effective(found), SettingsProvider):
        return
    try:
        budgets = getattr(found(), "lifecycle", None)
    except ConfigurationError:
        return
    if not isinstance(budgets, LifecycleSettings):
        return
    names = [name for name, _ in named_providers(container)]
    for name in budgets.components:
        # one below a known name is an inline provider, called after its user
        if not any(name == known or name.startswith(f"{known}.") for known in names):
            message = f"lifecycle.components.{name} is a budget for a component that does not exist"
            yield Problem("budget", "settings", message, did_you_mean(name, names))


def _injected_options(provider: AnyProvider) -> Iterator[providers.ConfigurationOption]:
    """Options that this provider injects; not the sections on the way to them."""
    if isinstance(provider, providers.Configuration | providers.ConfigurationOption):
        return
    needs = needs_of(provider)
    for need in needs.now + needs.later:
        if isinstance(need, providers.ConfigurationOption):
            yield need


def _option_problem(option: providers.ConfigurationOption, place: str) -> Iterator[Problem]:
    root = _root_of(option)
    segments = option.get_name_segments()
    if root is None or not all(isinstance(part, str) for part in segments):
        return
    path = [str(part) for part in segments]
    shape = Shape.of(root.source.settings_type)
    if not shape.knows(path):
        yield Problem("config-key", place, f"the settings have no key {'.'.join(path)}", shape.hint(path))
    elif live := _live_keys(shape, path):
        hint = f"take `settings.live(lambda s: s.{path[0]})` and read it at use"
        yield Problem("live-key", place, f"{live} may change while running, and config would freeze it", hint)


def _root_of(option: Any) -> ConfigProvider | None:
    root = option._get_root()
    while root.last_overriding is not None:
        root = root.last_overriding
    return root if isinstance(root, ConfigProvider) else None


def _live_keys(shape: Shape, path: list[str]) -> str:
    if shape.reload_of(path) is Reload.LIVE:
        return ".".join(path)
    below = (_live_keys(shape, [*path, name]) for name in shape.names(path))
    return next((found for found in below if found), "")
