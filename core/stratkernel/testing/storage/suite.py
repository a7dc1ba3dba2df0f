"""The whole suite: one test for each sentence of the contract."""

from collections.abc import Iterator
from typing import ClassVar

import pytest

from stratkernel.contracts.storage import Storage, StorageBackend
from stratkernel.testing.storage.candles import CandleChecks
from stratkernel.testing.storage.checkpoints import CheckpointChecks
from stratkernel.testing.storage.machine import ComparisonWithMemory
from stratkernel.testing.storage.restoring import RestoringChecks
from stratkernel.testing.storage.retention import RetentionChecks
from stratkernel.testing.storage.runs import RunChecks
from stratkernel.testing.storage.signals import SignalChecks
from stratkernel.testing.storage.statistics import StatisticsChecks
from stratkernel.testing.storage.transactions import TransactionChecks


class StorageConformance(
    RunChecks,
    SignalChecks,
    StatisticsChecks,
    CandleChecks,
    CheckpointChecks,
    RestoringChecks,
    RetentionChecks,
    TransactionChecks,
    ComparisonWithMemory,
):
    """Subclass it, name the `backend` and override the fixture `storage_url`."""

    backend: ClassVar[type[StorageBackend]]

    @pytest.fixture
    def storage_url(self) -> str:
        """The URL of an empty database, another one for each test."""
        raise NotImplementedError("override the fixture storage_url")

    @pytest.fixture
    def storage(self, storage_url: str) -> Iterator[Storage]:
        """The database, open, with its tables."""
        with self.backend.open(storage_url, migrate=True) as storage:
            yield storage

    def test_what_was_stored_is_there_after_opening_again(self, storage_url: str) -> None:
        from stratkernel.testing.storage.samples import bits, made_candles, made_run, made_signals, rows_of

        run = made_run()
        with self.backend.open(storage_url, migrate=True) as storage:
            storage.strategies.save_run(run, made_signals(run, 3))
            storage.candles.write(made_candles(5))
            before = rows_of(storage.strategies.signals())
        with self.backend.open(storage_url) as storage:
            assert rows_of(storage.strategies.signals()) == before
            (stored,) = storage.candles.series()
            assert bits(storage.candles.read(stored.series)) == bits(made_candles(5))

    def test_close_may_be_called_twice(self, storage: Storage) -> None:
        storage.close()
        storage.close()
