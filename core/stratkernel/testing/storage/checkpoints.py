"""Checks of checkpoints: the newest, the one before, no more than are needed."""

from datetime import datetime

import pytest

from stratkernel.contracts.storage import Storage
from stratkernel.contracts.stored import Checkpoint, RunKind
from stratkernel.contracts.timeframes import HOUR
from stratkernel.kernel.errors import StratkernelError, UsageError
from stratkernel.testing.storage.samples import START, STARTED, made_run

RUN = made_run(kind=RunKind.LIVE)


def made(hour: int, state: bytes = b"\x00\xff state") -> Checkpoint:
    return Checkpoint(RUN.run_id, START + hour * HOUR, state, STARTED)


class CheckpointChecks:
    """What `CheckpointStorage` says."""

    def test_newest_checkpoint_comes_back(self, storage: Storage) -> None:
        storage.strategies.save_run(RUN)
        assert storage.checkpoints.load(RUN.run_id) is None
        for hour in (3, 1, 2):
            storage.checkpoints.save(made(hour))
        assert storage.checkpoints.load(RUN.run_id) == made(3)

    def test_checkpoint_at_or_before_a_candle_comes_back(self, storage: Storage) -> None:
        storage.strategies.save_run(RUN)
        for hour in (1, 3):
            storage.checkpoints.save(made(hour))
        found = {h: storage.checkpoints.load(RUN.run_id, START + h * HOUR) for h in range(5)}
        assert found == {0: None, 1: made(1), 2: made(1), 3: made(3), 4: made(3)}

    def test_checkpoint_of_the_same_candle_is_replaced(self, storage: Storage) -> None:
        storage.strategies.save_run(RUN)
        for state in (b"old", b"", bytes(range(256)) * 1000):
            storage.checkpoints.save(made(1, state))
            assert storage.checkpoints.load(RUN.run_id) == made(1, state)

    def test_pruning_keeps_what_is_needed_and_the_newest(self, storage: Storage) -> None:
        storage.strategies.save_run(RUN)
        for hour in range(5):
            storage.checkpoints.save(made(hour))
        assert storage.checkpoints.prune(RUN.run_id, START + 2 * HOUR) == 2
        assert storage.checkpoints.load(RUN.run_id, START + HOUR) is None
        assert storage.checkpoints.load(RUN.run_id, START + 2 * HOUR) == made(2)
        assert storage.checkpoints.prune(RUN.run_id, START + 100 * HOUR) == 2
        assert storage.checkpoints.load(RUN.run_id) == made(4)
        assert storage.checkpoints.prune(RUN.run_id, START + 100 * HOUR) == 0

    def test_checkpoint_of_no_run_is_refused(self, storage: Storage) -> None:
        with pytest.raises(StratkernelError):
            storage.checkpoints.save(made(1))

    def test_checkpoints_go_with_their_run(self, storage: Storage) -> None:
        storage.strategies.save_run(RUN)
        storage.checkpoints.save(made(1))
        storage.strategies.delete_runs([RUN.run_id])
        assert storage.checkpoints.load(RUN.run_id) is None
        storage.strategies.save_run(RUN)
        assert storage.checkpoints.load(RUN.run_id) is None

    def test_naive_time_of_a_checkpoint_is_refused(self, storage: Storage) -> None:
        storage.strategies.save_run(RUN)
        naive = datetime(2024, 3, 1, 12)  # noqa: DTZ001 - the point of it
        with pytest.raises(UsageError):
            storage.checkpoints.save(Checkpoint(RUN.run_id, START, b"", naive))
        assert storage.checkpoints.load(RUN.run_id) is None
