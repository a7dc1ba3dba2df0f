"""What changing and checking tables needs to say in SQL; PostgreSQL needs none of it."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa


def suspend_foreign_keys(engine: sa.Engine) -> None:
    """Let new connections of an engine rebuild tables.

    SQLite would delete all rows that refer to a table when that is dropped for its copy, and within a
    transaction it cannot be told not to.
    """
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", lambda raw, _: raw.execute("PRAGMA foreign_keys = OFF").close())


def damages(connection: sa.Connection) -> list[str]:
    """What SQLite finds broken in its file; PostgreSQL checks each page as it reads it."""
    if connection.dialect.name != "sqlite":
        return []
    found = connection.exec_driver_sql("PRAGMA integrity_check").scalars().all()
    return [] if list(found) == ["ok"] else [f"the file is damaged: {line}" for line in found]


def broken_references(connection: sa.Connection, tables: Sequence[str]) -> list[str]:
    """Rows that refer to none, by table; on PostgreSQL there cannot be any."""
    if connection.dialect.name != "sqlite":
        return []
    sentences = []
    for table in tables:
        quoted = connection.dialect.identifier_preparer.quote(table)
        rows: Sequence[Any] = connection.exec_driver_sql(f"PRAGMA foreign_key_check({quoted})").all()
        sentences += [
            f"{table}: {sum(row[2] == parent for row in rows)} rows refer to no row of {parent}"
            for parent in dict.fromkeys(row[2] for row in rows)
        ]
    return sentences


def temporary_schema(dialect: sa.Dialect) -> str:
    """Where a table is seen by one connection alone, and goes with its transaction."""
    return "temp" if dialect.name == "sqlite" else "pg_temp"
