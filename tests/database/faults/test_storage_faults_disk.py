"""S2, S5: no space left, nothing may be written."""

import os
import resource
import sqlite3
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from postgres import PostgresServer
from storage_steps import RUN, STEPS, open_url, states_of
from stratkernel import Storage, StorageError, StorageFullError, StratkernelError, UsageError
from stratkernel.testing.storage.samples import everything, made_candles

NOBODY = 65534
MANY = made_candles(20_000)


@contextmanager
def pages_at_most(count: int) -> Iterator[None]:
    """New connections to SQLite may not let their file grow beyond so many pages."""

    def limit(connection: sqlite3.Connection, _: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {count}").close()

    sa.event.listen(sa.Engine, "connect", limit)
    try:
        yield
    finally:
        sa.event.remove(sa.Engine, "connect", limit)


@contextmanager
def files_at_most(size: int) -> Iterator[None]:
    """This process may not let a file grow beyond a size: what a quota does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def pages_of(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("PRAGMA page_count").fetchone()[0])


def path_of(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))


def star_and_write(storage: Storage) -> None:
    with storage.unit_of_work():
        storage.strategies.star(RUN.run_id)
        storage.candles.write(MANY)


def test_full_disk_is_a_plain_error_and_writing_goes_on_when_there_is_space(sqlite_url: str) -> None:
    with pages_at_most(pages_of(path_of(sqlite_url)) + 4), open_url(sqlite_url) as storage:
        STEPS[0](storage)
        before = everything(storage)
        with pytest.raises(StorageFullError, match="no space"):
            storage.candles.write(MANY)
        assert everything(storage) == before
        with pytest.raises(StorageFullError):
            star_and_write(storage)
        assert everything(storage) == before
        storage.strategies.star(RUN.run_id)
    with open_url(sqlite_url) as storage:
        assert storage.candles.write(MANY).inserted == len(MANY)
        assert storage.strategies.run(RUN.run_id).starred


def test_file_that_may_not_grow_is_a_plain_error_and_nothing_is_written(sqlite_url: str) -> None:
    with open_url(sqlite_url) as storage:
        STEPS[0](storage)
        before = everything(storage)
        with files_at_most(path_of(sqlite_url).stat().st_size + 65_536):
            with pytest.raises(StorageError):
                storage.candles.write(MANY)
            assert everything(storage) == before
        assert storage.candles.write(MANY).inserted == len(MANY)
    with closing(sqlite3.connect(path_of(sqlite_url))) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@contextmanager
def unprivileged(*folders: Path) -> Iterator[None]:
    """As a user to whom permissions apply, who owns the folder and what is in it."""
    if os.geteuid() != 0:
        yield
        return
    for folder in folders:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, NOBODY, NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that others can reach, which those of pytest are not."""
    with tempfile.TemporaryDirectory(prefix="stratkernel-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
        folder.chmod(0o755)


def stored_in(folder: Path, template: Path) -> str:
    """A database with something in it."""
    path = folder / "database.sqlite"
    path.write_bytes(template.read_bytes())
    url = f"sqlite:///{path}"
    with open_url(url) as storage:
        states_of(storage, STEPS[:2])
    return url


def test_file_that_may_not_be_written_is_a_plain_error(open_folder: Path, migrated_sqlite: Path) -> None:
    url = stored_in(open_folder, migrated_sqlite)
    before = path_of(url).read_bytes()
    path_of(url).chmod(0o444)
    with unprivileged(open_folder), pytest.raises(StorageError, match="writ"), open_url(url) as storage:
        storage.candles.write(MANY)
    assert path_of(url).read_bytes() == before


def test_folder_that_may_not_be_written_is_a_plain_error(open_folder: Path, migrated_sqlite: Path) -> None:
    url = stored_in(open_folder, migrated_sqlite)
    before = path_of(url).read_bytes()
    open_folder.chmod(0o555)
    with unprivileged(open_folder), pytest.raises(StorageError, match="writ"), open_url(url) as storage:
        storage.candles.write(MANY)
    assert path_of(url).read_bytes() == before


def test_folder_that_may_not_be_entered_is_a_plain_error(open_folder: Path) -> None:
    inner = open_folder / "closed"
    inner.mkdir()
    with unprivileged(open_folder):
        inner.chmod(0)
        with pytest.raises(UsageError, match="cannot be looked at"):
            open_url(f"sqlite:///{inner / 'new.sqlite'}")
        inner.chmod(0o755)


def test_new_file_in_a_folder_that_may_not_be_written_is_a_plain_error(open_folder: Path) -> None:
    open_folder.chmod(0o555)
    with unprivileged(open_folder), pytest.raises(StratkernelError, match=r"folder|writ"):
        open_url(f"sqlite:///{open_folder / 'new.sqlite'}")
    assert list(open_folder.iterdir()) == []


@pytest.mark.postgresql
def test_user_who_may_only_read_is_a_plain_error(
    postgres_server: PostgresServer, postgresql_url: str
) -> None:
    reader = f"reader_{uuid.uuid4().hex}"
    with psycopg.connect(postgresql_url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {reader}")
        connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {reader}")
        with open_url(f"{postgresql_url}&options=-c%20role%3D{reader}") as storage:
            assert storage.strategies.runs() == []
            with pytest.raises(StorageError, match="grant the rights"):
                STEPS[0](storage)
            assert storage.strategies.runs() == []
        connection.execute(f"DROP OWNED BY {reader}")
        connection.execute(f"DROP ROLE {reader}")
