"""The conformance suite of storages finds what is broken on purpose."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from stratkernel import Candles, SignalType, Storage, StratkernelError
from stratkernel.contracts.columns import CANDLE_COLUMNS, candle_columns
from stratkernel.testing import MemoryStorage
from stratkernel.testing import memory_candles as candles
from stratkernel.testing import memory_storage as storages
from stratkernel.testing import memory_strategies as strategies
from stratkernel.testing.memory_candles import MemoryCandles, MemoryCheckpoints
from stratkernel.testing.memory_strategies import MemoryStrategies
from stratkernel.testing.memory_tables import Tables
from stratkernel.testing.storage import StorageConformance
from stratkernel.testing.storage.signals import at

SUITE = StorageConformance()
Check = Callable[[Storage], None]


def as_float32(read: Callable[..., Candles]) -> Callable[..., Candles]:
    def rounded(*arguments: Any) -> Candles:
        found = read(*arguments)
        with np.errstate(over="ignore"):
            arrays = {n: found.columns[n].astype(np.float32).astype(np.float64) for n in CANDLE_COLUMNS}
        return Candles(
            found.symbol,
            found.timeframe,
            found.open_time,
            candle_columns(arrays, found.close_time),
            found.calendar,
        )

    return rounded


def one_more(read: Callable[..., Candles]) -> Callable[..., Candles]:
    return lambda self, series, start=None, end=None: read(
        self, series, start, None if end is None else end + 1
    )


BROKEN: list[tuple[Check, Any, str, Callable[[Any], Any]]] = [
    (SUITE.test_saving_again_keeps_the_star, strategies, "_updated", lambda _: lambda stored, run: run),
    (
        SUITE.test_saving_again_updates_what_became_of_the_run,
        strategies,
        "_updated",
        lambda _: lambda stored, run: stored,
    ),
    (
        lambda storage: SUITE.test_signal_that_differs_is_a_new_revision(
            storage, (0, SignalType.ENTRY_LONG, 1.0, 0.5)
        ),
        strategies,
        "_says_the_same",
        lambda _: lambda before, new: True,
    ),
    (
        SUITE.test_saving_the_same_again_writes_nothing,
        strategies,
        "_says_the_same",
        lambda _: lambda before, new: False,
    ),
    (
        SUITE.test_retracted_signals_are_no_longer_current,
        strategies,
        "_is_current",
        lambda _: lambda revisions, n: True,
    ),
    (SUITE.test_metadata_that_is_no_number_comes_back_as_none, strategies, "_as_json", lambda _: dict),
    (
        lambda storage: SUITE.test_signals_are_found_by_each_field(storage, {"end": at(2)}, 4),
        strategies,
        "_is_asked_for",
        lambda asked: lambda key, row, query, start, end: asked(key, row, query, start, end and end + 1),
    ),
    (
        lambda storage: SUITE.test_naive_time_of_a_run_is_refused(storage, "started_at"),
        strategies,
        "micros_of",
        lambda _: lambda moment: 0,
    ),
    (
        SUITE.test_runs_come_the_newest_first,
        MemoryStrategies,
        "runs",
        lambda runs: lambda self, query=None: runs(self)[::-1],
    ),
    (SUITE.test_run_is_found_by_the_beginning_of_its_id, strategies, "_SHORTEST", lambda _: 5),
    (SUITE.test_price_that_did_not_move_is_not_won, strategies, "_SIDES", lambda _: {}),
    (SUITE.test_unit_of_work_that_fails_leaves_nothing, Tables, "take", lambda _: lambda self, other: None),
    (SUITE.test_inner_unit_that_fails_is_undone_alone, Tables, "take", lambda _: lambda self, other: None),
    (
        lambda storage: SUITE.test_contradicting_candles_are_refused_whole(storage, "close"),
        MemoryCandles,
        "write",
        lambda write: lambda self, new, overwrite=False: write(self, new, overwrite=True),
    ),
    (SUITE.test_odd_numbers_come_back_bit_for_bit, MemoryCandles, "read", as_float32),
    (
        lambda storage: SUITE.test_range_includes_its_start_and_not_its_end(storage, 2, 4, (2, 4)),
        MemoryCandles,
        "read",
        one_more,
    ),
    (
        lambda storage: SUITE.test_chunks_are_what_read_gives(storage, 3),
        MemoryCandles,
        "chunks",
        lambda chunks: lambda *a, **k: list(chunks(*a, **k))[:-1],
    ),
    (SUITE.test_bad_candles_are_kept_once, candles, "_identity", lambda _: id),
    (
        SUITE.test_newest_checkpoint_comes_back,
        MemoryCheckpoints,
        "load",
        lambda load: lambda self, run, before=None: load(self, run, 0),
    ),
    (
        SUITE.test_pruning_keeps_what_is_needed_and_the_newest,
        MemoryCheckpoints,
        "prune",
        lambda prune: lambda self, run, keep: prune(self, run, keep + 10**15),
    ),
    (
        SUITE.test_starred_runs_always_stay,
        storages,
        "_due",
        lambda _: lambda runs, rule, now: {run.run_id: "max_runs" for run in runs},
    ),
    (
        SUITE.test_dry_run_only_tells,
        MemoryStorage,
        "clean",
        lambda clean: lambda self, policy, *, now, dry_run=False: clean(self, policy, now=now),
    ),
]


@pytest.mark.parametrize(("check", "place", "name", "broken"), BROKEN, ids=range(len(BROKEN)))
def test_suite_finds_what_is_broken(
    monkeypatch: pytest.MonkeyPatch, check: Check, place: Any, name: str, broken: Callable[[Any], Any]
) -> None:
    check(MemoryStorage())
    monkeypatch.setattr(place, name, broken(getattr(place, name)))
    with pytest.raises((AssertionError, pytest.fail.Exception, StratkernelError, LookupError)):
        check(MemoryStorage())


def test_comparison_with_memory_finds_a_storage_that_deletes_too_little(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    storage = MemoryStorage()
    delete = storage.strategies.delete_runs
    monkeypatch.setattr(storage.strategies, "delete_runs", lambda ids: delete(list(ids)[:1]))
    with pytest.raises(AssertionError):
        SUITE.test_any_sequence_of_calls_gives_what_the_storage_in_memory_gives(storage)
