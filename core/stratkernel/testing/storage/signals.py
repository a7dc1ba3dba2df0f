"""Checks of signals: stored once, revised, retracted, found by each field."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from stratkernel.contracts.signals import SignalType
from stratkernel.contracts.storage import Storage
from stratkernel.contracts.stored import SignalQuery, SignalStatus, SignalWrite
from stratkernel.contracts.timeframes import HOUR
from stratkernel.kernel.errors import UsageError
from stratkernel.testing.storage.samples import START, Event, made_run, made_signals, rows_of

LONG, OUT, SHORT, COVER, HOLD = (
    SignalType.ENTRY_LONG,
    SignalType.EXIT_LONG,
    SignalType.ENTRY_SHORT,
    SignalType.EXIT_SHORT,
    SignalType.HOLD,
)
EVENTS: tuple[Event, ...] = (
    (0, LONG, 100.0, 0.5),
    (1, HOLD, 101.0, 0.0),
    (2, OUT, 102.0, 1.0),
    (2, SHORT, 102.0, 0.25),
    (5, COVER, 90.0, 0.75),
)


def at(hour: int) -> datetime:
    """The close of the candle that opens so many hours after the first."""
    return datetime.fromtimestamp((START + (hour + 1) * HOUR) / 1e6, UTC)


class SignalChecks:
    """What `StrategyStorage` says of signals."""

    def test_signals_come_back_as_they_were_stored(self, storage: Storage) -> None:
        run = made_run()
        signals = made_signals(run, EVENTS, {"rsi": [1.5, 2.5, 3.5, 4.5, 5.5], "why": list("abcde")})
        storage.strategies.save_run(run, signals)
        stored = storage.strategies.signals(SignalQuery(with_metadata=True))
        assert stored.ids == signals.ids()
        for name in ("timestamp", "types", "price", "confidence", "flags"):
            assert getattr(stored, name).tolist() == getattr(signals, name).tolist()
            assert getattr(stored, name).dtype == getattr(signals, name).dtype
        assert stored.metadata is not None
        assert [dict(row) for row in stored.metadata] == [dict(row.metadata) for row in signals]
        assert set(stored.status) == {SignalStatus.FRESH}
        assert len(stored.frame) == len(list(stored)) == 5

    def test_no_signal_is_a_table_without_rows(self, storage: Storage) -> None:
        run = made_run()
        assert storage.strategies.save_run(run, made_signals(run, 0)) == SignalWrite(new_run=True)
        stored = storage.strategies.signals(SignalQuery(with_metadata=True))
        assert (len(stored), len(stored.frame), list(stored)) == (0, 0, [])

    def test_metadata_is_left_out_unless_asked_for(self, storage: Storage) -> None:
        run = made_run()
        storage.strategies.save_run(run, made_signals(run, 1, {"x": [1]}))
        assert storage.strategies.signals().metadata is None

    def test_metadata_keeps_numbers_truths_and_texts(self, storage: Storage) -> None:
        run = made_run()
        columns: dict[str, list[Any]] = {"n": [2**53 + 1], "f": [0.1 + 0.2], "b": [True], "t": ["ü'\"\\"]}
        storage.strategies.save_run(run, made_signals(run, 1, columns))
        metadata = storage.strategies.signals(SignalQuery(with_metadata=True)).metadata
        assert metadata is not None
        assert [dict(row) for row in metadata] == [{name: column[0] for name, column in columns.items()}]

    def test_metadata_that_is_no_number_comes_back_as_none(self, storage: Storage) -> None:
        run = made_run()
        storage.strategies.save_run(run, made_signals(run, 2, {"x": [np.nan, np.inf]}))
        metadata = storage.strategies.signals(SignalQuery(with_metadata=True)).metadata
        assert metadata is not None
        assert [dict(row) for row in metadata] == [{"x": None}, {"x": None}]

    def test_price_and_confidence_keep_every_bit(self, storage: Storage) -> None:
        run = made_run()
        odd = [(0, LONG, 5e-324, 0.0), (1, OUT, 1.7976931348623157e308, 1.0), (2, LONG, 0.1 + 0.2, 1 / 3)]
        signals = made_signals(run, odd)
        storage.strategies.save_run(run, signals)
        stored = storage.strategies.signals()
        assert stored.price.tobytes() == signals.price.tobytes()
        assert stored.confidence.tobytes() == signals.confidence.tobytes()

    def test_signals_come_by_time_then_run_then_exits_before_entries(self, storage: Storage) -> None:
        runs = [made_run(number) for number in range(3)]
        for run in runs:
            storage.strategies.save_run(run, made_signals(run, EVENTS))
        stored = storage.strategies.signals()
        order = list(zip(stored.timestamp.tolist(), stored.run.tolist(), stored.types.tolist(), strict=True))
        times = [time for time, _, _ in order]
        assert times == sorted(times)
        for time in set(times):
            at_once = [(run, kind) for when, run, kind in order if when == time]
            runs_in_turn = list(dict.fromkeys(run for run, _ in at_once))
            assert at_once == sorted(at_once, key=lambda pair: (runs_in_turn.index(pair[0]), pair[1]))

    def test_adding_signals_counts_new_and_known_ones(self, storage: Storage) -> None:
        run = made_run()
        storage.strategies.save_run(run, made_signals(run, 3))
        assert storage.strategies.add_signals(run.run_id, made_signals(run, 5)) == SignalWrite(2, 3, 0)
        assert storage.strategies.add_signals(run.run_id, made_signals(run, 5)) == SignalWrite(0, 5, 0)
        assert storage.strategies.run(run.run_id).signal_count == len(storage.strategies.signals()) == 5

    def test_adding_signals_one_by_one_is_as_good_as_all_at_once(self, storage: Storage) -> None:
        one, all_at_once = made_run(0), made_run(1)
        signals = made_signals(one, EVENTS)
        storage.strategies.save_run(one)
        for row in range(len(signals)):
            storage.strategies.add_signals(one.run_id, signals.select(slice(row, row + 1)))
        storage.strategies.save_run(all_at_once, made_signals(all_at_once, EVENTS))
        first, second = (
            rows_of(storage.strategies.signals(SignalQuery(run_ids=(run.run_id,))))
            for run in (one, all_at_once)
        )
        assert [(row[0], *row[2:]) for row in first] == [(row[0], *row[2:]) for row in second]

    def test_signals_carry_the_status_that_they_were_added_with(self, storage: Storage) -> None:
        run = made_run()
        storage.strategies.save_run(run, made_signals(run, 1))
        storage.strategies.add_signals(run.run_id, made_signals(run, 3), SignalStatus.REPLAYED)
        assert [status.value for status in storage.strategies.signals().status] == [
            "fresh",
            "replayed",
            "replayed",
        ]

    @pytest.mark.parametrize("other", [(0, LONG, 100.5, 0.5), (0, LONG, 100.0, 0.75)])
    def test_signal_that_differs_is_a_new_revision(self, storage: Storage, other: Event) -> None:
        run = made_run()
        storage.strategies.save_run(run, made_signals(run, EVENTS))
        again = made_signals(run, [other, *EVENTS[1:]])
        assert storage.strategies.add_signals(run.run_id, again) == SignalWrite(0, 4, 1)
        current = storage.strategies.signals()
        assert len(current) == 5
        assert (current.price[0], current.confidence[0]) == other[2:]
        both = storage.strategies.signals(SignalQuery(current=False))
        assert (len(both), both.revision[1] - both.revision[0]) == (6, 1)
        assert both.price[0] == 100.0

    def test_signal_that_changes_back_is_a_revision_too(self, storage: Storage) -> None:
        run = made_run()
        for price in (1.0, 2.0, 1.0):
            storage.strategies.save_run(run, made_signals(run, [(0, LONG, price, 1.0)]))
        assert storage.strategies.signals().price.tolist() == [1.0]
        every = storage.strategies.signals(SignalQuery(current=False))
        assert every.price.tolist() == [1.0, 2.0, 1.0]
        assert np.all(np.diff(every.revision) == 1)

    def test_retracted_signals_are_no_longer_current(self, storage: Storage) -> None:
        run = made_run()
        storage.strategies.save_run(run, made_signals(run, EVENTS))
        assert storage.strategies.retract_signals(run.run_id, made_signals(run, EVENTS[:2])) == 2
        assert len(storage.strategies.signals()) == 3
        every = storage.strategies.signals(SignalQuery(current=False))
        assert [status.value for status in every.status].count("retracted") == 2
        assert len(every) == 7

    def test_retracting_twice_or_what_is_not_there_counts_nothing(self, storage: Storage) -> None:
        run = made_run()
        storage.strategies.save_run(run, made_signals(run, EVENTS[:2]))
        signals = made_signals(run, EVENTS)
        assert storage.strategies.retract_signals(run.run_id, signals) == 2
        assert storage.strategies.retract_signals(run.run_id, signals) == 0
        assert len(storage.strategies.signals(SignalQuery(current=False))) == 4

    def test_retracted_signal_that_holds_again_is_current_again(self, storage: Storage) -> None:
        run = made_run()
        signals = made_signals(run, EVENTS[:1])
        storage.strategies.save_run(run, signals)
        storage.strategies.retract_signals(run.run_id, signals)
        assert storage.strategies.add_signals(run.run_id, signals) == SignalWrite(0, 0, 1)
        assert len(storage.strategies.signals()) == 1
        assert len(storage.strategies.signals(SignalQuery(current=False))) == 3

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ({}, 10),
            ({"strategy": "wild"}, 5),
            ({"strategy": "wil_"}, 0),
            ({"strategy": "test-made:calm"}, 10),
            ({"strategy": "test-made:calm", "symbol": "OTHER"}, 5),
            ({"strategy": "test-made"}, 0),
            ({"symbol": "OTHER"}, 5),
            ({"timeframe": "1h"}, 10),
            ({"timeframe": "4h"}, 0),
            ({"start": at(2)}, 6),
            ({"end": at(2)}, 4),
            ({"start": at(1), "end": at(2)}, 2),
            ({"start": at(2), "end": at(2)}, 0),
            ({"start": at(5) + timedelta(microseconds=1)}, 0),
            ({"end": at(5) + timedelta(microseconds=1)}, 10),
            ({"types": (LONG, SHORT)}, 4),
            ({"types": ()}, 0),
            ({"min_confidence": 0.5}, 6),
            ({"max_confidence": 0.5}, 6),
            ({"min_confidence": 0.25, "max_confidence": 0.5}, 4),
            ({"run_ids": ()}, 0),
            ({"limit": 3}, 3),
            ({"limit": 0}, 0),
            ({"symbol": "OTHER", "types": (OUT,), "start": at(1), "min_confidence": 1.0}, 1),
        ],
    )
    def test_signals_are_found_by_each_field(
        self, storage: Storage, query: dict[str, Any], found: int
    ) -> None:
        runs = [made_run(0), made_run(1, strategy_name="wild", symbol="OTHER")]
        for run in runs:
            storage.strategies.save_run(run, made_signals(run, EVENTS))
        everything = rows_of(storage.strategies.signals())
        stored = storage.strategies.signals(SignalQuery(**query))
        assert len(stored) == found
        assert set(rows_of(stored)) <= set(everything)
        assert {record.run_id for record in stored.runs} <= {run.run_id for run in runs}

    def test_signals_are_found_by_runs(self, storage: Storage) -> None:
        runs = [made_run(number) for number in range(3)]
        for run in runs:
            storage.strategies.save_run(run, made_signals(run, 2))
        wanted = (runs[0].run_id, runs[2].run_id)
        stored = storage.strategies.signals(SignalQuery(run_ids=wanted))
        assert {row[1] for row in rows_of(stored)} == {str(run_id) for run_id in wanted}
        assert len(stored) == 4

    def test_very_many_runs_can_be_asked_for(self, storage: Storage) -> None:
        run = made_run()
        storage.strategies.save_run(run, made_signals(run, 2))
        others = tuple(type(run.run_id)(int=number) for number in range(40_000))
        assert len(storage.strategies.signals(SignalQuery(run_ids=(*others, run.run_id)))) == 2

    def test_limit_gives_the_first_signals(self, storage: Storage) -> None:
        run = made_run()
        storage.strategies.save_run(run, made_signals(run, 5))
        first = storage.strategies.signals(SignalQuery(limit=2))
        assert first.timestamp.tolist() == storage.strategies.signals().timestamp.tolist()[:2]

    @pytest.mark.parametrize("field", ["start", "end"])
    def test_naive_time_of_a_signal_query_is_refused(self, storage: Storage, field: str) -> None:
        bounds: dict[str, Any] = {field: at(0).replace(tzinfo=None)}
        with pytest.raises(UsageError):
            storage.strategies.signals(SignalQuery(**bounds))
        with pytest.raises(UsageError):
            storage.strategies.statistics(["day"], SignalQuery(**bounds))
