"""Checks of runs: saved once, changed where they may, found by each field."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest

from stratkernel.contracts.storage import Storage
from stratkernel.contracts.stored import RunKind, RunQuery, RunRecord, RunStatus, SignalWrite
from stratkernel.kernel.errors import AmbiguousNameError, StratkernelError, UnknownNameError, UsageError
from stratkernel.testing.storage.samples import (
    STARTED,
    everything,
    ids_of,
    made_candles,
    made_run,
    made_signals,
    rows_of,
)

NOBODY = UUID(int=0)
HOSTILE = (
    "'; DROP TABLE strategy_runs; --",
    '"quoted" `name` [x]',
    "100%_\\",
    "%s %(name)s {0} :bind ?",
    "a\tb\nc\r",
    "ÄÖ 日本 \u202eevil\u202c 🚀",
    " spaces ",
    "\\N",
    "null",
)
UNSTORABLE = ("nul\x00byte", "lone\ud800surrogate", "x" * 100_000)


class RunChecks:
    """What `StrategyStorage` says of runs."""

    def test_run_comes_back_as_it_was_saved(self, storage: Storage) -> None:
        run = made_run(batch="nightly", error="it\nfailed", status=RunStatus.FAILED, starred=True)
        assert storage.strategies.save_run(run) == SignalWrite(new_run=True)
        assert storage.strategies.run(run.run_id) == run

    def test_run_that_is_not_finished_comes_back_so(self, storage: Storage) -> None:
        run = made_run(finished_at=None, status=RunStatus.RUNNING, kind=RunKind.LIVE)
        storage.strategies.save_run(run)
        assert storage.strategies.run(run.run_id) == run

    def test_run_counts_its_current_signals_whatever_it_said_itself(self, storage: Storage) -> None:
        run = made_run(signal_count=99)
        storage.strategies.save_run(run, made_signals(run, 5))
        assert storage.strategies.run(run.run_id).signal_count == 5
        storage.strategies.retract_signals(run.run_id, made_signals(run, 2))
        assert storage.strategies.runs()[0].signal_count == 3
        storage.strategies.add_signals(run.run_id, made_signals(run, 1))
        assert storage.strategies.run(run.run_id).signal_count == 4

    def test_saving_the_same_again_writes_nothing(self, storage: Storage) -> None:
        run = made_run()
        first = storage.strategies.save_run(run, made_signals(run, 5))
        before = everything(storage)
        again = storage.strategies.save_run(run, made_signals(run, 5))
        assert (first, again) == (SignalWrite(inserted=5, new_run=True), SignalWrite(unchanged=5))
        assert everything(storage) == before

    def test_saving_again_updates_what_became_of_the_run(self, storage: Storage) -> None:
        run = made_run(status=RunStatus.RUNNING, finished_at=None, metrics={}, quality={})
        later = replace(
            run,
            status=RunStatus.FAILED,
            finished_at=STARTED + timedelta(hours=1),
            metrics={"trades": 7},
            quality={"signals": 0},
            error="no more memory",
        )
        storage.strategies.save_run(run)
        storage.strategies.save_run(later)
        assert storage.strategies.runs() == [later]

    def test_saving_again_keeps_the_star(self, storage: Storage) -> None:
        run = made_run()
        storage.strategies.save_run(run)
        storage.strategies.star(run.run_id)
        storage.strategies.save_run(run)
        assert storage.strategies.run(run.run_id).starred

    def test_star_can_be_taken_away(self, storage: Storage) -> None:
        run = made_run(starred=True)
        storage.strategies.save_run(run)
        storage.strategies.star(run.run_id, starred=False)
        assert not storage.strategies.run(run.run_id).starred

    def test_times_of_any_zone_are_the_same_moment(self, storage: Storage) -> None:
        there = STARTED.astimezone(timezone(timedelta(hours=5, minutes=30)))
        run = made_run(started_at=there)
        storage.strategies.save_run(run)
        stored = storage.strategies.run(run.run_id).started_at
        assert stored == STARTED
        assert stored.utcoffset() is not None

    @pytest.mark.parametrize("field", ["started_at", "finished_at"])
    def test_naive_time_of_a_run_is_refused(self, storage: Storage, field: str) -> None:
        naive = datetime(2024, 3, 1, 12)  # noqa: DTZ001 - the point of it
        with pytest.raises(UsageError):
            storage.strategies.save_run(replace(made_run(), **{field: naive}))  # type: ignore[arg-type]  # a time
        assert storage.strategies.runs() == []

    @pytest.mark.parametrize("field", ["since", "until"])
    def test_naive_time_of_a_run_query_is_refused(self, storage: Storage, field: str) -> None:
        storage.strategies.save_run(made_run())
        bounds: dict[str, Any] = {field: datetime(2024, 3, 1, 12)}  # noqa: DTZ001 - the point of it
        with pytest.raises(UsageError):
            storage.strategies.runs(RunQuery(**bounds))

    def test_runs_come_the_newest_first(self, storage: Storage) -> None:
        runs = [made_run(number) for number in (1, 3, 0, 2)]
        for run in runs:
            storage.strategies.save_run(run)
        newest_first = sorted(runs, key=lambda run: run.started_at, reverse=True)
        assert ids_of(storage.strategies.runs()) == ids_of(newest_first)
        assert ids_of(storage.strategies.runs(RunQuery(limit=2))) == ids_of(newest_first[:2])

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            (RunQuery(), {0, 1, 2, 3}),
            (RunQuery(strategy="wild"), {1}),
            (RunQuery(strategy="test-made:calm"), {0, 1, 2, 3}),
            (RunQuery(strategy="cal"), set()),
            (RunQuery(symbol="BTC/USDT"), {1, 2}),
            (RunQuery(symbol="BTC/USD_"), set()),
            (RunQuery(timeframe="4h"), {2}),
            (RunQuery(venue="binance"), {2}),
            (RunQuery(kind=RunKind.SWEEP), {3}),
            (RunQuery(status=RunStatus.FAILED), {3}),
            (RunQuery(batch="b1"), {3}),
            (RunQuery(starred=True), {1}),
            (RunQuery(starred=False), {0, 2, 3}),
            (RunQuery(since=STARTED + timedelta(minutes=2)), {2, 3}),
            (RunQuery(until=STARTED + timedelta(minutes=2)), {0, 1}),
            (RunQuery(since=STARTED, until=STARTED), set()),
            (RunQuery(config_hash=made_run(0).run.config_hash), {0}),
            (RunQuery(data_hash="e" * 64), {3}),
            (RunQuery(symbol="BTC/USDT", timeframe="1h", starred=True), {1}),
            (RunQuery(limit=0), set()),
        ],
    )
    def test_runs_are_found_by_each_field(self, storage: Storage, query: RunQuery, found: set[int]) -> None:
        runs = self._four_runs()
        for run in runs:
            storage.strategies.save_run(run)
        wanted = {runs[number].run_id for number in found}
        assert set(ids_of(storage.strategies.runs(query))) == wanted

    @staticmethod
    def _four_runs() -> list[RunRecord]:
        return [
            made_run(0),
            made_run(1, strategy_name="wild", symbol="BTC/USDT", starred=True),
            made_run(2, symbol="BTC/USDT", timeframe="4h", venue="binance"),
            made_run(3, kind=RunKind.SWEEP, status=RunStatus.FAILED, batch="b1", data_hash="e" * 64),
        ]

    def test_run_is_found_by_the_beginning_of_its_id(self, storage: Storage) -> None:
        run = made_run()
        storage.strategies.save_run(run)
        for text in (str(run.run_id), str(run.run_id)[:4], str(run.run_id)[:13]):
            assert storage.strategies.find_run(text).run_id == run.run_id

    def test_beginning_of_several_ids_is_ambiguous(self, storage: Storage) -> None:
        run = made_run()
        twin = replace(made_run(1), run_id=UUID(int=run.run_id.int ^ 1))
        storage.strategies.save_run(run)
        storage.strategies.save_run(twin)
        with pytest.raises(AmbiguousNameError):
            storage.strategies.find_run(str(run.run_id)[:8])
        assert storage.strategies.find_run(str(run.run_id)).run_id == run.run_id

    @pytest.mark.parametrize("text", ["", "00000000", "____", "%", "not an id", "' OR 1=1"])
    def test_no_run_is_found_by_what_no_id_begins_with(self, storage: Storage, text: str) -> None:
        storage.strategies.save_run(made_run())
        with pytest.raises(UnknownNameError):
            storage.strategies.find_run(text)

    def test_unknown_run_is_an_error_for_each_who_names_it(self, storage: Storage) -> None:
        signals = made_signals(made_run(), 1)
        with pytest.raises(UnknownNameError):
            storage.strategies.run(NOBODY)
        with pytest.raises(UnknownNameError):
            storage.strategies.star(NOBODY)
        with pytest.raises(UnknownNameError):
            storage.strategies.add_signals(NOBODY, signals)
        with pytest.raises(UnknownNameError):
            storage.strategies.retract_signals(NOBODY, signals)
        assert storage.strategies.delete_runs([NOBODY]) == 0

    def test_deleting_runs_takes_their_signals_and_no_others(self, storage: Storage) -> None:
        runs = [made_run(number) for number in range(3)]
        for run in runs:
            storage.strategies.save_run(run, made_signals(run, 4))
        storage.candles.write(made_candles(3))
        assert storage.strategies.delete_runs([runs[0].run_id, runs[2].run_id, NOBODY]) == 2
        assert ids_of(storage.strategies.runs()) == [runs[1].run_id]
        left = storage.strategies.signals()
        assert {row[1] for row in rows_of(left)} == {str(runs[1].run_id)}
        assert len(left) == 4
        assert storage.candles.series()[0].candles == 3
        assert storage.strategies.delete_runs([]) == 0

    @pytest.mark.parametrize("name", HOSTILE)
    def test_any_text_is_kept_as_it_is(self, storage: Storage, name: str) -> None:
        run = made_run(
            strategy_name=name, symbol=name, venue=name, batch=name, error=name,
            metrics={name: 1}, quality={name: [name]},
        )  # fmt: skip
        signals = made_signals(run, 2, {"note": [name, name]})
        storage.strategies.save_run(run, signals)
        storage.candles.write(made_candles(2, symbol=name, venue=name))
        (stored,) = storage.strategies.runs(RunQuery(strategy=name, symbol=name, venue=name, batch=name))
        assert replace(stored, signal_count=0) == run
        assert len(storage.strategies.runs()) == 1
        (series,) = storage.candles.series(symbol=name, venue=name)
        assert len(storage.candles.read(series.series)) == 2

    @pytest.mark.parametrize("name", UNSTORABLE, ids=["nul", "surrogate", "long"])
    def test_text_that_cannot_be_kept_is_refused_whole(self, storage: Storage, name: str) -> None:
        run = made_run(error=name, batch=name)
        try:
            storage.strategies.save_run(run, made_signals(run, 2))
        except StratkernelError:
            assert storage.strategies.runs() == []
            assert len(storage.strategies.signals()) == 0
        else:
            assert storage.strategies.run(run.run_id).error == name
