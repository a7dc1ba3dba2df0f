"""Checks of units of work and of several threads."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from stratkernel.contracts.storage import Storage
from stratkernel.contracts.stored import Checkpoint, QuarantinedCandle, RunKind, Series
from stratkernel.kernel.errors import CandleConflictError, UnknownNameError
from stratkernel.testing.storage.candles import changed
from stratkernel.testing.storage.samples import (
    START,
    STARTED,
    everything,
    made_candles,
    made_run,
    made_signals,
)

RUNS = [made_run(number, kind=RunKind.LIVE) for number in range(4)]
SERIES = Series("TEST", "1h")


class StopError(Exception):
    """What a caller's own code may raise."""


def write_all(storage: Storage) -> None:
    """One write of each kind."""
    storage.strategies.save_run(RUNS[1], made_signals(RUNS[1], 3))
    storage.strategies.add_signals(RUNS[0].run_id, made_signals(RUNS[0], 6))
    storage.strategies.retract_signals(RUNS[0].run_id, made_signals(RUNS[0], 1))
    storage.strategies.star(RUNS[0].run_id)
    storage.strategies.delete_runs([RUNS[2].run_id])
    storage.candles.write(made_candles(8))
    storage.candles.write(changed(made_candles(8), 1, "volume", 3.5), overwrite=True)
    storage.candles.delete(Series("OTHER", "1h"))
    storage.candles.quarantine([QuarantinedCandle(SERIES, START, "nan", "x", STARTED)])
    storage.checkpoints.save(Checkpoint(RUNS[0].run_id, START, b"new", STARTED))
    storage.checkpoints.prune(RUNS[3].run_id, START + 10)


def prepare(storage: Storage) -> None:
    """What is there before, so that each of those writes changes something."""
    for run in (RUNS[0], RUNS[2], RUNS[3]):
        storage.strategies.save_run(run, made_signals(run, 2))
    storage.candles.write(made_candles(5))
    storage.candles.write(made_candles(5, symbol="OTHER"))
    for time in (START, START + 1, START + 20):
        storage.checkpoints.save(Checkpoint(RUNS[3].run_id, time, b"old", STARTED))


def abandon(
    storage: Storage, write: Callable[[Storage], object], error: type[BaseException] = StopError
) -> None:
    """A unit of work that fails after its writes."""
    with storage.unit_of_work():
        write(storage)
        raise error


