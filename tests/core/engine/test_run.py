"""The main job: ranges, origin, gaps, flags, identity and the quality report."""

from itertools import pairwise
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from stratkernel import (
    BaseStrategy,
    Calendar,
    Candles,
    DataError,
    Finding,
    GapRule,
    IndicatorFactory,
    Kernel,
    Signals,
    SignalType,
    SignalValidator,
    StateError,
    StrategyData,
    StrategyFactory,
    StrategyResult,
    UsageError,
    hookimpl,
    run_strategy,
)
from stratkernel.contracts.columns import CANDLE_COLUMNS, candle_columns
from stratkernel.contracts.signals import SignalFlag
from stratkernel.contracts.timeframes import DAY, HOUR
from stratkernel.engine.gaps import apply_gaps
from stratkernel.engine.run import require_enough_candles
from stratkernel.engine.run_setup import RunOptions
from stratkernel.engine.stream import StrategyStream
from stratkernel.testing.candles import candles_from_close, random_walk


@pytest.fixture
def candles() -> Candles:
    return candles_from_close(random_walk(2_000, seed=5))


def run(kernel: Kernel, candles: Candles, name: str = "ema_crossover", **options: Any) -> StrategyResult:
    return run_strategy(kernel, StrategyFactory(kernel).create(name), candles, RunOptions(**options))


def without(candles: Candles, start: int, stop: int) -> Candles:
    """The candles without rows `start` to `stop`."""
    keep = np.r_[0:start, stop : len(candles)]
    arrays = {name: candles.columns[name][keep] for name in CANDLE_COLUMNS}
    open_time = candles.open_time[keep]
    return Candles(
        symbol=candles.symbol,
        timeframe=candles.timeframe,
        open_time=open_time,
        columns=candle_columns(arrays, candles.timeframe.close_of(open_time)),
        calendar=candles.calendar,
    )


def test_run_prices_and_times_are_those_of_the_candle_close(kernel: Kernel, candles: Candles) -> None:
    signals = run(kernel, candles).signals
    np.testing.assert_array_equal(signals.price, candles.columns.close[signals.rows])
    np.testing.assert_array_equal(signals.timestamp, candles.open_time[signals.rows] + HOUR)


def test_run_range_trims_what_comes_out_and_never_the_fold(kernel: Kernel, candles: Candles) -> None:
    whole = run(kernel, candles)
    start, end = int(candles.open_time[700]), int(candles.open_time[1_500])
    part = run(kernel, candles, start=start, end=end)
    inside = (whole.signals.rows >= 700) & (whole.signals.rows < 1_500)
    assert part.signals.ids() == whole.signals.select(inside).ids()
    np.testing.assert_array_equal(part.signals.confidence, whole.signals.confidence[inside])
    assert len(part.candles) == 800
    assert int(part.candles.open_time[0]) == start
    np.testing.assert_array_equal(part.signals.price, part.candles.columns.close[part.signals.rows])


def test_run_origin_moves_the_fold_and_is_part_of_the_id(kernel: Kernel, candles: Candles) -> None:
    whole, moved = run(kernel, candles), run(kernel, candles, origin=int(candles.open_time[500]))
    assert moved.run.origin == int(candles.open_time[500])
    assert moved.run.config_hash == whole.run.config_hash
    assert not set(moved.signals.ids()) & set(whole.signals.ids())


@pytest.mark.parametrize("options", [{"origin": 10**18}, {"start": 10**18}, {"end": 0}])
def test_run_range_without_candles_says_what_there_is(
    kernel: Kernel, candles: Candles, options: dict[str, int]
) -> None:
    with pytest.raises(DataError, match=r"no candle of TEST .* 20"):
        run(kernel, candles, **options)


def test_run_signals_are_settling_until_the_indicators_are(kernel: Kernel, candles: Candles) -> None:
    strategy = StrategyFactory(kernel).create("ema_crossover", {"fast_period": 5, "slow_period": 12})
    signals = run_strategy(kernel, strategy, candles).signals
    settling = (signals.flags & SignalFlag.SETTLING) != 0
    np.testing.assert_array_equal(settling, signals.rows < 20 * 12)
    assert settling.any()


def test_run_again_gives_the_same_ids_and_other_parameters_give_others(
    kernel: Kernel, candles: Candles
) -> None:
    one, again = run(kernel, candles), run(kernel, candles)
    assert one.signals.ids() == again.signals.ids()
    assert len(set(one.signals.ids())) == len(one.signals)
    other = run_strategy(
        kernel, StrategyFactory(kernel).create("ema_crossover", {"fast_period": 11}), candles
    )
    assert other.run.config_hash != one.run.config_hash
    assert not set(one.signals.ids()) & set(other.signals.ids())


