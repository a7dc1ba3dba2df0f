"""Plugins and workers that fail: one failed row with its cause, and everything else goes on."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest

from batch_candles import FAST, candle_files, connecting, prepare
from faulty_plugin import faulty_plugin
from plugin_modules import on_path
from stratkernel.contracts.executor import Executor
from stratkernel.engine.batch.batch import BatchResult, run_batch
from stratkernel.engine.batch.rows import RowStatus
from stratkernel.engine.batch.tasks import Configuration
from stratkernel.executors.local import LocalExecutor


@pytest.fixture(autouse=True)
def faulty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    folder = tmp_path / "packages"
    folder.mkdir()
    faulty_plugin(folder)
    monkeypatch.setenv("FAULTY_MARKS", str(tmp_path))
    for _ in on_path(folder, monkeypatch):
        yield


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return candle_files(tmp_path, 2)


def doing(name: str, number: int = 0) -> Configuration:
    return Configuration(f"{name}{number}", f"acme-faulty:{name}", {"number": number})


def statuses(result: BatchResult) -> list[str]:
    return [row.status.value for row in result.rows]


def errors(result: BatchResult) -> set[str]:
    return {str(row.error) for row in result.failed}


@pytest.mark.parametrize("url", ["serial", "local://1"])
def test_batch_plugin_that_raises_is_a_failed_row_with_its_cause(
    tmp_path: Path, files: list[Path], url: str
) -> None:
    result = run_batch(prepare(tmp_path, files, [doing("calm"), doing("raises"), FAST]), connecting(url))
    assert statuses(result) == ["done", "failed", "done"] * 2
    (error,) = errors(result)
    assert "no luck today" in error
    assert "acme-faulty 1.0" in error


def test_batch_plugin_that_raises_keyboardinterrupt_in_a_worker_is_one_failed_row(
    tmp_path: Path, files: list[Path]
) -> None:
    """P2 in a worker: the keyboard is its parent's."""
    result = run_batch(
        prepare(tmp_path, files, [doing("calm"), doing("interrupts")]), connecting("local://1")
    )
    assert statuses(result) == ["done", "failed"] * 2
    assert "KeyboardInterrupt" in errors(result).pop()


def test_batch_plugin_that_fails_while_it_is_set_up_is_a_failed_row(
    tmp_path: Path, files: list[Path]
) -> None:
    result = run_batch(prepare(tmp_path, files, [doing("hungry"), doing("calm")]), connecting())
    assert statuses(result) == ["failed", "done"] * 2
    assert "MemoryError" in errors(result).pop()


def test_batch_too_little_memory_in_the_engine_is_one_failed_row(
    tmp_path: Path, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from stratkernel.engine.batch import tasks

    evaluate, calls = tasks.evaluate, []

    def starving(*arguments: object) -> object:
        calls.append(arguments)
        if len(calls) == 2:
            raise MemoryError
        return evaluate(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(tasks, "evaluate", starving)
    result = run_batch(prepare(tmp_path, files, [doing("calm"), FAST]), connecting())
    assert statuses(result) == ["done", "failed", "done", "done"]
    assert errors(result) == {"MemoryError"}


def test_batch_strategy_that_looks_ahead_is_a_failed_row_unless_nobody_looks(
    tmp_path: Path, files: list[Path]
) -> None:
    wanted = [doing("calm"), doing("peeks")]
    result = run_batch(prepare(tmp_path, files[:1], wanted, check=True), connecting())
    assert statuses(result) == ["done", "failed"]
    assert "not honest" in errors(result).pop()
    assert statuses(run_batch(prepare(tmp_path, files[:1], wanted), connecting())) == ["done", "done"]


def test_batch_worker_that_dies_in_a_plugin_costs_that_row_only(tmp_path: Path, files: list[Path]) -> None:
    """P4: the task is of four rows, and one of them takes the worker with it."""
    wanted = [doing("calm", 1), doing("dies"), doing("calm", 2), FAST]
    result = run_batch(prepare(tmp_path, files[:1], wanted), connecting("local://2"))
    assert statuses(result) == ["done", "failed", "done", "done"]
    assert "its worker process died" in errors(result).pop()


def test_batch_worker_killed_its_rows_are_computed_again(tmp_path: Path, files: list[Path]) -> None:
    """B6."""
    wanted = [doing("dies_once", 1), doing("calm", 2)]
    result = run_batch(prepare(tmp_path, files, wanted), connecting("local://2"))
    assert statuses(result) == ["done"] * 4
    calm = run_batch(prepare(tmp_path / "calm", files, [doing("calm", 1), doing("calm", 2)]), connecting())
    assert [row.signals_hash for row in result.rows] == [row.signals_hash for row in calm.rows]


def test_batch_workers_killed_from_outside_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """B6, with SIGKILL at whoever is at work after each of the first rows."""
    monkeypatch.setattr("stratkernel.engine.batch.preparation.AT_ONCE", 1)
    files = candle_files(tmp_path, 6)
    opened: list[LocalExecutor] = []
    killed: list[int] = []

    def connect() -> Executor:
        opened.append(LocalExecutor(2))
        return opened[-1]

    def kill_one(finished: int, _total: int, _failed: int) -> None:
        at_work = [each.pid for each in opened[-1]._context.started if each.is_alive()] if opened else []
        if len(killed) < 2 and finished and at_work:
            os.kill(at_work[0], signal.SIGKILL)
            killed.append(at_work[0])

    wanted = run_batch(prepare(tmp_path / "other", files), connecting())
    result = run_batch(prepare(tmp_path, files), connect, progress=kill_one)
    assert len(killed) == 2
    assert len(opened) > 1
    assert result.rows == wanted.rows


def test_batch_plugin_that_hangs_is_ended_at_its_time_and_the_others_are_done(
    tmp_path: Path, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """P3."""
    monkeypatch.setattr("stratkernel.engine.batch.scheduling._START", 3.0)
    wanted = [doing("calm", 1), doing("hangs"), FAST]
    prepared = prepare(tmp_path, files, wanted)
    result = run_batch(prepared, connecting("local://2"), task_timeout=1.0)
    assert statuses(result) == ["done", "failed", "done"] * 2
    assert errors(result) == {"not done after 1 seconds, and ended together with its worker process"}


def test_batch_asked_to_stop_while_a_plugin_hangs_keeps_what_is_finished(
    tmp_path: Path, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stratkernel.engine.batch.preparation.AT_ONCE", 1)
    monkeypatch.setattr("stratkernel.engine.batch.scheduling._GRACE", 0.2)
    stop = Event()

    def watch(finished: int, _total: int, _failed: int) -> None:
        if finished:
            stop.set()

    prepared = prepare(tmp_path, files[:1], [doing("calm"), doing("hangs")])
    result = run_batch(prepared, connecting("local://1"), stop=stop, progress=watch)
    assert not result.complete
    assert statuses(result) == ["done"]
    assert prepared.folder.finished() == [0]


def test_batch_one_of_five_hundred_series_fails_the_others_are_there(tmp_path: Path) -> None:
    """B3."""
    files = candle_files(tmp_path, 500, rows=60)
    files[317].write_bytes(files[317].read_bytes()[:200])
    prepared = prepare(tmp_path, files, [doing("calm")])
    result = run_batch(prepared, connecting())
    assert result.complete
    assert len(result.rows) - len(result.failed) == 499
    (row,) = result.failed
    assert (row.number, row.symbol, row.status) == (317, "S317", RowStatus.FAILED)
    assert "S317.parquet" in str(row.error)
