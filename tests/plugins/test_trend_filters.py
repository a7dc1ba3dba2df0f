"""The trend filter of the shipped strategies: entries along a higher timeframe, exits always."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from higher_timeframes import (
    first_chunk_difference,
    prefix_violations,
    said,
    stream_of,
    walk,
    without,
)
from stratkernel import (
    Candles,
    IndicatorFactory,
    Kernel,
    ParameterError,
    SignalFlag,
    SignalType,
    StrategyFactory,
    Timeframe,
    candles_from_frame,
    run_strategy,
)
from stratkernel.contracts.result import canonical_json
from stratkernel.engine.stream import StrategyStream
from stratkernel.engine.timeframes.resampling import resample_candles
from stratkernel.kernel.kinds import STRATEGY

SHORT: dict[str, dict[str, Any]] = {
    "ema_crossover": {"fast_period": 3, "slow_period": 8},
    "macd": {"fast_period": 3, "slow_period": 8, "signal_period": 4},
    "rsi": {"period": 6, "oversold": 40.0, "overbought": 60.0},
}
TREND: dict[str, dict[str, Any]] = {
    "ema_crossover": {"trend_period": 5},
    "macd": {},
    "rsi": {"trend_period": 5},
}
PAIRS = [("1m", "5m"), ("1m", "1h"), ("5m", "15m"), ("5m", "1h")]
Row = tuple[int, int, float]


def filtered(kernel: Kernel, name: str, higher: str, **more: Any) -> Any:
    params = {"allow_short": True, "trend_timeframe": higher, **SHORT[name], **TREND[name], **more}
    return StrategyFactory(kernel).create(name, params)


def plain(kernel: Kernel, name: str) -> Any:
    return StrategyFactory(kernel).create(name, {"allow_short": True, **SHORT[name]})


def trend_at(kernel: Kernel, name: str, candles: Candles, higher: str) -> dict[int, float]:
    """The trend at each base candle's close, by a run over the higher candles themselves."""
    hours = resample_candles(candles, Timeframe(higher))
    values: dict[str, np.ndarray] = {}
    for alias, (indicator_name, params, output) in {
        "ema_crossover": {"ema": ("ema", {"period": 5}, "ema")},
        "rsi": {"rsi": ("rsi", {"period": 5}, "rsi")},
        "macd": {
            "line": ("macd", SHORT["macd"], "macd"),
            "signal": ("macd", SHORT["macd"], "signal"),
        },
    }[name].items():
        made = IndicatorFactory(kernel).create(indicator_name, params)
        given, _ = made.advance(hours.columns, made.initial_state())
        values[alias] = given if isinstance(given, np.ndarray) else given[output]  # type: ignore[assignment]
    warm_up = {"ema_crossover": 4, "rsi": 5, "macd": 10}[name]
    newest = np.searchsorted(hours.close_time, candles.close_time, side="right") - 1
    trend: dict[int, float] = {}
    for row, i in enumerate(newest.tolist()):
        if i < warm_up:
            continue
        trend[row] = {
            "ema_crossover": lambda i=i, row=row: candles.columns.close[row] - values["ema"][i],
            "rsi": lambda i=i: values["rsi"][i] - 50.0,
            "macd": lambda i=i: values["line"][i] - values["signal"][i],
        }[name]()
    return trend


@pytest.mark.parametrize(("base", "higher"), PAIRS)
@pytest.mark.parametrize("name", SHORT)
def test_filter_takes_away_entries_against_the_trend_and_nothing_else(
    kernel: Kernel, name: str, base: str, higher: str
) -> None:
    candles = without(walk(2_500, base, seed=5), np.random.default_rng(1).choice(2_500, 100, replace=False))
    trend = trend_at(kernel, name, candles, higher)
    all_signals = run_strategy(kernel, plain(kernel, name), candles).signals
    wanted = []
    for row, kind, sure in zip(
        all_signals.rows.tolist(), all_signals.types.tolist(), all_signals.confidence.tolist(), strict=True
    ):
        way = {SignalType.ENTRY_LONG: 1, SignalType.ENTRY_SHORT: -1}.get(kind, 0)
        if row in trend and (not way or way * trend[row] > 0):
            wanted.append((row, kind, sure))
    found = run_strategy(kernel, filtered(kernel, name, higher), candles).signals
    rows = list(zip(found.rows.tolist(), found.types.tolist(), found.confidence.tolist(), strict=True))
    assert rows == wanted
    dropped = sum(row in trend for row in all_signals.rows.tolist()) - len(rows)
    assert dropped > 0
    assert {SignalType.ENTRY_LONG, SignalType.ENTRY_SHORT} <= set(found.types.tolist())