def test_run_config_hash_covers_defaults_and_the_gap_rule(kernel: Kernel, candles: Candles) -> None:
    strategy = StrategyFactory(kernel).create("ema_crossover", {"fast_period": 12, "slow_period": 26})
    explicit = run_strategy(kernel, strategy, candles)
    assert explicit.run.config_hash == run(kernel, candles).run.config_hash
    assert explicit.run.config_hash != run(kernel, candles, gaps=GapRule("reset")).run.config_hash
    document = {"data_hash": candles.data_hash, "span": (0, 1), "costs": {"fill": "close"}}
    assert explicit.run.run_id("backtest", **document) == explicit.run.run_id("backtest", **document)
    assert explicit.run.run_id("backtest", **document) != explicit.run.run_id("live", **document)


def test_gaps_continue_flags_the_signals_within_one_lookback_after_it(
    kernel: Kernel, candles: Candles
) -> None:
    gapped = without(candles, 900, 960)
    result = run(kernel, gapped)
    flagged = result.signals.rows[(result.signals.flags & SignalFlag.AFTER_GAP) != 0]
    expected = [row for row in result.signals.rows.tolist() if 900 <= row < 900 + 25]
    assert flagged.tolist() == expected
    assert result.quality["candles"]["missing"] == 60
    assert result.quality["candles"]["gaps"] == 1


def test_gaps_up_to_max_gap_are_left_alone(kernel: Kernel, candles: Candles) -> None:
    gapped = without(candles, 900, 903)
    plain = run(kernel, gapped)
    for policy in ("continue", "reset", "fill"):
        result = run(kernel, gapped, gaps=GapRule(policy, 3))  # type: ignore[arg-type]
        np.testing.assert_array_equal(result.signals.rows, plain.signals.rows)
        assert not (result.signals.flags & SignalFlag.AFTER_GAP).any()


def test_gaps_reset_starts_the_warm_up_anew(kernel: Kernel, candles: Candles) -> None:
    gapped = without(candles, 900, 960)
    result = run(kernel, gapped, gaps=GapRule("reset"))
    after = run(kernel, gapped, origin=int(gapped.open_time[900]))
    late = result.signals.rows >= 900
    np.testing.assert_array_equal(result.signals.rows[late] - 900, after.signals.rows)
    np.testing.assert_array_equal(result.signals.flags[late], after.signals.flags)
    assert not ((result.signals.rows >= 900) & (result.signals.rows < 925)).any()


def test_gaps_fill_puts_flat_candles_where_the_calendar_expects_them(candles: Candles) -> None:
    filled = apply_gaps(without(candles, 900, 960), GapRule("fill")).candles
    np.testing.assert_array_equal(filled.open_time, candles.open_time)
    assert (filled.columns.close[900:960] == candles.columns.close[899]).all()
    assert (filled.columns.high[900:960] == candles.columns.close[899]).all()
    assert (filled.columns.volume[900:960] == 0).all()
    assert filled.marked is not None
    assert filled.marked.sum() == 60


def test_gaps_of_a_source_that_omits_empty_candles_are_none(kernel: Kernel, candles: Candles) -> None:
    gapped = without(candles, 900, 960)
    silent = Candles(
        symbol="T", timeframe=gapped.timeframe, open_time=gapped.open_time, columns=gapped.columns,
        calendar=gapped.calendar, omits_empty=True,
    )  # fmt: skip
    result = run(kernel, silent, gaps=GapRule("reset"))
    assert result.quality["candles"]["gaps"] == 0
    np.testing.assert_array_equal(result.signals.rows, run(kernel, gapped).signals.rows)


@pytest.mark.parametrize("arguments", [("skip", 0), ("reset", -1)])
def test_gap_rule_that_makes_no_sense_is_refused(arguments: tuple[Any, int]) -> None:
    with pytest.raises(UsageError, match="expected"):
        GapRule(*arguments)


@pytest.mark.parametrize("policy", ["continue", "reset", "fill"])
def test_gaps_in_chunks_equal_the_whole_when_cut_at_the_gap(
    kernel: Kernel, candles: Candles, policy: Any
) -> None:
    """The stream restarted by hand at the gap gives what the run gives."""
    outcome = apply_gaps(without(candles, 900, 960), GapRule(policy))
    strategy = StrategyFactory(kernel).create("macd")
    stream = StrategyStream(strategy, StrategyFactory(kernel).item("macd"), IndicatorFactory(kernel))
    rows = []
    bounds = [0, *outcome.resets.tolist(), len(outcome.candles)]
    for start, stop in pairwise(bounds):
        stream.reset()
        rows += (stream.advance(outcome.candles.columns.slice(start, stop)).rows + start).tolist()
    result = run_strategy(kernel, strategy, without(candles, 900, 960), RunOptions(gaps=GapRule(policy)))
    assert result.signals.rows.tolist() == rows


