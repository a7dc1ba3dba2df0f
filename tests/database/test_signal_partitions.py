"""Signals of PostgreSQL in partitions, one a month: made, filled by many at once, dropped, taken back."""

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from threading import Barrier
from typing import Any

import numpy as np
import pytest

from joint_writers import WRITERS, write_parts
from made_migrations import execute, live_checksum, make_live_signals, table_names
from stratkernel import Storage, UsageError
from stratkernel.contracts.retention import RetentionPolicy, RetentionRule
from stratkernel.contracts.signals import SignalTable
from stratkernel.contracts.stored import RunRecord, SignalQuery
from stratkernel.engine.storage_copy import copy_storage
from stratkernel.testing import MemoryBackend
from stratkernel.testing.storage.samples import STARTED, everything, made_run, made_signals
from stratkernel_database.backend import PostgresqlBackend, SqliteBackend
from stratkernel_database.dialects import postgresql_partitions
from stratkernel_database.migrate import DatabaseMigrations

pytestmark = pytest.mark.postgresql

NOW = STARTED + timedelta(days=1)
PREFIX = "strategy_signals_"


@pytest.fixture
def url(postgres_url: str) -> str:
    """A database whose signals are in partitions, of which there are none yet."""
    migrations = DatabaseMigrations(postgres_url)
    migrations.upgrade()
    assert migrations.partition_signals()
    return postgres_url


@pytest.fixture
def storage(url: str) -> Iterator[Storage]:
    with PostgresqlBackend.open(url) as opened:
        yield opened


def signals_of(run: RunRecord, *times: str) -> SignalTable:
    """Signals at these times, UTC."""
    stamps = np.array(times, dtype="datetime64[us]").astype(np.int64)
    return replace(made_signals(run, len(times)), timestamp=stamps)


def months(url: str) -> list[str]:
    return sorted(name.removeprefix(PREFIX) for name in table_names(url) if name.startswith(PREFIX))


def fill(storage: Storage, *times: str, runs: int = 1) -> list[RunRecord]:
    made = [made_run(number) for number in range(runs)]
    for run in made:
        storage.strategies.save_run(run, signals_of(run, *times))
    return made


def test_signals_go_into_the_partition_of_their_month(url: str, storage: Storage) -> None:
    times = (
        "0999-01-01", "1969-12-31T23:59:59.999999", "1970-01-01", "2024-02-29T23:59:59.999999",
        "2024-03-01", "2024-12-31T12:00", "2262-04-11",
    )  # fmt: skip
    fill(storage, *times)
    assert months(url) == ["0999_01", "1969_12", "1970_01", "2024_02", "2024_03", "2024_12", "2262_04"]
    for month, count in zip(months(url), [1] * 7, strict=True):
        assert execute(url, f"SELECT count(*) FROM {PREFIX}{month}") == [(count,)]  # noqa: S608 - our own name
    stored = storage.strategies.signals().timestamp.astype("datetime64[us]")
    assert stored.tolist() == np.array(times, dtype="datetime64[us]").tolist()
    assert DatabaseMigrations(url).check() == []


def test_table_with_signals_is_moved_into_partitions_and_back(postgres_url: str) -> None:
    migrations = DatabaseMigrations(postgres_url)
    migrations.upgrade()
    with PostgresqlBackend.open(postgres_url) as storage:
        runs = fill(
            storage, "1969-12-31T23:00", "1970-01-01", "2024-01-05", "2024-01-31", "2024-02-01", runs=3
        )
        storage.strategies.add_signals(runs[0].run_id, signals_of(runs[0], "2024-01-05"))
        storage.strategies.retract_signals(runs[1].run_id, signals_of(runs[1], "1970-01-01"))
        before = everything(storage)
        shape = sorted(execute(postgres_url, SHAPE))
        assert [migrations.partition_signals() for _ in range(2)] == [True, False]
        assert months(postgres_url) == ["1969_12", "1970_01", "2024_01", "2024_02"]
        assert everything(storage) == before
        assert migrations.check() == []
        assert [migrations.partition_signals(wanted=False) for _ in range(2)] == [True, False]
        assert months(postgres_url) == []
        assert everything(storage) == before
    assert sorted(execute(postgres_url, SHAPE)) == shape
    assert migrations.check() == []


SHAPE = (
    "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint "
    "WHERE conrelid = 'strategy_signals'::regclass "
    "UNION ALL SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'strategy_signals'"
)


