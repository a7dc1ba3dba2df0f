"""Everything goes into another storage of any kind, with all revisions; again, it adds nothing."""

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stratkernel.contracts.calendars import Calendar
from stratkernel.contracts.signals import SignalType
from stratkernel.contracts.storage import Storage
from stratkernel.contracts.stored import (
    Checkpoint,
    QuarantinedCandle,
    RunKind,
    RunStatus,
    Series,
    SignalQuery,
)
from stratkernel.engine.storage_copy import Copied, copy_storage
from stratkernel.kernel.errors import CandleConflictError, StorageError, UsageError
from stratkernel.testing.memory_storage import MemoryStorage
from stratkernel.testing.storage.samples import everything, made_candles, made_run, made_signals
from stratkernel_database.backend import PostgresqlBackend, SqliteBackend

WHEN = datetime(2024, 5, 1, tzinfo=UTC)
HISTORY = SignalQuery(current=False, with_metadata=True)


@pytest.fixture
def source() -> Storage:
    return filled(MemoryStorage())


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Storage]:
    with ExitStack() as stack:
        if request.param == "memory":
            yield MemoryStorage()
        elif request.param == "sqlite":
            yield stack.enter_context(SqliteBackend.open(f"sqlite:///{tmp_path / 'target.db'}"))
        else:
            yield stack.enter_context(PostgresqlBackend.open(request.getfixturevalue("postgres_url")))


def filled(storage: Storage) -> Storage:
    """Two series, one without candles; a run with revised, retracted and repeated signals; a starred one."""
    storage.candles.write(made_candles(300, marked=np.arange(300) % 7 == 0, omits_empty=True))
    storage.candles.write(made_candles(0, symbol="EMPTY"))
    storage.candles.quarantine([QuarantinedCandle(Series("TEST", "1h"), None, "no price", "x,,1", WHEN)])
    live = made_run(1, kind=RunKind.LIVE, status=RunStatus.RUNNING, finished_at=None)
    first = made_signals(live, 6, {"rsi": [1.5, 2.5, 3.5, 4.5, 5.5, 6.5], "why": list("abcdef")})
    storage.strategies.save_run(live, first)
    storage.strategies.add_signals(live.run_id, replace(first, price=first.price + 1).select(slice(0, 3)))
    storage.strategies.retract_signals(live.run_id, first.select(slice(2, 4)))
    storage.strategies.add_signals(live.run_id, first.select(slice(3, 4)))
    for open_time in (10, 20):
        storage.checkpoints.save(Checkpoint(live.run_id, open_time, bytes([open_time]), WHEN))
    starred = made_run(2, batch="grid", error="it broke", status=RunStatus.FAILED)
    storage.strategies.save_run(starred, made_signals(starred, 2))
    storage.strategies.star(starred.run_id)
    storage.strategies.save_run(made_run(3))
    return storage


def copied(source: Storage, target: Storage) -> list[Copied]:
    told: list[Copied] = []
    copy_storage(source, target, told.append)
    return told


def contents(storage: Storage) -> dict[str, Any]:
    """Everything but the number of signals that a run says it has, which is computed anew."""
    found = everything(storage)
    return {**found, "runs": [replace(run, signal_count=0) for run in found["runs"]]}


def history(storage: Storage) -> list[Any]:
    signals = storage.strategies.signals(HISTORY)
    metadata = [dict(one) for one in signals.metadata or ()]
    return sorted(zip(signals.ids, signals.revision.tolist(), map(str, metadata), strict=True))


def test_copy_gives_a_storage_that_holds_the_same(source: Storage, target: Storage) -> None:
    told = copied(source, target)
    assert contents(target) == contents(source)
    assert history(target) == history(source)
    live = made_run(1, kind=RunKind.LIVE).run_id
    assert [target.checkpoints.load(live, before).open_time for before in (None, 15)] == [20, 10]  # type: ignore[union-attr]  # there are two
    assert sum(one.rows for one in told) == sum(one.new for one in told) == 300 + 1 + 12 + 2
    assert all(len(one.hash) == 64 for one in told)


def test_copy_done_again_writes_nothing(source: Storage, target: Storage) -> None:
    first, before = copied(source, target), everything(target)
    again = copied(source, target)
    assert [one.new for one in again] == [0] * len(first)
    assert [(one.what, one.rows, one.hash) for one in again] == [
        (one.what, one.rows, one.hash) for one in first
    ]
    assert everything(target) == before


def test_copy_that_was_interrupted_is_taken_up(source: Storage, target: Storage) -> None:
    def interrupt(one: Copied) -> None:
        if "run" in one.what:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy_storage(source, target, interrupt)
    assert 0 < len(target.strategies.runs()) < len(source.strategies.runs())
    copied(source, target)
    assert contents(target) == contents(source)


