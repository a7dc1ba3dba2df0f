"""What the strategy repository does beyond the contract of all storages."""

import math
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from stratkernel import AmbiguousNameError, Kernel, Storage, UnknownNameError, UsageError, open_storage
from stratkernel.contracts.stored import RunQuery, SignalQuery, SignalWrite, WinRule
from stratkernel.testing.storage.samples import made_run, made_signals
from stratkernel_database.models import strategy_signals
from stratkernel_database.operations import DatabaseOperations


@pytest.fixture
def storage(kernel: Kernel, tables_url: str) -> Iterator[Storage]:
    with open_storage(kernel, tables_url) as opened:
        yield opened


def test_signal_with_other_flags_is_a_new_revision(storage: Storage) -> None:
    run = made_run()
    signals = made_signals(run, 4)
    storage.strategies.save_run(run, signals)
    flagged = replace(signals, flags=signals.flags ^ np.array([0, 1, 0, 0], dtype=np.uint8))
    assert storage.strategies.add_signals(run.run_id, flagged) == SignalWrite(0, 3, 1)
    assert storage.strategies.signals().revision.tolist() == [0, 1, 0, 0]


def test_signal_with_other_metadata_is_a_new_revision(storage: Storage) -> None:
    run = made_run()
    first = made_signals(run, 3, {"rsi": [1.0, 2.0, 3.0], "note": ["a", "b", "c"]})
    second = made_signals(run, 3, {"rsi": [1.0, 2.5, 3.0], "note": ["a", "b", "c"]})
    storage.strategies.save_run(run, first)
    assert storage.strategies.save_run(run, second) == SignalWrite(0, 2, 1)
    stored = storage.strategies.signals(SignalQuery(with_metadata=True))
    assert stored.metadata is not None
    assert [row["rsi"] for row in stored.metadata] == [1.0, 2.5, 3.0]


def test_only_the_newest_revision_that_holds_is_marked_current(storage: Storage) -> None:
    assert isinstance(storage, DatabaseOperations)
    run = made_run()
    signals = made_signals(run, 3)
    storage.strategies.save_run(run, signals)
    storage.strategies.save_run(run, replace(signals, price=signals.price + np.array([0.0, 1.0, 1.0])))
    storage.strategies.retract_signals(run.run_id, signals.select(np.array([2])))
    columns = strategy_signals.c
    select = sa.select(columns.revision, columns.is_current).order_by(columns.timestamp, columns.revision)
    rows = storage.database.read(lambda connection: connection.execute(select).all())
    assert [tuple(row) for row in rows] == [
        (0, True), (0, False), (1, True), (0, False), (1, False), (2, False),
    ]  # fmt: skip
    assert storage.strategies.run(run.run_id).signal_count == 2


def test_run_keeps_the_hashes_that_large_numbers_made(storage: Storage) -> None:
    run = made_run()
    huge = replace(run.run, parameters={"b": 1e16, "a": 1e300, "c": 5.0, "d": 2**60, "e": 1e-7})
    storage.strategies.save_run(replace(run, run=huge))
    stored = storage.strategies.run(run.run_id).run
    assert list(stored.parameters.items()) == list(huge.parameters.items())
    assert stored.config_hash == huge.config_hash


@pytest.mark.parametrize(
    ("quality", "place"),
    [
        ({"a": math.nan}, r"quality\['a'\]"),
        ({"a": [1, {"b": math.inf}]}, r"quality\['a'\]\[1\]\['b'\]"),
        ({"a": {1, 2}}, r"quality\['a'\]"),
    ],
)
def test_what_json_does_not_know_is_refused_with_its_place(
    storage: Storage, quality: dict[str, object], place: str
) -> None:
    run = replace(made_run(), quality=quality)
    with pytest.raises(UsageError, match=rf"run {run.run_id}: {place} cannot be stored.*finite numbers"):
        storage.strategies.save_run(run)
    assert storage.strategies.runs() == []


def test_two_signals_of_one_type_and_time_are_refused(storage: Storage) -> None:
    run = made_run()
    twice = made_signals(run, 2).select(np.array([0, 0]))
    with pytest.raises(UsageError, match="each type at most once a candle"):
        storage.strategies.save_run(run, twice)
    assert storage.strategies.runs() == []


def test_signals_out_of_order_are_stored_in_order(storage: Storage) -> None:
    run = made_run()
    signals = made_signals(run, 5)
    storage.strategies.save_run(run, signals.select(np.array([3, 1, 4, 0, 2])))
    assert storage.strategies.add_signals(run.run_id, signals) == SignalWrite(0, 5, 0)
    assert storage.strategies.signals().price.tolist() == signals.price.tolist()


