"""THE WALL. Behind it stands the orchestrator: the framework's first application, an extra of the distribution.

Nothing else in `arbiter/` imports this package, nor `config`, nor `containers`. Inside, the four components (`agents`,
`routing`, `caws`, `performance`) never import each other, the container, pybreaker, dynaconf or the OpenTelemetry SDK:
they share the words of `vocabulary`, and the composition root introduces them. Only `storage` and each component's
`store.py` import SQLAlchemy; only `api` imports FastAPI. People import from submodules.
"""