class TransactionChecks:
    """What `Storage.unit_of_work` and the promise about threads say."""

    def test_unit_of_work_commits_all_together(self, storage: Storage) -> None:
        prepare(storage)
        with storage.unit_of_work():
            write_all(storage)
            within = everything(storage)
        assert everything(storage) == within
        assert storage.strategies.run(RUNS[0].run_id).signal_count == 5

    def test_unit_of_work_that_fails_leaves_nothing(self, storage: Storage) -> None:
        prepare(storage)
        before = everything(storage)
        with pytest.raises(StopError):
            abandon(storage, write_all)
        assert everything(storage) == before
        write_all(storage)
        assert everything(storage) != before

    def test_unit_of_work_is_undone_by_an_interrupt_too(self, storage: Storage) -> None:
        prepare(storage)
        before = everything(storage)
        with pytest.raises(KeyboardInterrupt):
            abandon(storage, write_all, KeyboardInterrupt)
        assert everything(storage) == before

    def test_inner_unit_joins_the_outer_one(self, storage: Storage) -> None:
        def nested(storage: Storage) -> None:
            with storage.unit_of_work():
                storage.candles.write(made_candles(3))
            assert len(storage.candles.read(SERIES)) == 3

        with pytest.raises(StopError):
            abandon(storage, nested)
        assert storage.candles.series() == []
        with storage.unit_of_work():
            with storage.unit_of_work():
                storage.candles.write(made_candles(3))
            storage.strategies.save_run(RUNS[0])
        assert len(storage.candles.read(SERIES)) == 3
        assert len(storage.strategies.runs()) == 1

    def test_inner_unit_that_fails_is_undone_alone(self, storage: Storage) -> None:
        with storage.unit_of_work():
            storage.strategies.save_run(RUNS[0])
            with pytest.raises(StopError):
                abandon(storage, lambda storage: storage.candles.write(made_candles(3)))
            storage.strategies.save_run(RUNS[1])
        assert storage.candles.series() == []
        assert len(storage.strategies.runs()) == 2

    def test_refused_write_within_a_unit_leaves_the_others(self, storage: Storage) -> None:
        storage.candles.write(made_candles(3))
        with storage.unit_of_work():
            storage.strategies.save_run(RUNS[0])
            with pytest.raises(CandleConflictError):
                storage.candles.write(made_candles(3, seed=1))
            with pytest.raises(UnknownNameError):
                storage.strategies.add_signals(RUNS[1].run_id, made_signals(RUNS[1], 1))
            storage.strategies.save_run(RUNS[2], made_signals(RUNS[2], 2))
        assert {run.run_id for run in storage.strategies.runs()} == {RUNS[0].run_id, RUNS[2].run_id}

    def test_unit_of_another_thread_is_its_own(self, storage: Storage) -> None:
        """A unit that fails takes nothing with it that another thread wrote."""
        begun = threading.Event()

        def save(storage: Storage) -> None:
            storage.strategies.save_run(RUNS[0])
            begun.set()

        with ThreadPoolExecutor(1) as pool:
            failing = pool.submit(abandon, storage, save)
            assert begun.wait(30)
            storage.strategies.save_run(RUNS[1], made_signals(RUNS[1], 2))
            assert isinstance(failing.exception(30), StopError)
        assert [run.run_id for run in storage.strategies.runs()] == [RUNS[1].run_id]

    def test_threads_that_write_at_once_lose_nothing(self, storage: Storage) -> None:
        candles = made_candles(200)
        signals = made_signals(RUNS[0], 100)
        storage.strategies.save_run(RUNS[0])
        ready = threading.Barrier(4)

        def write(worker: int) -> None:
            ready.wait(30)
            for step in range(5):
                part = (step + worker) % 5  # each writes the same parts, in another order
                storage.candles.write(candles.slice(part * 40, part * 40 + 40))
                storage.strategies.add_signals(
                    RUNS[0].run_id, signals.select(slice(part * 20, part * 20 + 20))
                )
                storage.strategies.runs()

        _run_in_threads([lambda worker=worker: write(worker) for worker in range(4)])  # type: ignore[misc]
        assert storage.candles.read(SERIES).data_hash == candles.data_hash
        assert storage.strategies.signals().ids == signals.ids()
        assert storage.strategies.run(RUNS[0].run_id).signal_count == 100

    def test_threads_that_read_see_whole_units(self, storage: Storage) -> None:
        """Signals and candles are written together, so nobody sees more of one than of the other."""
        candles, signals = made_candles(30), made_signals(RUNS[0], 30)
        storage.strategies.save_run(RUNS[0])
        storage.candles.write(candles.slice(0, 1))
        finished = threading.Event()

        def write() -> None:
            for row in range(30):
                with storage.unit_of_work():
                    storage.strategies.add_signals(RUNS[0].run_id, signals.select(slice(row, row + 1)))
                    storage.candles.write(candles.slice(row, row + 1))
            finished.set()

        def read() -> None:
            while not finished.is_set():
                kept = len(storage.strategies.signals())
                assert len(storage.candles.read(SERIES)) >= kept

        _run_in_threads([write, read])
        assert len(storage.candles.read(SERIES)) == len(storage.strategies.signals()) == 30


def _run_in_threads(calls: list[Callable[[], None]]) -> None:
    with ThreadPoolExecutor(len(calls)) as pool:
        for done in [pool.submit(call) for call in calls]:
            done.result(timeout=120)