def test_signals_saved_by_four_at_once_are_stored_once(storage: Storage) -> None:
    run = made_run()
    signals = made_signals(run, 600)  # enough for the bulk path of either database

    def save(part: int) -> SignalWrite:
        return storage.strategies.save_run(run, signals.select(slice(part * 50, part * 50 + 450)))

    with ThreadPoolExecutor(4) as pool:
        writes = list(pool.map(save, range(4)))
    assert sum(write.new_run for write in writes) == 1
    assert sum(write.inserted for write in writes) == 600
    assert sum(write.revised for write in writes) == 0
    assert storage.strategies.run(run.run_id).signal_count == 600
    assert storage.strategies.signals().price.tolist() == signals.price.tolist()


def test_failed_save_leaves_nothing_of_the_run(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(storage, DatabaseOperations)

    def fail(*_: object) -> None:
        raise ConnectionResetError("pulled")

    monkeypatch.setattr(storage.database.dialect, "insert", fail)
    run = made_run()
    with pytest.raises(ConnectionResetError):
        storage.strategies.save_run(run, made_signals(run, 3))
    assert storage.strategies.runs() == []


def test_text_that_no_database_keeps_finds_nothing(storage: Storage) -> None:
    storage.strategies.save_run(made_run(), made_signals(made_run(), 2))
    for odd in ("a\x00b", "\ud800"):
        assert storage.strategies.runs(RunQuery(symbol=odd)) == []
        assert len(storage.strategies.signals(SignalQuery(strategy=odd))) == 0
        assert storage.strategies.statistics(["symbol"], SignalQuery(timeframe=odd)) == []
        with pytest.raises(UnknownNameError):
            storage.strategies.find_run(odd)


def test_beginning_of_an_id_is_found_with_and_without_dashes(storage: Storage) -> None:
    run = made_run()
    storage.strategies.save_run(run)
    whole = str(run.run_id)
    for text in (whole, whole.upper(), whole[:13], whole[:13].replace("-", ""), f" {whole[:4]} "):
        assert storage.strategies.find_run(text).run_id == run.run_id


def test_ambiguous_beginning_names_runs(storage: Storage) -> None:
    ids = [replace(made_run(), run_id=type(made_run().run_id)(f"abcd{i:028x}")) for i in range(7)]
    for run in ids:
        storage.strategies.save_run(run)
    with pytest.raises(AmbiguousNameError, match=r"begins several runs: abcd0000-.*, \.\.\.; expected more"):
        storage.strategies.find_run("abcd")


def test_limit_below_nothing_is_refused(storage: Storage) -> None:
    with pytest.raises(UsageError, match="limit is -1; expected 0 or more"):
        storage.strategies.runs(RunQuery(limit=-1))
    with pytest.raises(UsageError, match="limit is -1; expected 0 or more"):
        storage.strategies.signals(SignalQuery(limit=-1))


def test_unknown_group_and_rule_are_refused(storage: Storage) -> None:
    with pytest.raises(UsageError, match="grouped by 'price; DROP'; expected strategy, symbol"):
        storage.strategies.statistics(["price; DROP"])  # type: ignore[list-item]  # what a stranger sends
    with pytest.raises(UsageError, match="no win rule 'horizon_bars' of 0 bars"):
        storage.strategies.statistics([], win_rule=WinRule("horizon_bars", 0))


def test_days_before_1970_are_counted_as_days(storage: Storage) -> None:
    run = made_run()
    early = replace(made_signals(run, 3), timestamp=np.array([-86_400_000_001, -1, 0], dtype=np.int64))
    storage.strategies.save_run(run, early)
    days = [each.group["day"] for each in storage.strategies.statistics(["day"])]
    assert days == ["1969-12-30", "1969-12-31", "1970-01-01"]


def test_signal_takes_at_most_200_bytes_of_a_file(sqlite_url: str, kernel: Kernel) -> None:
    """With what the built-in strategies tell of a signal, and its share of both indexes."""
    chance, path = np.random.default_rng(1), Path(sqlite_url.removeprefix("sqlite:///"))
    empty, count = path.stat().st_size, 5_000
    with open_storage(kernel, sqlite_url) as storage:
        for number in range(4):
            run = made_run(number, strategy_name="ema_crossover", symbol="BTC/USDT", timeframe="1m")
            values = {name: chance.uniform(2e4, 6e4, count).tolist() for name in ("fast", "slow")}
            storage.strategies.save_run(run, made_signals(run, count, values))
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    assert (path.stat().st_size - empty) / (4 * count) <= 200