def test_f7_spike_is_admitted_and_counted_as_an_outlier(kernel: Kernel) -> None:
    close = random_walk(300, seed=2)
    close[150] *= 100
    assert run(kernel, candles_from_close(close)).quality["candles"]["outliers"] == 2


@pytest.mark.parametrize(
    ("close", "status"),
    [
        (random_walk(1), "no signals: no candle comes after the warm-up of 25"),
        (np.full(300, 42.0), "no signals: the price never changes"),
        (np.linspace(100, 200, 300), "no signals: the strategy's rule was never met"),
    ],
)
def test_f13_series_without_signals_says_why(kernel: Kernel, close: np.ndarray, status: str) -> None:
    result = run(kernel, candles_from_close(close))
    assert len(result.signals) == 0
    assert result.quality["status"] == status


def test_run_with_fewer_candles_than_the_warm_up_is_refused_with_the_number(kernel: Kernel) -> None:
    with pytest.raises(DataError, match="its first signal needs 26 candles in a row, the run has 25"):
        require_enough_candles(run(kernel, candles_from_close(random_walk(25))))
    require_enough_candles(run(kernel, candles_from_close(random_walk(26))))


def test_run_data_hash_is_of_what_decided_the_signals(kernel: Kernel, candles: Candles) -> None:
    start, end = int(candles.open_time[1_000]), int(candles.open_time[1_500])
    whole = run(kernel, candles, start=start, end=end)
    assert whole.data_hash == candles.slice(0, 1_500).data_hash
    # the same range after another history is another run
    later = run(kernel, candles.slice(500, 2_000), start=start, end=end)
    assert later.candles.data_hash == whole.candles.data_hash
    assert later.data_hash != whole.data_hash
    filled = run(kernel, without(candles, 900, 960), gaps=GapRule("fill"))
    assert filled.data_hash == without(candles, 900, 960).data_hash


def test_run_without_candles_says_so(kernel: Kernel, candles: Candles) -> None:
    with pytest.raises(DataError, match="there are no candles of TEST"):
        run(kernel, candles.slice(0, 0))


def test_run_whose_range_or_segments_lie_in_the_warm_up_says_so(kernel: Kernel, candles: Candles) -> None:
    early = run(kernel, candles, end=int(candles.open_time[20]))
    assert early.quality["evaluated"] == 0
    assert "warm-up" in early.quality["status"]
    with pytest.raises(DataError, match="the range that comes out 20"):
        require_enough_candles(early)
    pieces = without(without(candles.slice(0, 60), 40, 41), 20, 21)
    assert run(kernel, pieces, gaps=GapRule("reset")).quality["evaluated"] == 0
    assert run(kernel, pieces).quality["evaluated"] == 58 - 25


def test_gaps_that_cannot_be_filled_are_flagged() -> None:
    hours = np.concatenate([day * 24 + np.arange(9, 16) for day in (0, 1, 2, 14, 15)]).astype(np.int64)
    open_time = 1_700_006_400_000_000 // (24 * HOUR) * 24 * HOUR + hours * HOUR
    made = candles_from_close(random_walk(len(hours)))
    candles = Candles(
        symbol="T", timeframe=made.timeframe, open_time=open_time, columns=made.columns,
        calendar=Calendar.SESSIONS,
    )  # fmt: skip
    outcome = apply_gaps(candles, GapRule("fill"))
    assert outcome.missing > 0
    assert outcome.after.tolist() == [21]


def test_stream_saved_with_other_parameters_is_refused(kernel: Kernel) -> None:
    factory = StrategyFactory(kernel)

    def stream(period: int) -> StrategyStream:
        strategy = factory.create("rsi", {"period": 14, "oversold": float(period)})
        return StrategyStream(strategy, factory.item("rsi"), IndicatorFactory(kernel))

    saved = stream(20).save({})
    stream(20).restore(saved, {})
    with pytest.raises(StateError, match="parameters"):
        stream(25).restore(saved, {})


class Careless(SignalValidator):
    name = "careless"
    row: Any = None

    def validate(self, candles: Candles, signals: Any) -> Any:
        candles.open_time.flags.writeable = False
        return [Finding("rule", "message", row=self.row)]


