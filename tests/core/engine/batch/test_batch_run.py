"""A batch: every row once, in the order of the plan, the same whoever did it and however often it stopped."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pyarrow as pa
import pytest

from batch_candles import FAST, RSI, SLOW, candle_file, candle_files, connecting, prepare, reference
from stratkernel import DataError, Kernel, SignalQuery, Storage, UsageError
from stratkernel.contracts.stored import RunKind, RunQuery
from stratkernel.engine.batch.batch import BatchResult, run_batch
from stratkernel.engine.batch.preparation import PreparedBatch
from stratkernel.engine.batch.rows import BatchRow, RowStatus, rows_to_table
from stratkernel.engine.batch.workshop import Workshop
from stratkernel.engine.performance import evaluate
from stratkernel.engine.run import run_strategy
from stratkernel.engine.storage import open_storage


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return candle_files(tmp_path, 4)


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[Storage]:
    with open_storage(Kernel(), f"sqlite:///{(tmp_path / 'kept.db').as_posix()}") as opened:
        yield opened


def digest(rows: tuple[BatchRow, ...]) -> str:
    """Of the file that the rows would be, as IPC bytes: every text and every bit of every number."""
    table = rows_to_table(rows)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return hashlib.sha256(sink.getvalue()).hexdigest()


def whole(prepared: PreparedBatch, url: str = "serial", **more: Any) -> BatchResult:
    result = run_batch(prepared, connecting(url), **more)
    prepared.folder.remove()
    return result


def test_batch_gives_every_configuration_over_every_series_in_the_order_of_the_plan(
    tmp_path: Path, files: list[Path]
) -> None:
    result = whole(prepare(tmp_path, files, [FAST, SLOW, RSI]))
    assert result.complete
    assert [row.number for row in result.rows] == list(range(12))
    wanted = [(file.stem, name) for file in files for name in ("fast", "slow", "rsi")]
    assert [(row.symbol, row.configuration) for row in result.rows] == wanted
    assert {row.status for row in result.rows} == {RowStatus.DONE}


def test_batch_row_equals_the_run_of_its_strategy(tmp_path: Path, files: list[Path], kernel: Kernel) -> None:
    (row,) = whole(prepare(tmp_path, files[:1], [FAST])).rows
    workshop = Workshop(kernel)
    alone = run_strategy(kernel, FAST.create(workshop), workshop.candles(reference(files[0])))
    assert row.signals == len(alone.signals)
    assert row.signals > 0
    assert row.metrics == evaluate(alone.candles, alone.signals).metrics
    assert row.parameters == alone.run.parameters


@pytest.mark.parametrize("url", ["local://1", "local://2", "local://4"])
def test_batch_workers_and_executor_change_neither_order_nor_hash(
    tmp_path: Path, files: list[Path], url: str
) -> None:
    """B5."""
    one, other = whole(prepare(tmp_path, files)), whole(prepare(tmp_path, files), url)
    assert other.rows == one.rows
    assert other.hash == one.hash
    assert digest(other.rows) == digest(one.rows)


def stopped_after(prepared: PreparedBatch, rows: int, **more: Any) -> BatchResult:
    """Ask the batch to stop once so many rows are finished."""
    stop = Event()

    def watch(finished: int, _total: int, _failed: int) -> None:
        if finished >= rows:
            stop.set()

    return run_batch(prepared, connecting(), stop=stop, progress=watch, **more)


def test_batch_stopped_at_any_task_gives_the_identical_file_when_resumed(
    tmp_path: Path, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """K9."""
    monkeypatch.setattr("stratkernel.engine.batch.preparation.AT_ONCE", 1)
    wanted = digest(whole(prepare(tmp_path / "other", files)).rows)
    interrupted = set()
    for rows in range(9):
        first = stopped_after(prepare(tmp_path, files), rows)
        interrupted |= set() if first.complete else {len(first.rows)}
        assert digest(whole(prepare(tmp_path, files)).rows) == wanted
    assert interrupted >= {2, 4, 6}


@pytest.mark.parametrize("rows", [1, 3])
def test_batch_that_stores_its_runs_stopped_gives_the_identical_file_and_no_run_twice(
    tmp_path: Path, files: list[Path], storage: Storage, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    monkeypatch.setattr("stratkernel.engine.batch.preparation.AT_ONCE", 1)
    with open_storage(Kernel(), f"sqlite:///{(tmp_path / 'other.db').as_posix()}") as other:
        wanted = digest(whole(prepare(tmp_path / "other", files, storage=other), storage=other).rows)
    first = stopped_after(prepare(tmp_path, files, storage=storage), rows, storage=storage)
    assert 0 < len(first.rows) < 8
    resumed = whole(prepare(tmp_path, files, storage=storage), storage=storage)
    assert digest(resumed.rows) == wanted
    assert {str(run.run_id) for run in storage.strategies.runs()} == {row.run_id for row in resumed.rows}
    assert len(storage.strategies.runs()) == 8


def test_batch_resumed_computes_only_what_is_left(
    tmp_path: Path, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stratkernel.engine.batch.preparation.AT_ONCE", 1)
    first = stopped_after(prepare(tmp_path, files), 3)
    told: list[int] = []
    run_batch(prepare(tmp_path, files), connecting(), progress=lambda finished, *_: told.append(finished))
    assert told == list(range(len(first.rows), 9))


def test_batch_stopped_while_one_row_had_failed_tries_that_one_again_and_keeps_the_others(
    tmp_path: Path, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    too_long = RSI.__class__("long", RSI.strategy, {"period": 500})
    first = run_batch(prepare(tmp_path, files[:1], [FAST, too_long, RSI]), connecting())
    assert [row.status for row in first.rows] == ["done", "failed", "done"]
    told: list[int] = []
    prepared = prepare(tmp_path, files[:1], [FAST, too_long, RSI])
    again = run_batch(prepared, connecting(), progress=lambda finished, *_: told.append(finished))
    assert told == [2, 3]
    assert again.hash == first.hash
    # and what was kept is still there for a third time
    assert run_batch(prepared, connecting()).rows[0] == first.rows[0]


def test_batch_stores_each_run_once_with_its_signals(
    tmp_path: Path, files: list[Path], storage: Storage
) -> None:
    result = whole(prepare(tmp_path, files, storage=storage), storage=storage)
    runs = storage.strategies.runs(RunQuery(kind=RunKind.BATCH, batch=result.id))
    assert {str(run.run_id) for run in runs} == {row.run_id for row in result.rows}
    assert all(
        len(storage.strategies.signals(SignalQuery(run_ids=(run.run_id,)))) == run.signal_count > 0
        for run in runs
    )
    again = whole(prepare(tmp_path, files, storage=storage, force=True), storage=storage)
    assert again.hash == result.hash
    assert len(storage.strategies.runs()) == len(runs)


def test_batch_no_disk_space_for_a_part_says_so_and_loses_nothing(
    tmp_path: Path, files: list[Path], storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stratkernel.engine.batch.preparation.AT_ONCE", 1)
    wanted = whole(prepare(tmp_path / "other", files)).hash
    prepared = prepare(tmp_path, files, storage=storage)
    written = 0

    def no_space(*arguments: Any, **more: Any) -> None:
        nonlocal written
        written += 1
        if written > 3:
            raise OSError(28, "No space left on device")
        write(*arguments, **more)

    import pyarrow.parquet

    write = pyarrow.parquet.write_table
    monkeypatch.setattr("pyarrow.parquet.write_table", no_space)
    with pytest.raises(DataError, match=rf"No space left on device.*--resume {prepared.folder.id}"):
        run_batch(prepared, connecting(), storage)
    assert prepared.folder.finished() == [0, 1, 2]
    monkeypatch.undo()
    resumed = whole(prepare(tmp_path, files, storage=storage), storage=storage)
    assert resumed.hash == wanted
    assert {row.status for row in resumed.rows} == {RowStatus.DONE}
    assert len(storage.strategies.runs()) == 8


def test_batch_candles_that_change_meanwhile_fail_their_rows_only(tmp_path: Path, files: list[Path]) -> None:
    prepared = prepare(tmp_path, files)
    candle_file(tmp_path, files[1].stem, seed=99)
    result = whole(prepared)
    assert [row.symbol for row in result.failed] == [files[1].stem] * 2
    assert all("have changed since the batch began" in str(row.error) for row in result.failed)


def test_batch_candles_that_changed_between_two_batches_are_read_anew(
    tmp_path: Path, files: list[Path]
) -> None:
    first = whole(prepare(tmp_path, files))
    candle_file(tmp_path, files[1].stem, seed=99)
    second = whole(prepare(tmp_path, files))
    assert not second.failed
    assert second.hash != first.hash


def test_batch_of_a_process_that_is_done_holds_nothing(tmp_path: Path, files: list[Path]) -> None:
    from stratkernel.engine.batch import workshop

    whole(prepare(tmp_path, files))
    assert not workshop._workshops


def test_batch_that_somebody_works_on_is_refused(tmp_path: Path, files: list[Path]) -> None:
    prepared = prepare(tmp_path, files)
    with prepared.folder.held(prepared.plan), pytest.raises(UsageError, match="by another process"):
        run_batch(prepare(tmp_path, files), connecting())
