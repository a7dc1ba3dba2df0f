"""What a base row sees of higher timeframes: the newest candle that closed by then, to the candle."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from higher_timeframes import (
    MONDAY,
    buckets_of,
    first_chunk_difference,
    newest_at,
    prefix_violations,
    stream_of,
    walk,
    watching,
    without,
)
from stratkernel import (
    BaseStrategy,
    Candles,
    Columns,
    GapRule,
    Kernel,
    RunOptions,
    SignalFlag,
    Signals,
    SignalType,
    State,
    StateError,
    Timeframe,
    UsageError,
    candles_from_frame,
    candles_of,
    crossing,
    indicator,
    run_strategy,
)
from stratkernel.contracts.columns import CANDLE_COLUMNS
from stratkernel.contracts.timeframes import HOUR, MINUTE
from stratkernel.engine.stream import StrategyStream
from stratkernel.engine.timeframes.plan import TimeframePlan
from stratkernel.engine.timeframes.resampling import HigherCandles, Resampler, resample_candles

SIZES = (1, 7, 64, 1000)


def new_stream(kernel: Kernel, candles: Candles, *timeframes: str) -> Callable[[], StrategyStream]:
    made = watching(*timeframes)
    return lambda: stream_of(kernel, made(), candles)


def holes(candles: Candles, count: int, seed: int = 8) -> Candles:
    return without(candles, np.random.default_rng(seed).choice(len(candles), count, replace=False))


def test_hour_that_opened_at_ten_is_first_seen_by_the_five_minutes_before_eleven(kernel: Kernel) -> None:
    candles = walk(12 * 24, "5m")
    result = run_strategy(kernel, watching("1h")(), candles)
    ten = MONDAY + 10 * HOUR
    hour = candles.columns.close[candles.close_time == ten + HOUR]
    seen = [
        time - 5 * MINUTE - MONDAY
        for time, close in zip(
            result.signals.timestamp.tolist(), result.signals.metadata["close_1h"].tolist(), strict=True
        )
        if close == hour
    ]
    assert seen[0] == 10 * HOUR + 55 * MINUTE  # open of the base candle 10:55 to 11:00
    assert len(seen) == 12
    assert seen[-1] == 11 * HOUR + 50 * MINUTE


@pytest.mark.parametrize(
    ("base", "higher", "rows", "missing"),
    [("5m", ("15m", "1h"), 900, 90), ("1m", ("1h",), 1500, 600), ("1d", ("1w", "1M"), 700, 40)],
)
def test_columns_of_a_higher_timeframe_are_those_of_the_newest_closed_candle(
    kernel: Kernel, base: str, higher: tuple[str, ...], rows: int, missing: int
) -> None:
    candles = holes(walk(rows, base), missing)
    signals = run_strategy(kernel, watching(*higher)(), candles).signals
    assert len(signals) > rows / 3
    for name in higher:
        buckets = buckets_of(candles, name)
        for i, time in enumerate(signals.timestamp.tolist()):
            newest = newest_at(buckets, time)
            assert newest is not None
            seen = tuple(signals.metadata[f"{what}_{name}"][i] for what in CANDLE_COLUMNS)
            assert seen == newest.values


def test_indicator_of_a_higher_timeframe_is_that_of_its_own_candles(kernel: Kernel) -> None:
    candles = holes(walk(1_200, "5m"), 120)
    hours = resample_candles(candles, Timeframe("1h"))
    signals = run_strategy(kernel, watching("1h")(), candles).signals
    made = stream_of(kernel, _reading(indicator("ema", period=2)), hours)
    data, first = made.data_of(hours.columns)
    known = dict(zip(data.close_time.tolist(), data["value"].tolist(), strict=True))
    assert first == 1
    for i, time in enumerate(signals.timestamp.tolist()):
        newest = max(close for close in known if close <= time)
        assert signals.metadata["trend_1h"][i] == known[newest]


def test_event_of_a_higher_timeframe_is_seen_once_at_the_first_row_that_knows_it(kernel: Kernel) -> None:
    candles = holes(walk(2_000, "5m"), 300)
    hours = resample_candles(candles, Timeframe("1h"))
    of_hours = run_strategy(kernel, _crossing()(), hours).signals
    signals = run_strategy(kernel, watching("1h", window=1)(), candles).signals
    events = np.flatnonzero(signals.metadata["cross_1h"])
    wanted = {
        int(candles.close_time[np.searchsorted(candles.close_time, time)]): value
        for time, value in zip(of_hours.timestamp.tolist(), of_hours.metadata["way"].tolist(), strict=True)
        if time <= candles.close_time[-1]
    }
    found = dict(
        zip(signals.timestamp[events].tolist(), signals.metadata["cross_1h"][events].tolist(), strict=True)
    )
    assert len(found) > 10
    assert found == {time: value for time, value in wanted.items() if time >= signals.timestamp[0]}


@pytest.mark.parametrize(
    ("base", "higher"), [("5m", ("1h",)), ("5m", ("15m", "4h")), ("1m", ("5m",)), ("1d", ("1w", "1M"))]
)
def test_signals_are_the_same_however_the_candles_are_cut(
    kernel: Kernel, base: str, higher: tuple[str, ...]
) -> None:
    candles = holes(walk(700, base), 70)
    assert first_chunk_difference(new_stream(kernel, candles, *higher), candles.columns, SIZES) is None


def test_strategy_that_recalculates_everything_is_the_same_in_chunks(kernel: Kernel) -> None:
    candles = holes(walk(150, "5m"), 15)
    made = watching("15m", window=None)
    assert first_chunk_difference(lambda: stream_of(kernel, made(), candles), candles.columns, (1, 7)) is None


def test_strategy_with_memory_of_its_own_is_the_same_in_chunks(kernel: Kernel) -> None:
    """It counts the hours that it has seen, and gets no row before the first one."""

    class Counting(BaseStrategy):
        name = "counting"

        def get_required_indicators(self) -> dict[str, Any]:
            return {"hour": candles_of("1h")}

        def initial_state(self) -> State:
            return {"hours": 0, "last": 0.0}

        def advance(self, data: Any, state: Any) -> tuple[Signals, State]:
            hours, last, counts = state["hours"], state["last"], []
            for close in data["hour.close"].tolist():
                hours, last = hours + (close != last), close
                counts.append(float(hours))
            rows = np.arange(len(data))
            signals = Signals(rows, SignalType.HOLD, metadata={"hours": np.array(counts, dtype=np.float64)})
            return signals, {"hours": hours, "last": last}

    candles = holes(walk(600, "5m"), 60)
    assert (
        first_chunk_difference(lambda: stream_of(kernel, Counting(), candles), candles.columns, SIZES) is None
    )
    signals = run_strategy(kernel, Counting(), candles).signals
    assert signals.metadata["hours"][-1] == 50
    assert len(signals) == np.count_nonzero(candles.close_time >= MONDAY + HOUR)


@settings(max_examples=12)
@given(missing=st.sets(st.integers(0, 199), max_size=120), size=st.integers(2, 40), start=st.integers(0, 11))
def test_signals_of_any_gaps_and_chunks_are_those_of_the_whole(
    kernel: Kernel, missing: set[int], size: int, start: int
) -> None:
    candles = without(walk(200, "5m", start=MONDAY + start * 5 * MINUTE), sorted(missing))
    assert first_chunk_difference(new_stream(kernel, candles, "15m", "1h"), candles.columns, (size,)) is None


@pytest.mark.parametrize(
    ("file", "base", "higher"),
    [
        ("binance_BTCUSDT_5m.parquet", "5m", ("1h", "4h")),
        ("binance_ETHUSDT_5m.parquet", "5m", ("15m",)),
        ("binance_SOLUSDT_5m.parquet", "5m", ("1d",)),
        ("binancef_BTCUSDT_1m.parquet", "1m", ("1h",)),
        ("binanceus_BTCUSDC_1m_202303.parquet", "1m", ("5m", "1h")),
        ("freqtrade_UNITTEST_BTC_1m.parquet", "1m", ("15m",)),
    ],
)
def test_signals_on_real_candles_are_the_same_however_they_are_cut(
    kernel: Kernel, shared_data: Path, file: str, base: str, higher: tuple[str, ...]
) -> None:
    candles = real(shared_data / file, base, slice(32_450, 32_950) if "binance_" in file else slice(0, 600))
    assert first_chunk_difference(new_stream(kernel, candles, *higher), candles.columns, SIZES) is None


def test_prefixes_at_every_candle_change_no_signal(kernel: Kernel) -> None:
    """Every residue of the ratios is among the cuts."""
    candles = holes(walk(400, "5m"), 40)
    made = new_stream(kernel, candles, "15m", "1h")
    assert prefix_violations(made, candles.columns, range(1, len(candles))) == []


class MergedOnOpenTime(Resampler):
    """The classic mistake: a candle is known when it opens."""

    def advance(self, columns: Columns, state: State) -> tuple[HigherCandles, State]:
        found, after = super().advance(columns, state)
        opens = self.timeframe.open_of(found.columns.close_time)
        rows = np.searchsorted(self.base.open_of(columns.close_time), opens)
        return replace(found, rows=rows), after


def test_merge_on_open_time_is_caught_by_prefixes(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    candles = walk(200, "5m")
    monkeypatch.setattr("stratkernel.engine.timeframes.layer.Resampler", MergedOnOpenTime)
    cuts = range(61, 200, 13)
    made = new_stream(kernel, candles, "1h")
    assert len(prefix_violations(made, candles.columns, cuts)) >= len(cuts) - 1  # none at the full hour


class WithTheFormingCandle(Resampler):
    """Another: the candle that is still forming is shown as if it had closed."""

    def advance(self, columns: Columns, state: State) -> tuple[HigherCandles, State]:
        bucket = self.timeframe.floor(self.base.open_of(columns.close_time))
        first = np.flatnonzero(np.diff(bucket, prepend=-1))
        values = {
            "high": np.maximum.reduceat(columns.high, first),
            "low": np.minimum.reduceat(columns.low, first),
            "close": columns.close[np.append(first[1:], len(columns)) - 1],
        }
        arrays = {name: values.get(name, columns[name][first]) for name in CANDLE_COLUMNS}
        times = self.timeframe.close_of(bucket[first])
        return HigherCandles(Columns(arrays, times), first, np.zeros(len(first), dtype=bool)), state


def test_forming_candle_that_is_shown_is_caught_by_prefixes(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    candles = walk(200, "5m")
    monkeypatch.setattr("stratkernel.engine.timeframes.layer.Resampler", WithTheFormingCandle)
    made = new_stream(kernel, candles, "1h")
    assert prefix_violations(made, candles.columns, range(61, 200, 13))


def test_gap_continue_flags_signals_that_see_an_incomplete_candle(kernel: Kernel) -> None:
    candles = without(walk(12 * 30, "5m"), [12 * 20 + 3])
    signals = run_strategy(kernel, watching("1h")(), candles).signals
    flagged = signals.timestamp[(signals.flags & SignalFlag.INCOMPLETE) > 0]
    end = MONDAY + 21 * HOUR
    assert flagged.tolist() == [end + i * 5 * MINUTE for i in range(12)]


def test_gap_that_ends_a_candle_shows_it_to_the_next_base_candle(kernel: Kernel) -> None:
    """The base candle that would have closed the hour is missing: the next one sees the hour all the same."""
    candles = without(walk(12 * 30, "5m"), [12 * 21 - 1])
    signals = run_strategy(kernel, watching("1h")(), candles).signals
    at = np.flatnonzero(signals.timestamp == MONDAY + 21 * HOUR + 5 * MINUTE)[0]
    last_of_hour = candles.columns.close[candles.close_time == MONDAY + 21 * HOUR - 5 * MINUTE][0]
    assert signals.metadata["close_1h"][at] == last_of_hour
    assert signals.metadata["close_1h"][at - 1] != last_of_hour
    assert signals.flags[at] & SignalFlag.INCOMPLETE


def test_gap_fill_completes_the_candle(kernel: Kernel) -> None:
    candles = without(walk(12 * 30, "5m"), [12 * 20 + 3, 12 * 20 + 4])
    result = run_strategy(kernel, watching("1h")(), candles, RunOptions(gaps=GapRule("fill")))
    assert not (result.signals.flags & SignalFlag.INCOMPLETE).any()
    at = np.flatnonzero(result.signals.timestamp == MONDAY + 21 * HOUR)[0]
    filled = buckets_of(result.candles, "1h")[20]
    assert filled.count == 12
    assert result.signals.metadata["volume_1h"][at] == filled.values[4]


def test_gap_reset_in_the_middle_of_a_candle_is_as_an_origin_there(kernel: Kernel) -> None:
    whole = walk(12 * 40, "5m")
    begin = 12 * 20 + 6
    candles = without(whole, [begin - 2, begin - 1])
    rule = RunOptions(gaps=GapRule("reset"))
    result = run_strategy(kernel, watching("1h")(), candles, rule)
    alone = run_strategy(kernel, watching("1h")(), whole.slice(begin, len(whole)))
    after = result.signals.select(result.signals.timestamp > whole.close_time[begin])
    assert len(after) == len(alone.signals) > 100
    for name, column in alone.signals.metadata.items():
        np.testing.assert_array_equal(after.metadata[name], column)
    np.testing.assert_array_equal(after.flags, alone.signals.flags)
    first = MONDAY + 24 * HOUR  # four hours, the cut one among them, until the slow line is there
    assert after.timestamp[0] == first + 5 * MINUTE  # and one row more for the window
    assert result.quality["evaluated"] == len(result.signals)


def test_several_resets_are_evaluated_where_there_are_signals(kernel: Kernel) -> None:
    candles = without(walk(12 * 100, "5m"), [100, 101, 500, 730, 1100])
    result = run_strategy(kernel, watching("1h", window=3)(), candles, RunOptions(gaps=GapRule("reset")))
    assert result.quality["evaluated"] == len(result.signals) > 500


def test_first_signals_wait_for_the_higher_timeframe_by_data(kernel: Kernel) -> None:
    """Four closed hours: from a full hour 48 candles, from the middle of one fewer, later after a gap."""
    for start in (0, 5, 11):
        candles = walk(12 * 30, "5m", start=MONDAY + start * 5 * MINUTE)
        signals = run_strategy(kernel, watching("1h", window=1)(), candles).signals
        assert signals.timestamp[0] == MONDAY + 4 * HOUR
    gap = without(walk(12 * 30, "5m"), range(12, 30))
    signals = run_strategy(kernel, watching("1h", window=1)(), gap).signals
    assert signals.timestamp[0] == MONDAY + 5 * HOUR


def test_signals_settle_when_the_higher_timeframe_has(kernel: Kernel) -> None:
    candles = walk(12 * 200, "5m")
    result = run_strategy(kernel, watching("1h")(), candles)
    settled = result.signals.timestamp[(result.signals.flags & SignalFlag.SETTLING) == 0]
    assert settled[0] == MONDAY + (20 * 4 + 1) * HOUR  # 20 periods of the slow line: candle number 80


def test_timeframe_of_the_candles_themselves_is_the_base(kernel: Kernel) -> None:
    candles = walk(300, "1h")
    made = stream_of(kernel, _reading(indicator("ema", period=5, timeframe="1h")), candles)
    plain = stream_of(kernel, _reading(indicator("ema", period=5)), candles)
    assert [node.key for node in made.graph.nodes] == [node.key for node in plain.graph.nodes]
    assert made.extra_timeframes == {}


def test_node_of_a_higher_timeframe_is_named_after_it_and_made_once(kernel: Kernel) -> None:
    inner = indicator("ema", period=5)
    stream = stream_of(
        kernel,
        _reading(
            indicator("ema", on=inner, period=3, timeframe="1h"),
            other=indicator("ema", period=5, timeframe="1h"),
            near=indicator("ema", period=5),
        ),
        walk(10, "5m"),
    )
    assert [node.key for node in stream.graph.nodes] == [
        'stratkernel-ema:ema{"period":5}(close)@1h',
        'stratkernel-ema:ema{"period":3}(stratkernel-ema:ema{"period":5}(close)@1h.ema)@1h',
        'stratkernel-ema:ema{"period":5}(close)',
    ]
    assert stream.extra_timeframes == {"1h": "resampled"}


@pytest.mark.parametrize(
    ("outer", "inner", "message"),
    [
        ("1h", "4h", "on 1h reads indicator 'ema' .* on 4h"),
        (None, "1h", "on the strategy's own timeframe reads .* on 1h; an indicator reads one timeframe only"),
    ],
)
def test_indicator_that_reads_another_timeframe_is_refused(
    kernel: Kernel, outer: str | None, inner: str, message: str
) -> None:
    request = indicator("ema", on=indicator("ema", timeframe=inner), timeframe=outer)
    with pytest.raises(Exception, match=message):
        stream_of(kernel, _reading(request), walk(10, "5m"))


@pytest.mark.parametrize(
    ("base", "higher", "message"),
    [
        ("1h", "5m", "reads candles of 5m, which are shorter than the 1h candles that it runs on"),
        ("1w", "1M", "reads candles of 1M, which are not made up of whole 1w candles"),
        ("5m", "1hour", "asks for an indicator on an unknown timeframe '1hour'"),
    ],
)
def test_timeframe_that_cannot_be_made_of_the_candles_is_a_usage_error(
    kernel: Kernel, base: str, higher: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        stream_of(kernel, _reading(indicator("ema", timeframe=higher)), walk(10, base))
    assert "strategy 'reading'" in str(caught.value)


def test_stream_that_was_not_told_its_candles_says_so(kernel: Kernel) -> None:
    strategy = _reading(indicator("ema", timeframe="1h"))
    candles = walk(10, "5m")
    stream = stream_of(kernel, strategy, candles)
    blind = StrategyStream(strategy, stream.item, stream.graph._factory)
    with pytest.raises(UsageError, match="say which candles it runs on"):
        blind.advance(candles.columns)


def test_saved_stream_of_other_sources_is_refused(kernel: Kernel) -> None:
    strategy = watching("1h")()
    candles = walk(100, "5m")
    one = stream_of(kernel, strategy, candles)
    one.advance(candles.columns)
    saved = one.save({})
    hours = resample_candles(candles, Timeframe("1h"))
    plan = TimeframePlan.of(candles, {"1h": "venue"}, {"1h": hours})
    other = StrategyStream(strategy, one.item, one.graph._factory, plan)
    with pytest.raises(StateError, match="timeframes '5m, 1h resampled' instead of '5m, 1h venue'"):
        other.restore(saved, {})


def test_unknown_source_of_a_timeframe_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="candles of 1h are to be 'guessed'; expected resampled or venue"):
        TimeframePlan.of(walk(2, "5m"), {"1h": "guessed"})


def _reading(value: Any, **more: Any) -> BaseStrategy[Any]:
    """A strategy that reads these indicators, `value` under that name."""

    class Reading(BaseStrategy):
        name = "reading"
        window = 1

        def get_required_indicators(self) -> dict[str, Any]:
            return {"value": value, **more}

    return Reading()


def _crossing() -> type[BaseStrategy[Any]]:
    """Says where the lines that `watching` crosses on a higher timeframe cross on this one."""

    class Crossings(BaseStrategy):
        name = "crossings"
        window = 1

        def get_required_indicators(self) -> dict[str, Any]:
            return {"cross": crossing(indicator("ema", period=2), indicator("ema", period=4))}

        def calculate(self, data: Any) -> Signals:
            events = data.events("cross")
            return Signals(events.rows, SignalType.HOLD, metadata={"way": events.values})

    return Crossings


def real(path: Path, timeframe: str, rows: slice) -> Candles:
    frame: Any = pq.read_table(path).to_pandas().iloc[rows]
    frame = frame.set_index("timestamp").rename_axis("open_time")
    return candles_from_frame(frame, symbol="X", timeframe=timeframe)