@pytest.mark.parametrize("row", [np.int64(3), None, 5])
def test_finding_of_a_validator_becomes_plain_values(candles: Candles, row: Any) -> None:
    Careless.row = row
    kernel = kernel_with(strategies=lambda: [EveryTenth], signal_validators=lambda: [Careless])
    (finding,) = run(kernel, candles, "every_tenth").quality["findings"]
    assert finding["row"] == row
    assert row is None or type(finding["row"]) is int


@pytest.mark.parametrize("row", [-1, 10**6, "first"])
def test_finding_that_makes_no_sense_is_a_failure_of_its_validator(candles: Candles, row: Any) -> None:
    Careless.row = row
    kernel = kernel_with(strategies=lambda: [EveryTenth], signal_validators=lambda: [Careless])
    quality = run(kernel, candles, "every_tenth").quality
    assert quality["findings"] == []
    assert "signal validator 'careless' (acme-made 2.0)" in quality["validator_failures"][0]


def test_candles_cannot_be_written_to(candles: Candles) -> None:
    filled = apply_gaps(without(candles, 900, 960), GapRule("fill")).candles
    for some in (candles, filled):
        with pytest.raises(ValueError, match="read-only"):
            some.open_time[0] = 0


def test_gap_of_a_weekend_is_none_on_weekdays() -> None:
    days = np.arange(0, 60, dtype=np.int64)
    weekdays = days[(days + 3) % 7 < 5] * DAY
    close = random_walk(len(weekdays))
    made = candles_from_close(close, timeframe="1d")
    candles = Candles(
        symbol="T",
        timeframe=made.timeframe,
        open_time=weekdays,
        columns=made.columns,
        calendar=Calendar.WEEKDAYS,
    )
    assert apply_gaps(candles, GapRule()).gaps == 0


class EveryTenth(BaseStrategy):
    """Signals of every type, so that the table's columns can be looked at."""

    name = "every_tenth"
    window = 1

    def calculate(self, data: StrategyData) -> Signals:
        rows = np.flatnonzero(data.close_time // HOUR % 10 == 0)
        return Signals.join(
            [Signals(rows, kind, confidence=0.5, metadata={"x": rows * 1.0}) for kind in SignalType]
        )


def kernel_with(**hooks: Any) -> Kernel:
    module = ModuleType("made_plugin")
    for name, function in hooks.items():
        function.__name__ = f"stratkernel_{name}"
        setattr(module, f"stratkernel_{name}", hookimpl(function))
    kernel = Kernel(discover=False)
    kernel.register(module, "made", distribution="acme-made", version="2.0")
    return kernel


def test_signal_table_as_rows_and_as_frame_says_the_same(candles: Candles) -> None:
    kernel = kernel_with(strategies=lambda: [EveryTenth])
    signals = run(kernel, candles, "every_tenth").signals
    rows, frame = list(signals), signals.frame
    assert [row.id for row in rows] == frame["id"].tolist() == signals.ids()
    assert [row.type.name for row in rows[:5]] == [
        "HOLD", "EXIT_LONG", "EXIT_SHORT", "ENTRY_LONG", "ENTRY_SHORT",
    ]  # fmt: skip
    assert frame["signal_type"].tolist() == [row.type.name for row in rows]
    assert rows[0].timestamp.endswith("Z")
    assert rows[0].strategy == "acme-made:every_tenth"
    assert "metadata.x" in frame
    assert frame["timestamp"].dt.tz is not None


def test_observers_are_told_once_and_cannot_change_the_result(candles: Candles) -> None:
    seen: list[tuple[str, int]] = []

    def signals_generated(run: Any, signals: Any) -> None:
        seen.append((run.strategy, len(signals)))
        raise RuntimeError("observer")

    kernel = kernel_with(strategies=lambda: [EveryTenth], signals_generated=signals_generated)
    result = run(kernel, candles, "every_tenth")
    assert seen == [("acme-made:every_tenth", len(result.signals))]
    assert "RuntimeError: observer" in result.quality["observer_failures"][0]


def test_close_times_of_rows_by_arithmetic_are_those_of_the_column() -> None:
    whole = candles_from_close(random_walk(50), timeframe="1h")
    rows = np.array([0, 3, 49])
    np.testing.assert_array_equal(whole.close_times_at(rows), whole.close_time[rows])
    assert whole.is_gapless
    gapped = without(whole, 10, 12)
    assert not gapped.is_gapless
    np.testing.assert_array_equal(gapped.close_times_at(rows[:2]), gapped.close_time[rows[:2]])
    last = np.array([len(gapped) - 1])
    np.testing.assert_array_equal(gapped.close_times_at(last), gapped.close_time[last])
