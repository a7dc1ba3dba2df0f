"""Transactions, units of work, repeated attempts."""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import sqlalchemy as sa

from postgres import PostgresServer
from stratkernel.kernel.errors import StorageBusyError, StorageError, UsageError
from stratkernel_database.connection import BUSY_RETRIES, LONGEST_WAIT, Database
from stratkernel_database.models import market_series, metadata


class Naps:
    """A clock that does something while it should sleep."""

    def __init__(self, during: Any = None) -> None:
        self.naps: list[float] = []
        self._during = during

    def utc_now(self) -> datetime:
        return datetime(2024, 1, 1, tzinfo=UTC)

    def monotonic(self) -> float:
        return 0.0

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        if self._during is not None:
            self._during()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = Database(database_url)
    opened.write(metadata.create_all)
    yield opened
    opened.close()


def add(database: Database, symbol: str) -> int:
    row: dict[str, list[Any]] = {
        "symbol": [symbol],
        "venue": ["local"],
        "timeframe": ["1h"],
        "calendar": ["24x7"],
    }
    row |= {"omits_empty": [False], "calendar_given": [False]}
    return database.write(lambda connection: database.dialect.insert_new(connection, market_series, row))


def symbols(database: Database) -> list[str]:
    select = sa.select(market_series.c.symbol).order_by(market_series.c.symbol)
    return database.read(lambda connection: list(connection.execute(select).scalars()))


def test_a_write_that_fails_leaves_nothing(database: Database) -> None:
    def work(connection: sa.Connection) -> None:
        add(database, "A")
        raise ValueError("on purpose")

    with pytest.raises(ValueError, match="on purpose"):
        database.write(work)
    assert symbols(database) == []
    assert database.current is None


def test_a_unit_of_work_is_kept_as_a_whole_and_joined_by_one_within(database: Database) -> None:
    with database.unit_of_work():
        add(database, "A")
        with database.unit_of_work():
            add(database, "B")
        assert symbols(database) == ["A", "B"]
        seen: list[list[str]] = []
        other = Thread(target=lambda: seen.append(symbols(database)))
        other.start()
        other.join()
        assert seen == [[]]
    assert symbols(database) == ["A", "B"]


def test_an_inner_unit_that_fails_undoes_only_itself(database: Database) -> None:
    def inner() -> None:
        with database.unit_of_work():
            add(database, "B")
            raise ValueError("on purpose")

    with database.unit_of_work():
        add(database, "A")
        with pytest.raises(ValueError, match="on purpose"):
            inner()
        add(database, "C")
    assert symbols(database) == ["A", "C"]


def test_a_statement_that_the_database_refuses_undoes_only_its_own_write(database: Database) -> None:
    with database.unit_of_work():
        add(database, "A")
        broken = sa.insert(market_series).values(symbol="B")
        with pytest.raises(StorageError, match=r"(?i)null"):
            database.write(lambda connection: connection.execute(broken))
        add(database, "C")
    assert symbols(database) == ["A", "C"]


def test_an_error_that_is_ours_passes_as_it_is(database: Database) -> None:
    def work(connection: sa.Connection) -> None:
        raise UsageError("as it is")

    with pytest.raises(UsageError, match="as it is"):
        database.write(work)
    with pytest.raises(UsageError, match="as it is"):
        database.read(work)


def test_writing_waits_for_others_and_then_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "a.db"
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        clock = Naps(during=lambda: other.in_transaction and other.execute("COMMIT"))
        with closing(Database(f"sqlite:///{file}?timeout=0", clock=clock)) as database:
            database.write(metadata.create_all)
            other.execute("BEGIN IMMEDIATE")
            with caplog.at_level(logging.WARNING, "stratkernel.database"):
                assert add(database, "A") == 1
            assert len(clock.naps) == 1
            assert "attempt 2 of 6" in caplog.text
            other.execute("BEGIN IMMEDIATE")
            with database.unit_of_work():
                add(database, "B")
            assert symbols(database) == ["A", "B"]


