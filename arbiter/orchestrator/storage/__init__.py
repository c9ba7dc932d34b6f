"""The database room: engines, the one writer with group commit, the schema of all components, migrations.

May import SQLAlchemy (and alembic, only when a migration is due), `arbiter.errors`, `protocols`, `section`. It knows
tables, not components: what a row means is the business of each component's `store.py`.
"""
