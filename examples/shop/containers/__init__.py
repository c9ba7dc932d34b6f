"""The composition root: `arbiter run` finds `create_app` here."""

from __future__ import annotations

from arbiter import App

__all__ = ["create_app"]


def create_app() -> App:
    """The shop."""
    from containers.shop import Shop

    return App(Shop)
