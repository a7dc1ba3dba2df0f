"""A sweep in parts: the same to the last bit whoever does it, however often it is stopped or killed."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest

from batch_candles import candle_file, reference
from dask_cluster import dask_cluster
from stratkernel import DataError, Kernel, UsageError
from stratkernel.engine.batch.sweep_findings import SweepFindings
from stratkernel.engine.batch.sweep_parts import KeptSweeps
from stratkernel.engine.batch.sweep_run import SweepResult
from stratkernel.engine.batch.workshop import Workshop, close_workshops
from stratkernel.engine.lookahead.checking import LookaheadError
from stratkernel.engine.sweep import Sweep
from stratkernel.engine.walk_forward import WalkForward
from stratkernel.executors.local import LocalExecutor
from sweep_steps import OVER_2000, prepared_sweep, swept

SMALL = ("fast_period=2..9", "slow_period=5..14")


@pytest.fixture(scope="module")
def serial_hash(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Of the sweep of over 2,000 combinations, done in this process."""
    result = swept(prepared_sweep(tmp_path_factory.mktemp("serial"), OVER_2000))
    assert result.complete
    assert result.combinations == 2_295
    return result.hash


def test_sweep_in_parts_has_the_rows_of_the_sweep_in_one(tmp_path: Path, kernel: Kernel) -> None:
    prepared = prepared_sweep(tmp_path, SMALL, at_once=7)
    result = swept(prepared)
    subject = prepared.subject
    whole = Sweep(kernel, subject.strategy, subject.grid, subject.load(Workshop(kernel))).evaluate()
    assert len(prepared.tasks) == 12
    assert result.hash == whole.digest()
    assert result.rows.skipped == whole.skipped > 0
    for name, column in whole.metrics.items():
        assert result.rows.metrics[name].tobytes() == column.tobytes()


def test_sweep_grid_of_any_size_is_prepared_at_once(tmp_path: Path) -> None:
    axes = ("fast_period=1..10000", "slow_period=2..10000", "signal_period=1..10000")
    prepared = prepared_sweep(tmp_path, axes)
    assert prepared.combinations == 999_900_000_000
    assert len(prepared.tasks) == 4_999_500_000
    assert prepared.tasks[4_999_499_999].indices[-1] == 999_899_999_999


def test_sweep_sample_of_a_large_grid_is_as_many_and_the_same_for_the_same_seed(tmp_path: Path) -> None:
    axes = ("fast_period=1..1000", "slow_period=2..1000", "signal_period=1..1000")
    results = [swept(prepared_sweep(tmp_path / f"{seed}", axes, sample=40, seed=seed)) for seed in (1, 2)]
    again = swept(prepared_sweep(tmp_path / "again", axes, sample=40, seed=1))
    assert all(result.combinations == 40 for result in results)
    assert len(results[0].rows) + results[0].rows.skipped == 40
    assert again.hash == results[0].hash != results[1].hash


def test_sweep_sample_of_more_than_there_are_is_all_of_them(tmp_path: Path) -> None:
    assert prepared_sweep(tmp_path, SMALL, sample=500).id == prepared_sweep(tmp_path, SMALL).id


@pytest.mark.parametrize("sample", [0, -1, 20_000_000])
def test_sweep_sample_of_none_or_too_many_is_refused(tmp_path: Path, sample: int) -> None:
    axes = ("fast_period=1..10000", "slow_period=2..10000")
    with pytest.raises(UsageError, match="expected from 1 to 10,000,000"):
        prepared_sweep(tmp_path, axes, sample=sample)


