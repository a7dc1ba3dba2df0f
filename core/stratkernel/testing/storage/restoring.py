"""Checks of runs taken over from another storage: every revision, star and status as it was."""

from dataclasses import replace

import numpy as np
import pytest

from stratkernel.contracts.storage import Storage, StrategyStorage
from stratkernel.contracts.stored import RunRecord, SignalQuery, SignalStatus, SignalWrite, StoredSignals
from stratkernel.kernel.errors import UsageError
from stratkernel.testing.memory_storage import MemoryStorage
from stratkernel.testing.storage.samples import everything, made_run, made_signals


def eventful() -> tuple[RunRecord, StoredSignals, Storage]:
    """A starred run with revised, retracted, repeated and untouched signals, its history, and its storage."""
    source, run = MemoryStorage(), made_run(batch="nightly")
    signals = made_signals(run, 6, {"rsi": [1.5, 2.5, 3.5, 4.5, 5.5, 6.5], "why": list("abcdef")})
    source.strategies.save_run(run, signals)
    dearer = replace(signals, price=signals.price + 1).select(slice(0, 3))
    source.strategies.add_signals(run.run_id, dearer, SignalStatus.REPLAYED)
    source.strategies.retract_signals(run.run_id, signals.select(slice(2, 4)))
    source.strategies.add_signals(run.run_id, signals.select(slice(3, 4)))
    source.strategies.star(run.run_id)
    return source.strategies.run(run.run_id), history(source, run), source


def history(storage: Storage, run: RunRecord) -> StoredSignals:
    """All revisions of a run's signals, as `restore_run` takes them."""
    return storage.strategies.signals(SignalQuery(run_ids=(run.run_id,), current=False, with_metadata=True))


def first_rows(signals: StoredSignals, count: int) -> StoredSignals:
    assert signals.metadata is not None
    arrays = {
        name: getattr(signals, name)[:count]
        for name in ("run", "timestamp", "types", "price", "confidence", "flags", "revision")
    }
    return replace(signals, **arrays, status=signals.status[:count], metadata=signals.metadata[:count])


class RestoringChecks:
    """What `StrategyStorage.restore_run` says; left out where a back-end cannot do it."""

    @pytest.fixture
    def taking(self, storage: Storage) -> Storage:
        """The storage, if it takes over runs of others."""
        if type(storage.strategies).restore_run is StrategyStorage.restore_run:
            pytest.skip("this storage takes over no runs of others")
        return storage

    def test_restored_run_is_what_it_was(self, taking: Storage) -> None:
        run, signals, source = eventful()
        done = taking.strategies.restore_run(run, signals)
        assert done == SignalWrite(inserted=len(signals), new_run=True)
        assert everything(taking) == everything(source)
        assert history(taking, run).metadata == signals.metadata
        assert taking.strategies.run(run.run_id).signal_count == len(taking.strategies.signals()) == 5

    def test_restoring_again_writes_nothing(self, taking: Storage) -> None:
        run, signals, _ = eventful()
        taking.strategies.restore_run(run, signals)
        before = everything(taking)
        assert taking.strategies.restore_run(run, signals) == SignalWrite(unchanged=len(signals))
        assert everything(taking) == before

    def test_restoring_completes_what_is_there_in_part(self, taking: Storage) -> None:
        run, signals, source = eventful()
        firsts = made_signals(run, 6, {"rsi": [1.5, 2.5, 3.5, 4.5, 5.5, 6.5], "why": list("abcdef")})
        taking.strategies.save_run(made_run(batch="nightly"), firsts)
        done = taking.strategies.restore_run(run, signals)
        assert (done.inserted, done.unchanged, done.new_run) == (len(signals) - 6, 6, False)
        assert everything(taking) == everything(source)

    def test_restored_run_goes_on_with_new_revisions(self, taking: Storage) -> None:
        run, signals, _ = eventful()
        taking.strategies.restore_run(run, signals)
        again = replace(made_signals(run, 1), price=np.array([7.0]))
        assert taking.strategies.add_signals(run.run_id, again).revised == 1
        assert taking.strategies.signals(SignalQuery(limit=1)).price.tolist() == [7.0]

    def test_signals_without_metadata_are_not_restored(self, taking: Storage) -> None:
        run, signals, _ = eventful()
        with pytest.raises(UsageError):
            taking.strategies.restore_run(run, replace(signals, metadata=None))
        assert taking.strategies.runs() == []

    def test_signals_of_another_run_are_not_restored(self, taking: Storage) -> None:
        _, signals, _ = eventful()
        with pytest.raises(UsageError):
            taking.strategies.restore_run(made_run(1), signals)
        assert taking.strategies.runs() == []

    def test_restoring_can_be_undone_with_the_unit_of_work(self, taking: Storage) -> None:
        run, signals, _ = eventful()
        before = everything(taking)

        def abandoned() -> None:
            with taking.unit_of_work():
                taking.strategies.restore_run(run, first_rows(signals, 3))
                raise InterruptedError

        with pytest.raises(InterruptedError):
            abandoned()
        assert everything(taking) == before