def test_copy_follows_what_happened_since_the_last_one(source: Storage, target: Storage) -> None:
    copied(source, target)
    run = made_run(1, kind=RunKind.LIVE, status=RunStatus.DONE)
    more = made_signals(run, [(1, SignalType.EXIT_LONG, 7.0, 0.5), (9, SignalType.ENTRY_LONG, 8.0, 0.5)])
    source.strategies.save_run(run, more)
    source.strategies.retract_signals(run.run_id, made_signals(run, 1))
    told = copied(source, target)
    assert sum(one.new for one in told) == 3
    assert contents(target) == contents(source)


def test_copy_adds_to_what_the_target_has(source: Storage, target: Storage) -> None:
    target.candles.write(made_candles(50, symbol="MINE"))
    mine = made_run(9)
    target.strategies.save_run(mine, made_signals(mine, 3))
    copied(source, target)
    assert target.strategies.run(mine.run_id).signal_count == 3
    assert len(target.candles.series()) == len(source.candles.series()) + 1


def test_copy_over_other_candles_is_refused(source: Storage, target: Storage) -> None:
    target.candles.write(made_candles(300, seed=5))
    with pytest.raises(CandleConflictError):
        copied(source, target)


def test_copy_over_a_run_with_other_signals_is_refused_with_what_to_do(
    source: Storage, target: Storage
) -> None:
    run = made_run(2, batch="grid")
    target.strategies.save_run(run, made_signals(run, [(0, SignalType.ENTRY_LONG, 1.0, 0.25)]))
    with pytest.raises(StorageError, match=rf"stratkernel runs delete {run.run_id}"):
        copied(source, target)


def test_copy_between_candles_that_only_the_target_has_is_refused(target: Storage) -> None:
    source, whole = MemoryStorage(), made_candles(30)
    source.candles.write(whole.slice(0, 10))
    source.candles.write(whole.slice(20, 30))
    target.candles.write(whole)
    with pytest.raises(StorageError, match="does not give back the candles of TEST 1h"):
        copied(source, target)


def test_copy_takes_over_what_is_known_of_a_series_now(source: Storage, target: Storage) -> None:
    copied(source, target)
    for given, calendar in ((True, Calendar.SESSIONS), (False, Calendar.WEEKDAYS)):
        source.candles.describe(
            Series("TEST", "1h"), calendar=calendar, calendar_given=given, omits_empty=False
        )
        copied(source, target)
        assert contents(target) == contents(source)


def test_copy_over_other_candles_put_aside_is_refused(source: Storage, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'target.db'}"
    with SqliteBackend.open(url) as target:
        copied(source, target)
    with closing(sqlite3.connect(tmp_path / "target.db")) as raw:
        raw.execute("UPDATE quarantined_candles SET content = 'other'")
        raw.commit()
    with (
        SqliteBackend.open(url) as target,
        pytest.raises(StorageError, match="does not give back the candles put aside"),
    ):
        copied(source, target)


@pytest.mark.parametrize(
    "change", [{"engine_version": "0.0.0"}, {"strategy_name": "other"}, {"venue": "elsewhere"}]
)
def test_copy_over_a_run_of_another_state_is_refused(
    source: Storage, tmp_path: Path, change: dict[str, str]
) -> None:
    url = f"sqlite:///{tmp_path / 'target.db'}"
    with SqliteBackend.open(url) as target:
        copied(source, target)
    ((name, value),) = change.items()
    with closing(sqlite3.connect(tmp_path / "target.db")) as raw:
        raw.execute(f"UPDATE strategy_runs SET {name} = ?", (value,))  # noqa: S608 - a name from above
        raw.commit()
    with (
        SqliteBackend.open(url) as target,
        pytest.raises(StorageError, match="it had another state of the run"),
    ):
        copied(source, target)


class Forgetful(MemoryStorage):
    """Does not keep one thing that runs say."""

    def __init__(self, name: str) -> None:
        super().__init__()
        kept, give = self.strategies, self.strategies.run
        kept.run = lambda run_id: replace(give(run_id), **{name: None if name == "finished_at" else {}})  # type: ignore[method-assign]


@pytest.mark.parametrize("name", ["finished_at", "timings"])
def test_copy_to_a_storage_that_forgets_what_runs_say_is_refused(name: str) -> None:
    source = MemoryStorage()
    source.strategies.save_run(made_run(1, finished_at=WHEN, timings={"run": 1.5}))
    with pytest.raises(StorageError, match="does not give back"):
        copied(source, Forgetful(name))


def test_restoring_signals_without_metadata_or_of_others_is_refused(tmp_path: Path) -> None:
    source = filled(MemoryStorage())
    run = made_run(2, batch="grid")
    with SqliteBackend.open(f"sqlite:///{tmp_path / 'target.db'}") as target:
        bare = source.strategies.signals(SignalQuery(run_ids=(run.run_id,), current=False))
        with pytest.raises(UsageError, match="read with metadata"):
            target.strategies.restore_run(run, bare)
        with pytest.raises(UsageError, match="of this run alone"):
            target.strategies.restore_run(run, source.strategies.signals(HISTORY))
        assert target.strategies.runs() == []
