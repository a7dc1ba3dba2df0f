"""What is particular to PostgreSQL."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import numpy as np
import psycopg
import pytest
import sqlalchemy as sa

from postgres import PostgresServer
from stratkernel.kernel.errors import StorageBusyError, StorageError, StorageFullError, UsageError
from stratkernel_database.connection import Database
from stratkernel_database.models import market_data, metadata

pytestmark = pytest.mark.postgresql


@pytest.fixture
def database(postgres_url: str) -> Iterator[Database]:
    opened = Database(postgres_url)
    opened.write(metadata.create_all)
    yield opened
    opened.close()


def test_the_title_shows_no_password() -> None:
    title = Database("postgresql://bot:secret@db.example/trading?password=secret").title
    assert title == "the database postgresql://bot:***@db.example/trading"


def test_a_missing_driver_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r'pip install "stratkernel\[postgres\]"'):
        Database("postgresql://localhost/x")


def test_a_server_that_is_not_there_is_told(tmp_path: Path) -> None:
    opened = Database(f"postgresql://bot:secret@/x?host={tmp_path}")
    with pytest.raises(StorageError, match=r"cannot be reached.*check that the server runs") as caught:
        opened.read(lambda connection: None)
    assert "secret" not in str(caught.value)


def test_a_database_that_is_not_there_is_told(postgres_server: PostgresServer) -> None:
    opened = Database(postgres_server.url_of("nowhere"))
    with pytest.raises(StorageError, match=r"nowhere.*does not exist on that server; make it"):
        opened.read(lambda connection: None)
    opened.close()


def test_a_user_that_is_not_there_is_told(postgres_server: PostgresServer) -> None:
    url = sa.make_url(postgres_server.url).set(username="nobody_at_all")
    opened = Database(url.render_as_string(hide_password=False))
    with pytest.raises(StorageError, match=r"refused the login.*check user and password"):
        opened.read(lambda connection: None)
    opened.close()


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ('FATAL:  password authentication failed for user "me"', StorageError, "check user and password"),
        ("fe_sendauth: no password supplied", StorageError, "check user and password"),
        ('FATAL:  no pg_hba.conf entry for host "10.0.0.1"', StorageError, "check user and password"),
        ('FATAL:  database "lab" does not exist', StorageError, "make it with the server's createdb"),
        ("FATAL:  sorry, too many clients already", StorageBusyError, "try again"),
        ("FATAL:  the database system is starting up", StorageBusyError, "try again"),
        ("Connection refused", StorageError, "check that the server runs"),
    ],
)
def test_what_a_server_says_at_login_is_told_with_what_to_do(
    database: Database, text: str, kind: type, message: str
) -> None:
    error = psycopg.OperationalError(f'connection to server at "127.0.0.1", port 5432 failed: {text}')
    assert error.sqlstate is None
    found = database.dialect.translate(error, database.title)
    assert type(found) is kind
    assert message in str(found)


def test_option_that_the_driver_does_not_know_is_refused() -> None:
    with pytest.raises(UsageError, match=r"unknown option 'sslmod'\. Did you mean 'sslmode'\?"):
        Database("postgresql://host/x?sslmod=require")


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (psycopg.errors.DiskFull("x"), StorageFullError, "no space is left"),
        (psycopg.errors.DeadlockDetected("x"), StorageBusyError, "try again"),
        (psycopg.errors.TooManyConnections("x"), StorageBusyError, "try again"),
        (psycopg.errors.InvalidPassword("x"), StorageError, "refused the login"),
        (psycopg.errors.UndefinedTable("x"), StorageError, "stratkernel db upgrade"),
        (psycopg.errors.ReadOnlySqlTransaction("x"), StorageError, "only lets read"),
        (psycopg.errors.InsufficientPrivilege("x"), StorageError, "grant the rights"),
        (psycopg.errors.DataCorrupted("x"), StorageError, "restore a backup"),
        (psycopg.errors.AdminShutdown("x"), StorageError, "cannot be reached"),
    ],
)
def test_errors_of_the_server_are_told_in_plain_words(
    database: Database, error: psycopg.Error, kind: type, message: str
) -> None:
    found = database.dialect.translate(error, database.title)
    assert type(found) is kind
    with pytest.raises(kind, match=message):
        raise found


def test_missing_tables_say_how_to_make_them(postgres_url: str) -> None:
    opened = Database(postgres_url)
    with pytest.raises(StorageError, match="stratkernel db upgrade"):
        opened.read(lambda connection: connection.execute(sa.select(market_data)).all())
    opened.close()


def test_reading_lets_nothing_be_written(database: Database) -> None:
    with pytest.raises(StorageError, match="read-only transaction"):
        database.read(lambda connection: connection.execute(sa.delete(market_data)))


def test_backup_names_the_tool_of_the_server(database: Database, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="pg_dump"):
        database.dialect.backup(database.engine, tmp_path / "x")


def test_size_and_reclaim_count_what_the_tables_take(database: Database) -> None:
    columns = {name: np.arange(20_000.0) for name in ("open", "high", "low", "close", "volume")}
    keys = {"series": np.ones(20_000, dtype=np.int64), "open_time": np.arange(20_000)}
    empty = database.dialect.size(database.engine)
    database.write(lambda connection: database.dialect.insert(connection, market_data, keys | columns))
    filled = database.dialect.size(database.engine)
    assert filled > empty + 20_000 * 56
    database.write(lambda connection: connection.execute(sa.delete(market_data)))
    database.dialect.reclaim(database.engine)
    assert database.dialect.size(database.engine) < filled / 2


def test_size_counts_partitions(database: Database) -> None:
    def partitioned(connection: sa.Connection) -> None:
        connection.exec_driver_sql("DROP TABLE quarantined_candles")
        connection.exec_driver_sql("CREATE TABLE quarantined_candles (a bigint) PARTITION BY RANGE (a)")
        connection.exec_driver_sql(
            "CREATE TABLE part PARTITION OF quarantined_candles FOR VALUES FROM (0) TO (1000000)"
        )

    database.write(partitioned)
    empty = database.dialect.size(database.engine)
    database.write(
        lambda connection: connection.exec_driver_sql(
            "INSERT INTO quarantined_candles SELECT generate_series(0, 99999)"
        )
    )
    assert database.dialect.size(database.engine) > empty + 100_000 * 8


def test_two_that_lock_the_schema_take_turns(database: Database) -> None:
    order = []

    def second() -> None:
        with database.dialect.writing(database.engine) as connection:
            database.dialect.lock_schema(connection)
            order.append("second")

    with database.dialect.writing(database.engine) as connection:
        database.dialect.lock_schema(connection)
        thread = Thread(target=second)
        thread.start()
        thread.join(0.2)
        order.append("first")
    thread.join(30)
    assert order == ["first", "second"]
