"""Which URLs open a database, and what is said of the others."""

from pathlib import Path

import pytest

from stratkernel import Kernel, UsageError, open_storage
from stratkernel.testing.storage.samples import made_run
from stratkernel_database.backend import PostgresqlBackend, SqliteBackend
from stratkernel_database.operations import DatabaseOperations


def test_database_url_is_opened_by_the_built_in_plugin(kernel: Kernel, tables_url: str) -> None:
    with open_storage(kernel, tables_url) as storage:
        assert isinstance(storage, DatabaseOperations)
        assert storage.strategies.runs() == []


def test_sqlite_path_without_a_root_is_of_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with SqliteBackend.open("sqlite:///here.db") as storage:
        monkeypatch.chdir("/")
        storage.strategies.save_run(made_run())
        assert str(tmp_path / "here.db") in storage.title
    assert (tmp_path / "here.db").is_file()


def test_sqlite_folder_is_made_where_only_the_last_one_is_missing(tmp_path: Path) -> None:
    SqliteBackend.open(f"sqlite:///{tmp_path}/new/lab.db").close()
    assert (tmp_path / "new" / "lab.db").is_file()


def test_sqlite_folder_in_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"neither this folder nor .*no is there; make it"):
        SqliteBackend.open(f"sqlite:///{tmp_path}/no/such/lab.db")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite:///file:x?uri=true"]
)
def test_sqlite_in_memory_is_refused_with_what_to_write(url: str) -> None:
    with pytest.raises(UsageError, match=r"in memory would be gone.*expected sqlite:///folder/name\.db"):
        SqliteBackend.open(url)


def test_sqlite_url_with_two_slashes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="names a server, and SQLite has none"):
        SqliteBackend.open("sqlite://folder/lab.db")


def test_sqlite_url_of_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"is a folder; name a file in it: .*stratkernel\.db"):
        SqliteBackend.open(f"sqlite:///{tmp_path}")


def test_other_driver_is_refused() -> None:
    with pytest.raises(UsageError, match=r"sqlite\+aiosqlite:// is not opened here; expected sqlite://"):
        SqliteBackend.open("sqlite+aiosqlite:///x.db")
    with pytest.raises(UsageError, match=r"postgresql\+asyncpg:// is not opened here"):
        PostgresqlBackend.open("postgresql+asyncpg://u@h/x")


def test_postgresql_url_without_a_database_is_refused() -> None:
    with pytest.raises(UsageError, match="names no database; expected postgresql://"):
        PostgresqlBackend.open("postgresql://user:secret@host")


@pytest.mark.parametrize("url", ["postgresql://me:pa@ss@host/db", "postgres://me:pa?ss@host/db"])
def test_postgresql_url_with_an_at_sign_in_the_password_says_how_to_write_it(url: str) -> None:
    with pytest.raises(UsageError, match="write it as %40") as refused:
        PostgresqlBackend.open(url)
    assert "pa" not in str(refused.value).replace("password", "").replace("part", "")


def test_closed_database_can_be_closed_again(sqlite_url: str) -> None:
    storage = SqliteBackend.open(sqlite_url)
    storage.close()
    storage.close()
