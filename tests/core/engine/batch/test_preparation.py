"""Before a batch runs: everything that is wrong is told, what is stored is found, series are loaded once."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from batch_candles import FAST, RSI, SLOW, candle_file, candle_files, connecting, prepare, reference
from stratkernel import Kernel, Storage, UsageError
from stratkernel.contracts.stored import RunKind
from stratkernel.engine.batch.batch import run_batch
from stratkernel.engine.batch.preparation import AT_ONCE, BatchOptions, prepare_batch
from stratkernel.engine.batch.rows import RowStatus
from stratkernel.engine.batch.tasks import Configuration
from stratkernel.engine.batch.workshop import CandleReference, Workshop
from stratkernel.engine.exits import ExitRules
from stratkernel.engine.performance import Costs, evaluate
from stratkernel.engine.run import run_strategy
from stratkernel.engine.run_record import RunCourse, evaluated_record
from stratkernel.engine.run_setup import RunOptions
from stratkernel.engine.storage import open_storage
from stratkernel.kernel.clock import SystemClock


@pytest.fixture
def storage(tmp_path: Path, kernel: Kernel) -> Iterator[Storage]:
    with open_storage(kernel, f"sqlite:///{(tmp_path / 'kept.db').as_posix()}") as opened:
        yield opened


def test_prepare_batch_one_bad_entry_of_hundreds_and_others_are_told_at_once_and_nothing_is_kept(
    tmp_path: Path, kernel: Kernel
) -> None:
    file = candle_file(tmp_path, "A")
    good = [Configuration(f"c{period}", RSI.strategy, {"period": period}) for period in range(2, 302)]
    good[137] = Configuration("bad", RSI.strategy, {"period": 0})
    with pytest.raises(UsageError) as raised:
        prepare(tmp_path, [file, tmp_path / "missing.parquet"], good, kernel=kernel)
    message = str(raised.value)
    assert message.startswith("2 entries of the batch cannot be run; nothing was:")
    assert "bad on " in message
    assert "period" in message
    assert "there is no file" in message
    assert message.count("\n") == 2
    assert not (tmp_path / "batches").exists()


def test_prepare_batch_problems_of_the_caller_are_told_with_its_own(tmp_path: Path, kernel: Kernel) -> None:
    jobs = [(FAST, reference(tmp_path / "missing.parquet"))]
    with pytest.raises(UsageError, match=r"(?s)2 entries.*first problem.*there is no file"):
        prepare_batch(
            Workshop(kernel), jobs, BatchOptions(Costs()), tmp_path, None, problems=["first problem"]
        )


def test_prepare_batch_candles_that_are_bad_make_failed_rows(tmp_path: Path, kernel: Kernel) -> None:
    files = candle_files(tmp_path, 2)
    frame = pd.read_parquet(files[1])
    frame.iloc[7, frame.columns.get_loc("volume")] = -10.0
    frame.to_parquet(files[1])
    prepared = prepare(tmp_path, files, kernel=kernel)
    assert [row.number for row in prepared.known] == [2, 3]
    assert {row.status for row in prepared.known} == {RowStatus.FAILED}
    assert {row.symbol for row in prepared.known} == {files[1].stem}
    assert all("volume" in str(row.error) for row in prepared.known)
    assert [task.numbers for task in prepared.tasks] == [(0, 1)]


def test_prepare_batch_range_without_candles_fails_that_series(tmp_path: Path, kernel: Kernel) -> None:
    early = replace(FAST, options=RunOptions(end=1_600_000_000_000_000))
    prepared = prepare(tmp_path, candle_files(tmp_path, 1), [FAST, early], kernel=kernel)
    (row,) = prepared.known
    assert row.number == 1
    assert "lies in the range" in str(row.error)


def test_prepare_batch_loads_each_series_once(
    tmp_path: Path, kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[str] = []
    load = Workshop._load

    def counted(self: Workshop, which: CandleReference) -> Any:
        loaded.append(str(which))
        return load(self, which)

    monkeypatch.setattr(Workshop, "_load", counted)
    files = candle_files(tmp_path, 3)
    prepare(tmp_path, files, [FAST, SLOW, RSI], kernel=kernel)
    assert sorted(loaded) == sorted(map(str, files))


def test_prepare_batch_holds_no_candles(tmp_path: Path, kernel: Kernel) -> None:
    import gc

    from stratkernel import Candles

    workshop = Workshop(kernel)
    jobs = [(FAST, reference(file)) for file in candle_files(tmp_path, 3)]
    prepared = prepare_batch(workshop, jobs, BatchOptions(Costs()), tmp_path, None)
    assert workshop.held_bytes > 0
    workshop.close()
    del workshop
    gc.collect()
    symbols = {each.symbol for each in gc.get_objects() if isinstance(each, Candles)}
    assert len(prepared.tasks) == 3
    assert not symbols & {f"S{number:03}" for number in range(3)}


def test_workshop_candles_beyond_its_bound_make_room(tmp_path: Path, kernel: Kernel) -> None:
    files = candle_files(tmp_path, 4, rows=100)
    workshop = Workshop(kernel, candle_bytes=56 * 250)
    for file in files:
        workshop.candles(reference(file))
        assert workshop.held_bytes <= 56 * 250
    assert workshop.held_bytes == 56 * 200


def test_prepare_batch_tasks_are_of_one_series_and_bounded(tmp_path: Path, kernel: Kernel) -> None:
    many = [Configuration(f"c{period}", RSI.strategy, {"period": period}) for period in range(2, 42)]
    prepared = prepare(tmp_path, candle_files(tmp_path, 2), many, kernel=kernel)
    assert [len(task.numbers) for task in prepared.tasks] == [AT_ONCE, AT_ONCE, 8] * 2
    assert sorted(number for task in prepared.tasks for number in task.numbers) == list(range(80))


@pytest.mark.parametrize("kind", [RunKind.RUN, RunKind.BATCH, RunKind.SWEEP])
def test_prepare_batch_reuses_what_was_computed_as_a_run_of_any_kind(
    tmp_path: Path, kernel: Kernel, storage: Storage, kind: RunKind
) -> None:
    (file,) = candle_files(tmp_path, 1)
    workshop = Workshop(kernel)
    named = replace(FAST, name="under another name")
    result = run_strategy(kernel, named.create(workshop), workshop.candles(reference(file)))
    now = SystemClock().utc_now()
    record = evaluated_record(
        result, evaluate(result.candles, result.signals, Costs()), RunCourse(now, now, kind)
    )
    storage.strategies.save_run(record, result.signals)
    fresh = run_batch(prepare(tmp_path / "other", [file], [FAST], kernel=kernel), connecting())
    prepared = prepare(tmp_path, [file], [FAST, RSI], kernel=kernel, storage=storage)
    (row,) = prepared.known
    assert row.status is RowStatus.REUSED
    assert row.run_id == str(record.run_id)
    assert replace(row, status=RowStatus.DONE, run_id=None) == replace(fresh.rows[0], run_id=None)
    assert [task.numbers for task in prepared.tasks] == [(1,)]
    assert not prepare(tmp_path, [file], [FAST], kernel=kernel, storage=storage, force=True).known


def test_prepare_batch_does_not_reuse_what_differs(tmp_path: Path, kernel: Kernel, storage: Storage) -> None:
    (file,) = candle_files(tmp_path, 1)
    run_batch(prepare(tmp_path, [file], [FAST], kernel=kernel, storage=storage), connecting(), storage)

    def known(configuration: Configuration = FAST, costs: Costs | None = None, source: Path = file) -> int:
        options = BatchOptions(costs or Costs(), check=False)
        jobs = [(configuration, reference(source))]
        return len(prepare_batch(Workshop(kernel), jobs, options, tmp_path / "other", storage).known)

    assert known() == 1
    assert known(costs=Costs(fee_bps=1.0)) == 0
    assert known(replace(FAST, parameters={"fast_period": 4, "slow_period": 8})) == 0
    assert known(replace(FAST, options=RunOptions(exits=ExitRules(stop_loss=0.02)))) == 0
    assert known(replace(FAST, options=RunOptions(start=1_700_100_000_000_000))) == 0
    assert known(source=candle_file(tmp_path, "S000x", seed=0)) == 0
    candle_file(tmp_path, file.stem, seed=9)
    assert known() == 0


def test_prepare_batch_does_not_reuse_a_run_that_lost_signals(
    tmp_path: Path, kernel: Kernel, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    (file,) = candle_files(tmp_path, 1)
    run_batch(prepare(tmp_path, [file], [FAST], kernel=kernel, storage=storage), connecting(), storage)
    signals = storage.strategies.signals

    def fewer(query: Any) -> Any:
        return signals(replace(query, limit=1))

    monkeypatch.setattr(storage.strategies, "signals", fewer)
    assert not prepare(tmp_path / "x", [file], [FAST], kernel=kernel, storage=storage).known


def test_prepare_batch_same_batch_has_the_same_id_and_another_has_not(tmp_path: Path, kernel: Kernel) -> None:
    files = candle_files(tmp_path, 2)
    one = prepare(tmp_path, files, kernel=kernel).folder.id
    assert prepare(tmp_path, files, kernel=kernel).folder.id == one
    others = {
        prepare(tmp_path, files[:1], kernel=kernel).folder.id,
        prepare(tmp_path, files, [FAST, SLOW], kernel=kernel).folder.id,
        prepare(tmp_path, files, kernel=kernel, check=True).folder.id,
        prepare(tmp_path, files, kernel=kernel, force=True).folder.id,
        prepare(tmp_path, files[::-1], kernel=kernel).folder.id,
    }
    assert len(others - {one}) == 5