def test_partitions_leave_the_live_signals_alone(postgres_url: str) -> None:
    make_live_signals(postgres_url)
    before = live_checksum(postgres_url)
    migrations = DatabaseMigrations(postgres_url)
    migrations.upgrade()
    migrations.partition_signals()
    with PostgresqlBackend.open(postgres_url) as storage:
        fill(storage, "2024-01-05")
        storage.clean(RetentionPolicy({"run": RetentionRule(max_runs=0)}), now=NOW)
    migrations.partition_signals(wanted=False)
    migrations.downgrade("base")
    assert live_checksum(postgres_url) == before


def test_downgrade_takes_partitions_away_and_upgrade_makes_a_plain_table(url: str, storage: Storage) -> None:
    fill(storage, "2024-01-05", "2024-02-05")
    storage.close()
    migrations = DatabaseMigrations(url)
    migrations.downgrade("base")
    assert table_names(url) <= {"stratkernel_schema_version"}
    migrations.upgrade()
    assert migrations.check() == []
    assert months(url) == []


def test_partitions_of_a_database_without_tables_are_refused(postgres_url: str) -> None:
    with pytest.raises(UsageError, match=r"has no tables of stratkernel yet.*run `stratkernel db upgrade`"):
        DatabaseMigrations(postgres_url).partition_signals()


def test_partitions_on_sqlite_are_refused(sqlite_url: str) -> None:
    assert not DatabaseMigrations(sqlite_url).has_partitions
    with pytest.raises(UsageError, match="cannot be kept in partitions on sqlite"):
        DatabaseMigrations(sqlite_url).partition_signals()


def test_check_counts_signals_in_partitions_that_belong_to_no_run(url: str, storage: Storage) -> None:
    fill(storage, "2024-01-05", "2024-02-05", runs=2)
    execute(url, "DELETE FROM strategy_runs WHERE id = 1")
    assert DatabaseMigrations(url).check() == [
        "strategy_signals: 2 signals belong to run 1, which is not in strategy_runs"
    ]


def test_check_of_other_partitions_than_by_time_says_so(postgres_url: str) -> None:
    DatabaseMigrations(postgres_url).upgrade()
    execute(
        postgres_url,
        "DROP TABLE strategy_signals",
        "CREATE TABLE strategy_signals (run bigint) PARTITION BY HASH (run)",
    )
    assert (
        "strategy_signals: is partitioned by HASH (run), expected RANGE (timestamp)"
        in DatabaseMigrations(postgres_url).check()
    )


def test_partition_that_somebody_made_by_hand_is_used(url: str, storage: Storage) -> None:
    start, end = np.array(["2023-01", "2024-01"], dtype="datetime64[us]").astype(np.int64)
    execute(
        url,
        f"CREATE TABLE year PARTITION OF strategy_signals FOR VALUES FROM ({start}) TO ({end})",
        f"CREATE TABLE old PARTITION OF strategy_signals FOR VALUES FROM (MINVALUE) TO ({start})",
    )
    fill(storage, "1950-01-01", "2023-05-05", "2024-01-01")
    assert months(url) == ["2024_01"]
    execute(url, "CREATE TABLE other PARTITION OF strategy_signals DEFAULT")
    run = made_run()
    assert storage.strategies.add_signals(run.run_id, signals_of(run, "2030-01-01")).inserted == 1
    assert months(url) == ["2024_01"]


def test_partition_of_a_write_that_fails_is_not_left_behind(url: str, storage: Storage) -> None:
    with pytest.raises(InterruptedError):
        _write_and_fail(storage)
    assert months(url) == []


def _write_and_fail(storage: Storage) -> None:
    with storage.unit_of_work():
        fill(storage, "2024-01-05")
        raise InterruptedError


def test_writers_that_need_the_same_partitions_never_fail(url: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "stratkernel.database")
    times = [[f"{year}-{month:02}-10" for month in range(1, 13)] for year in range(2000, 2004)]
    barrier = Barrier(WRITERS)

    def write(worker: int) -> None:
        with PostgresqlBackend.open(url) as storage:
            for number, some in enumerate(times):
                run = made_run(10 * worker + number)
                barrier.wait(60)
                storage.strategies.save_run(run, signals_of(run, *some[worker:], *some[:worker]))

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(write, range(WRITERS)))
    assert len(months(url)) == 48
    with PostgresqlBackend.open(url) as storage:
        assert len(storage.strategies.signals()) == WRITERS * 48
    assert caplog.messages == []  # nor did any have to try again


def test_writers_of_the_same_runs_never_fail(url: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "stratkernel.database")
    with PostgresqlBackend.open(url) as storage, ThreadPoolExecutor(WRITERS) as pool:
        assert list(pool.map(lambda each: write_parts(storage, each), range(WRITERS))) == [0] * WRITERS
    assert caplog.messages == []