def test_writing_gives_up_after_some_attempts(tmp_path: Path) -> None:
    file, clock = tmp_path / "a.db", Naps()
    with (
        closing(sqlite3.connect(file, isolation_level=None)) as other,
        closing(Database(f"sqlite:///{file}?timeout=0", clock=clock)) as database,
    ):
        database.write(metadata.create_all)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageBusyError, match=r"a\.db is held by another process"):
            add(database, "A")
        with pytest.raises(StorageBusyError, match=r"a\.db is held by another process"):
            database.unit_of_work().__enter__()
    assert len(clock.naps) == 2 * BUSY_RETRIES
    assert clock.naps[:BUSY_RETRIES] == sorted(clock.naps[:BUSY_RETRIES])


def test_writing_waits_no_longer_in_all_than_it_should(tmp_path: Path) -> None:
    """Each attempt waits for the lock itself: six of them would take minutes."""

    class Slow(Naps):
        def monotonic(self) -> float:
            return len(self.naps) * LONGEST_WAIT / 2

    file, clock = tmp_path / "a.db", Slow()
    with (
        closing(sqlite3.connect(file, isolation_level=None)) as other,
        closing(Database(f"sqlite:///{file}?timeout=0", clock=clock)) as database,
    ):
        database.write(metadata.create_all)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageBusyError):
            add(database, "A")
    assert len(clock.naps) == 2


@pytest.mark.postgresql
def test_a_connection_lost_under_a_write_is_made_anew_and_the_write_repeated(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    attempts = []

    def work(connection: sa.Connection) -> int:
        attempts.append(connection)
        added = add(database, "A")
        if len(attempts) == 1:
            assert postgres_server.disconnect(postgres_url) >= 1
        return added

    with closing(Database(postgres_url)) as database:
        database.write(metadata.create_all)
        assert database.write(work) == 1
        assert len(attempts) == 2
        assert symbols(database) == ["A"]


@pytest.mark.postgresql
def test_a_connection_lost_in_a_write_within_a_write_repeats_the_whole(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    attempts = []

    def work(connection: sa.Connection) -> None:
        attempts.append(connection)
        add(database, "A")
        if len(attempts) == 1:
            postgres_server.disconnect(postgres_url)
        add(database, "B")

    with closing(Database(postgres_url)) as database:
        database.write(metadata.create_all)
        database.write(work)
        assert len(attempts) == 2
        assert symbols(database) == ["A", "B"]


@pytest.mark.postgresql
def test_a_connection_lost_after_commit_was_sent_doubles_nothing(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    with closing(Database(postgres_url)) as database:
        database.write(metadata.create_all)
        commits = []

        def lost(connection: sa.Connection) -> None:
            commits.append(connection)
            if len(commits) == 1:
                driver: Any = connection.connection.driver_connection
                driver.commit()
                postgres_server.disconnect(postgres_url)
                driver.execute("SELECT 1")  # where the answer to COMMIT would have been waited for

        sa.event.listen(database.engine, "commit", lost)
        assert add(database, "A") == 0  # the second attempt finds the row of the first
        assert len(commits) == 2
        assert symbols(database) == ["A"]


@pytest.mark.postgresql
def test_a_connection_lost_in_a_unit_of_work_says_what_to_do(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    def unit() -> None:
        with database.unit_of_work():
            add(database, "A")
            postgres_server.disconnect(postgres_url)

    with closing(Database(postgres_url)) as database:
        database.write(metadata.create_all)
        with pytest.raises(StorageError, match="write it again, nothing doubles"):
            unit()
        with database.unit_of_work():
            add(database, "A")
        assert symbols(database) == ["A"]


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("results.db", "the text given as database is no URL; expected sqlite:///"),
        ("mysql://bot:secret@host/x", "mysql:// is not known here; sqlite:// and postgresql:// are"),
        ("postgresql://bot:secret@host:port/x", "the postgresql given as database is no URL"),
    ],
)
def test_a_url_that_is_none_is_refused_without_its_password(url: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        Database(url)
    assert "secret" not in str(caught.value)
