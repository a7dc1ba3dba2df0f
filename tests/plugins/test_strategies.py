"""The three shipped strategies: against a plain loop, silent where they must be, exact in their rules."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from stratkernel import (
    Candles,
    IndicatorFactory,
    Kernel,
    ParameterError,
    SignalType,
    StrategyFactory,
    candles_from_frame,
    run_strategy,
)
from stratkernel.testing.candles import candles_from_close, random_walk

Row = tuple[int, SignalType, float]
PARAMETERS: dict[str, dict[str, Any]] = {
    "ema_crossover": {"fast_period": 5, "slow_period": 13},
    "macd": {"fast_period": 5, "slow_period": 13, "signal_period": 4},
    "rsi": {"period": 6, "oversold": 35.0, "overbought": 65.0},
}
WARM_UP = {"ema_crossover": 12, "macd": 15, "rsi": 6}


def values_of(kernel: Kernel, name: str, candles: Candles, **params: Any) -> dict[str, np.ndarray]:
    made = IndicatorFactory(kernel).create(name, params)
    values, _ = made.advance(candles.columns, made.initial_state())
    return dict(values) if isinstance(values, dict) else {name: values}  # type: ignore[arg-type, dict-item]


def crossings(line: np.ndarray, other: np.ndarray, band: np.ndarray) -> Iterator[tuple[int, bool]]:
    """The rule as a sentence: fire when the line leaves the dead band on the other side than before."""
    side = 0
    for row in range(len(line)):
        distance = line[row] - other[row]
        if not abs(distance) > band[row]:
            continue
        now = 1 if distance > 0 else -1
        if side == -now:
            yield row, now > 0
        side = now


def both_sides(row: int, up: bool, confidence: float, allow_short: bool) -> list[Row]:
    if up:
        short = [(row, SignalType.EXIT_SHORT, confidence)] if allow_short else []
        return [*short, (row, SignalType.ENTRY_LONG, confidence)]
    short = [(row, SignalType.ENTRY_SHORT, confidence)] if allow_short else []
    return [(row, SignalType.EXIT_LONG, confidence), *short]


def ema_crossover_loop(kernel: Kernel, candles: Candles, allow_short: bool) -> list[Row]:
    fast = values_of(kernel, "ema", candles, period=5)["ema"]
    slow = values_of(kernel, "ema", candles, period=13)["ema"]
    rows = []
    for row, up in crossings(fast, slow, 1e-9 * candles.columns.close):
        spread = abs(fast[row] - slow[row]) / slow[row]
        rows += both_sides(row, up, spread / (spread + 0.0005), allow_short)
    return rows


def macd_loop(kernel: Kernel, candles: Candles, allow_short: bool) -> list[Row]:
    macd = values_of(kernel, "macd", candles, **PARAMETERS["macd"])
    rows = []
    for row, up in crossings(macd["macd"], macd["signal"], 1e-9 * candles.columns.close):
        distance = abs(macd["histogram"][row])
        rows += both_sides(row, up, distance / (distance + abs(macd["signal"][row])), allow_short)
    return rows


def rsi_loop(kernel: Kernel, candles: Candles, allow_short: bool) -> list[Row]:
    rsi = values_of(kernel, "rsi", candles, period=6)["rsi"]
    band = np.full(len(rsi), 1e-9)
    ups = [(row, True) for row, up in crossings(rsi, np.full(len(rsi), 35.0), band) if up]
    downs = [(row, False) for row, up in crossings(rsi, np.full(len(rsi), 65.0), band) if not up]
    rows = []
    for row, up in sorted(ups + downs):
        confidence = (rsi[row] - 35.0) / 65.0 if up else (65.0 - rsi[row]) / 65.0
        rows += both_sides(row, up, float(confidence), allow_short)
    return rows


LOOPS: dict[str, Callable[[Kernel, Candles, bool], list[Row]]] = {
    "ema_crossover": ema_crossover_loop,
    "macd": macd_loop,
    "rsi": rsi_loop,
}


def rows_of(kernel: Kernel, name: str, candles: Candles, **params: Any) -> list[Row]:
    strategy = StrategyFactory(kernel).create(name, PARAMETERS[name] | params)
    signals = run_strategy(kernel, strategy, candles).signals
    types = [SignalType(code) for code in signals.types.tolist()]
    return list(zip(signals.rows.tolist(), types, signals.confidence.tolist(), strict=True))


def jumps(rows: int) -> np.ndarray:
    """A walk with thousandfold jumps up and down and flat stretches between."""
    close = random_walk(rows, seed=11)
    close[rows // 3 : rows // 2] *= 1_000.0
    close[rows // 2 : rows // 2 + 200] = close[rows // 2]
    return close


def real_candles(folder: Path) -> Candles:
    frame = pq.read_table(folder / "kraken_BTCUSDC_1m.parquet").to_pandas().iloc[:20_000]
    frame = frame.set_index("timestamp").rename_axis("open_time")
    return candles_from_frame(frame, symbol="BTC/USDC", timeframe="1m", omits_empty=True)


@pytest.mark.parametrize("allow_short", [False, True])
@pytest.mark.parametrize("name", LOOPS)
@pytest.mark.parametrize("series", ["walk", "jumps"])
def test_strategy_signals_equal_a_plain_loop(
    kernel: Kernel, name: str, series: str, allow_short: bool
) -> None:
    candles = candles_from_close(random_walk(3_000, seed=4) if series == "walk" else jumps(3_000))
    found = rows_of(kernel, name, candles, allow_short=allow_short)
    assert len(found) > 20
    assert found == LOOPS[name](kernel, candles, allow_short)


@pytest.mark.parametrize("name", LOOPS)
def test_strategy_signals_on_real_candles_with_flat_stretches_equal_a_plain_loop(
    kernel: Kernel, shared_data: Path, name: str
) -> None:
    candles = real_candles(shared_data)
    found = rows_of(kernel, name, candles, allow_short=True)
    assert len(found) > 100
    assert found == LOOPS[name](kernel, candles, allow_short=True)


@pytest.mark.parametrize("name", LOOPS)
def test_a5_constant_series_gives_no_signal(kernel: Kernel, name: str) -> None:
    prices = np.geomspace(1e-8, 1e8, 20)
    for price in prices:
        assert rows_of(kernel, name, candles_from_close(np.full(10_000, price)), allow_short=True) == []


@pytest.mark.parametrize("name", LOOPS)
@pytest.mark.parametrize("seed", range(25))
def test_a5_no_signal_lies_in_the_warm_up(kernel: Kernel, name: str, seed: int) -> None:
    candles = candles_from_close(random_walk(200, seed, volatility=0.05))
    rows = [row for row, _, _ in rows_of(kernel, name, candles, allow_short=True)]
    assert rows
    assert min(rows) > WARM_UP[name]


@pytest.mark.parametrize("name", LOOPS)
def test_strategy_confidence_is_a_share_and_grows_with_the_event(kernel: Kernel, name: str) -> None:
    sure = [c for _, _, c in rows_of(kernel, name, candles_from_close(random_walk(5_000, seed=9)))]
    assert all(0.0 <= value <= 1.0 for value in sure)
    assert max(sure) > 2 * min(sure)


@pytest.mark.parametrize("name", LOOPS)
def test_strategy_flat_market_after_moves_is_silent(kernel: Kernel, name: str) -> None:
    """The last side is remembered over 3,000 equal closes; nothing fires on rounding noise."""
    close = random_walk(500, seed=3)
    flat = np.concatenate((close, np.full(3_000, close[-1])))
    rows = [row for row, _, _ in rows_of(kernel, name, candles_from_close(flat), allow_short=True)]
    assert all(row < 560 for row in rows)


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        (
            "ema_crossover",
            {"fast_period": 26, "slow_period": 12},
            "must be smaller than slow_period, got 26 and 12",
        ),
        ("ema_crossover", {"fast_perod": 3}, "unknown parameter 'fast_perod'. Did you mean 'fast_period'?"),
        ("ema_crossover", {"fast_period": 0}, "'fast_period': expected greater than or equal to 1, got 0"),
        ("macd", {"fast_period": 26}, "must be smaller than slow_period, got 26 and 26"),
        ("rsi", {"oversold": 80.0}, "oversold must be smaller than overbought, got 80.0 and 70.0"),
    ],
)
def test_p17_parameters_that_make_no_sense_are_refused_before_the_start(
    kernel: Kernel, name: str, params: dict[str, Any], message: str
) -> None:
    with pytest.raises(ParameterError) as caught:
        StrategyFactory(kernel).create(name, params)
    assert message in str(caught.value)
    assert f"strategy '{name}' (stratkernel-" in str(caught.value)


@pytest.mark.parametrize("name", LOOPS)
@pytest.mark.parametrize("value", [0, -5, 10**9, "14", float("nan"), True, None])
def test_p17_period_of_a_wrong_kind_is_one_error_that_names_it(kernel: Kernel, name: str, value: Any) -> None:
    parameter = "period" if name == "rsi" else "slow_period"
    with pytest.raises(ParameterError, match=f"parameter '{parameter}': expected .*, got "):
        StrategyFactory(kernel).create(name, {parameter: value})