def test_signals_written_while_they_are_moved_are_all_there(postgres_url: str) -> None:
    migrations = DatabaseMigrations(postgres_url)
    migrations.upgrade()
    barrier = Barrier(2)

    def write() -> int:
        with PostgresqlBackend.open(postgres_url) as storage:
            barrier.wait(60)
            for number in range(60):
                run = made_run(number)
                storage.strategies.save_run(
                    run, signals_of(run, f"20{number:02}-01-05", f"20{number:02}-02-05")
                )
        return 120

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        barrier.wait(60)
        for wanted in (True, False, True):
            migrations.partition_signals(wanted)
        assert writing.result() == 120
    with PostgresqlBackend.open(postgres_url) as storage:
        assert len(storage.strategies.signals()) == 120
    assert migrations.check() == []


def clean(storage: Storage, **rule: Any) -> int:
    return storage.clean(RetentionPolicy({"run": RetentionRule(**rule)}), now=NOW, batch=3).signals


def fill_two_months(storage: Storage) -> tuple[RunRecord, RunRecord]:
    """An old run with signals in January and February, a new one with some in February and March."""
    old, new = made_run(0), made_run(1)
    storage.strategies.save_run(old, signals_of(old, "2024-01-05", "2024-01-06", "2024-02-05"))
    storage.strategies.save_run(new, signals_of(new, "2024-02-05", "2024-03-05"))
    return old, new


def test_cleaning_drops_months_without_other_signals_and_deletes_the_rest(url: str, storage: Storage) -> None:
    _, new = fill_two_months(storage)
    assert clean(storage, max_runs=1) == 3
    assert months(url) == ["2024_02", "2024_03"]
    assert [run.run_id for run in storage.strategies.runs()] == [new.run_id]
    assert len(storage.strategies.signals(SignalQuery(current=False))) == 2
    assert DatabaseMigrations(url).check() == []
    assert clean(storage, max_runs=0) == 2
    assert months(url) == []


def test_signals_can_be_written_after_their_month_was_dropped(url: str, storage: Storage) -> None:
    old, _ = fill_two_months(storage)
    clean(storage, max_runs=0)
    write = storage.strategies.save_run(old, signals_of(old, "2024-01-05"))
    assert (write.new_run, write.inserted) == (True, 1)
    assert months(url) == ["2024_01"]


def test_dry_run_drops_no_partition(url: str, storage: Storage) -> None:
    fill_two_months(storage)
    policy = RetentionPolicy({"run": RetentionRule(max_runs=0)})
    assert storage.clean(policy, now=NOW, dry_run=True).signals == 5
    assert len(months(url)) == 3


def test_cleaning_that_cannot_lock_the_table_deletes_row_by_row(
    url: str, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql_partitions, "_WAIT", "50ms")
    fill_two_months(storage)
    with PostgresqlBackend.open(url) as other, ExitStack() as stack:
        stack.enter_context(other.unit_of_work())
        other.strategies.signals()  # holds the table as long as the unit of work is open
        assert clean(storage, max_runs=1) == 3
    assert months(url) == ["2024_01", "2024_02", "2024_03"]
    assert len(storage.strategies.signals(SignalQuery(current=False))) == 2


def test_cleaning_while_others_write_the_dropped_months_loses_nothing(url: str, storage: Storage) -> None:
    def write(worker: int) -> None:
        with PostgresqlBackend.open(url) as own:
            for number in range(15):
                run = made_run(100 * worker + number, symbol=f"KEPT{worker}", starred=True)
                own.strategies.save_run(run, signals_of(run, "2024-01-05", "2024-02-05"))

    fill_two_months(storage)
    with ThreadPoolExecutor(2) as pool:
        writing = [pool.submit(write, worker) for worker in (1, 2)]
        while not all(each.done() for each in writing):
            clean(storage, max_runs=0)
            fill_two_months(storage)
        for each in writing:
            each.result()
    clean(storage, max_runs=0)
    assert len(storage.strategies.runs()) == 30
    assert len(storage.strategies.signals()) == 60


def test_copy_into_partitions_and_out_of_them_keeps_every_row(
    url: str, storage: Storage, tmp_path: Any
) -> None:
    source = MemoryBackend.open("memory://")
    runs = fill(source, "2024-01-05", "2024-02-05", "2024-02-06", runs=2)
    source.strategies.retract_signals(runs[0].run_id, signals_of(runs[0], "2024-01-05"))
    copy_storage(source, storage, lambda _: None)
    assert everything(storage) == everything(source)
    assert months(url) == ["2024_01", "2024_02"]
    with SqliteBackend.open(f"sqlite:///{tmp_path / 'copy.db'}") as target:
        copy_storage(storage, target, lambda _: None)
        assert everything(target) == everything(source)
