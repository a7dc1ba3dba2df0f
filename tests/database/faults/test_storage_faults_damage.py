"""S6, S7, S9: files that are damaged, of another version, or from a moment of a power cut."""

import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from driver_faults import FaultPlan
from storage_steps import STEPS, open_url, states_of
from stratkernel import SchemaError, Storage, StorageError
from stratkernel.testing.storage.samples import everything, made_candles

PAGE = 4096


@pytest.fixture
def filled(sqlite_url: str) -> Path:
    """A file with something on each page, nothing left in its log."""
    with open_url(sqlite_url) as storage:
        states_of(storage, STEPS[:3])
        storage.candles.write(made_candles(3000, symbol="LONG"))
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return path


def open_path(path: Path) -> Storage:
    return open_url(f"sqlite:///{path}")


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def read_all(path: Path) -> dict[str, Any]:
    with open_path(path) as storage:
        return everything(storage)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"\0" * len(data),
        lambda data: b"this is no database\n" * 1000,
        lambda data: b"\xff" * 100 + data[100:],
        lambda data: data[:16] + b"\xff" * (PAGE - 16) + data[PAGE:],
        lambda data: data[:PAGE] + b"\xff" * (len(data) - PAGE),
        lambda data: data[: len(data) // 2],
        lambda data: data[: PAGE // 2],
    ],
    ids=["zeros", "text", "header", "first page", "other pages", "half", "half a page"],
)
def test_damaged_file_is_refused_with_a_hint_and_left_as_it_is(filled: Path, damage: Any) -> None:
    data = damage(filled.read_bytes())
    filled.write_bytes(data)
    with pytest.raises(StorageError, match=r"restore|backup") as raised:
        read_all(filled)
    assert not isinstance(raised.value, SchemaError)
    assert filled.read_bytes() == data


def outcome(path: Path) -> tuple[dict[str, Any] | None, str]:
    """What was read, or why nothing was."""
    try:
        return read_all(path), ""
    except StorageError as error:
        return None, str(error)


def test_overwritten_page_is_never_read_as_something_else(filled: Path) -> None:
    """Whatever page is lost: all is read as it was, or an error says so; nothing is written."""
    whole, data = read_all(filled), filled.read_bytes()
    refused = 0
    for page in range(1, len(data) // PAGE):
        broken = data[: page * PAGE] + b"\xa5" * PAGE + data[(page + 1) * PAGE :]
        filled.write_bytes(broken)
        read, said = outcome(filled)
        assert read == whole or (read is None and "restore" in said)
        refused += read is None
        assert filled.read_bytes() == broken
        for suffix in ("-wal", "-shm"):
            filled.with_name(filled.name + suffix).unlink(missing_ok=True)
    assert refused > 10


def test_file_of_somebody_else_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE strategy_runs (mine TEXT)")
        connection.execute("INSERT INTO strategy_runs VALUES ('kept')")
        connection.commit()
    with pytest.raises(SchemaError, match="did not make"):
        read_all(path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT * FROM strategy_runs").fetchall() == [("kept",)]


def test_newer_tables_are_refused_and_left_as_they_are(filled: Path) -> None:
    with closing(sqlite3.connect(filled)) as connection:
        connection.execute("UPDATE stratkernel_schema_version SET version_num = '9999'")
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    data = filled.read_bytes()
    with pytest.raises(SchemaError, match=r"newer.*9999"):
        read_all(filled)
    assert filled.read_bytes() == data


@pytest.mark.postgresql
def test_server_without_tables_is_refused_when_it_may_not_be_changed(postgres_url: str) -> None:
    from stratkernel_database.backend import PostgresqlBackend

    with pytest.raises(SchemaError, match="stratkernel db upgrade"):
        PostgresqlBackend.open(postgres_url, migrate=False)


def copy_of(path: Path, folder: Path) -> Path:
    """The file and its log, as they lie on the disk now."""
    folder.mkdir()
    for suffix in ("", "-wal"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            shutil.copyfile(part, folder / part.name)
    return folder / path.name


def test_copy_from_any_moment_holds_a_beginning_of_what_was_written(
    sqlite_url: str, tmp_path: Path, faults: FaultPlan
) -> None:
    """What a process that is cut off leaves: all steps up to one, no half of any."""
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    copies: list[tuple[int, Path]] = []
    with open_url(sqlite_url) as storage:
        states = [everything(storage)]
        for number, step in enumerate(STEPS):

            def copy_first(
                plan: FaultPlan, connection: Any, name: str, call: Any, number: int = number
            ) -> Any:
                copies.append((number, copy_of(path, tmp_path / f"copy{len(copies)}")))
                plan.arm(1, copy_first)
                return call()

            faults.arm(1, copy_first)
            step(storage)
            faults.disarm()
            states.append(everything(storage))
    assert len(copies) > 20
    for number, copy in copies:
        assert read_all(copy) == states[number]


def test_log_that_ends_anywhere_holds_a_beginning_of_what_was_written(
    sqlite_url: str, tmp_path: Path
) -> None:
    """What a power cut leaves of a log that was not synced: it ends somewhere, or its end is rubbish."""
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    with open_url(sqlite_url) as storage:
        states = states_of(storage)
        whole = copy_of(path, tmp_path / "whole")
    log = whole.with_name(whole.name + "-wal").read_bytes()
    chance = random.Random(7)  # noqa: S311 - no secret depends on it
    found = set()
    for number in range(40):
        copy = copy_of(whole, tmp_path / f"cut{number}")
        end = chance.randrange(len(log) + 1)
        rubbish = chance.randbytes(chance.choice((0, 100, len(log) - end)))
        copy.with_name(copy.name + "-wal").write_bytes(log[:end] + rubbish)
        left = read_all(copy)
        assert left in states
        found.add(states.index(left))
    assert len(found) > 3