def test_sweep_metric_that_there_is_not_is_refused_before_anything_is_kept(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown metric 'sharp'"):
        prepared_sweep(tmp_path, SMALL, metric="sharp")
    assert not (tmp_path / "batches").exists()


def test_sweep_id_is_decided_by_all_that_decides_its_rows(tmp_path: Path) -> None:
    one = prepared_sweep(tmp_path, SMALL)
    other_candles = candle_file(tmp_path, "other", rows=400, seed=9)
    assert prepared_sweep(tmp_path, SMALL, at_once=3).id == one.id
    assert prepared_sweep(tmp_path, SMALL, metric="total_return").id == one.id
    others = [
        prepared_sweep(tmp_path, SMALL[:1]),
        prepared_sweep(tmp_path, SMALL, sample=10),
        prepared_sweep(tmp_path, SMALL, sample=10, seed=1),
        prepared_sweep(tmp_path, SMALL, file=other_candles),
        prepared_sweep(tmp_path, SMALL, metric="sortino"),
        prepared_sweep(tmp_path, SMALL, walk_forward=WalkForward(86_400_000_000 * 5, 86_400_000_000)),
        prepared_sweep(tmp_path, SMALL, check=True),
    ]
    assert len({each.id for each in (one, *others)}) == 8


@pytest.mark.parametrize("url", ["local://1", "local://2", "local://4"])
def test_sweep_workers_change_neither_order_nor_hash(tmp_path: Path, serial_hash: str, url: str) -> None:
    """B5."""
    result = swept(prepared_sweep(tmp_path, OVER_2000), url)
    assert result.rows.indices.tolist() == sorted(result.rows.indices.tolist())
    assert result.hash == serial_hash


def watching(act: Callable[[], None], at: int) -> Callable[[int, int, int], None]:
    """A progress report that does something once, when so many combinations are finished."""
    done: list[bool] = []

    def report(finished: int, _total: int, _failed: int) -> None:
        if finished >= at and not done:
            done.append(True)
            act()

    return report


def test_sweep_worker_killed_half_way_its_tasks_are_run_again(tmp_path: Path, serial_hash: str) -> None:
    """B6."""
    opened: list[LocalExecutor] = []

    def connect() -> LocalExecutor:
        opened.append(LocalExecutor(2))
        return opened[-1]

    def kill() -> None:
        os.kill(opened[0]._context.started[0].pid or 0, signal.SIGKILL)

    prepared = prepared_sweep(tmp_path, OVER_2000, at_once=100)
    result = swept(prepared, connect, progress=watching(kill, 1_000))
    assert len(opened) > 1
    assert result.complete
    assert result.failed == 0
    assert result.hash == serial_hash


def test_sweep_on_dask_with_a_worker_killed_half_way_then_stopped_and_resumed_has_the_same_hash(
    tmp_path: Path, serial_hash: str
) -> None:
    """B5, B6, K9: two workers of a real cluster."""
    from distributed import Client

    with dask_cluster(2) as url:
        address = url.replace("dask://", "tcp://")

        def kill_one() -> None:
            with Client(address, set_as_default=False) as client:
                pids = client.run(os.getpid)
                os.kill(min(pids.values()), signal.SIGKILL)

        stop = Event()
        report = watching(kill_one, 500)
        halt = watching(stop.set, 1_200)

        def progress(*told: int) -> None:
            report(*told)
            halt(*told)

        first = swept(prepared_sweep(tmp_path, OVER_2000, at_once=100), url, stop=stop, progress=progress)
        assert not first.complete
        assert first.failed == 0
        second = swept(prepared_sweep(tmp_path, OVER_2000, at_once=100), url)
    assert second.complete
    assert second.hash == serial_hash


def test_sweep_resumed_from_any_task_on_gives_the_identical_result(tmp_path: Path) -> None:
    """K9."""
    wanted = swept(prepared_sweep(tmp_path, SMALL, at_once=10))
    kept = KeptSweeps(tmp_path).path(wanted.id).read_bytes()
    for stop_after in range(9):
        home = tmp_path / f"{stop_after}"
        home.mkdir()
        stop = Event()
        if not stop_after:
            stop.set()
        prepared = prepared_sweep(home, SMALL, at_once=10)
        first = swept(prepared, stop=stop, progress=watching(stop.set, 10 * stop_after))
        again = swept(prepared_sweep(home, SMALL, at_once=10))
        assert again.hash == wanted.hash
        assert again.complete
        if not first.complete:
            assert KeptSweeps(home).path(again.id).stat().st_size == len(kept)
        assert not prepared.folder.path.exists()


def test_sweep_resumed_does_only_what_is_left(tmp_path: Path) -> None:
    stop, told = Event(), []
    first = swept(prepared_sweep(tmp_path, SMALL, at_once=10), stop=stop, progress=watching(stop.set, 40))
    assert not first.complete
    finished = len(first.rows) + first.rows.skipped
    swept(prepared_sweep(tmp_path, SMALL, at_once=10), progress=lambda *now: told.append(now[0]))
    taken_back = finished // 10
    assert told == list(range(10, 81, 10))
    assert taken_back >= 4


def test_sweep_that_was_finished_is_given_again_and_said_to_be(tmp_path: Path) -> None:
    def refuse() -> Any:
        raise AssertionError("no executor is needed")

    first = swept(prepared_sweep(tmp_path, SMALL))
    again = swept(prepared_sweep(tmp_path, SMALL), refuse)
    assert not first.reused
    assert again.reused
    assert again.hash == first.hash
    assert again.rows.refusal == first.rows.refusal
    forced = swept(prepared_sweep(tmp_path, SMALL), force=True)
    assert not forced.reused
    assert forced.hash == first.hash


def test_sweep_kept_in_a_damaged_file_is_computed_again(tmp_path: Path) -> None:
    first = swept(prepared_sweep(tmp_path, SMALL))
    KeptSweeps(tmp_path).path(first.id).write_bytes(b"PAR1 not really PAR1")
    again = swept(prepared_sweep(tmp_path, SMALL))
    assert not again.reused
    assert again.hash == first.hash
    assert KeptSweeps(tmp_path).rows(again.id, again.rows.grid) is not None


def test_sweep_whose_candles_change_while_it_runs_fails_every_row_and_keeps_nothing(tmp_path: Path) -> None:
    file = candle_file(tmp_path, "moving", rows=300, seed=1)
    prepared = prepared_sweep(tmp_path, SMALL, file=file, at_once=40)
    candle_file(tmp_path, "moving", rows=300, seed=2)
    result = swept(prepared, "local://1")
    assert result.failed == 80
    assert "the candles have changed since the sweep began" in result.rows.failures[0].cause
    assert not KeptSweeps(tmp_path).path(result.id).exists()


def test_sweep_no_space_for_a_part_is_one_clear_error_and_what_was_finished_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyarrow.parquet as pq

    write, written = pq.write_table, []

    def full(*arguments: Any, **more: Any) -> Any:
        if len(written) == 3:
            raise OSError(28, "No space left on device")
        written.append(arguments)
        return write(*arguments, **more)

    prepared = prepared_sweep(tmp_path, SMALL, at_once=10)
    with monkeypatch.context() as patch:
        patch.setattr(pq, "write_table", full)
        with pytest.raises(DataError, match="No space left on device"):
            swept(prepared)
    assert len(prepared.folder.finished()) == 3
    result = swept(prepared_sweep(tmp_path, SMALL, at_once=10))
    assert result.hash == swept(prepared_sweep(tmp_path, SMALL, at_once=10), force=True).hash


def test_sweep_no_space_for_the_whole_is_one_clear_error_and_every_part_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = prepared_sweep(tmp_path, SMALL, at_once=40)
    (tmp_path / "sweeps").write_text("in the way")
    with pytest.raises(DataError, match="cannot be kept"):
        swept(prepared)
    assert prepared.folder.finished() == [0, 1]
    (tmp_path / "sweeps").unlink()
    assert swept(prepared_sweep(tmp_path, SMALL, at_once=40)).complete


def test_sweep_that_another_process_works_on_is_refused(tmp_path: Path) -> None:
    prepared = prepared_sweep(tmp_path, SMALL)
    with (
        prepared.folder.held(prepared.plan),
        pytest.raises(UsageError, match="being worked on by another process"),
    ):
        swept(prepared_sweep(tmp_path, SMALL))


DAY = 86_400_000_000


def walked(home: Path, url: str = "serial") -> tuple[SweepResult, SweepFindings]:
    prepared = prepared_sweep(home, SMALL, walk_forward=WalkForward(8 * DAY, 3 * DAY), at_once=30)
    result = swept(prepared, url)
    return result, SweepFindings(Workshop(Kernel()), prepared, result)


def test_walk_forward_ranks_each_training_window_and_tries_the_choice_on_what_follows(
    tmp_path: Path, kernel: Kernel
) -> None:
    result, findings = walked(tmp_path)
    outcome = findings.walk_forward()
    assert outcome is not None
    assert len(outcome.windows) == len(result.windows) >= 3
    subject = prepared_sweep(tmp_path, SMALL).subject
    workshop = Workshop(kernel)
    for each, rows in zip(outcome.windows, result.windows, strict=True):
        alone = subject.make(workshop, each.window.train).evaluate()
        assert rows.digest() == alone.digest()
        best = int(alone.ranked("sharpe")[0])
        assert each.combination == alone.indices[best]
        assert each.in_sample == alone.metrics_at(best)
        after = subject.make(workshop, each.window.test).evaluate([int(alone.indices[best])])
        assert each.out_of_sample == after.metrics_at(0)
        assert each.out_of_sample != each.in_sample
    grown = np.prod(
        [1 + each.out_of_sample["total_return"] for each in outcome.windows if each.out_of_sample]
    )
    assert outcome.stitched.metrics["total_return"] == pytest.approx(grown - 1)


def test_walk_forward_hash_does_not_depend_on_workers_and_covers_the_windows(tmp_path: Path) -> None:
    one, _ = walked(tmp_path)
    two, _ = walked(tmp_path / "other", "local://2")
    again, _ = walked(tmp_path)
    assert one.hash == two.hash == again.hash
    assert one.hash != one.rows.digest()
    assert again.reused


def test_sweep_best_row_is_held_against_chance(tmp_path: Path) -> None:
    result, findings = walked(tmp_path)
    best = findings.best_of()
    assert best is not None
    assert best.trials == np.count_nonzero(np.isfinite(result.rows.metrics["sharpe"]))
    assert best.sharpe == pytest.approx(np.nanmax(result.rows.metrics["sharpe"]), rel=1e-12)


FRAGILE = """
import os
from stratkernel import hookimpl

@hookimpl
def stratkernel_strategies():
    import numpy as np
    from stratkernel import BaseStrategy, Params, Signals, SignalType

    class Settings(Params):
        number: int = 1

    class Fragile(BaseStrategy[Settings]):
        name = "fragile"
        Params = Settings
        window = 1

        def calculate(self, data):
            if self.params.number == 13:
                raise ValueError("thirteen")
            if self.params.number == 66:
                os._exit(9)
            if self.params.number == 99:
                return Signals([len(data) // 2], SignalType.ENTRY_LONG)
            return Signals(np.flatnonzero(data["close"] > data["open"]), SignalType.ENTRY_LONG)

    return [Fragile]
"""


@pytest.fixture
def fragile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A plugin that fails at 13 and takes its process with it at 66, in this process and its workers."""
    folder = tmp_path / "packages"
    info = folder / "fragile_things-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "fragile_things.py").write_text(FRAGILE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: fragile-things\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[stratkernel]\nfragile = fragile_things\n")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", str(folder))
    close_workshops()
    yield tmp_path
    close_workshops()


def test_sweep_failing_combination_is_one_failure_with_its_cause_and_the_rest_goes_on(fragile: Path) -> None:
    prepared = prepared_sweep(fragile, ["number=1..40"], strategy="fragile", at_once=8)
    result = swept(prepared)
    assert result.complete
    assert len(result.rows) == 39
    (failed,) = result.rows.failures
    assert failed.parameters["number"] == 13
    assert "fragile" in failed.cause
    assert "thirteen" in failed.cause
    assert not KeptSweeps(fragile).path(result.id).exists()
    told: list[int] = []
    again = swept(
        prepared_sweep(fragile, ["number=1..40"], strategy="fragile", at_once=8),
        progress=lambda *now: told.append(now[0]),
    )
    assert again.hash == result.hash
    assert told == [8, 16, 24, 32, 40]


def test_sweep_combination_that_kills_its_worker_fails_alone(fragile: Path) -> None:
    """B6, P4."""
    prepared = prepared_sweep(fragile, ["number=66,67"], strategy="fragile", at_once=2)
    result = swept(prepared, "local://1")
    assert result.complete
    assert [each.parameters["number"] for each in result.rows.failures] == [66]
    assert "its worker process died" in result.rows.failures[0].cause
    assert len(result.rows) == 1


def test_sweep_of_a_dishonest_strategy_is_refused_and_leaves_nothing(fragile: Path) -> None:
    prepared = prepared_sweep(fragile, ["number=99,100"], strategy="fragile", check=True)
    with pytest.raises(LookaheadError, match="not honest"):
        swept(prepared)
    assert not prepared.folder.path.exists()
    assert not KeptSweeps(fragile).path(prepared.id).exists()


def test_sweep_looks_for_lookahead_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[Any] = []
    monkeypatch.setattr(Sweep, "check", lambda made: looked.append(made.grid))
    swept(prepared_sweep(tmp_path, SMALL, check=True, at_once=10))
    swept(prepared_sweep(tmp_path, SMALL, check=False, at_once=10))
    assert len(looked) == 1


def test_sweep_over_candles_of_a_database_has_the_hash_of_the_file(tmp_path: Path, kernel: Kernel) -> None:
    from stratkernel.contracts.stored import Series
    from stratkernel.engine.batch.workshop import CandleReference
    from stratkernel.engine.storage import open_storage

    file = candle_file(tmp_path, "S", rows=400, seed=4)
    candles = Workshop(kernel).candles(reference(file))
    url = f"sqlite:///{(tmp_path / 'kept.db').as_posix()}"
    with open_storage(kernel, url) as storage:
        storage.candles.write(candles)
    stored = CandleReference(Series(candles.symbol, candles.timeframe.name, candles.venue), url)
    of_file = swept(prepared_sweep(tmp_path / "a", SMALL, file=file))
    of_database = swept(prepared_sweep(tmp_path / "b", SMALL, file=file, candles=stored), "local://2")
    assert of_database.hash == of_file.hash
