"""Checks of statistics against a plain count of the same signals."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pytest

from stratkernel.contracts.candles import Candles
from stratkernel.contracts.columns import CANDLE_COLUMNS, candle_columns
from stratkernel.contracts.signals import SignalTable, SignalType
from stratkernel.contracts.storage import Storage
from stratkernel.contracts.stored import RunRecord, SignalGroup, SignalQuery, SignalStatistics, WinRule
from stratkernel.contracts.timeframes import HOUR
from stratkernel.testing.storage.samples import START, Event, made_candles, made_run, made_signals

LONG, OUT, SHORT, COVER, HOLD = (
    SignalType.ENTRY_LONG,
    SignalType.EXIT_LONG,
    SignalType.ENTRY_SHORT,
    SignalType.EXIT_SHORT,
    SignalType.HOLD,
)
NEXT = WinRule("next_signal")


@dataclass(frozen=True)
class Counted:
    """One signal with all that can be counted of it."""

    run: RunRecord
    time: int
    kind: SignalType
    price: float
    confidence: float
    won: bool | None


def counted(run: RunRecord, signals: SignalTable, candles: Candles, rule: WinRule | None) -> list[Counted]:
    """Signals with their outcome, by the words of `WinRule`."""
    rows = list(
        zip(
            signals.timestamp.tolist(),
            [SignalType(code) for code in signals.types.tolist()],
            signals.price.tolist(),
            signals.confidence.tolist(),
            strict=True,
        )
    )
    opens, closes = candles.open_time.tolist(), candles.columns.close.tolist()
    found = []
    for time, kind, price, confidence in rows:
        later: float | None = None
        if kind in {LONG, SHORT} and rule is not None and rule.name == "next_signal":
            ends = {LONG: {OUT, SHORT}, SHORT: {COVER, LONG}}[kind]
            later = next((p for t, k, p, _ in rows if t > time and k in ends), None)
        elif kind in {LONG, SHORT} and rule is not None:
            after = [close for opened, close in zip(opens, closes, strict=True) if opened >= time]
            later = after[rule.bars - 1] if len(after) >= rule.bars else None
        won = None if later is None else (later > price if kind is LONG else later < price)
        found.append(Counted(run, time, kind, price, confidence, won))
    return found


def summed(rows: Sequence[Counted], by: Sequence[SignalGroup]) -> list[SignalStatistics]:
    """The statistics of signals, group by group."""

    def group_of(row: Counted) -> tuple[str, ...]:
        day = datetime.fromtimestamp(row.time // 1_000_000, UTC).date().isoformat()
        run = row.run.run
        known = {"strategy": run.strategy_name, "symbol": run.symbol, "timeframe": run.timeframe, "day": day}
        return tuple(known[name] for name in by)

    found = []
    for group in sorted({group_of(row) for row in rows}):
        mine = [row for row in rows if group_of(row) == group]
        kinds = [row.kind.name for row in mine]
        found.append(
            SignalStatistics(
                group=dict(zip(by, group, strict=True)),
                count=len(mine),
                by_type={kind: kinds.count(kind) for kind in set(kinds)},
                mean_confidence=sum(row.confidence for row in mine) / len(mine),
                first=min(row.time for row in mine),
                last=max(row.time for row in mine),
                decided=sum(row.won is not None for row in mine),
                won=sum(row.won is True for row in mine),
            )
        )
    return found


def assert_same(given: Sequence[SignalStatistics], expected: Sequence[SignalStatistics]) -> None:
    """Equal but for the last digits of means and for types that do not occur."""

    def exact(one: SignalStatistics) -> tuple[object, ...]:
        present = {kind: count for kind, count in one.by_type.items() if count}
        return dict(one.group), one.count, present, one.first, one.last, one.decided, one.won

    assert [exact(one) for one in given] == [exact(one) for one in expected]
    means = [one.mean_confidence for one in expected]
    assert [one.mean_confidence for one in given] == pytest.approx(means, rel=1e-12, abs=1e-15)


def random_events(seed: int, hours: int) -> list[Event]:
    """At most one entry an hour, exits before it; of few prices, so that some do not move."""
    chance = np.random.default_rng(seed)
    events: list[Event] = []
    for hour in range(hours):
        exits = [kind for kind in (OUT, COVER) if chance.random() < 0.2]
        entries = [kind for kind in (LONG, SHORT) if chance.random() < 0.3][:1]
        price = float(chance.integers(95, 105))
        hold = [HOLD] if chance.random() < 0.1 else []
        events += [(hour, kind, price, float(chance.random())) for kind in (*hold, *exits, *entries)]
    return events


GROUPINGS: tuple[tuple[SignalGroup, ...], ...] = (
    (),
    ("strategy",),
    ("symbol",),
    ("timeframe",),
    ("day",),
    ("symbol", "day"),
    ("strategy", "symbol", "timeframe", "day"),
)


class StatisticsChecks:
    """What `StrategyStorage.statistics` says."""

    @pytest.mark.parametrize(
        "rule", [None, NEXT, WinRule("horizon_bars", 1), WinRule("horizon_bars", 30)], ids=str
    )
    def test_statistics_are_those_of_a_plain_count(self, storage: Storage, rule: WinRule | None) -> None:
        rows: list[Counted] = []
        places = [
            ("calm", "A", "local"),
            ("calm", "b", "local"),
            ("wild", "A", "local"),
            ("wild", "A", "far"),
        ]
        candles = {place: self._with_gap(place[1], place[2]) for place in places}
        for each in candles.values():
            storage.candles.write(each)
        for number, (strategy, symbol, venue) in enumerate(places):
            run = made_run(number, strategy_name=strategy, symbol=symbol, venue=venue)
            signals = made_signals(run, random_events(number, 100))
            storage.strategies.save_run(run, signals)
            rows += counted(run, signals, candles[strategy, symbol, venue], rule)
        assert rule is None or any(row.won for row in rows)
        for by in GROUPINGS:
            assert_same(storage.strategies.statistics(by, win_rule=rule), summed(rows, by))

    @staticmethod
    def _with_gap(symbol: str, venue: str) -> Candles:
        """110 hours of candles of which 20 are not there: bars are counted, not hours."""
        seed = sum(map(ord, symbol + venue))
        before = made_candles(50, seed=seed, symbol=symbol, venue=venue)
        after = made_candles(40, seed=seed + 1, start=START + 70 * HOUR, symbol=symbol, venue=venue)
        arrays = {
            name: np.concatenate((before.columns[name], after.columns[name])) for name in CANDLE_COLUMNS
        }
        open_time = np.concatenate((before.open_time, after.open_time))
        columns = candle_columns(arrays, open_time + HOUR)
        return Candles(symbol, before.timeframe, open_time, columns, before.calendar, venue)

    def test_statistics_of_nothing_have_no_groups(self, storage: Storage) -> None:
        assert storage.strategies.statistics(["symbol"]) == []
        assert storage.strategies.statistics([], win_rule=NEXT) == []

    def test_open_signal_has_no_win_rate(self, storage: Storage) -> None:
        run = made_run()
        storage.strategies.save_run(run, made_signals(run, [(0, LONG, 100.0, 1.0)]))
        for rule in (None, NEXT, WinRule("horizon_bars", 3)):
            (one,) = storage.strategies.statistics([], win_rule=rule)
            assert (one.count, one.decided, one.win_rate) == (1, 0, None)

    def test_price_that_did_not_move_is_not_won(self, storage: Storage) -> None:
        run = made_run()
        events = [(0, LONG, 100.0, 1.0), (1, OUT, 100.0, 1.0), (2, SHORT, 100.0, 1.0), (3, COVER, 99.0, 1.0)]
        storage.strategies.save_run(run, made_signals(run, events))
        (one,) = storage.strategies.statistics([], win_rule=NEXT)
        assert (one.decided, one.won, one.win_rate) == (2, 1, 0.5)

    def test_other_side_ends_a_position_too(self, storage: Storage) -> None:
        run = made_run()
        events = [(0, LONG, 100.0, 1.0), (1, SHORT, 110.0, 1.0), (2, LONG, 120.0, 1.0)]
        storage.strategies.save_run(run, made_signals(run, events))
        (one,) = storage.strategies.statistics([], win_rule=NEXT)
        assert (one.decided, one.won) == (2, 1)

    def test_what_a_query_leaves_out_still_ends_a_position(self, storage: Storage) -> None:
        run = made_run()
        events = [(0, LONG, 100.0, 1.0), (30, OUT, 110.0, 0.1)]
        storage.strategies.save_run(run, made_signals(run, events))
        end = datetime.fromtimestamp((START + 10 * HOUR) / 1e6, UTC)
        for query in (SignalQuery(types=(LONG,)), SignalQuery(end=end), SignalQuery(min_confidence=0.5)):
            (one,) = storage.strategies.statistics([], query, NEXT)
            assert (one.count, one.decided, one.won) == (1, 1, 1)

    def test_other_runs_do_not_end_a_position(self, storage: Storage) -> None:
        for number, event in enumerate([(0, LONG, 100.0, 1.0), (1, OUT, 110.0, 1.0)]):
            run = made_run(number)
            storage.strategies.save_run(run, made_signals(run, [event]))
        (one,) = storage.strategies.statistics([], win_rule=NEXT)
        assert (one.count, one.decided) == (2, 0)

    def test_statistics_count_current_revisions_only(self, storage: Storage) -> None:
        run = made_run()
        storage.strategies.save_run(run, made_signals(run, [(0, LONG, 100.0, 0.5), (1, OUT, 99.0, 0.5)]))
        storage.strategies.add_signals(run.run_id, made_signals(run, [(0, LONG, 98.0, 1.0)]))
        (one,) = storage.strategies.statistics([], win_rule=NEXT)
        assert (one.count, one.mean_confidence, one.won) == (2, 0.75, 1)
        storage.strategies.retract_signals(run.run_id, made_signals(run, [(1, OUT, 99.0, 0.5)]))
        (one,) = storage.strategies.statistics([], win_rule=NEXT)
        assert (one.count, one.decided) == (1, 0)

    def test_statistics_can_be_asked_of_some_signals(self, storage: Storage) -> None:
        runs = [made_run(0), made_run(1, symbol="OTHER")]
        for run in runs:
            storage.strategies.save_run(run, made_signals(run, 10))
        query = SignalQuery(symbol="OTHER", types=(LONG,))
        (one,) = storage.strategies.statistics(["symbol"], query)
        assert (dict(one.group), one.count, {k: n for k, n in one.by_type.items() if n}) == (
            {"symbol": "OTHER"}, 5, {"ENTRY_LONG": 5},
        )  # fmt: skip

    def test_signal_before_the_epoch_belongs_to_its_day(self, storage: Storage) -> None:
        run = made_run(timeframe="1d")
        first = made_signals(run, [(0, LONG, 1.0, 1.0)])
        early = type(first)(
            first.about, first.rows, np.array([-1], dtype=np.int64), first.types,
            first.price, first.confidence, first.flags,
        )  # fmt: skip
        storage.strategies.save_run(run, early)
        (one,) = storage.strategies.statistics(["day"])
        assert dict(one.group) == {"day": "1969-12-31"}
