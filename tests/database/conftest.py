"""Databases with their tables made, for tests of what is in them."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from postgres import PostgresServer
from stratkernel_database.backend import PostgresqlBackend, SqliteBackend
from stratkernel_database.models import metadata


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with all tables and nothing in them, to be copied."""
    path = tmp_path_factory.mktemp("migrated") / "template.sqlite"
    SqliteBackend.open(f"sqlite:///{path}", migrate=True).close()
    return path


@pytest.fixture
def sqlite_url(migrated_sqlite: Path, tmp_path: Path) -> str:
    """The URL of a SQLite database with empty tables."""
    path = tmp_path / "database.sqlite"
    shutil.copyfile(migrated_sqlite, path)
    return f"sqlite:///{path}"


@pytest.fixture(scope="session")
def migrated_postgres(postgres_server: PostgresServer) -> Iterator[str]:
    """A PostgreSQL database with all tables, for one test at a time."""
    with postgres_server.database() as url:
        PostgresqlBackend.open(url, migrate=True).close()
        yield url


@pytest.fixture
def postgresql_url(migrated_postgres: str) -> Iterator[str]:
    """The URL of a PostgreSQL database with empty tables; whoever left a transaction open fails."""
    yield migrated_postgres
    with psycopg.connect(migrated_postgres, autocommit=True) as connection:
        connection.execute("SET lock_timeout = '5s'")
        tables = sql.SQL(", ").join(sql.Identifier(name) for name in metadata.tables)
        connection.execute(sql.SQL("TRUNCATE {} RESTART IDENTITY").format(tables))


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def tables_url(request: pytest.FixtureRequest) -> str:
    """The URL of a database with empty tables, once of each kind."""
    return str(request.getfixturevalue(f"{request.param}_url"))
