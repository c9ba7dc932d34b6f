"""A new database gets the newest schema at once: the very one that the migrations make of an older database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection, create_engine, text

from arbiter.orchestrator.storage.database import Database
from arbiter.orchestrator.storage.migrations import REVISIONS, present_revision, take_steps
from tests.orchestrator.databases import NewUrl

SQLITE = """
    SELECT 'table', l.name, l.wr, l.strict, c.cid, c.name, c.type, c."notnull", c.dflt_value, c.pk, c.hidden
    FROM pragma_table_list AS l, pragma_table_xinfo(l.name) AS c WHERE l.name NOT LIKE 'sqlite%'
    UNION ALL
    SELECT 'index', l.name, i.name, i."unique", i.origin, i.partial, c.seqno, c.name, c."desc", c.coll, m.sql
    FROM pragma_table_list AS l, pragma_index_list(l.name) AS i, pragma_index_xinfo(i.name) AS c
    LEFT JOIN sqlite_master AS m ON m.name = i.name WHERE l.name NOT LIKE 'sqlite%'
    UNION ALL
    SELECT 'key', l.name, k.id, k.seq, k."table", k."from", k."to", k.on_update, k.on_delete, k.match, ''
    FROM pragma_table_list AS l, pragma_foreign_key_list(l.name) AS k
"""
POSTGRESQL = """
    SELECT 'column', c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull::text,
           pg_get_expr(d.adbin, d.adrelid), a.attidentity::text,
           rank() OVER (PARTITION BY a.attrelid ORDER BY a.attnum)::text
    FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid AND c.relkind IN ('r', 'S')
    LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relnamespace = 'public'::regnamespace
    UNION ALL
    SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid), '', '', '', ''
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace
    UNION ALL
    SELECT 'index', tablename, indexname, indexdef, '', '', '', '' FROM pg_indexes WHERE schemaname = 'public'
"""


@contextmanager
def writing(url: str) -> Iterator[Connection]:
    """A connection to the database as it is, in a transaction of its own."""
    engine = create_engine(url)
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def described(connection: Connection) -> list[tuple[object, ...]]:
    """All that the database itself says of its tables: columns in their order, indexes, keys, constraints."""
    question = SQLITE if connection.dialect.name == "sqlite" else POSTGRESQL
    return sorted((tuple(row) for row in connection.execute(text(question))), key=repr)


async def start_and_stop(url: str) -> None:
    """As an application does it."""
    database = Database(url)
    await database.start()
    await database.stop()


async def test_what_is_made_at_once_is_what_the_steps_make(new_url: NewUrl) -> None:
    """Column by column, index by index, key by key: nobody can tell a new database from one that was migrated."""
    created, migrated = new_url(), new_url()
    await start_and_stop(created)
    with writing(migrated) as connection:
        take_steps(connection)

    with writing(created) as one, writing(migrated) as other:
        assert described(one) == described(other)
        assert len(described(one)) > 100
        assert present_revision(one) == present_revision(other) == REVISIONS[-1]


@pytest.mark.parametrize("revision", REVISIONS[:-1])
async def test_an_older_database_is_brought_up_to_date(new_url: NewUrl, revision: str) -> None:
    """A start takes the steps that are left, and ends at the same schema."""
    older, created = new_url(), new_url()
    with writing(older) as connection:
        take_steps(connection, revision)

    await start_and_stop(older)
    await start_and_stop(created)

    with writing(older) as one, writing(created) as other:
        assert described(one) == described(other)


async def test_a_start_that_was_taken_back_is_no_new_database(new_url: NewUrl) -> None:
    """Where alembic's own table stands empty, the steps are taken: it must not be made twice."""
    url = new_url()
    with writing(url) as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"))

    await start_and_stop(url)

    with writing(url) as connection:
        assert present_revision(connection) == REVISIONS[-1]
