"""This application's composition root: `arbiter run` finds `create_app` here."""

from __future__ import annotations

from arbiter import App

__all__ = ["create_app"]


def create_app() -> App:
    """The ARBITER orchestrator."""
    from containers.application import Application  # noqa: PLC0415  nothing is composed until somebody asks

    return App(Application, greeting=[("docs", "{url}/docs"), ("try", "arbiter demo, in a second terminal")])
