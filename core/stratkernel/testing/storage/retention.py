"""Checks of cleaning: what a policy keeps, what it never touches."""

from datetime import timedelta

import pytest

from stratkernel.contracts.retention import RetentionPolicy, RetentionRule
from stratkernel.contracts.storage import Storage
from stratkernel.contracts.stored import RunKind, RunRecord, RunStatus
from stratkernel.kernel.errors import UsageError
from stratkernel.testing.storage.samples import (
    STARTED,
    everything,
    ids_of,
    made_candles,
    made_run,
    made_signals,
    rows_of,
)

NOW = STARTED + timedelta(minutes=10)


def sweeps(storage: Storage, count: int, **more: RunStatus) -> list[RunRecord]:
    """Runs that started a minute after one another, of ten signals each."""
    runs = [made_run(number, kind=RunKind.SWEEP, **more) for number in range(count)]
    for run in runs:
        storage.strategies.save_run(run, made_signals(run, 10))
    return runs


def policy(**limits: object) -> RetentionPolicy:
    return RetentionPolicy({"sweep": RetentionRule(**limits)})  # type: ignore[arg-type]  # as each test says


class RetentionChecks:
    """What `Storage.clean` says."""

    @pytest.mark.parametrize(
        ("limits", "kept", "reason"),
        [
            ({"max_age": timedelta(minutes=7)}, (3, 4), "max_age"),
            ({"max_runs": 2}, (3, 4), "max_runs"),
            ({"max_runs": 0}, (), "max_runs"),
            ({"max_signals": 29}, (3, 4), "max_signals"),
            ({"max_signals": 30}, (2, 3, 4), "max_signals"),
        ],
    )
    def test_rule_keeps_the_newest_runs(
        self, storage: Storage, limits: dict[str, object], kept: tuple[int, ...], reason: str
    ) -> None:
        runs = sweeps(storage, 5)
        report = storage.clean(policy(**limits), now=NOW)
        gone = [run.run_id for number, run in enumerate(runs) if number not in kept]
        assert set(report.runs) == set(gone)
        assert report.signals == 10 * len(gone)
        assert dict(report.reasons) == {f"sweep: {reason}": len(gone)}
        assert set(ids_of(storage.strategies.runs())) == {runs[number].run_id for number in kept}
        assert len(storage.strategies.signals()) == 10 * len(kept)

    def test_limits_hold_together(self, storage: Storage) -> None:
        runs = sweeps(storage, 5)
        storage.clean(policy(max_age=timedelta(minutes=8), max_runs=4, max_signals=25), now=NOW)
        assert set(ids_of(storage.strategies.runs())) == {runs[3].run_id, runs[4].run_id}

    def test_what_the_policy_keeps_stays(self, storage: Storage) -> None:
        sweeps(storage, 3)
        before = everything(storage)
        for each in (
            policy(),
            RetentionPolicy(),
            policy(max_age=timedelta(days=1), max_runs=3, max_signals=30),
        ):
            report = storage.clean(each, now=NOW)
            assert (report.runs, report.signals, dict(report.reasons)) == ((), 0, {})
        assert everything(storage) == before

    def test_other_kinds_and_candles_stay(self, storage: Storage) -> None:
        sweeps(storage, 2)
        other = made_run(7, kind=RunKind.BATCH)
        storage.strategies.save_run(other, made_signals(other, 5))
        storage.candles.write(made_candles(5))
        storage.clean(policy(max_runs=0), now=NOW)
        assert ids_of(storage.strategies.runs()) == [other.run_id]
        assert storage.strategies.run(other.run_id).signal_count == 5
        assert storage.candles.series()[0].candles == 5

    def test_starred_runs_always_stay(self, storage: Storage) -> None:
        runs = sweeps(storage, 3)
        storage.strategies.star(runs[0].run_id)
        report = storage.clean(policy(max_runs=0, max_age=timedelta(), max_signals=0), now=NOW)
        assert set(report.runs) == {runs[1].run_id, runs[2].run_id}
        assert ids_of(storage.strategies.runs()) == [runs[0].run_id]
        assert len(storage.strategies.signals()) == 10

    def test_running_runs_always_stay(self, storage: Storage) -> None:
        runs = sweeps(storage, 2, status=RunStatus.RUNNING)
        assert storage.clean(policy(max_runs=0), now=NOW).runs == ()
        assert set(ids_of(storage.strategies.runs())) == set(ids_of(runs))

    def test_giving_space_back_changes_nothing_else(self, storage: Storage) -> None:
        runs = sweeps(storage, 4)
        storage.strategies.delete_runs([run.run_id for run in runs[:3]])
        before = everything(storage)
        assert storage.reclaim() >= 0
        assert storage.reclaim() == 0
        assert everything(storage) == before

    def test_dry_run_only_tells(self, storage: Storage) -> None:
        sweeps(storage, 4)
        before = everything(storage)
        told = storage.clean(policy(max_runs=1), now=NOW, dry_run=True)
        assert everything(storage) == before
        done = storage.clean(policy(max_runs=1), now=NOW)
        assert (set(told.runs), told.signals, dict(told.reasons)) == (
            set(done.runs), done.signals, dict(done.reasons),
        )  # fmt: skip
        assert len(done.runs) == 3

    @pytest.mark.parametrize("batch", [1, 7, 10, 1000])
    def test_batches_of_any_size_delete_the_same(self, storage: Storage, batch: int) -> None:
        runs = sweeps(storage, 4)
        report = storage.clean(policy(max_runs=1), now=NOW, batch=batch)
        assert set(report.runs) == set(ids_of(runs[:3]))
        assert {row[1] for row in rows_of(storage.strategies.signals())} == {str(runs[3].run_id)}
        assert storage.clean(policy(max_runs=1), now=NOW, batch=batch).runs == ()

    def test_naive_time_of_cleaning_is_refused(self, storage: Storage) -> None:
        sweeps(storage, 1)
        with pytest.raises(UsageError):
            storage.clean(policy(max_age=timedelta()), now=NOW.replace(tzinfo=None))
        assert len(storage.strategies.runs()) == 1