@pytest.mark.parametrize(("base", "higher"), PAIRS)
@pytest.mark.parametrize("name", SHORT)
def test_filtered_strategies_look_ahead_at_no_candle(
    kernel: Kernel, name: str, base: str, higher: str
) -> None:
    candles = walk(260, base, seed=2)
    made = filtered(kernel, name, higher) if higher != "1h" or base != "1m" else _quick(kernel, name)

    def new_stream() -> StrategyStream:
        return stream_of(kernel, made, candles)

    assert said(new_stream(), candles.columns)
    assert prefix_violations(new_stream, candles.columns, range(1, len(candles))) == []


@pytest.mark.parametrize("name", SHORT)
def test_filtered_strategies_on_real_candles_are_the_same_in_chunks(
    kernel: Kernel, shared_data: Path, name: str
) -> None:
    frame: Any = pq.read_table(shared_data / "binance_BTCUSDT_5m.parquet").to_pandas().iloc[32_400:33_100]
    frame = frame.set_index("timestamp").rename_axis("open_time")
    candles = candles_from_frame(frame, symbol="BTC/USDT", timeframe="5m")
    made = filtered(kernel, name, "1h")
    result = run_strategy(kernel, made, candles)
    assert len(result.signals) > 20
    assert (result.signals.flags & SignalFlag.INCOMPLETE).any()  # an outage lies in it
    difference = first_chunk_difference(
        lambda: stream_of(kernel, made, candles), candles.columns, (1, 7, 64, 1000)
    )
    assert difference is None


@pytest.mark.parametrize("name", SHORT)
def test_strategy_without_a_filter_keeps_its_configuration_hash(kernel: Kernel, name: str) -> None:
    """As before there was one: parameters that are null take no part."""
    run = run_strategy(kernel, plain(kernel, name), walk(300, "5m")).run
    assert run.parameters["trend_timeframe"] is None
    config = {
        "strategy": run.strategy,
        "parameters": {"allow_short": True, **SHORT[name]},
        "timeframe": "5m",
        "extra_timeframes": {},
        "exits": {},
        "gaps": {"policy": "continue", "max_gap": 0},
    }
    assert run.config_hash == hashlib.sha256(canonical_json(config).encode()).hexdigest()
    other = run_strategy(kernel, filtered(kernel, name, "15m"), walk(300, "5m")).run
    assert other.config_hash != run.config_hash
    assert other.extra_timeframes == {"15m": "resampled"}


@pytest.mark.parametrize("name", SHORT)
def test_filter_on_an_unknown_timeframe_is_refused_with_those_that_there_are(
    kernel: Kernel, name: str
) -> None:
    with pytest.raises(
        ParameterError, match=r"parameter 'trend_timeframe': expected one of 1m, .*, got '7h'"
    ):
        filtered(kernel, name, "7h")


@pytest.mark.parametrize("name", ["ema_crossover", "rsi"])
def test_filter_period_without_a_timeframe_is_refused(kernel: Kernel, name: str) -> None:
    with pytest.raises(ParameterError, match="trend_period must be null without trend_timeframe, got 5"):
        StrategyFactory(kernel).create(name, {"trend_period": 5})


@pytest.mark.parametrize("name", SHORT)
def test_templates_with_a_filter_run_and_say_which_timeframes_they_read(kernel: Kernel, name: str) -> None:
    cls = kernel.resolve(STRATEGY, name).cls
    (template,) = [each for each in cls.templates() if each["parameters"].get("trend_timeframe")]
    strategy = StrategyFactory(kernel).create(name, template["parameters"])
    result = run_strategy(kernel, strategy, walk(3_000, "1h", seed=7))
    assert list(result.run.extra_timeframes) == template["extra_timeframes"]
    assert len(result.signals) > 10


def _quick(kernel: Kernel, name: str) -> Any:
    """With periods so short that four hours of minutes are enough."""
    short: dict[str, Any] = {
        "ema_crossover": {"trend_period": 2},
        "macd": {"fast_period": 1, "slow_period": 2, "signal_period": 2},
        "rsi": {"trend_period": 2},
    }[name]
    return filtered(kernel, name, "1h", **short)
