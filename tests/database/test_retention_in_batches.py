"""Cleaning up that is interrupted, watched or raced; what each rule keeps is in the contract suite."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import pairwise

import pytest
import sqlalchemy as sa

from stratkernel import Kernel, RunKind, Storage, UnknownNameError, UsageError, open_storage
from stratkernel.contracts.retention import CleanReport, RetentionPolicy, RetentionRule
from stratkernel.testing.storage.samples import STARTED, made_run, made_signals
from stratkernel_database import retention
from stratkernel_database.models import strategy_runs, strategy_signals
from stratkernel_database.operations import DatabaseOperations

NOW = STARTED + timedelta(days=1)
NONE_STAYS = RetentionPolicy({"run": RetentionRule(max_runs=0)})


class Interrupted(BaseException):
    """As by the user."""


@pytest.fixture
def storage(kernel: Kernel, tables_url: str) -> Iterator[DatabaseOperations]:
    with open_storage(kernel, tables_url) as opened:
        assert isinstance(opened, DatabaseOperations)
        yield opened


def fill(storage: Storage, runs: int = 3, signals: int = 40) -> None:
    for number in range(runs):
        run = made_run(number)
        storage.strategies.save_run(run, made_signals(run, signals))


def rows(storage: DatabaseOperations) -> tuple[int, int]:
    """How many rows runs and signals have, those that are being deleted too."""
    tables = (strategy_runs, strategy_signals)
    return storage.database.read(
        lambda connection: (
            connection.execute(sa.select(sa.func.count()).select_from(tables[0])).scalar_one(),
            connection.execute(sa.select(sa.func.count()).select_from(tables[1])).scalar_one(),
        )
    )


def interrupt_after(monkeypatch: pytest.MonkeyPatch, batches: int) -> None:
    real, left = retention._delete_batch, iter(range(batches))

    def delete(connection: sa.Connection, batch: int) -> bool:
        if next(left, None) is None:
            raise Interrupted
        return real(connection, batch)

    monkeypatch.setattr(retention, "_delete_batch", delete)


@pytest.mark.parametrize("batches", [0, 1, 2, 3, 5])
def test_interrupted_cleaning_shows_no_part_of_a_run_and_goes_on(
    storage: DatabaseOperations, monkeypatch: pytest.MonkeyPatch, batches: int
) -> None:
    fill(storage)
    with monkeypatch.context() as patch:
        interrupt_after(patch, batches)
        with pytest.raises(Interrupted):
            storage.clean(NONE_STAYS, now=NOW, batch=15)
    left_runs, left_signals = rows(storage)
    assert left_runs >= 1
    assert left_signals > 0
    assert storage.strategies.runs() == []
    assert len(storage.strategies.signals()) == 0
    assert storage.strategies.statistics(["symbol"]) == []
    again = storage.clean(RetentionPolicy(), now=NOW)
    assert len(again.runs) == left_runs
    assert again.reasons == {"run: unfinished": left_runs}
    assert rows(storage) == (0, 0)


def test_run_saved_again_while_it_is_taken_away_is_whole(
    storage: DatabaseOperations, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(storage, runs=1)
    with monkeypatch.context() as patch:
        interrupt_after(patch, 1)
        with pytest.raises(Interrupted):
            storage.clean(NONE_STAYS, now=NOW, batch=15)
    run = made_run(0)
    with pytest.raises(UnknownNameError):
        storage.strategies.star(run.run_id)
    write = storage.strategies.save_run(run, made_signals(run, 40))
    assert (write.new_run, write.inserted, write.revised) == (True, 40, 0)
    assert storage.clean(RetentionPolicy(), now=NOW) == CleanReport()
    assert storage.strategies.run(run.run_id).signal_count == len(storage.strategies.signals()) == 40


def test_each_transaction_deletes_about_a_batch(
    storage: DatabaseOperations, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(storage, runs=4, signals=30)
    seen = [rows(storage)]
    real = retention._delete_batch

    def watched(connection: sa.Connection, batch: int) -> bool:
        more = real(connection, batch)
        counts = (sa.select(sa.func.count()).select_from(each) for each in (strategy_runs, strategy_signals))
        seen.append(tuple(connection.execute(count).scalar_one() for count in counts))
        return more

    monkeypatch.setattr(retention, "_delete_batch", watched)
    storage.clean(NONE_STAYS, now=NOW, batch=12)
    steps = [sum(before) - sum(after) for before, after in pairwise(seen)]
    assert seen[-1] == (0, 0)
    assert max(steps) <= 13
    assert len(steps) >= 10


def test_run_with_many_revisions_is_deleted_whole(storage: DatabaseOperations) -> None:
    run = made_run()
    signals = made_signals(run, 10)
    storage.strategies.save_run(run, signals)
    for _ in range(4):
        storage.strategies.retract_signals(run.run_id, signals)
        storage.strategies.add_signals(run.run_id, signals)
    assert rows(storage) == (1, 90)
    storage.clean(NONE_STAYS, now=NOW, batch=3)
    assert rows(storage) == (0, 0)


def test_cleaning_by_two_at_once_deletes_what_is_due_once(storage: DatabaseOperations) -> None:
    fill(storage, runs=8, signals=50)
    keep_two = RetentionPolicy({"run": RetentionRule(max_runs=2)})
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: storage.clean(keep_two, now=NOW, batch=20), range(2)))
    assert rows(storage) == (2, 100)
    assert [run.run_id for run in storage.strategies.runs()] == [made_run(n).run_id for n in (7, 6)]


def test_sqlite_file_gives_space_back(sqlite_url: str, kernel: Kernel) -> None:
    with open_storage(kernel, sqlite_url) as storage:
        assert isinstance(storage, DatabaseOperations)
        fill(storage, runs=5, signals=2_000)
        before = storage.database.dialect.size(storage.database.engine)
        report = storage.clean(NONE_STAYS, now=NOW, batch=700)
        after = storage.database.dialect.size(storage.database.engine)
    assert report.signals == 10_000
    assert report.bytes_freed == before - after > 10_000 * 60


def test_dry_run_tells_what_a_run_does(storage: DatabaseOperations) -> None:
    fill(storage)
    storage.strategies.save_run(made_run(9, kind=RunKind.SWEEP))
    told = storage.clean(NONE_STAYS, now=NOW, dry_run=True)
    assert rows(storage) == (4, 120)
    done = storage.clean(NONE_STAYS, now=NOW)
    assert (told.runs, told.signals, told.reasons) == (done.runs, done.signals, done.reasons)


def test_cleaning_within_a_unit_of_work_is_refused(storage: DatabaseOperations) -> None:
    with storage.unit_of_work(), pytest.raises(UsageError, match="cannot be part of a unit of work"):
        storage.clean(NONE_STAYS, now=NOW)


@pytest.mark.parametrize(
    ("kind", "rule", "message"),
    [
        ("sweeps", RetentionRule(), "no kind of run 'sweeps'. Did you mean 'sweep'"),
        ("run", RetentionRule(max_runs=-1), "retention of run: max_runs is -1; expected 0 or more"),
        ("run", RetentionRule(max_age=timedelta(days=-1)), "max_age is -.*expected 0 or more"),
    ],
)
def test_policy_that_makes_no_sense_is_refused(
    storage: DatabaseOperations, kind: str, rule: RetentionRule, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        storage.clean(RetentionPolicy({kind: rule}), now=NOW)
