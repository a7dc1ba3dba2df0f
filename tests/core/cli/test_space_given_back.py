"""The file gets smaller when candles and runs are deleted, and what is said of it is true."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from stratkernel import Kernel, Storage, open_storage
from stratkernel.contracts.retention import RetentionPolicy, RetentionRule
from stratkernel.testing.storage.samples import STARTED, made_candles, made_run, made_signals

NOW = STARTED + timedelta(days=1)
NONE_STAYS = RetentionPolicy({"run": RetentionRule(max_runs=0)})


@pytest.fixture
def file(database: str) -> Path:
    return Path(database.removeprefix("sqlite:///"))


@pytest.fixture
def filled(database: str, file: Path) -> Iterator[Storage]:
    """20,000 candles and a run of 5,000 signals; all of it in the file itself."""
    with open_storage(Kernel(), database) as storage:
        storage.candles.write(made_candles(20_000))
        run = made_run(0)
        storage.strategies.save_run(run, made_signals(run, 5_000))
        storage.reclaim()
        yield storage


def test_data_delete_gives_the_space_back(stratkernel: Any, filled: Storage, file: Path) -> None:
    before = file.stat().st_size
    assert stratkernel("data", "delete", "--symbol", "TEST", "--yes").code == 0
    assert file.stat().st_size < before - 20_000 * 40


def test_runs_delete_gives_the_space_back(stratkernel: Any, filled: Storage, file: Path) -> None:
    before = file.stat().st_size
    assert stratkernel("runs", "delete", str(made_run(0).run_id), "--yes").code == 0
    assert file.stat().st_size < before - 5_000 * 40


def test_db_clean_with_nothing_due_gives_back_what_was_deleted_before(
    stratkernel: Any, filled: Storage, file: Path
) -> None:
    from stratkernel.contracts.stored import Series

    before = file.stat().st_size
    filled.candles.delete(Series("TEST", "1h"))
    outcome = stratkernel("db", "clean")
    assert outcome.code == 0
    freed = before - file.stat().st_size
    assert freed > 20_000 * 40
    assert f"0 runs and 0 signals deleted, {freed:,} bytes given back\n" in outcome.out


def test_clean_says_by_how_much_the_file_shrank(filled: Storage, file: Path) -> None:
    before = file.stat().st_size
    report = filled.clean(NONE_STAYS, now=NOW)
    assert report.bytes_freed == before - file.stat().st_size > 0
    assert report.bytes_reusable == 0


def test_clean_of_a_file_that_another_program_made_says_that_it_keeps_its_size(
    stratkernel: Any, database: str, file: Path
) -> None:
    with closing(sqlite3.connect(file)) as bot:
        bot.execute("CREATE TABLE signals (id INTEGER PRIMARY KEY, side TEXT)")
    with open_storage(Kernel(), database) as storage:
        run = made_run(0)
        storage.strategies.save_run(run, made_signals(run, 5_000))
        before = file.stat().st_size
        report = storage.clean(NONE_STAYS, now=NOW)
    assert report.bytes_freed == 0
    assert report.bytes_reusable > 5_000 * 40
    assert file.stat().st_size == before
    told = stratkernel("db", "clean").out
    assert "0 bytes given back" in told
    assert f"{report.bytes_reusable:,} bytes are free in the file, which keeps its size" in told
