"""`config`: the library's own idiom over the settings, for what is fixed at construction.

It reads the snapshot that the container was built with. Overriding it reaches `settings` as well, through validation.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from dependency_injector import providers

from arbiter.container.settings_provider import SettingsProvider

__all__ = ["ConfigProvider"]

Memo = dict[int, Any]


class ConfigProvider(providers.Configuration):
    """The library's `config` over the same settings: `config.storage.url` injects a value, as plain data.

    Args:
        settings: where the values come from.
    """

    def __init__(self, settings: SettingsProvider[Any] | None = None) -> None:
        super().__init__("config")
        self._settings = settings if settings is not None else SettingsProvider()
        self._settings.attach(self)

    def __deepcopy__(self, memo: Memo | None) -> ConfigProvider:
        memo = {} if memo is None else memo
        copied: ConfigProvider | None = memo.get(id(self))
        if copied is not None:
            return copied
        copied = cast("ConfigProvider", super().__deepcopy__(memo))
        copied._settings = self._settings.__deepcopy__(memo)
        copied._settings.attach(copied)
        return copied

    @property
    def related(self) -> Iterator[providers.Provider[Any]]:
        """The settings, besides what the library relates."""
        yield self._settings
        yield from super().related

    @property
    def source(self) -> SettingsProvider[Any]:
        """The settings that it reads."""
        return self._settings

    def override(self, provider: object) -> Any:
        """Lay other values over the settings, validated; see `SettingsProvider.override`."""
        if isinstance(provider, providers.Provider):
            return super().override(provider)
        return self._settings.declared().override(provider)

    def reset_last_overriding(self) -> None:
        """Take the last override back, which is one of the settings."""
        if self.overridden:
            super().reset_last_overriding()
        else:
            self._settings.declared().reset_last_overriding()

    def reset_override(self) -> None:
        """Take all overrides back."""
        super().reset_override()
        self._settings.declared().reset_override()

    def _provide(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:  # noqa: ARG002  the library's signature
        # Dumped at each call: options keep what they read, and nobody else's hands should be on it.
        return self._settings.pinned().model_dump(round_trip=True)
