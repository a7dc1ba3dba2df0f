"""What is particular to SQLite."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import sqlalchemy as sa

from stratkernel.kernel.errors import StorageBusyError, StorageError, StorageFullError, UsageError
from stratkernel_database.connection import Database
from stratkernel_database.models import market_series, metadata

ROW = {
    "venue": ["local"],
    "symbol": ["A"],
    "timeframe": ["1h"],
    "calendar": ["24x7"],
    "calendar_given": [False],
    "omits_empty": [False],
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data base.sqlite"


@pytest.fixture
def database(file: Path) -> Iterator[Database]:
    opened = Database(f"sqlite:///{file}?timeout=0")
    opened.write(metadata.create_all)
    yield opened
    opened.close()


def add(database: Database, symbol: str = "A") -> int:
    row = {**ROW, "symbol": [symbol]}
    return database.write(lambda connection: database.dialect.insert_new(connection, market_series, row))


def pragma(database: Database, name: str) -> object:
    return database.read(lambda connection: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one())


def test_a_new_database_has_the_settings_that_writing_needs(database: Database) -> None:
    found = {
        name: pragma(database, name)
        for name in ("journal_mode", "synchronous", "foreign_keys", "auto_vacuum")
    }
    assert found == {"journal_mode": "wal", "synchronous": 1, "foreign_keys": 1, "auto_vacuum": 2}


def test_options_of_the_url_set_sync_and_waiting(file: Path) -> None:
    with closing(Database(f"sqlite:///{file}?synchronous=FULL&timeout=7")) as opened:
        assert pragma(opened, "synchronous") == 2
        assert pragma(opened, "busy_timeout") == 7_000
    with closing(Database(f"sqlite:///{file}")) as opened:
        assert pragma(opened, "busy_timeout") == 30_000


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sqlite://", "names a file"),
        ("sqlite:///:memory:", "names a file"),
        ("sqlite:///a.db?synchronous=off", "expected normal or full"),
        ("sqlite:///a.db?timeout=soon", "expected seconds"),
        ("sqlite:///a.db?timeout=nan", "expected seconds"),
        ("sqlite:///a.db?mode=ro", "unknown option 'mode'"),
    ],
)
def test_a_url_that_says_what_cannot_be_is_refused(url: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Database(url)


def test_tables_made_in_a_transaction_that_fails_are_not_there(file: Path) -> None:
    def work(connection: sa.Connection) -> None:
        metadata.create_all(connection)
        raise RuntimeError("on purpose")

    with closing(Database(f"sqlite:///{file}")) as opened:
        with pytest.raises(RuntimeError, match="on purpose"):
            opened.write(work)
        assert opened.read(lambda connection: sa.inspect(connection).get_table_names()) == []


def test_a_reader_sees_one_state_while_others_write(database: Database) -> None:
    count = sa.select(sa.func.count()).select_from(market_series)
    with database.dialect.reading(database.engine) as reader:
        assert reader.execute(count).scalar_one() == 0
        add(database)
        assert reader.execute(count).scalar_one() == 0
    assert database.read(lambda connection: connection.execute(count).scalar_one()) == 1


def test_a_file_that_is_no_database_is_told_and_left_alone(file: Path) -> None:
    content = b"open_time,open\n2024-01-01,1\n" * 50
    file.write_bytes(content)
    with (
        closing(Database(f"sqlite:///{file}")) as opened,
        pytest.raises(StorageError, match=r"is no SQLite database.*restore a backup"),
    ):
        add(opened)
    assert file.read_bytes() == content


def test_a_damaged_database_is_told_and_left_alone(database: Database, file: Path) -> None:
    for number in range(200):
        add(database, f"symbol {number}")
    database.close()
    content = bytearray(file.read_bytes())
    for page in range(1, len(content) // 4096):
        content[page * 4096 : page * 4096 + 200] = b"\xff" * 200
    file.write_bytes(content)
    select = sa.select(market_series.c.symbol)
    with (
        closing(Database(f"sqlite:///{file}")) as opened,
        pytest.raises(StorageError, match=r"is damaged.*restore a backup"),
    ):
        opened.read(lambda connection: connection.execute(select).all())
    assert file.read_bytes() == content


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    with (
        closing(Database(f"sqlite:///{tmp_path / 'none' / 'a.db'}")) as opened,
        pytest.raises(StorageError, match=r"cannot be opened.*folder must exist"),
    ):
        add(opened)
    assert not (tmp_path / "none").exists()


def failing(file: Path, *statements: str, mode: str = "rw") -> sqlite3.Error:
    with closing(sqlite3.connect(f"{file.as_uri()}?mode={mode}", uri=True, timeout=0)) as raw:
        for statement in statements:
            try:
                raw.execute(statement)
            except sqlite3.Error as error:
                return error
    raise AssertionError(f"none of these failed: {statements}")


def read_only(file: Path) -> sqlite3.Error:
    return failing(file, "DELETE FROM market_series", mode="ro")


def full(file: Path) -> sqlite3.Error:
    return failing(file, "PRAGMA max_page_count = 1", "CREATE TABLE t AS SELECT randomblob(100000)")


def locked(file: Path) -> sqlite3.Error:
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        return failing(file, "BEGIN IMMEDIATE")


@pytest.mark.parametrize(
    ("failure", "kind", "message"),
    [
        (read_only, StorageError, "cannot be written to.*folder must be writable"),
        (full, StorageFullError, "no space is left on its disk; nothing of this write was stored"),
        (locked, StorageBusyError, "held by another process or thread"),
    ],
)
def test_errors_of_the_driver_are_told_in_plain_words(
    database: Database, file: Path, failure: Callable[[Path], sqlite3.Error], kind: type, message: str
) -> None:
    add(database)
    found = database.dialect.translate(failure(file), database.title)
    assert type(found) is kind
    assert str(file) in str(found)
    with pytest.raises(kind, match=message):
        raise found


def test_backup_copies_what_is_committed_while_it_is_written_to(database: Database, tmp_path: Path) -> None:
    add(database)
    target = tmp_path / "copy.sqlite"
    with database.unit_of_work():
        add(database, "B")
        database.dialect.backup(database.engine, target)
    with closing(sqlite3.connect(target)) as copy:
        assert copy.execute("SELECT symbol FROM market_series").fetchall() == [("A",)]
    assert sorted(path.name for path in tmp_path.glob("copy*")) == ["copy.sqlite"]


def test_backup_overwrites_no_file(database: Database, tmp_path: Path) -> None:
    target = tmp_path / "there.sqlite"
    target.write_bytes(b"precious")
    with pytest.raises(UsageError, match="exists already"):
        database.dialect.backup(database.engine, target)
    assert target.read_bytes() == b"precious"


def test_reclaim_gives_the_space_of_deleted_rows_back(database: Database, file: Path) -> None:
    for number in range(50):
        add(database, f"{number}" * 2_000)
    database.dialect.reclaim(database.engine)
    full_size, used = file.stat().st_size, database.dialect.size(database.engine)
    database.write(lambda connection: connection.execute(sa.delete(market_series)))
    assert file.stat().st_size == full_size
    database.dialect.reclaim(database.engine)
    assert file.stat().st_size < full_size / 2
    assert database.dialect.size(database.engine) < used / 2


def test_a_file_of_another_program_keeps_its_journal(file: Path) -> None:
    with closing(sqlite3.connect(file)) as bot:
        bot.execute("CREATE TABLE signals (id INTEGER PRIMARY KEY)")
        for synchronous in ("normal", "full"):
            with closing(Database(f"sqlite:///{file}?synchronous={synchronous}")) as opened:
                opened.write(metadata.create_all)
                assert pragma(opened, "journal_mode") == "delete"
                assert pragma(opened, "synchronous") == 2
        assert bot.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    assert file.read_bytes()[18:20] == b"\x01\x01"  # the header would say 2 for a write-ahead log


def test_a_file_of_another_program_with_a_log_is_written_to_with_it(file: Path) -> None:
    with closing(sqlite3.connect(file)) as bot:
        bot.execute("PRAGMA journal_mode = WAL")
        bot.execute("CREATE TABLE signals (id INTEGER PRIMARY KEY)")
    with closing(Database(f"sqlite:///{file}")) as opened:
        assert (pragma(opened, "journal_mode"), pragma(opened, "synchronous")) == ("wal", 1)


def test_backup_to_a_full_disk_names_the_target(
    database: Database, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(50):
        add(database, f"{number}" * 2_000)
    real, target = sqlite3.connect, tmp_path / "small" / "copy.sqlite"
    target.parent.mkdir()

    def small(path: Path, **options: object) -> sqlite3.Connection:
        copy: sqlite3.Connection = real(path, **options)  # type: ignore[call-overload]  # as they came
        copy.execute("PRAGMA max_page_count = 2").close()
        return copy

    monkeypatch.setattr("stratkernel_database.dialects.sqlite.sqlite3.connect", small)
    with pytest.raises(StorageFullError, match="no copy was made") as caught, database.plain_errors():
        database.dialect.backup(database.engine, target)
    assert str(target) in str(caught.value)
    assert str(file) not in str(caught.value)
    assert list(target.parent.iterdir()) == []


def test_io_error_on_a_full_disk_is_told_as_one_of_space(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def usage(path: Path) -> SimpleNamespace:
        asked.append(path)
        return SimpleNamespace(free=0)

    monkeypatch.setattr("stratkernel_database.dialects.sqlite.shutil.disk_usage", usage)
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR
    assert isinstance(database.dialect.translate(error, "a name that is no path"), StorageFullError)
    assert asked == [Path(str(database.engine.url.database)).parent]


def test_integers_that_are_not_exact_as_floats_are_refused_in_plain_words(database: Database) -> None:
    select = sa.select(sa.literal(2**53).label("open_time"))
    with pytest.raises(StorageError, match=r"open_time holds integers of 2\*\*53 or more"):
        database.read(
            lambda connection: database.dialect.read_columns(connection, select, {"open_time": np.int64})
        )
