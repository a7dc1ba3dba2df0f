"""PostgreSQL keeps the contract of storages also with its signals in partitions."""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from postgres import PostgresServer
from stratkernel.testing.storage import StorageConformance
from stratkernel_database.backend import PostgresqlBackend
from stratkernel_database.migrate import DatabaseMigrations
from stratkernel_database.models import metadata

# the parts that partitions touch are in test_signal_partitions.py, which runs every day
pytestmark = [pytest.mark.postgresql, pytest.mark.soak]


@pytest.fixture(scope="session")
def partitioned_postgres(postgres_server: PostgresServer) -> Iterator[str]:
    """A database with partitioned signals, for one test at a time."""
    with postgres_server.database() as url:
        migrations = DatabaseMigrations(url)
        migrations.upgrade()
        migrations.partition_signals()
        yield url


class TestPartitionedStorage(StorageConformance):
    backend = PostgresqlBackend

    @pytest.fixture
    def storage_url(self, partitioned_postgres: str) -> Iterator[str]:
        yield partitioned_postgres
        with psycopg.connect(partitioned_postgres, autocommit=True) as connection:
            connection.execute("SET lock_timeout = '5s'")
            tables = sql.SQL(", ").join(sql.Identifier(name) for name in metadata.tables)
            connection.execute(sql.SQL("TRUNCATE {} RESTART IDENTITY").format(tables))
